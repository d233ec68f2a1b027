"""The tree of a mapping, one level at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from instar.formats.schema import Field, List, Map, Record

from .expression import Column, Each, Expression, Source, Struct
from .shared_types import resolved


def opened(column: Column, named: Mapping[str, Field] | None = None) -> Column:
    """One level down: a Source of a record, list or map as a Struct or Each over it; anything else as it is.

    `named`: what References mean. Where one is opened, the column keeps it as its type: the definition tells of the inside.
    """
    if not isinstance(column.expression, Source):
        return column
    path, type = column.expression.path, resolved(column.field.type, named or {})
    source = column.expression if type is column.field.type else Source(path, type)
    match type:
        case Record(fields):
            inner = tuple(Column(f, Source((*path, f.name), f.type)) for f in fields)
            return replace(column, expression=Struct(inner, source, tuple(f.name for f in fields)))
        case List(item):
            return replace(column, expression=Each(source, Column(item, Source((), item.type)), "list"))
        case Map(value):
            return replace(column, expression=Each(source, Column(value, Source((), value.type)), "map"))
        case _:
            return column


def rebuilt(column: Column, expression: Expression) -> Column:
    """The column with that expression and its type read off it: the one place where tree and schema are kept in step.

    A Reference stays one.
    """
    type = column.field.type
    match expression, type:
        case Struct(columns), Record():
            type = replace(type, fields=tuple(c.field for c in columns))
        case Each(_, body), List():
            type = replace(type, item=body.field)
        case Each(_, body), Map():
            type = replace(type, value=body.field)
        case _:
            pass
    return Column(column.field.with_(type=type), expression)
