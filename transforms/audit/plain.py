"""Queries for who has none: a scan, a filter on each sorted column, and a group by a column of few values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from instar.formats.schema import Bool, Date, Enum, Field, Float, Int, String
from instar.formats.schema import Decimal as DecimalType
from instar.transforms.audit.adapting import path_sql, spelled
from instar.transforms.audit.counterparts import Names, Side, may_not_show
from instar.transforms.audit.layout import Range
from instar.transforms.audit.queries import Query
from instar.transforms.casts.rule import sql_text

if TYPE_CHECKING:
    import duckdb

MADE = "made from the schema"
_FILTERS = 5
_FEW = 1000  # values at most that a column has by which it is worth to group
_LOOKED_AT = 50_000  # rows


@dataclass(frozen=True)
class Known:
    """What plain queries are made of: the table's name, the side that they are written for, one row group's range of each column
    that is sorted on either side, and how many bytes columns have, all by the names of that side."""

    table: str
    side: Side
    ranges: Mapping[Names, Range]
    sizes: Mapping[Names, int]


def plain_queries(known: Known, connection: duckdb.DuckDBPyConnection) -> tuple[Query, ...]:
    """The queries, for columns that both sides have and that no declared change touched. `connection` has the table."""
    return tuple(_queries(known, connection))


def _queries(known: Known, connection: duckdb.DuckDBPyConnection) -> Iterator[Query]:
    table = spelled(known.table)
    columns = [field for field in known.side.schema.record.fields if _is_common(known.side, (field.name,))]
    numbers = [f for f in columns if isinstance(f.type, Int | Float | DecimalType)]
    numbers.sort(key=lambda f: (-known.sizes.get((f.name,), 0), isinstance(f.type, Int)))
    summed = [f"sum({spelled(f.name)})" for f in numbers[:1]]
    scanned = summed or [f"count({spelled(f.name)})" for f in columns[:1]] or ["count(*)"]
    counted = ", ".join(["count(*)", *summed])
    yield Query("scan", f"SELECT {scanned[0]} FROM {table}", MADE)
    for path, (low, high) in list(known.ranges.items())[:_FILTERS]:
        if not _is_common(known.side, path) or may_not_show(known.side.schema, path):
            continue
        bounds = [_literal(value) for value in (low, high)]
        if all(bounds):
            where = f"{path_sql(path)} BETWEEN {bounds[0]} AND {bounds[1]}"
            yield Query(f"filter on {'.'.join(path)}", f"SELECT {counted} FROM {table} WHERE {where}", MADE)
    few = _few_values(columns, known, connection)
    if few:
        name = spelled(few)
        yield Query(f"group by {few}", f"SELECT {name}, {counted} FROM {table} GROUP BY {name} ORDER BY {name}", MADE)


def _is_common(side: Side, path: Names) -> bool:
    other = side.other(path)
    return other is not None and not other.changed


def _few_values(columns: list[Field], known: Known, connection: duckdb.DuckDBPyConnection) -> str | None:
    """The column with the fewest values, but at least two, among the first rows; texts come before numbers."""
    shown = [f for f in columns if not may_not_show(known.side.schema, (f.name,))]
    fitting = [f for f in shown if isinstance(f.type, String | Enum | Bool | Int | Date)]
    if not fitting:
        return None
    names = [spelled(f.name) for f in fitting]
    counts = ", ".join(f"approx_count_distinct({name})" for name in names)
    some = f"SELECT {', '.join(names)} FROM {spelled(known.table)} LIMIT {_LOOKED_AT}"
    found = connection.execute(f"SELECT {counts} FROM ({some})").fetchone()
    assert found is not None
    several = [(isinstance(f.type, Int | Date), count, i) for i, (f, count) in enumerate(zip(fitting, found, strict=True))]
    several = [each for each in several if 2 <= each[1] <= _FEW]
    return fitting[min(several)[2]].name if several else None


def _literal(value: Any) -> str:
    """SQL of a value out of a footer; "" where there is no plain form."""
    match value:
        case bool():
            return ""
        case int() | Decimal():
            return str(value)
        case float():
            return f"{value!r}::DOUBLE"
        case str():
            return sql_text(value)
        case datetime():
            return f"TIMESTAMP{'TZ' if value.tzinfo else ''} {sql_text(value.isoformat(' '))}"
        case date():
            return f"DATE {sql_text(value.isoformat())}"
        case time():
            return f"TIME {sql_text(value.isoformat())}"
        case _:
            return ""
