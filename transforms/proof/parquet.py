"""Proving a Parquet file: DuckDB reads both files itself; what its types do not hold exactly, pyarrow reads as bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import duckdb

from instar.formats.path import Path, path_text
from instar.transforms.expression import Expression, Source
from instar.transforms.mapping import Mapping

from .compare import Check, Outcome, compare
from .connection import sealed
from .elements import exact, misfits
from .expected import resourced
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
        old, new = side(connection, source, "o"), side(connection, staged, "n")
        wrong = [(m.path, m.message) for m in misfits(new.root, mapping.target)]
        if wrong:
            return Proved(old.rows, new.rows, (), tuple(wrong))
        plan = _Plan(connection, old, new, tuple(places(mapping.root)), full)
        return Proved(old.rows, new.rows, tuple(plan.outcomes()), ())


@dataclass(frozen=True)
class _Plan:
    connection: duckdb.DuckDBPyConnection
    old: Side
    new: Side
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
            items += [bit_stream(self.old, "ob", sources), bit_stream(self.new, "nb", [_names(p.path) for p in bits])]
        if not checks:
            return None, []
        return compare(Relation(self.connection, items), checks)

    def _checks(self, as_bits: set[Path]) -> Iterator[Check]:
        bits = 0
        for place in self.places:
            path, actual = path_text(place.path), self.new.reference(_names(place.path))
            if place.path in as_bits:
                yield Check(path, "bytes", self._guarded_column(place, f"ob.b{bits}"), f"nb.b{bits}")
                bits += 1
            elif place.record:
                yield Check(path, "sql", self._rendered(guarded(place, TRUE)), f"CASE WHEN {actual} IS NOT NULL THEN true END")
            elif isinstance(place.expression, Source):
                yield Check(path, "sql", self._guarded_column(place, self.old.reference(place.expression.path)), actual)
            else:
                yield Check(path, "sql", self._rendered(guarded(place, place.expression)), actual)

    def _guarded_column(self, place: Place, column: str) -> str:
        for guard, otherwise in reversed(place.where):
            last = "error('null where the schema requires a value')" if otherwise == "fail" else "NULL"
            column = f"CASE WHEN {self._rendered(guard)} IS NOT NULL THEN {column} ELSE {last} END"
        return column

    def _rendered(self, expression: Expression) -> str:
        from instar.transforms.evaluate.sql import render

        raise NotImplementedError(resourced, render, expression)


def _names(path: Path) -> tuple[str, ...]:
    """The path of a place that is in no list."""
    assert all(isinstance(step, str) for step in path)
    return path  # type: ignore[return-value]
