"""Two sides as multisets of records, in whatever order and files: which records one side has more often than the other.

Exact: records are grouped by all their values, floats by their bits; no hash stands for a value. What memory does not hold DuckDB
keeps on disk; where even that is too little, the records are compared in parts, told apart by their hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from instar.formats.schema import Float, Record, Type, children
from instar.transforms.evaluate.sql_types import Fresh, quoted, rebuilt, sql_type

from .columns import Leaf
from .reading import Rows
from .statistics import holds_floats, keys

_PARTS = (1, 4, 16, 64)


def differing(old: Rows, new: Rows) -> None:
    """Makes the table `differing`: the records of which one side has more, with their columns c0 …, `d`: how many more the old side
    has, `old_place`, `new_place`: where the first stands on either side.

    Raises:
        duckdb.Error: a record cannot be read.
    """
    for parts in _PARTS:
        try:
            for part in range(parts):
                _part(old, new, part, parts)
            return
        except duckdb.OutOfMemoryException:
            old.connection.execute("DROP TABLE IF EXISTS differing")
            if parts == _PARTS[-1]:
                raise


def _part(old: Rows, new: Rows, part: int, parts: int) -> None:
    whole = [f"c{i}" for i in range(len(old.leaves))]
    grouped, shown = _grouped(old)
    where = f"WHERE hash({', '.join(grouped)}) % {parts} = {part}" if parts > 1 else ""
    sides = " UNION ALL ".join(
        f"SELECT {', '.join([*whole, 'place'])}, {weight} AS side FROM {rows.sql()} {where}"
        for rows, weight in ((old, 1), (new, -1))
    )
    columns = [f"{sql} AS {name}" for sql, name in zip(shown, whole, strict=True)]
    columns += ["sum(side) AS d", "min(place) FILTER (side = 1) AS old_place", "min(place) FILTER (side = -1) AS new_place"]
    query = f"SELECT {', '.join(columns)} FROM ({sides}) GROUP BY {', '.join(grouped) or '()'} HAVING sum(side) <> 0"
    verb = f"CREATE TABLE differing AS {query}" if part == 0 else f"INSERT INTO differing {query}"
    old.connection.execute(verb)


def _grouped(rows: Rows) -> tuple[list[str], list[str]]:
    """What records are grouped by, and each column as it is shown: what a float's bits say beyond its value is one text for all
    floats of a record, mostly null."""
    grouped: list[str] = []
    shown: list[str] = []
    odd: list[tuple[str, str]] = []
    for i, leaf in enumerate(rows.leaves):
        c = f"c{i}"
        parts = keys(c, leaf.common)
        grouped.append(parts[0])
        nested = holds_floats(leaf.common) and not isinstance(leaf.common, Float)
        # back from the bits: of nested values aggregates lose the sign of a zero
        shown.append(f"CAST({parts[0]} AS {sql_type(leaf.common)})" if nested else c)
        if len(parts) > 1:
            odd.append((f"({c} = 0 AND signbit({c})) OR isnan({c})", parts[1]))
    if odd:
        text = ", ".join(f"coalesce({part}, '')" for _, part in odd)
        grouped.append(f"CASE WHEN {' OR '.join(f'({test})' for test, _ in odd)} THEN concat_ws(',', {text}) END")
    return grouped, shown


def totals(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many records are missing in the new side, and how many it has too many."""
    query = "SELECT coalesce(sum(d) FILTER (d > 0), 0), coalesce(-sum(d) FILTER (d < 0), 0) FROM differing"
    missing, extra = connection.execute(query).fetchall()[0]
    return int(missing), int(extra)


def texts(leaves: Sequence[Leaf]) -> list[str]:
    """The columns as text, for showing them: records in lists and maps with the names of their fields."""
    return [f"CAST({_named(f'c{i}', leaf.common, Fresh())} AS VARCHAR)" for i, leaf in enumerate(leaves)]


def _named(value: str, type: Type, fresh: Fresh) -> str:
    if not _has_records(type):
        return value
    return rebuilt(value, type, fresh, lambda v, _: v, _named, lambda _, f: quoted(f.name))


def _has_records(type: Type) -> bool:
    """Are there records that can be shown with names? DuckDB holds no two that differ by their case alone, and no empty one."""
    inner = [f for _, f in children(type)]
    if not isinstance(type, Record):
        return any(_has_records(f.type) for f in inner)
    names = {f.name.casefold() for f in inner}
    return bool(inner) and "" not in names and len(names) == len(inner)
