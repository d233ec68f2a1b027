"""Which columns of a mapping may be computed for many records at once, whatever the format: as Arrow arrays of plain values."""

from __future__ import annotations

from instar.formats.schema import Bool, Bytes, Date, Decimal, Duration, Enum, Fixed, Float, Int, String, Time, Timestamp, Uuid
from instar.transforms.apart import only
from instar.transforms.expression import Cast, Column, Literal, Lookup, Source, Sql, Struct, When
from instar.transforms.mapping import Mapping

from .nodes import everything

_PLAIN = Bool | Int | Float | String | Date | Timestamp
_OF_ONE_VALUE = _PLAIN | Bytes | Decimal | Duration | Enum | Fixed | Time | Uuid


def by_columns(part: Mapping) -> tuple[Mapping | None, Mapping | None]:
    """The mapping of the columns that are computed from plain top-level columns to plain ones, and that of the others."""
    root = part.root.expression
    assert isinstance(root, Struct)
    plain = {c.field.name for c in root.columns if _columnar(c, part)}
    columnar, others = ([c for c in root.columns if (c.field.name in plain) is wanted] for wanted in (True, False))
    return only(part, columnar), only(part, others)


def _columnar(column: Column, part: Mapping) -> bool:
    """Is it computed, and by nothing but what knows arrays of plain values?"""
    nodes = list(everything([column.expression]))
    if not isinstance(column.field.type, _PLAIN) or not any(isinstance(e, Cast | Lookup | Sql) for e in nodes):
        return False
    record = part.source.record
    return all(
        isinstance(e, Literal | Cast | Lookup | Sql | When)
        or (isinstance(e, Source) and len(e.path) == 1 and isinstance(record[e.path[0]].type, _PLAIN))
        for e in nodes
    )


def elementwise(part: Mapping) -> dict[str, str]:
    """The columns that are made of one column of plain values, value by value, and that column: what has the same bits becomes the
    same."""
    root = part.root.expression
    assert isinstance(root, Struct)
    return {c.field.name: origin for c in root.columns if (origin := _only_source(c, part)) is not None}


def _only_source(column: Column, part: Mapping) -> str | None:
    nodes = list(everything([column.expression]))
    paths = {e.path for e in nodes if isinstance(e, Source)}
    if len(paths) != 1 or not all(isinstance(e, Source | Literal | Cast | Lookup | When) for e in nodes):
        return None
    (path,) = paths
    if len(path) != 1 or not isinstance(path[0], str) or not isinstance(part.source.record[path[0]].type, _OF_ONE_VALUE):
        return None
    return path[0]
