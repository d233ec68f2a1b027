"""Proving the values of a Parquet file by reading them: DuckDB does; what its types do not hold exactly, pyarrow reads as bits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path as FilePath

import duckdb

from instar.formats.path import Path, path_text
from instar.formats.schema import Bool, List, Map, Record, Type
from instar.transforms.expression import Expression, Source
from instar.transforms.mapping import Mapping

from .check import EXAMPLES, Check, Outcome
from .compare import compare
from .database import Room
from .elements import exact, misfits
from .expected import Expected, as_compared, expected
from .places import TRUE, Place, guarded
from .proved import Proved
from .relation import Relation, Stream
from .side import Side, bit_stream, other_stream, side

_AT_ONCE = 5
"""So many checks in a pass over two files: what DuckDB holds of them at a time stays in a core's own cache then. Measured, 19 casts
of half a million rows: 0.40 s of a core instead of 0.56 s while another core does the same."""
_OPENING = 10_000
"""In so many rows a check takes twenty times as long as it takes to open a column chunk again for a pass."""


class DamagedError(ValueError):
    """DuckDB cannot read one of the files, though pyarrow may."""


def prove_values(
    source: FilePath,
    staged: FilePath,
    mapping: Mapping,
    asked: Sequence[Place],
    *,
    room: Room,
    full: bool,
    left_out: Sequence[int] = (),
    examples: int = EXAMPLES,
) -> Proved:
    """Compares `staged` at these places of the target with what `mapping` makes of `source`, but for the records numbered in
    `left_out`; so many `examples` of what differs at a place.

    Raises:
        duckdb.Error, pa.ArrowException, DamagedError: a side cannot be read at all.
    """
    with room.connected() as connection:
        old, new = side(connection, source, "old", mapping.source.record), side(connection, staged, "new", mapping.target.record)
        if left_out:
            old = old.without(left_out, room.memory)
        wrong = [(m.path, m.message) for m in misfits(new.root, mapping.target)]
        if wrong:
            return Proved(old.rows, new.rows, (), tuple(wrong))
        plan = _Plan(connection, old, new, mapping, tuple(asked), full, examples)
        return Proved(old.rows, new.rows, tuple(plan.outcomes()), ())


@dataclass(frozen=True)
class _Plan:
    connection: duckdb.DuckDBPyConnection
    old: Side
    new: Side
    mapping: Mapping
    places: tuple[Place, ...]
    full: bool
    examples: int

    def outcomes(self) -> Iterator[tuple[Check, Outcome]]:
        """Every place once, in the target's order; with `full` a place read as bits is also compared by SQL, where
        DuckDB can read it."""
        as_bits = {p.path for p in self.places if p.carried and not self._exact(p)}
        rows, checks, outcomes = self._compared(self.places, as_bits)
        if damaged := next((o.problem for o in outcomes if o.damage), None):
            raise DamagedError(damaged)
        again = {p.path for p, o in zip(self.places, outcomes, strict=True) if o.failed and p.carried and p.path not in as_bits}
        if again:  # a value that DuckDB's type cannot hold: text that is not UTF-8, a time out of range
            rows, checks, outcomes = self._compared(self.places, as_bits | again)
        yield from zip(checks, outcomes, strict=True)
        if rows is not None and rows != max(self.old.kept, self.new.kept):
            problem = f"{rows} records were read, but the footers say {self.old.kept} and {self.new.kept}"
            yield Check("", "sql", "", ""), Outcome(problem)
        if self.full and as_bits:
            _, checks, outcomes = self._compared([p for p in self.places if p.path in as_bits], set())
            yield from ((check, outcome) for check, outcome in zip(checks, outcomes, strict=True) if not outcome.failed)

    def _exact(self, place: Place) -> bool:
        assert isinstance(place.expression, Source)
        return exact(self.old.element(place.expression.path)) and exact(self.new.element(_names(place.path)))

    def _compared(self, asked: Sequence[Place], as_bits: set[Path]) -> tuple[int | None, list[Check], list[Outcome]]:
        """The rows, and a check with its outcome for each of these places."""
        if not asked:
            return None, [], []
        made, checks = self._checks(asked, as_bits)
        items: list[str | Stream] = [rows for rows in (self.old.item, self.new.item) if rows]
        items += [other_stream(side, columns) for side in (self.old, self.new) if (columns := _others(side, made, checks))]
        bits = [(p.expression.path, _names(p.path)) for p in asked if p.path in as_bits and isinstance(p.expression, Source)]
        if bits:
            items.append(bit_stream(self.old, "oldbits", [source for source, _ in bits]))
            items.append(bit_stream(self.new, "newbits", [target for _, target in bits]))
        at_once = None if any(isinstance(item, Stream) for item in items) else self._at_once
        relation = Relation(self.connection, items, made.stages)
        counted, outcomes = compare(relation, checks, tallies=["count(*)"], examples=self.examples, at_once=at_once)
        return counted[0] if counted else None, checks, outcomes

    @property
    def _at_once(self) -> int:
        chunks = sum(len(side.types) * side.groups for side in (self.old, self.new))
        return max(_AT_ONCE, -(-chunks * _OPENING // max(self.new.rows, 1)))

    def _checks(self, asked: Sequence[Place], as_bits: set[Path]) -> tuple[Expected, list[Check]]:
        """One check a place. What is only carried needs no SQL of the mapping's: the two columns are set side by side."""
        computed = [self._computed(place) for place in asked]
        columns = {
            name: (self.old.reference((name,), computed=True), str(self.old.types[i])) for name, i in self.old.positions.items()
        }
        made = expected(self.connection, [c for c in computed if c is not None], self.mapping.source, columns)
        values, bits, checks = iter(made.values), count(), list[Check]()
        for place in asked:
            computed_way = "repeated" if place.repeated else "sql"
            path, actual, guard = path_text(place.path), self.new.reference(_names(place.path)), place.where
            if isinstance(place.expression, Source):
                number = next(bits) if place.path in as_bits else None
                column = self.old.reference(place.expression.path) if number is None else f"oldbits{number}"
                value = f"CASE WHEN {next(values)} THEN {column} END" if guard else column
                way, actual = ("sql", actual) if number is None else ("bytes", f"newbits{number}")
                checks.append(Check(path, "repeated" if place.repeated else way, value, actual))
            elif place.record:
                checks.append(Check(path, computed_way, next(values), f"CASE WHEN {actual} IS NOT NULL THEN true END"))
            else:
                nested = isinstance(place.field.type, Record | List | Map)
                actual = self.new.reference(_names(place.path), computed=True)
                checks.append(Check(path, computed_way, next(values), as_compared(actual, place.field.type) if nested else actual))
        return made, checks

    def _computed(self, place: Place) -> tuple[Expression, Type] | None:
        """What SQL must compute for a place: its value; of a record, and of what is carried, only whether its guards let it be."""
        if place.record or (place.carried and place.where):
            return guarded(place, TRUE), Bool()
        return None if place.carried else (guarded(place, place.expression), place.field.type)


def _others(side: Side, made: Expected, checks: Sequence[Check]) -> list[int]:
    """The columns that pyarrow must read: those of which the SQL says so."""
    texts = [sql for stage in made.stages for _, sql in stage] + [
        text for check in checks for text in (check.expected, check.actual)
    ]
    named = {int(number) for text in texts for number in re.findall(rf"\b{side.prefix}other(\d+)", text)}
    return sorted(named | set(side.unread))


def _names(path: Path) -> tuple[str, ...]:
    """The path of a place that is in no list."""
    assert all(isinstance(step, str) for step in path)
    return path  # type: ignore[return-value]
