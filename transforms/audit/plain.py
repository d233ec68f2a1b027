"""Queries for who has none: a scan, a filter on each sorted column, and a group by a column of few values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from instar.formats.pii import PII
from instar.formats.schema import Bool, Date, Enum, Field, Float, Int, Record, Schema, String
from instar.formats.schema import Decimal as DecimalType
from instar.transforms.audit.adapting import path_sql, spelled
from instar.transforms.audit.counterparts import Names, Side
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
    """What plain queries are made of: the table's name, the side that they are written for, and one row group's range of each
    column that is sorted on either side, by the name that it has on that side."""

    table: str
    side: Side
    ranges: Mapping[Names, Range]


def plain_queries(known: Known, connection: duckdb.DuckDBPyConnection) -> tuple[Query, ...]:
    """The queries, for columns that both sides have and that no declared change touched. `connection` has the table."""
    return tuple(_queries(known, connection))


def _queries(known: Known, connection: duckdb.DuckDBPyConnection) -> Iterator[Query]:
    table = spelled(known.table)
    columns = [field for field in known.side.schema.record.fields if _is_common(known.side, (field.name,))]
    summed = next((f"sum({spelled(f.name)})" for f in columns if isinstance(f.type, Int | Float | DecimalType)), "count(*)")
    scanned = summed if summed != "count(*)" else next((f"count({spelled(f.name)})" for f in columns), summed)
    yield Query("scan", f"SELECT {scanned} FROM {table}", MADE)
    for path, (low, high) in list(known.ranges.items())[:_FILTERS]:
        if not _is_common(known.side, path) or _hidden(known.side.schema, path):
            continue
        bounds = [_literal(value) for value in (low, high)]
        if all(bounds):
            where = f"{path_sql(path)} BETWEEN {bounds[0]} AND {bounds[1]}"
            yield Query(f"filter on {'.'.join(path)}", f"SELECT count(*), {summed} FROM {table} WHERE {where}", MADE)
    few = _few_values(columns, known.table, connection)
    if few:
        name = spelled(few)
        yield Query(f"group by {few}", f"SELECT {name}, count(*), {summed} FROM {table} GROUP BY {name} ORDER BY {name}", MADE)


def _is_common(side: Side, path: Names) -> bool:
    other = side.other(path)
    return other is not None and not other.changed


def _hidden(schema: Schema, path: Names) -> bool:
    """Is the field, or one around it, one whose values may not be shown?"""
    record: Any = schema.record
    for name in path:
        if not isinstance(record, Record) or name not in record:
            return False
        if PII in record[name].tags:
            return True
        record = record[name].type
    return False


def _few_values(columns: list[Field], table: str, connection: duckdb.DuckDBPyConnection) -> str | None:
    """The column with the fewest values, but at least two, among the first rows."""
    fitting = [f.name for f in columns if isinstance(f.type, String | Enum | Bool | Int | Date) and PII not in f.tags]
    if not fitting:
        return None
    counts = ", ".join(f"approx_count_distinct({spelled(name)})" for name in fitting)
    names = ", ".join(map(spelled, fitting))
    found = connection.execute(f"SELECT {counts} FROM (SELECT {names} FROM {spelled(table)} LIMIT {_LOOKED_AT})").fetchone()
    assert found is not None
    several = [(count, i) for i, count in enumerate(found) if 2 <= count <= _FEW]
    return fitting[min(several)[1]] if several else None


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
