"""The tree of a mapping, one level at a time."""

from __future__ import annotations

from dataclasses import replace

from instar.formats.schema import List, Map, Record

from .expression import Column, Each, Expression, Source, Struct


def opened(column: Column) -> Column:
    """One level down: a Source of a record, list or map as a Struct or Each over it; anything else as it is."""
    match column.field.type, column.expression:
        case Record(fields), Source(path):
            inner = tuple(Column(f, Source((*path, f.name), f.type)) for f in fields)
            return replace(column, expression=Struct(inner, column.expression, tuple(f.name for f in fields)))
        case List(item), Source():
            return replace(column, expression=Each(column.expression, Column(item, Source((), item.type)), "list"))
        case Map(value), Source():
            return replace(column, expression=Each(column.expression, Column(value, Source((), value.type)), "map"))
        case _:
            return column


def rebuilt(column: Column, expression: Expression) -> Column:
    """The column with that expression and its type read off it: the one place where tree and schema are kept in step."""
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
