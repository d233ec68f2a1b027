"""What `[datasets.X.fidelity] allow` lets go: the ways in which a rewritten file may be unlike its source."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial

from instar.formats.errors import Collected, ConfigurationError, FileError, InstarError, UnreadableError, Where, suggestion
from instar.formats.format import Unlike
from instar.formats.inventory import Inventory
from instar.formats.lockfile import toml_string
from instar.transforms.job import Job
from instar.transforms.plan import Plan
from instar.transforms.run.splice import Asking
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
        known = [c for c in job.format.codes if _allowable(c)]
        if code in job.format.codes and code not in known:
            raise ConfigurationError(f"{key}, which cannot be allowed", hint=f"It says that {job.format.codes[code]}. Remove it.")
        if code not in known:
            raise ConfigurationError(f"{key}, which no {job.settings.format} file can be refused for", hint=suggestion(code, known))


def refuse_unkeepable(job: Job, inventory: Inventory, plan: Plan, *, reading: bool = True) -> None:
    """What a rewrite cannot keep refuses the file by name, unless `fidelity.allow` names it. `reading`: so does one that
    cannot be read.

    Raises:
        FileError: one such thing; Collected where there are several.
    """
    asking = Asking(job.format)
    kept: dict[tuple[int, Hashable], bool] = {}  # is all of a form's files kept, even of those that cannot be spliced?
    found: dict[Unlike, list[str]] = {}
    unread: list[InstarError] = []
    for action in plan.rewrites:
        facts = plan.files[action.path].facts
        form = (action.version, facts.form) if facts and facts.form is not None else None
        if form and kept.get(form):
            continue
        asked = asking.of(plan.chains[action.version].mapping, facts and facts.schema)
        ask = partial(job.format.unkeepable, inventory.root / action.path, target=asked.target, carried=asked.carried)
        try:
            if form and form not in kept:
                kept[form] = not ask()
            lost_there = () if form and kept[form] else ask(splice=asked.splice)
        except UnreadableError as error:
            unread += [UnreadableError(error.message, hint=error.hint, where=Where(file=action.path))] if reading else []
            continue
        for lost in lost_there:
            if lost.code not in job.settings.allow:
                found.setdefault(lost, []).append(action.path)
    errors = [*unread, *(_refusal(job, lost, files) for lost, files in found.items())]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        hint = _way_out(job, sorted({lost.code for lost in found})) if found else unread[0].hint
        what = "things a rewrite could not keep" if not unread else "files or things in them that cannot be migrated"
        raise Collected(f"{len(errors)} {what}; nothing was changed", hint=hint, errors=errors)


def _refusal(job: Job, lost: Unlike, files: Sequence[str]) -> FileError:
    """One message for all the files that hold the same: the first by name, the others by number."""
    first, *others = files
    more = f" (and so in {len(others):,} more file{'s' if len(others) > 1 else ''})" if others else ""
    return FileError(lost.message + more, hint=_way_out(job, [lost.code]), where=Where(file=first))


def _way_out(job: Job, codes: Sequence[str]) -> str:
    """What to write into instar.toml, as it stands there; for what cannot be allowed, the other ways."""
    allowed = [code for code in codes if _allowable(code)]
    without = "Cast or drop what the message names in the same migration, or leave the file out with `exclude`."
    if not allowed:
        return without
    key = job.name if re.fullmatch(r"[A-Za-z0-9_-]+", job.name) else toml_string(job.name)
    them = "it" if len(codes) == 1 else "them" if len(allowed) == len(codes) else "what can be allowed"
    let_go = f"To let {them} go: [datasets.{key}.fidelity] allow = [{', '.join(map(toml_string, allowed))}]"
    return let_go if len(allowed) == len(codes) else f"{without} {let_go}"


def _allowable(code: str) -> bool:
    return code.partition(".")[2] not in ESSENTIAL


def tolerated(proof: FileProof, allow: Sequence[str]) -> FileProof:
    """The proof with the differences that are allowed told apart from those that make it fail."""
    return replace(
        proof,
        fidelity=tuple(found for found in proof.fidelity if found[0] not in allow),
        allowed=tuple(found for found in proof.fidelity if found[0] in allow),
    )
