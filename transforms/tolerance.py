"""What `[datasets.X.fidelity] allow` lets go: the ways in which a rewritten file may be unlike its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from instar.formats.errors import Collected, ConfigurationError, FileError, InstarError, Where, suggestion
from instar.formats.inventory import Inventory
from instar.formats.lockfile import toml_string
from instar.transforms.job import Job
from instar.transforms.plan import Plan
from instar.transforms.run.unit import FileProof

ESSENTIAL = ("schema", "nullability", "stamp")
"""The ends of codes that cannot be allowed: a file that is unlike in these is not what was asked for."""


def refuse_codes(job: Job) -> None:
    """
    Raises:
        ConfigurationError: `fidelity.allow` names a code that the format does not have, or that cannot be allowed.
    """
    for code in job.settings.allow:
        key = f"[datasets.{job.name}.fidelity] allow names {code!r}"
        known = [c for c in job.format.codes if c.partition(".")[2] not in ESSENTIAL]
        if code in job.format.codes and code not in known:
            raise ConfigurationError(f"{key}, which cannot be allowed", hint=f"It says that {job.format.codes[code]}. Remove it.")
        if code not in known:
            raise ConfigurationError(f"{key}, which no {job.settings.format} file can be refused for", hint=suggestion(code, known))


def refuse_unkeepable(job: Job, inventory: Inventory, plan: Plan) -> None:
    """What a rewrite cannot keep refuses the file by name, unless `fidelity.allow` names it.

    Raises:
        FileError: one such thing; Collected where there are several.
    """
    errors: list[InstarError] = []
    codes: set[str] = set()
    for action in plan.rewrites:
        reads = plan.chains[action.version].mapping.reads()
        for lost in job.format.unkeepable(inventory.root / action.path, reads=reads):
            if lost.code not in job.settings.allow:
                codes.add(lost.code)
                errors.append(FileError(lost.message, hint=_allowing(job, [lost.code]), where=Where(file=action.path)))
    if len(errors) == 1:
        raise errors[0]
    if errors:
        hint = _allowing(job, sorted(codes))
        raise Collected(f"{len(errors)} things a rewrite could not keep; nothing was changed", hint=hint, errors=errors)


def _allowing(job: Job, codes: Sequence[str]) -> str:
    """What to write into instar.toml, as it stands there."""
    key = job.name if re.fullmatch(r"[A-Za-z0-9_-]+", job.name) else toml_string(job.name)
    return (
        f"To let {'it' if len(codes) == 1 else 'them'} go: [datasets.{key}.fidelity] allow = [{', '.join(map(toml_string, codes))}]"
    )


def tolerated(proof: FileProof, allow: Sequence[str]) -> FileProof:
    """The proof with the differences that are allowed told apart from those that make it fail."""
    return replace(
        proof,
        fidelity=tuple(found for found in proof.fidelity if found[0] not in allow),
        allowed=tuple(found for found in proof.fidelity if found[0] in allow),
    )
