"""What a proof asks of each record of an Avro or JSON file, and the mapping's expressions over just that.

The proof never opens a record as the rewrite does. It asks each side for *values at paths*, in one of four forms, and gives them
generated names: a side becomes a flat table, a list in it a list of flat structs. The mapping's expressions are lowered onto it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from instar.formats.path import Path
from instar.formats.schema import Bool, Bytes, Field, List, Map, Record, Type, Union
from instar.transforms.evaluate.nodes import type_of
from instar.transforms.evaluate.spelled_out import SpelledOut
from instar.transforms.expression import Branches, Call, Cast, Column, Each, Expression, Lookup, Part, Source, Sql, Struct, When
from instar.transforms.expression import Literal as Constant
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import Expansion, resolved

from .keys import Keys, keys_after, keys_before
from .places import TRUE, Place, element_places

Form = Literal["typed", "made", "carried", "present", "keys"]
"""typed: as an expression reads it · made: the same, as a migration writes what it computes · carried: as stored, exact · present:
true where not null · keys: see `keys.py`."""


@dataclass(frozen=True)
class Want:
    """A value asked for: `type` is its logical type, `inner` the elements' wants of a list or map.

    `branch`: the value is a union, and asked for as a list: of the one value of that branch, or of none.
    """

    name: str
    path: tuple[str, ...]
    form: Form
    type: Type
    inner: Wants | None = None
    keys: Keys | None = None
    branch: int | None = None


@dataclass
class Wants:
    """The wants of one scope, each asked once; `lowered` keeps what the mapping shares shared, by node identity.

    `names` tells what the side's References mean.
    """

    prefix: str
    names: Expansion
    all: dict[tuple[tuple[str, ...], str, int], Want] = field(default_factory=dict)
    lowered: dict[int, Expression] = field(default_factory=dict)

    @cached_property
    def spelled(self) -> SpelledOut:
        return SpelledOut(self.names)

    def value(self, path: tuple[str, ...], form: Form, type: Type) -> str:
        """The name under which the value at `path` comes."""
        key = (path, form, 0)
        if key not in self.all:
            self.all[key] = Want(f"{self.prefix}{len(self.all)}", path, form, type)
        return self.all[key].name

    def keys(self, keys: Keys) -> str:
        """The name under which what `keys` asks comes."""
        name = f"{self.prefix}{len(self.all)}"
        self.all[keys.at, "keys", len(self.all)] = Want(name, (), "keys", Bytes(), keys=keys)
        return name

    def elements(self, path: tuple[str, ...], type: Type, branch: int | None = None) -> tuple[str, Wants]:
        """The name under which the list at `path` comes, and the wants of its elements; those of a union's branch likewise."""
        name = f"{self.prefix}{len(self.all)}"
        inner = Wants(f"{name}_", self.names)
        self.all[path, "elements", len(self.all)] = Want(name, path, "carried", type, inner, branch=branch)
        return name, inner


def wants_of(mapping: Mapping) -> tuple[Wants, Wants]:
    """Those of the old side and of the new one. What fills a value may be of a type that only the target has a name for."""
    old, new = mapping.source.definitions, mapping.target.definitions
    return Wants("old", Expansion({**new, **old})), Wants("new", Expansion(new))


@dataclass(frozen=True)
class Lowered:
    """One place: its path, how it is proved, the expression over the old side's names, the new side's name, and the common type."""

    path: Path
    way: str
    expression: Expression
    actual: str
    type: Type
    meant: Type | None = None
    """What a value is that is compared as it is stored."""


@dataclass(frozen=True)
class Dialect:
    """What a format decides: how a carried value of a logical type is compared, and whether records have keys of their own.

    `told`: how a value that is compared as it is stored is told to people; None: as it is.
    """

    carried: Callable[[Type], Type]
    keys: bool
    told: Callable[[Type], Callable[[Any], str] | None] = lambda type: None


def lowered(place: Place, old: Wants, new: Wants, dialect: Dialect, *, typed: bool = False) -> Lowered:
    """A place of the root scope. `typed`: also what is only carried is read as its logical type."""
    way = "repeated" if place.repeated else "bytes" if place.carried and not typed else "sql"
    expression, actual, type = _lower(place, old, new, dialect, typed)
    return Lowered(place.path, way, expression, actual, type, place.field.type if place.carried and not typed else None)


def keys_of(place: Place, old: Wants, new: Wants) -> Lowered | None:
    """The keys of the record at `place` that keep their place: their order, and what no schema names."""
    asked = _keys(place, old, new)
    return asked and Lowered(place.path, "repeated" if place.repeated else "bytes", asked[0], asked[1], Bytes())


def _keys(place: Place, old: Wants, new: Wants) -> tuple[Expression, str] | None:
    struct = place.expression
    if not isinstance(struct, Struct) or not isinstance(struct.of, Source):
        return None
    asked = keys_before(struct)
    before, after = old.keys(asked), new.keys(keys_after(struct, place.names, asked))
    return _guards(place, Source((before,), Bytes()), old), after


def _lower(place: Place, old: Wants, new: Wants, dialect: Dialect, typed: bool) -> tuple[Expression, str, Type]:
    field, names = place.field, place.names
    match place.expression:
        case Struct() if place.record:
            return _guards(place, TRUE, old), new.value(names, "present", Bool()), Bool()
        case Source(path, type) if not typed:
            common = dialect.carried(field.type)
            value = Source((old.value(path, "carried", type),), common)
            return _guards(place, value, old), new.value(names, "carried", field.type), common
        case Each(Source(path, (List() | Map()) as of), body, kind):
            listed = resolved(field.type, new.names.named)
            assert isinstance(listed, List | Map)
            value, after, shaped = _listed(body, kind, old.elements(path, of), new.elements(names, listed), dialect, typed)
            return _guards(place, value, old), after, shaped
        case Branches(Source(path, Union() as of), bodies):
            union, i = resolved(place.union, new.names.named), place.branch
            assert i is not None
            before, after = old.elements(path, of, i), new.elements(names, union, i)
            value, name, shaped = _listed(bodies[i], "list", before, after, dialect, typed)
            return _guards(place, value, old), name, shaped
        case expression:
            value, meant = as_typed(expression, old), new.names.type(field.type)
            form = "made" if isinstance(expression, Sql | Call | Constant) else "typed"  # a cast may keep a value's text
            return _guards(place, value, old), new.value(names, form, meant), meant


def _listed(
    body: Column, kind: Literal["list", "map"], before: tuple[str, Wants], after: tuple[str, Wants], dialect: Dialect, typed: bool
) -> tuple[Expression, str, Type]:
    """A list or map, or the one value of a branch, whose elements are `body`, as flat structs."""
    columns = _elements(body, before[1], after[1], dialect, typed)
    if not before[1].all:  # nothing is read of the elements, but how many there are counts, and DuckDB has no empty structs
        before[1].value((), "present", Bool())
    element = Field("item", Record(tuple(c.field for c in columns)))
    asked = Field("item", record_type(before[1], dialect))
    shaped, source = (List(element), List(asked)) if kind == "list" else (Map(element), Map(asked))
    return Each(Source((before[0],), source), Column(element, Struct(tuple(columns))), kind), after[0], shaped


def _elements(body: Column, old: Wants, new: Wants, dialect: Dialect, typed: bool) -> list[Column]:
    """The element's places as columns of a flat struct, in the order in which the new side is asked for them."""
    columns: list[Column] = []
    for place in element_places(body):
        expression, actual, type = _lower(place, old, new, dialect, typed)
        columns.append(Column(Field(actual, type, nullable=True), expression))
        if place.record and dialect.keys and (asked := _keys(place, old, new)):
            columns.append(Column(Field(asked[1], Bytes(), nullable=True), asked[0]))
    return columns


def record_type(wants: Wants, dialect: Dialect) -> Record:
    """The flat record that a scope's wants make."""
    return Record(tuple(Field(want.name, want_type(want, dialect), nullable=True) for want in wants.all.values()))


def want_type(want: Want, dialect: Dialect) -> Type:
    """The logical type in which a wanted value comes."""
    if want.inner is not None:
        element = Field("item", record_type(want.inner, dialect))
        return Map(element) if isinstance(want.type, Map) else List(element)
    match want.form:
        case "typed" | "made":
            return want.type
        case "carried":
            return dialect.carried(want.type)
        case "present":
            return Bool()
        case _:
            return Bytes()


def _guards(place: Place, value: Expression, old: Wants) -> Expression:
    for guard, otherwise in reversed(place.where):
        value = When(_nullness(guard, old), value, otherwise)  # type: ignore[arg-type]
    return value


def _nullness(e: Expression, old: Wants) -> Expression:
    """An expression that is null where `e` is."""
    match e:
        case Source(path):
            return Source((old.value(path, "present", Bool()),), Bool())
        case Each(of) | Branches(of):
            return _nullness(of, old)
        case Struct(_, None):
            return TRUE
        case Struct(_, Expression() as of):
            return _nullness(of, old)
        case _:
            return as_typed(e, old)


def as_typed(e: Expression, old: Wants) -> Expression:
    """The expression over typed values; what is shared stays shared.

    Raises:
        TypeError: a union's branches are computed one by one, which has no typed value.
    """
    if id(e) not in old.lowered:
        old.lowered[id(e)] = _typed_anew(e, old)
    return old.lowered[id(e)]


def _typed_anew(e: Expression, old: Wants) -> Expression:
    match e:
        case Source(path, type):
            meant = old.names.type(type)
            return Source((old.value(path, "typed", meant),), meant)
        case Constant(_, type):
            return replace(e, type=old.names.type(type))
        case Cast(of) | Lookup(of) | Part(of):
            return replace(e, of=as_typed(of, old))
        case Each(of, body):
            return replace(e, of=as_typed(of, old), body=old.spelled.column(body))
        case Sql(_, inputs) | Call(_, inputs):
            return replace(e, inputs=tuple((as_typed(x, old), type) for x, type in inputs))
        case When(of, then, otherwise):
            value = as_typed(then, old)
            if isinstance(otherwise, Constant) and old.names.type(otherwise.type) is not otherwise.type:
                otherwise = replace(otherwise, type=type_of(value))  # what its names mean by then, they may have been edited
            return replace(e, of=_nullness(of, old), then=value, otherwise=otherwise)
        case Struct(columns, of):
            inner = tuple(old.spelled.of_type(c, as_typed(c.expression, old)) for c in columns)
            return replace(e, columns=inner, of=None if of is None else _nullness(of, old))
    raise TypeError(f"not an expression: {e!r}")
