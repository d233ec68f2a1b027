"""One file's work, and the receipt for it: plain picklable data, all that travels between coordinator and workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from instar.formats.format import Stamp
from instar.formats.schema import Schema
from instar.formats.splice import Way

if TYPE_CHECKING:
    from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class BadRecords:
    """What becomes of a file's records that cannot be migrated, where no operation says it.

    `file` (absolute) is where those that are left out are written, `most` how many of them at most: there are too many then anyhow.
    """

    on_error: OneOf["fail", "quarantine"]
    file: str
    most: int | None = None


@dataclass(frozen=True)
class Unit:
    """Rewrite `source` into `staged` (absolute paths) by `mapping`.

    `path` is the file's name relative to the dataset (POSIX), `target` the one its new form will have ("": the same), `chain` the
    hash of the migrations in `mapping`, `memory` the bytes and `threads` the threads this unit may use, `schema` the file's own
    schema where it has one (a variant differs from `mapping.source` in storage). `bad`: None where every bad record fails the run.
    """

    path: str
    source: str
    staged: str
    format: str
    mapping: Mapping
    schema: Schema | None
    stamp: Stamp | None
    chain: str
    memory: int
    target: str = ""
    bad: BadRecords | None = None
    threads: int = 1

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that the old and the new file are named in, which a run's files have in common."""
        return _named_in(self.source, self.path), _named_in(self.staged, self.new_path)

    @property
    def new_path(self) -> str:
        return self.target or self.path


def _named_in(file: str, path: str) -> Path:
    """The folder that the file is called `path` in; its own, where that is not its name."""
    found, names = Path(file), PurePosixPath(path).parts
    return found.parents[len(names) - 1] if found.parts[-len(names) :] == names else found.parent


@dataclass(frozen=True)
class Receipt:
    """What staging one unit did, and of what: it counts only while the source, the chain and the versions are still these.

    Hashes are xxh3-128 as hex; `seconds` is wall time; `target` as in the unit. `quarantined` counts the records that are in no
    new file, but in the one that `Unit.bad` names, whose hash is `quarantine_hash`: rows_in = rows_out + quarantined. `way` and
    `why` are as in `Rewritten`.
    """

    path: str
    source_size: int
    source_mtime_ns: int
    source_hash: str
    chain: str
    versions: tuple[tuple[str, str], ...]
    rows_in: int
    rows_out: int
    size: int
    hash: str
    seconds: float
    notes: tuple[str, ...] = ()
    target: str = ""
    quarantined: int = 0
    quarantine_hash: str = ""
    way: Way = "rewritten"
    why: str = ""

    @property
    def new_path(self) -> str:
        return self.target or self.path

    @property
    def renamed(self) -> bool:
        return self.new_path != self.path


@dataclass(frozen=True)
class Example:
    """One record in which a place is not what it must be.

    `row` counts the new file's records from 0; `group` is the row group (Parquet) or block (Avro) that it is in, where there are
    any, and `unit` says which. `expected` and `actual` are what must be there and what is, as short texts that differ; "" where
    `hidden`: values of fields tagged pii are not shown.
    """

    row: int
    group: int | None
    expected: str
    actual: str
    hidden: bool = False
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in reports; `old` is what must be there."""
        old, new = (None, None) if self.hidden else (self.expected, self.actual)
        unit = {"unit": self.unit} if self.unit else {}
        return {"row": self.row, "group": self.group, **unit, "old": old, "new": new}


@dataclass(frozen=True)
class ColumnProof:
    """One place of the target and how it was proved: `sql`, `bytes`, or `repeated` (never called proved).

    `problem` is empty where old and new agree; else what differs, with the first row and both values. `differing` counts the
    records in which they do, where records were compared; `examples` are the first of these.
    """

    path: str
    way: str
    problem: str = ""
    row: int | None = None
    differing: int | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Quarantined:
    """What the proof found of the records that were left out of a file.

    `again` of them were refused again by the second interpreter, which shares no code with the first but the user's functions;
    `repeated` only by the first, alone: it is their form that was refused, of which the second knows nothing. `disputed` are the
    numbers (of at most 20) of those that could have been migrated.
    """

    records: int = 0
    again: int = 0
    repeated: int = 0
    disputed: tuple[int, ...] = ()


@dataclass(frozen=True)
class FileProof:
    """The proof of one file. `fidelity` lists undeclared physical differences as (code, message) pairs; `allowed` those that
    `fidelity.allow` lets go; `unread` says why one of its two forms cannot be read by the proof's own readers. Of the `rows_old`
    records, those that were `quarantined` are not among the `rows_new`.
    """

    path: str
    rows_old: int
    rows_new: int
    columns: tuple[ColumnProof, ...]
    fidelity: tuple[tuple[str, str], ...]
    seconds: float
    allowed: tuple[tuple[str, str], ...] = ()
    unread: str = ""
    quarantined: Quarantined = Quarantined()

    @property
    def reconciles(self) -> bool:
        """Is every record either in the new file or left out of it?"""
        return self.rows_old == self.rows_new + self.quarantined.records

    @property
    def verdict(self) -> str:
        """`failed`, `repeated` or `proved`."""
        problems = self.unread or self.fidelity or self.quarantined.disputed or any(c.problem for c in self.columns)
        if problems or not self.reconciles:
            return "failed"
        return "repeated" if any(c.way == "repeated" for c in self.columns) else "proved"

    @property
    def failures(self) -> tuple[str, ...]:
        """What differs, each as one line."""
        return tuple(text for text, _ in self.differences)

    @property
    def differences(self) -> tuple[tuple[str, tuple[Example, ...]], ...]:
        """What differs, each as one line, with examples of records where there are any."""
        apart = f" and {self.quarantined.records} in quarantine" if self.quarantined.records else ""
        counts = f"{self.rows_old} records before, {self.rows_new} after{apart}"
        of_file = (
            *([self.unread] if self.unread else []),
            *([] if self.reconciles else [counts]),
            *(f"record {row} was left out, and could have been migrated" for row in self.quarantined.disputed),
            *(f"{message} ({code})" for code, message in self.fidelity),
        )
        of_columns = ((f"{c.path}: {c.problem}" if c.path else c.problem, c.examples) for c in self.columns if c.problem)
        return (*((text, ()) for text in of_file), *of_columns)
