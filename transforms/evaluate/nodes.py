"""Walking expressions without walking what is shared twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from instar.formats.schema import List, Map, Record, Type, Union
from instar.transforms.expression import (
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)


def parts(e: Expression) -> Iterator[Expression]:
    """The expressions one level down, of the same scope: an Each's list or Branches' union, not their bodies."""
    match e:
        case Cast(of) | Each(of) | Branches(of) | Part(of):
            yield of
        case Lookup(of, otherwise=otherwise):
            yield of
            if isinstance(otherwise, Literal):
                yield otherwise
        case Sql(_, inputs) | Call(_, inputs):
            yield from (x for x, _ in inputs)
        case When(of, then, otherwise):
            yield of
            yield then
            if isinstance(otherwise, Literal):
                yield otherwise
        case Struct(columns, of):
            if of is not None:
                yield of
            yield from (c.expression for c in columns)
        case _:
            return


def bodies(e: Expression) -> tuple[Column, ...]:
    """What a node has of other scopes: the body of a list's elements, those of a union's branches."""
    return (e.body,) if isinstance(e, Each) else e.bodies if isinstance(e, Branches) else ()


def sql_nodes(expressions: Iterable[Expression]) -> list[Sql]:
    """Every SQL node below, bodies of lists included, each once."""
    return [e for e in everything(expressions) if isinstance(e, Sql)]


def call_nodes(expressions: Iterable[Expression]) -> list[Call]:
    """Every Call below, bodies of lists included, each once."""
    return [e for e in everything(expressions) if isinstance(e, Call)]


def everything(expressions: Iterable[Expression]) -> Iterator[Expression]:
    """Every node below and these themselves, bodies of lists included, each once."""
    seen: set[int] = set()
    waiting = list(expressions)
    while waiting:
        e = waiting.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        yield e
        waiting.extend(parts(e))
        waiting.extend(body.expression for body in bodies(e))


def type_of(e: Expression) -> Type:
    """The type of a node's values."""
    match e:
        case Source(_, type) | Literal(_, type) | Sql(_, _, type) | Call(_, _, type) | Part(_, _, type):
            return type
        case Cast(_, _, to) | Lookup(_, _, to):
            return to
        case When(_, then):
            return type_of(then)
        case Each(_, body, kind):
            return List(body.field) if kind == "list" else Map(body.field)
        case Struct(columns):
            return Record(tuple(c.field for c in columns))
        case Branches(_, columns):
            return Union(tuple(c.field for c in columns))
    raise TypeError(f"not an expression: {e!r}")


def element_type(e: Each) -> Type:
    """The type that an Each's own sources look into."""
    match type_of(e.of):
        case List(item):
            return item.type
        case Map(value):
            return value.type
    raise TypeError(f"not over a list or a map: {e!r}")
