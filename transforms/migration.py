"""Migration scripts on disk, and the chains they make.

`migrations/<subject>/0002_metric_distance.py` takes version 1 to version 2. A script has a docstring (its message), a list
`upgrade` of operations, and, where the way back would lose something, a dict `downgrade`: SQL by the path of the lost field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from instar.formats.errors import InstarError, MigrationError
from instar.formats.fingerprint import fingerprint
from instar.formats.format import format_named
from instar.formats.path import path_text
from instar.formats.schema import Schema
from instar.transforms.mapping import Mapping, Operation, applied, identity
from instar.transforms.script import Script, draft, number_of, read_script

if TYPE_CHECKING:
    from instar.transforms.recovered import Loss

__all__ = ["Chain", "Checked", "Migration", "check_mapping", "check_step", "draft", "load_migrations", "make_chain", "unregistered"]


@dataclass(frozen=True)
class Migration:
    """One script: the step from `version - 1` to `version`.

    `restore` is its `downgrade`. `hash` is of the normalised operations, not of the text, so a formatter cannot change it.
    `lines` are the line numbers of the operations, where the script spells them out.
    """

    subject: str
    version: int
    path: str
    message: str
    operations: tuple[Operation, ...]
    restore: Dict[str, str] = field(default_factory=dict)
    hash: str = ""
    lines: tuple[int, ...] = ()

    def mapping(self, schema: Schema) -> Mapping:
        """The script's operations over the schema of `version - 1`.

        Raises:
            MigrationError: an operation does not fit; names the script, the line and the operation.
        """
        mapping = identity(schema)
        for number, operation in enumerate(self.operations):
            try:
                mapping = mapping.then(applied(operation, mapping.target, number))
            except MigrationError as e:
                line = f", line {self.lines[number]}" if number < len(self.lines) else ""
                raise MigrationError(f"{self.name}{line}: {e.message}", hint=e.hint) from e
        return mapping

    def type_checked(self, mapping: Mapping, format: str) -> None:
        """
        Raises:
            MigrationError: as `type_check`; names the script.
        """
        from instar.transforms.typecheck import type_check

        try:
            type_check(mapping, format_named(format))
        except MigrationError as e:
            raise MigrationError(f"{self.name}: {e.message}", hint=e.hint) from e

    def step(self, old: Schema, new: Schema) -> Mapping:
        """`mapping`, type-checked: it leads to exactly the registered `new`, whose docs and defaults it takes on.

        Raises:
            MigrationError: as `mapping`, or it leads elsewhere; the message lists the differences.
        """
        mapping = self.mapping(old)
        try:
            return mapping.onto(new)
        except MigrationError as e:
            raise MigrationError(f"{self.name}: {e.message}", hint=e.hint) from e

    def back(self, step: Mapping) -> tuple[Mapping, tuple[Loss, ...]]:
        """The way back of a `step`, and what it loses.

        Raises:
            MigrationError: an entry of `downgrade` cannot be used.
        """
        try:
            return step.inverse(self.restore)
        except InstarError as e:
            raise MigrationError(f"{self.name}: {e.message}", hint=e.hint) from e

    @property
    def name(self) -> str:
        """The script as messages name it: `flights/0002_metric_distance.py`."""
        return f"{self.subject}/{Path(self.path).name}"


def load_migrations(folder: Path, *, newest: int | None = None) -> tuple[Migration, ...]:
    """All scripts of a subject, whose name is the folder's, in order; () where there is no folder.

    `newest`: leave out those that lead to a later version, without running them: somebody is still writing them.

    Raises:
        MigrationError: a misnamed script, two for one step, a gap, or a script that does not load; all of them are named.
    """
    subject = folder.name
    files = sorted(f for f in folder.glob("*.py") if not f.name.startswith(("_", "."))) if folder.is_dir() else []
    problems: list[tuple[str, str]] = []
    by_version: dict[int, list[Path]] = {}
    for file in files:
        version = number_of(file.name)
        if version is None:
            hint = "Name it 0002_what_changes.py: the number is the version it leads to, from 2 on."
            problems.append((f"{subject}/{file.name} is not named as a migration script is", hint))
        elif newest is None or version <= newest:
            by_version.setdefault(version, []).append(file)
    problems.extend(_numbering(subject, by_version))
    migrations = []
    for version in sorted(by_version):
        for file in by_version[version]:
            try:
                migrations.append(_loaded(subject, version, file))
            except MigrationError as e:
                problems.append((e.message, e.hint))
    if problems:
        hints = dict.fromkeys(hint for _, hint in problems if hint)
        raise MigrationError("; ".join(message for message, _ in problems), hint=" ".join(hints))
    return tuple(migrations)


def unregistered(folder: Path, newest: int) -> tuple[str, ...]:
    """The names of scripts that lead to a version after the newest registered one; they are not run for it."""
    found = ((number_of(file.name), file.name) for file in folder.glob("*.py")) if folder.is_dir() else ()
    return tuple(name for version, name in sorted((v, n) for v, n in found if v is not None) if version > newest)


def _numbering(subject: str, by_version: Dict[int, Sequence[Path]]) -> list[tuple[str, str]]:
    problems = []
    for version, files in sorted(by_version.items()):
        if len(files) > 1:
            names = " and ".join(f"{subject}/{file.name}" for file in files)
            problems.append((f"{names} both lead to version {version}", "Number the later one anew, or join the two."))
    for version in range(2, max(by_version, default=1)):
        if version not in by_version:
            problems.append((f"{subject} has no script to version {version}", "Restore it, or renumber the later ones."))
    return problems


def _loaded(subject: str, version: int, file: Path) -> Migration:
    script: Script = read_script(file, f"{subject}/{file.name}")
    return Migration(
        subject, version, str(file), script.message, script.operations, script.restore, script.hash(), script.lines
    )  # fmt: skip


# ---- chains
@dataclass(frozen=True)
class Chain:
    """The way from one version to another as one mapping.

    `losses` are those of the way *down*, with paths of the lower version's schema: of this chain where it leads down, of the way
    back from it where it leads up. `hash` stands for the schemas it starts from, the scripts and the direction.
    """

    subject: str
    from_version: int
    to_version: int
    mapping: Mapping
    migrations: tuple[Migration, ...]
    losses: tuple[Loss, ...]
    hash: str

    def refuse_fatal(self) -> None:
        """
        Raises:
            MigrationError: it leads down, and something that it cannot recover must have a value.
        """
        fatal = [loss for loss in self.losses if loss.fatal] if self.to_version < self.from_version else []
        if fatal:
            lost = "; ".join(f"{path_text(loss.path)} ({loss.reason})" for loss in fatal)
            raise MigrationError(
                f"the way back from version {self.from_version} to {self.to_version} cannot recover {lost}, and the field must "
                "have a value",
                hint="Give it one in the script's `downgrade`, such as "
                f"downgrade = {{{path_text(fatal[0].path)!r}: 'SQL over the new record'}}; "
                "`instar rollback` restores the old files instead.",
            )


def make_chain(schemas: Dict[int, Schema], migrations: Sequence[Migration], from_: int, to: int, format: str) -> Chain:
    """Fuse the steps between two registered versions, up, down, or none.

    A way down with a `fatal` loss is made, too: the caller refuses it.

    Raises:
        MigrationError: a version or script is missing, or a script does not lead to the next registered schema.
    """
    low, high = min(from_, to), max(from_, to)
    by_version = {m.version: m for m in migrations}
    for version in range(low, high + 1):
        if version not in schemas:
            raise MigrationError(f"version {version} is not registered", hint="`instar register SUBJECT` registers the next one.")
        if version > low and version not in by_version:
            raise MigrationError(
                f"there is no script from version {version - 1} to {version}", hint="`instar revision` drafts one."
            )
    steps = [by_version[v] for v in range(low + 1, high + 1)]
    made = [m.step(schemas[m.version - 1], schemas[m.version]) for m in steps]
    mapping, losses = _back(schemas[high], tuple(zip(steps, made, strict=True)), format)
    if to >= from_:
        mapping = identity(schemas[low])
        for step in made:
            mapping = mapping.then(step)
    used = tuple(steps if to >= from_ else reversed(steps))
    text = json.dumps([from_, to, fingerprint(schemas[from_]), [m.hash for m in used]])
    subject = steps[0].subject if steps else ""
    return Chain(subject, from_, to, mapping, used, losses, hashlib.sha256(text.encode()).hexdigest()[:32])


def _back(newest: Schema, steps: Sequence[tuple[Migration, Mapping]], format: str) -> tuple[Mapping, tuple[Loss, ...]]:
    """All steps back from the newest schema; losses of fields that a later step down leaves out anyway are none."""
    mapping = identity(newest)
    losses: tuple[Loss, ...] = ()
    for m, step in reversed(steps):
        back, new = m.back(step)
        if losses or new:
            from instar.transforms.backwards import losses_through

            losses = (*losses_through(losses, back), *_possible(new, format))
        mapping = mapping.then(back)
    return mapping, _merged(losses)


def _merged(losses: Sequence[Loss]) -> tuple[Loss, ...]:
    if not losses:
        return ()
    from instar.transforms.backwards import merged

    return merged(losses)


def _possible(losses: Sequence[Loss], format: str) -> tuple[Loss, ...]:
    """Only JSON records can have keys that no schema names."""
    from instar.transforms.recovered import UNREGISTERED

    return tuple(loss for loss in losses if format == "json" or loss.reason != UNREGISTERED)


# ---- the static check
@dataclass(frozen=True)
class Checked:
    """One step, checked without data: what is wrong with it, and what its way back would lose."""

    problems: tuple[str, ...]
    losses: tuple[Loss, ...]


def check_step(old: Schema, migration: Migration, new: Schema, format: str) -> Checked:
    """Does the script lead from `old` to exactly `new`, and can it be undone? Never raises for what is wrong with the script."""
    try:
        mapping = migration.mapping(old)
    except InstarError as e:
        return Checked((_problem(e),), ())
    return check_mapping(migration, mapping, new, format)


def check_mapping(migration: Migration, mapping: Mapping, new: Schema, format: str) -> Checked:
    """The same of a script whose `mapping` is made already."""
    from instar.transforms.rebase import exact_differences
    from instar.transforms.typecheck import sql_check

    problems = [f"{migration.name}: {d}" for d in exact_differences(mapping.target, new)]
    try:
        back, losses = mapping.inverse(migration.restore)
        sql_check(back)
    except InstarError as e:
        return Checked((*problems, f"{migration.name}: {_problem(e)}"), ())
    return Checked(tuple(problems), _merged(_possible(losses, format)))


def _problem(e: InstarError) -> str:
    return f"{e.message}. {e.hint}" if e.hint else e.message
