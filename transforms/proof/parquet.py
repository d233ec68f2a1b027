"""Proving a Parquet file: DuckDB reads both files itself; what its types do not hold exactly, pyarrow reads as bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import duckdb

from instar.formats.path import Path, path_text
from instar.formats.schema import Bool, Field, List, Map, Record, Type
from instar.transforms.evaluate.sql_types import adopted, sql_type
from instar.transforms.expression import Column, Source, Struct
from instar.transforms.mapping import Mapping

from .compare import Check, Outcome, compare
from .connection import sealed
from .elements import exact, misfits
from .expected import rendered
from .places import TRUE, Place, guarded, places
from .proved import Proved
from .relation import Relation, Stream
from .side import Side, bit_stream, side


def prove(source: FilePath, staged: FilePath, mapping: Mapping, *, memory: int, full: bool) -> Proved:
    """Compares `staged` with what `mapping` makes of `source`.

    Raises:
        duckdb.Error, pa.ArrowException: a side cannot be read at all.
    """
    with sealed(source, staged, memory=memory) as connection:
        old, new = side(connection, source, "old"), side(connection, staged, "new")
        wrong = [(m.path, m.message) for m in misfits(new.root, mapping.target)]
        if wrong:
            return Proved(old.rows, new.rows, (), tuple(wrong))
        plan = _Plan(connection, old, new, mapping, tuple(places(mapping.root)), full)
        return Proved(old.rows, new.rows, tuple(plan.outcomes()), ())


@dataclass(frozen=True)
class _Plan:
    connection: duckdb.DuckDBPyConnection
    old: Side
    new: Side
    mapping: Mapping
    places: tuple[Place, ...]
    full: bool

    def outcomes(self) -> Iterator[tuple[Check, Outcome]]:
        """Every place once, in the target's order; with `full` a place read as bits is also compared by SQL."""
        as_bits = {p.path for p in self.places if p.carried and not self._exact(p)}
        checks = [*self._checks(as_bits)]
        rows, outcomes = self._compared(checks, as_bits)
        again = {p.path for p, o in zip(self.places, outcomes, strict=True) if o.failed and p.carried and p.path not in as_bits}
        if again:  # a value that DuckDB's type cannot hold: text that is not UTF-8, a time out of range
            as_bits |= again
            checks = [*self._checks(as_bits)]
            rows, outcomes = self._compared(checks, as_bits)
        yield from zip(checks, outcomes, strict=True)
        if rows is not None and rows != max(self.old.rows, self.new.rows):
            problem = f"{rows} records were read, but the footers say {self.old.rows} and {self.new.rows}"
            yield Check("", "sql", "", ""), Outcome(problem)
        if self.full and as_bits:
            typed = [c for p, c in zip(self.places, self._checks(set()), strict=True) if p.path in as_bits - again]
            yield from zip(typed, self._compared(typed, set())[1], strict=True)

    def _exact(self, place: Place) -> bool:
        assert isinstance(place.expression, Source)
        return exact(self.old.element(place.expression.path)) and exact(self.new.element(_names(place.path)))

    def _compared(self, checks: list[Check], as_bits: set[Path]) -> tuple[int | None, list[Outcome]]:
        items: list[str | Stream] = [side.scan for side in (self.old, self.new) if side.types]
        bits = [p for p in self.places if p.path in as_bits]
        if bits:
            sources = [p.expression.path for p in bits if isinstance(p.expression, Source)]
            items += [bit_stream(self.old, "oldbits", sources), bit_stream(self.new, "newbits", [_names(p.path) for p in bits])]
        if not checks:
            return None, []
        counted, outcomes = compare(Relation(self.connection, items), checks, tallies=["count(*)"])
        return counted and counted[0], outcomes

    def _checks(self, as_bits: set[Path]) -> Iterator[Check]:
        """One check a place. What is only carried needs no SQL of the mapping's: the two columns are set side by side."""
        asked = [self._expression(place) for place in self.places]
        sql = iter(self._rendered([expression for expression in asked if expression is not None]))
        bits = 0
        for place, expression in zip(self.places, asked, strict=True):
            path, actual = path_text(place.path), self.new.reference(_names(place.path))
            if place.path in as_bits:
                yield Check(path, "bytes", self._guarded(place, f"oldbits{bits}", sql), f"newbits{bits}")
                bits += 1
            elif isinstance(place.expression, Source):
                yield Check(path, "sql", self._guarded(place, self.old.reference(place.expression.path), sql), actual)
            elif place.record:
                yield Check(path, "sql", next(sql), f"CASE WHEN {actual} IS NOT NULL THEN true END")
            else:
                nested = isinstance(place.field.type, Record | List | Map)
                yield Check(path, "sql", next(sql), adopted(actual, place.field.type) if nested else actual)

    def _expression(self, place: Place) -> Column | None:
        """What must be rendered for a place: its value; of a carried one only whether its guards let it be."""
        if not place.carried:
            type = Bool() if place.record else place.field.type
            return Column(Field("", type, nullable=True), guarded(place, TRUE if place.record else place.expression))
        return Column(Field("", Bool(), nullable=True), guarded(place, TRUE)) if place.where else None

    def _guarded(self, place: Place, column: str, sql: Iterator[str]) -> str:
        return f"CASE WHEN {next(sql)} THEN {column} END" if place.where else column

    def _rendered(self, columns: list[Column]) -> list[str]:
        """SQL of expressions over the old file, in the form in which records and the unbounded numbers are compared."""
        named = tuple(replace(c, field=c.field.with_(name=f"e{i}")) for i, c in enumerate(columns))
        root = Column(Field("", Record(tuple(c.field for c in named))), Struct(named, Source((), self.mapping.source.root.type)))
        asked = Mapping(self.mapping.source, root)
        fields = [self.mapping.source.record[name] for name in asked.reads()] if named else []
        return rendered(asked, {f.name: _compared(self.old.reference((f.name,)), f.type) for f in fields}) if named else []


def _compared(column: str, type: Type) -> str:
    """A column as the mapping's SQL speaks of it: records by position, a uuid as text, times in their own unit."""
    return adopted(column, type) if isinstance(type, Record | List | Map) else f"CAST({column} AS {sql_type(type)})"


def _names(path: Path) -> tuple[str, ...]:
    """The path of a place that is in no list."""
    assert all(isinstance(step, str) for step in path)
    return path  # type: ignore[return-value]
