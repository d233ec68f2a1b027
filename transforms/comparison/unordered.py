"""The records that differ between two multisets, as people are told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from instar.formats.pii import NOT_SHOWN
from instar.transforms.proof.shown import shown

from .located import Located
from .multiset import differing, texts, totals
from .reading import Rows
from .report import FieldChange, Place, RowDifference
from .statistics import short

_CANDIDATES = 1000


@dataclass(frozen=True)
class Record:
    """One side's record that the other has less often: `times` so often. `values` are texts, None for null."""

    place: int
    times: int
    values: tuple[str | None, ...]


def unordered(old: Rows, new: Rows, hidden: Callable[[str], bool], examples: int) -> tuple[dict[str, int], list[RowDifference]]:
    """How many records are missing and extra, and the first of them. A missing and an extra record that agree in most of their
    columns are told as one that changed.

    Raises:
        duckdb.Error: a record cannot be read.
    """
    differing(old, new)
    missing, extra = totals(old.connection)
    told = Told(old, new, hidden)
    gone, come = (told.records(test, max(examples, _CANDIDATES)) for test in ("d > 0", "d < 0"))
    found: list[RowDifference] = []
    taken: set[int] = set()
    for record in gone[:examples]:
        partner = _nearest(record, come, taken)
        if partner is None:
            found.append(told.alone("missing", record))
        else:
            taken.add(partner.place)
            found.append(told.changed(record, partner))
    rest = [record for record in come if record.place not in taken]
    found += [told.alone("extra", record) for record in rest[: examples - len(found)]]
    return {"missing": missing, "extra": extra}, found


def _nearest(record: Record, others: list[Record], taken: set[int]) -> Record | None:
    """The record that agrees in most columns, and in more than half of them."""
    best, most = None, len(record.values) / 2
    for other in others:
        alike = sum(a == b for a, b in zip(record.values, other.values, strict=True))
        if alike > most and other.place not in taken:
            best, most = other, alike
    return best


class Told:
    """Records of the table `differing`, without the values that are not to be shown."""

    def __init__(self, old: Rows, new: Rows, hidden: Callable[[str], bool]) -> None:
        self.connection, self.leaves = old.connection, old.leaves
        self.old, self.new = old, new
        self._located = {id(rows): Located(rows.side) for rows in (old, new)}
        self.hidden = [hidden(leaf.text) for leaf in old.leaves]

    def records(self, test: str, most: int) -> list[Record]:
        """The first records that the test holds of, in the order in which they stand."""
        place = "CASE WHEN d > 0 THEN old_place ELSE new_place END"
        columns = ", ".join([f"{place} AS place", "abs(d)", *texts(self.leaves)])
        found = self.connection.execute(f"SELECT {columns} FROM differing WHERE {test} ORDER BY place LIMIT {most}").fetchall()
        side = self.old if test.startswith("d > 0") else self.new
        return [
            Record(place, int(times), tuple(side.unfit(i, place) if value is None else value for i, value in enumerate(values)))
            for place, times, *values in found
        ]

    def place(self, rows: Rows, number: int) -> Place:
        """Where a record of a side stands."""
        file, row = rows.place_of(number)
        return self._located[id(rows)].place(file.path, row)

    def alone(self, kind: str, record: Record, key: dict[str, str] | None = None) -> RowDifference:
        """A record of one side only."""
        values = {leaf.text: self.shown(i, record.values[i]) for i, leaf in enumerate(self.leaves) if not leaf.record}
        missing = kind == "missing"
        return RowDifference(
            "missing" if missing else "extra",
            old=self.place(self.old, record.place) if missing else None,
            new=None if missing else self.place(self.new, record.place),
            key=key or {},
            values=values,
            times=record.times,
        )

    def changed(self, old: Record, new: Record, key: dict[str, str] | None = None) -> RowDifference:
        """A record of both sides, and the fields that differ."""
        fields = [
            FieldChange(leaf.text, *(shown(a, b) if not self.hidden[i] else (self.shown(i, a), self.shown(i, b))))
            for i, (leaf, a, b) in enumerate(zip(self.leaves, old.values, new.values, strict=True))
            if a != b
        ]
        times = min(old.times, new.times)
        places = self.place(self.old, old.place), self.place(self.new, new.place)
        return RowDifference("changed", *places, key or {}, tuple(fields), times=times)

    def shown(self, column: int, text: str | None) -> str:
        return NOT_SHOWN if self.hidden[column] and text is not None else "null" if text is None else short(text)
