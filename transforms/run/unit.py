"""One file's work, and the receipt for it: plain picklable data, all that travels between coordinator and workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instar.formats.format import Stamp
from instar.formats.schema import Schema

if TYPE_CHECKING:
    from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class Unit:
    """Rewrite `source` into `staged` (absolute paths) by `mapping`.

    `path` is the file's name relative to the dataset (POSIX), `target` the one its new form will have ("": the same), `chain` the
    hash of the migrations in `mapping`, `memory` the bytes this unit may use, `schema` the file's own schema where it has one (a
    variant differs from `mapping.source` in storage).
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

    @property
    def new_path(self) -> str:
        return self.target or self.path


@dataclass(frozen=True)
class Receipt:
    """What staging one unit did, and of what: it counts only while the source, the chain and the versions are still these.

    Hashes are xxh3-128 as hex; `seconds` is wall time; `target` as in the unit.
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

    @property
    def new_path(self) -> str:
        return self.target or self.path

    @property
    def renamed(self) -> bool:
        return self.new_path != self.path


@dataclass(frozen=True)
class ColumnProof:
    """One place of the target and how it was proved: `sql`, `bytes`, or `repeated` (never called proved).

    `problem` is empty where old and new agree; else what differs, with the first row and both values.
    """

    path: str
    way: str
    problem: str = ""
    row: int | None = None


@dataclass(frozen=True)
class FileProof:
    """The proof of one file. `fidelity` lists undeclared physical differences as (code, message) pairs; `allowed` those that
    `fidelity.allow` lets go; `unread` says why one of its two forms cannot be read by the proof's own readers."""

    path: str
    rows_old: int
    rows_new: int
    columns: tuple[ColumnProof, ...]
    fidelity: tuple[tuple[str, str], ...]
    seconds: float
    allowed: tuple[tuple[str, str], ...] = ()
    unread: str = ""

    @property
    def verdict(self) -> str:
        """`failed`, `repeated` or `proved`."""
        if self.unread or self.fidelity or self.rows_old != self.rows_new or any(c.problem for c in self.columns):
            return "failed"
        return "repeated" if any(c.way == "repeated" for c in self.columns) else "proved"

    @property
    def failures(self) -> tuple[str, ...]:
        """What differs, each as one line."""
        counts = f"{self.rows_old} records before, {self.rows_new} after"
        return (
            *([self.unread] if self.unread else []),
            *([counts] if self.rows_old != self.rows_new else []),
            *(f"{message} ({code})" for code, message in self.fidelity),
            *(f"{c.path}: {c.problem}" for c in self.columns if c.problem),
        )
