"""What a comparison of two sides found: data, no rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["rows", "unordered", "keyed"]
Level = Literal["counts", "auto", "full"]


@dataclass(frozen=True)
class Statistics:
    """One column on one side. `low`, `high`: min and max as text, None where there are none or the type has no order; "" where
    they are not to be shown. `distinct` is an estimate. `checksum`: the sum of the values' hashes, in hex, for comparing within
    one report only."""

    nulls: int
    low: str | None
    high: str | None
    distinct: int
    checksum: str

    def as_json(self) -> dict[str, Any]:
        return {"nulls": self.nulls, "min": self.low, "max": self.high, "distinct": self.distinct, "checksum": self.checksum}


@dataclass(frozen=True)
class ColumnReport:
    """One column of the two sides: how its rows were compared ("" where they were not), in how many rows or checks it differs."""

    path: str
    type: str
    ways: tuple[str, ...] = ()
    differs: int = 0
    old: Statistics | None = None
    new: Statistics | None = None

    @property
    def same(self) -> bool:
        """Do its statistics agree, and its rows where they were compared?"""
        old, new = self.old, self.new
        if self.differs or old is None or new is None:
            return not self.differs
        return (old.nulls, old.low, old.high, old.checksum) == (new.nulls, new.low, new.high, new.checksum)

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path, "type": self.type, "same": self.same, "ways": list(self.ways), "differs": self.differs,
            "old": self.old.as_json() if self.old else None, "new": self.new.as_json() if self.new else None,
        }  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a record stands: its file, its number there (from 0), and the row group (Parquet) or block (Avro) that it is in."""

    file: str
    row: int | None
    group: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"file": self.file, "row": self.row, "group": self.group}


@dataclass(frozen=True)
class FieldChange:
    """A field with both values as text."""

    path: str
    old: str
    new: str

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "old": self.old, "new": self.new}


Kind = Literal["changed", "missing", "extra", "duplicated"]


@dataclass(frozen=True)
class RowDifference:
    """A record that differs: `changed` in these fields, or only on one side (`missing` in the new one, `extra` there), with its
    values; `duplicated`: of a key with several records. `key`: its values, by path. `times`: how many alike there are too many."""

    kind: Kind
    old: Place | None = None
    new: Place | None = None
    key: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldChange, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "old": self.old.as_json() if self.old else None, "new": self.new.as_json() if self.new else None,
            "key": dict(self.key), "fields": [f.as_json() for f in self.fields], "values": dict(self.values), "times": self.times,
        }  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A difference that is none of single rows: of files, of schemas, of a whole column. `path`: of the field, "" for none."""

    problem: str
    file: str = ""
    path: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"file": self.file, "path": self.path, "problem": self.problem}


@dataclass(frozen=True)
class SideReport:
    """One side. `location` as given; `rows` None where a file cannot be read; `checksum`: of whole rows, whatever their order."""

    location: str
    format: str
    files: int
    rows: int | None
    bytes: int
    version: int | None = None
    checksum: str | None = None

    def as_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class ComparisonReport:
    """Two sides and whether they hold the same.

    `subject`: whose chain of migrations leads from the old side's version to the new one's; None where the schemas are the same.
    `counts`: how many records are missing, extra, changed or of duplicated keys, where that is known (`unordered`, `keyed`).
    `rows`: the first of them, at most as many as were asked for.
    """

    old: SideReport
    new: SideReport
    mode: Mode
    level: Level
    subject: str | None
    pairs: int
    columns: tuple[ColumnReport, ...]
    problems: tuple[Problem, ...]
    rows: tuple[RowDifference, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Is nothing different?"""
        return (
            not self.problems
            and not self.rows
            and not any(self.counts.values())
            and self.old.rows == self.new.rows
            and self.old.checksum == self.new.checksum
            and all(column.same for column in self.columns)
        )

    @property
    def verdict(self) -> str:
        """`same` or `different`; `counts agree` where single rows were not compared; `repeated` where a function of the user's,
        which can only be run again, made some of the values."""
        if not self.ok:
            return "different"
        if self.level == "counts":
            return "counts agree"
        return "repeated" if any("repeated" in column.ways for column in self.columns) else "same"

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict, "ok": self.ok, "mode": self.mode, "level": self.level, "subject": self.subject,
            "key": list(self.key), "old": self.old.as_json(), "new": self.new.as_json(), "pairs": self.pairs,
            "columns": [column.as_json() for column in self.columns],
            "problems": [problem.as_json() for problem in self.problems],
            "counts": dict(self.counts), "rows": [row.as_json() for row in self.rows],
            "notes": list(self.notes), "seconds": dict(self.seconds),
        }  # fmt: skip
