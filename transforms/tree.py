"""The tree of a mapping, one level at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Step
from instar.formats.schema import Field, List, Map, Record, Union

from .expression import Branches, Column, Each, Expression, Source, Struct, When
from .shared_types import resolved


def opened(column: Column, named: Mapping[str, Field] | None = None) -> Column:
    """One level down: a Source of a record, list, map or union as a Struct, Each or Branches over it; anything else as it is.

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
        case Union(branches):
            return replace(column, expression=Branches(source, tuple(Column(b, Source((), b.type)) for b in branches)))
        case _:
            return column


def scopes(e: Each | Branches) -> Iterator[tuple[Step, Step, Column]]:
    """What is below a list, map or union: the step from the source's value, the step to the target's, and the body."""
    if isinstance(e, Each):
        step = EACH_ITEM if e.kind == "list" else EACH_VALUE
        yield step, step, e.body
        return
    source = carried_from(e.of)
    assert source is not None
    assert isinstance(source.type, Union)
    for branch, body in zip(source.type.branches, e.bodies, strict=True):
        yield Branch(branch.name), Branch(body.field.name), body


def carried_from(e: Expression) -> Source | None:
    """The source whose value an expression is, guarded or not; None where it is computed."""
    while isinstance(e, When):
        e = e.then
    return e if isinstance(e, Source) else None


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
        case Branches(_, bodies), Union():
            type = Union(tuple(body.field for body in bodies))
        case _:
            pass
    return Column(column.field.with_(type=type), expression)
