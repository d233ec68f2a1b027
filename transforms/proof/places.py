"""The places of a mapping's target, one by one: what is compared with what.

Records are taken apart, so that a difference is named by its field; a list or a map is one place, whose elements are taken apart
in a scope of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from instar.formats.path import Branch, Path
from instar.formats.schema import Bool, Field, Type
from instar.transforms.evaluate.nodes import call_nodes
from instar.transforms.expression import FAIL, NULL, Branches, Column, Each, Expression, Literal, Source, Struct, When
from instar.transforms.shared_types import Named
from instar.transforms.tree import opened


@dataclass(frozen=True)
class Place:
    """A place of the target within its scope, and the expression for it.

    `guards` are what stands above: (expression, otherwise) pairs, outermost first; the place is null where one of them is null, or
    that is an error. `record`: only whether there is a record, the fields are places of their own; `expression` is its Struct.
    `branch`: the values of that branch of a union of type `union`; `expression` is its Branches.
    """

    path: Path
    field: Field
    expression: Expression
    guards: tuple[tuple[Expression, str], ...] = ()
    record: bool = False
    branch: int | None = None
    union: Type = Bool()  # noqa: RUF009 (frozen)

    @property
    def names(self) -> tuple[str, ...]:
        """Where the value is in the new record: that of a branch is the union's."""
        return tuple(str(step) for step in (self.path if self.branch is None else self.path[:-1]))

    @property
    def carried(self) -> bool:
        return isinstance(self.expression, Source)

    @property
    def repeated(self) -> bool:
        """Does it depend on a function of the user's, which can only be run again?"""
        own = [] if self.record else [self.expression]
        if isinstance(self.expression, Branches) and self.branch is not None:
            own = [self.expression.bodies[self.branch].expression]
        return bool(call_nodes([*own, *(guard for guard, _ in self.where)]))

    @property
    def where(self) -> tuple[tuple[Expression, str], ...]:
        """The guards that say something: below a null record a Source is null by itself, but that keeps no guard from failing."""
        last = max((i for i, (_, otherwise) in enumerate(self.guards) if otherwise == FAIL), default=-1)
        return tuple(guard for i, guard in enumerate(self.guards) if i <= last or not below(guard[0], self.expression))


def places(column: Column) -> Iterator[Place]:
    """The places of a root column, or of an Each's body; the scope's own record is never null and is no place."""
    match column.expression:
        case Struct(columns):
            for inner in columns:
                yield from _flat(inner, (inner.field.name,), ())
        case _:
            yield from _flat(column, (), ())


def element_places(column: Column) -> Iterator[Place]:
    """The places of an element, which unlike a whole record may be null."""
    yield from _flat(column, (), ())


def _flat(column: Column, path: Path, guards: tuple[tuple[Expression, str], ...]) -> Iterator[Place]:
    expression = column.expression
    while isinstance(expression, When) and expression.otherwise in (NULL, FAIL):
        assert isinstance(expression.otherwise, str)
        guards, expression = (*guards, (expression.of, expression.otherwise)), expression.then
    if isinstance(expression, Branches):
        for i, body in enumerate(expression.bodies):
            yield Place((*path, Branch(body.field.name)), body.field, expression, guards, branch=i, union=column.field.type)
        return
    if not isinstance(expression, Struct):
        yield Place(path, column.field, expression, guards)
        return
    if expression.of is not None:
        guards = (*guards, (expression.of, NULL))
    yield Place(path, column.field, expression, guards, record=True)
    inner_guards = tuple((g, NULL) for g, _ in guards)  # a null that is an error is one once, at the record
    for inner in expression.columns:
        yield from _flat(inner, (*path, inner.field.name), inner_guards)


def place_at(root: Column, path: tuple[str, ...], named: Named, *, record: bool = False) -> Place:
    """The one place at a path of fields; a record that is only carried is opened on the way. `named`: what References mean.

    `record`: whether there is a record at the path.
    """
    column, guards = root, tuple[tuple[Expression, str], ...]()
    for name in path:
        opened_here, guards = _opened(column, guards, named)
        inner = next(c for c in opened_here.columns if c.field.name == name)
        column, guards = inner, tuple((guard, NULL) for guard, _ in guards)
    if record:
        struct, guards = _opened(column, guards, named)
        return Place(path, column.field, struct, guards, record=True)
    expression = column.expression
    while isinstance(expression, When) and expression.otherwise in (NULL, FAIL):
        assert isinstance(expression.otherwise, str)
        guards, expression = (*guards, (expression.of, expression.otherwise)), expression.then
    return Place(path, column.field, expression, guards)


def _opened(
    column: Column, guards: tuple[tuple[Expression, str], ...], named: Named
) -> tuple[Struct, tuple[tuple[Expression, str], ...]]:
    """A record's columns, and under which guards they stand."""
    expression = column.expression
    while isinstance(expression, When) and expression.otherwise in (NULL, FAIL):
        assert isinstance(expression.otherwise, str)
        guards, expression = (*guards, (expression.of, expression.otherwise)), expression.then
    struct = opened(Column(column.field, expression), named).expression
    assert isinstance(struct, Struct)
    return struct, guards if struct.of is None else (*guards, (struct.of, NULL))


def below(guard: Expression, e: Expression) -> bool:
    """Is `e` null wherever `guard` is, by where it stands?"""
    match guard, e:
        case Source(above), Source(path):
            return path[: len(above)] == above
        case _, Each(of) | Branches(of):
            return below(guard, of)
        case _:
            return guard is e


def guarded(place: Place, value: Expression, present: dict[int, Expression] | None = None) -> Expression:
    """`value` under the place's guards; `present` replaces a guard (by identity) with what stands for it."""
    for guard, otherwise in reversed(place.where):
        value = When((present or {}).get(id(guard), guard), value, otherwise)  # type: ignore[arg-type]
    return value


TRUE = Literal(True, Bool())
