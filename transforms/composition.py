"""Composition by substitution: a later expression over the record that an earlier one computes, as one expression.

Everything hard about fusing operations is here, and no operation is named. Results are remembered by node identity and by path, so
that what is shared stays shared: a chain is a DAG that grows linearly, where written out as a tree it would grow exponentially.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from instar.formats.errors import MigrationError
from instar.formats.schema import MISSING, List, Map, Record, Type, Union, type_text

from .expression import (
    FAIL,
    NULL,
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Policy,
    Source,
    Sql,
    Struct,
    When,
)


def substituted(later: Expression, earlier: Column) -> Expression:
    """`later`, its sources replaced by what `earlier` computes for them."""
    return _Scope(earlier).substitute(later)


@dataclass
class _Scope:
    """One record (or element) as the earlier mapping computes it, and what was substituted in it so far."""

    root: Column
    done: dict[int, Expression] = field(default_factory=dict)
    reached: dict[tuple[str, ...], Expression] = field(default_factory=dict)
    columns: dict[int, dict[str, Column]] = field(default_factory=dict)

    def substitute(self, e: Expression) -> Expression:
        if id(e) not in self.done:
            self.done[id(e)] = self._substitute(e)
        return self.done[id(e)]

    def _substitute(self, e: Expression) -> Expression:
        match e:
            case Source(path, type):
                return self.reach(path, type)
            case Literal():
                return e
            case Cast(of) | Lookup(of):
                return replace(e, of=self.substitute(of))
            case Part(of):
                return replace(e, of=self.substitute(of))
            case Sql(_, inputs) | Call(_, inputs):
                return replace(e, inputs=tuple((self.substitute(x), t) for x, t in inputs))
            case When(of, then, otherwise):
                return when(self.substitute(of), self.substitute(then), otherwise, e.policy, e.reason)
            case Each(of):
                return each(self.substitute(of), e)
            case Branches(of):
                return branches(self.substitute(of), e)
            case Struct(columns, of):
                inner = tuple(Column(c.field, self.substitute(c.expression)) for c in columns)
                return replace(e, columns=inner) if of is None else struct(self.substitute(of), inner, e.known)
        raise TypeError(f"not an expression: {e!r}")

    def reach(self, path: tuple[str, ...], type: Type) -> Expression:
        """What the earlier mapping computes for the field at `path`."""
        if path not in self.reached:
            self.reached[path] = self._inside(self.root.expression, path, type, _is_sure(self.root))
        return self.reached[path]

    def _inside(self, e: Expression, path: tuple[str, ...], type: Type, sure: bool) -> Expression:
        """What `e` has at `path`; `sure`: its record is never absent (where the one around it is there)."""
        if not path:
            return e
        match e:
            case Source(prefix):
                return Source(prefix + path, type)
            case When(of, then, otherwise):
                rest = self._inside(otherwise, path, type, sure) if isinstance(otherwise, Literal) else otherwise
                return when(of, self._inside(then, path, type, sure), rest, e.policy, e.reason)
            case Literal(value):
                return Literal(_within_value(value, path), type)
            case Struct(_, of):
                column = self._columns(e)[path[0]]
                inner = self._inside(column.expression, path[1:], type, _is_sure(column))
                return inner if of is None or sure else when(of, inner)
            case Sql(pieces, _, Record() as record):
                name = path[0].replace("'", "''")
                inner = ("struct_extract((" + pieces[0], *pieces[1:])
                cut = replace(e, pieces=(*inner[:-1], inner[-1] + f"), '{name}')"), type=record[path[0]].type)
                return self._inside(cut, path[1:], type, sure)
            case Call(_, _, Record() as record) | Part(_, _, Record() as record):
                return self._inside(Part(e, path[0], record[path[0]].type), path[1:], type, sure)
        raise MigrationError(f"cannot look for {'.'.join(path)} inside a computed value of type {type_text(type)}")

    def _columns(self, e: Struct) -> dict[str, Column]:
        if id(e) not in self.columns:
            self.columns[id(e)] = {c.field.name: c for c in e.columns}
        return self.columns[id(e)]


def _is_sure(column: Column) -> bool:
    return not column.field.nullable and not column.field.optional


def _within_value(value: Any, path: tuple[str, ...]) -> Any:
    """The value at `path` inside a record literal; what is null or missing on the way is so below it."""
    for name in path:
        if value is None or value is MISSING:
            return value
        value = value.get(name, MISSING)
    return value


# ---- nodes, built so that null records and guards stand as far outside as they can
def when(of: Expression, then: Expression, otherwise: Any = NULL, policy: Policy = None, reason: str = "") -> Expression:
    """`When(of, then, otherwise)`, or `then` where it says the same."""
    if otherwise == NULL and within(of, then):
        return then
    return When(of, unguarded(then, of), otherwise, policy, reason)


def struct(of: Expression, columns: tuple[Column, ...], known: tuple[str, ...]) -> Expression:
    """A record of those columns, which is null where `of` is and keeps the keys of `of` that no schema names."""
    match of:
        case Struct(_, None):
            return Struct(columns)
        case Struct(_, Expression() as inner, earlier):
            made = {c.field.name for c in of.columns}
            return struct(inner, columns, (*earlier, *(name for name in known if name not in made and name not in earlier)))
        case When(condition, then, otherwise) if otherwise in (NULL, FAIL):
            return when(condition, struct(then, columns, known), otherwise, of.policy, of.reason)
        case When(condition, then, Literal(value) as otherwise) if value is None or value is MISSING:
            return when(condition, struct(then, columns, known), struct(otherwise, columns, known), of.policy, of.reason)
        case Literal(value) if value is None or value is MISSING:
            return replace(of, type=Record(tuple(c.field for c in columns)))
        case Literal():
            return Struct(columns)
    return Struct(tuple(Column(c.field, unguarded(c.expression, of)) for c in columns), of, known)


def each(of: Expression, later: Each) -> Expression:
    """`later` over the elements of `of`, which may itself be computed element by element."""
    match of:
        case Each(_, body):
            expression = substituted(later.body.expression, body)
            return replace(of, body=replace(later.body, expression=expression))
        case When(condition, then, otherwise) if not isinstance(otherwise, Literal):
            return when(condition, each(then, later), otherwise, of.policy, of.reason)
        case When(condition, then, Literal() as otherwise) if not otherwise.value:
            return when(condition, each(then, later), _retyped(otherwise, later.body), of.policy, of.reason)
        case Literal() if not of.value:
            return _retyped(of, later.body)
    return replace(later, of=of)


def branches(of: Expression, later: Branches) -> Expression:
    """`later` over a union's value, which may itself be computed branch by branch."""
    match of:
        case Branches(_, bodies):
            pairs = zip(later.bodies, bodies, strict=True)
            return replace(of, bodies=tuple(replace(c, expression=substituted(c.expression, body)) for c, body in pairs))
        case When(condition, then, otherwise) if not isinstance(otherwise, Literal):
            return when(condition, branches(then, later), otherwise, of.policy, of.reason)
        case When(condition, then, Literal(value) as otherwise) if not value:
            retyped = replace(otherwise, type=Union(tuple(c.field for c in later.bodies)))
            return when(condition, branches(then, later), retyped, of.policy, of.reason)
        case Literal(value) if not value:
            return replace(of, type=Union(tuple(c.field for c in later.bodies)))
    return replace(later, of=of)


def _retyped(empty: Literal, body: Column) -> Literal:
    """A null, missing or empty list or map of the element type it comes to have."""
    match empty.type:
        case List():
            return replace(empty, type=replace(empty.type, item=body.field))
        case Map():
            return replace(empty, type=replace(empty.type, value=body.field))
    return empty


def within(of: Expression, e: Expression) -> bool:
    """Is `e` null (missing) wherever `of` is, without being told, and without failing?"""
    match e:
        case Source(path):
            return isinstance(of, Source) and path[: len(of.path)] == of.path
        case Cast(x) | Lookup(x) | Each(x) | Branches(x):
            return within(of, x)
        case Struct(_, x):
            return x is not None and within(of, x)
        case When(x, y, otherwise) if otherwise == NULL:
            return of is x or within(of, x) or within(of, y)
        case _:
            return e is of


def unguarded(e: Expression, of: Expression) -> Expression:
    """`e` for a place that is only reached where `of` is not null: guards that this settles are taken off."""
    while isinstance(e, When) and within(e.of, of):
        e = e.then
    return e
