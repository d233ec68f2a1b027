"""One mapping over another schema of the same structure: a variant's own at its source, a registered one at its target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from instar.formats.errors import MigrationError
from instar.formats.fingerprint import differences
from instar.formats.path import Path, path_text
from instar.formats.pii import PII, any_tagged
from instar.formats.schema import Field, List, Map, Record, Reference, Schema, Type, Union

from .expression import Branches, Call, Cast, Column, Each, Expression, Literal, Lookup, Part, Source, Sql, Struct, When
from .shared_types import Expansion, Named, name_of, resolved, steps
from .tree import carried_from, opened, rebuilt

if TYPE_CHECKING:
    from .mapping import Mapping


_T = TypeVar("_T")


# ---- the source: a variant
def rebased(mapping: Mapping, file: Schema) -> Mapping:
    """As `Mapping.rebased`; known already for the mapping and schema that many files share."""
    return _known(_One(mapping), _One(file))


@dataclass(frozen=True, eq=False)
class _One(Generic[_T]):
    """An object that is looked up as itself: to compare two would take longer than the work that is saved."""

    of: _T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _One) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)


@lru_cache(maxsize=16)
def _known(mapping: _One[Mapping], file: _One[Schema]) -> Mapping:
    return _rebased(mapping.of, file.of)


def _rebased(mapping: Mapping, file: Schema) -> Mapping:
    """The mapping as it reads a file whose schema differs in storage, nullability or column order only.

    Nullability and order of the target stay the mapping's; carried fields take `extra` and type names from the file. What the
    source has tagged `pii` is so in the file's schema, too, which need not say it itself.

    Raises:
        MigrationError: the file's structure is another one.
    """
    if found := differences(file, mapping.source):
        raise MigrationError("the file is not of the mapping's source schema: " + "; ".join(map(str, found[:5])))
    from .mapping import Mapping

    known = mapping.target.definitions
    over = _Over(file.root, _Ground(file.definitions, known, Expansion(file.definitions), _reordered(mapping.source, file)))
    root = over.column(mapping.root)
    named = {name: over.ground.definition(name, field) for name, field in known.items()}
    return Mapping(tagged_as(file, mapping.source), root, named)


def tagged_as(file: Schema, registered: Schema) -> Schema:
    """The file's schema with the registered one's `pii` tags."""
    if not any_tagged([registered]):
        return file
    named = dict(file.definitions)
    done = set[str]()

    def tagged(field: Field, like: Field) -> Field:
        own = (PII,) if PII in like.tags and PII not in field.tags else ()
        return field.with_(tags=(*field.tags, *own), type=inside(field.type, like.type))

    def inside(type: Type, like: Type) -> Type:
        if isinstance(type, Reference):
            if type.name in named and type.name not in done:
                done.add(type.name)
                meant = registered.definitions.get(like.name) if isinstance(like, Reference) else Field("", like)
                named[type.name] = tagged(named[type.name], meant) if meant else named[type.name]
            return type
        match type, resolved(like, registered.definitions):
            case Record(fields), Record() as others:
                return replace(type, fields=tuple(tagged(f, others[f.name]) if f.name in others else f for f in fields))
            case List(item), List(other):
                return replace(type, item=tagged(item, other))
            case Map(value), Map(other):
                return replace(type, value=tagged(value, other))
            case Union(branches), Union(others):
                alike = {other.name: other for other in others}
                return Union(tuple(tagged(b, alike[b.name]) if b.name in alike else b for b in branches))
            case _:
                return type

    return Schema(tagged(file.root, registered.root), named, file.open)


def _reordered(registered: Schema, file: Schema) -> bool:
    """Do the fields of a named type come in another order?"""
    a, b = registered.definitions, file.definitions
    return any(not _same_order(a[name].type, b[name].type) for name in a.keys() & b.keys())


@dataclass(frozen=True)
class _Ground:
    """What all scopes have in common: what names mean in the file and in the target.

    `reordered`: what is inside the file's named types has another order. `edited`: the target's types of which a use was opened.
    """

    named: Named
    target: Named
    expansion: Expansion
    reordered: bool
    edited: dict[str, Type] = field(default_factory=dict)

    def note(self, column: Column) -> None:
        """Remember what a named type has come to be in one of its uses: it is the same in all."""
        name, e = name_of(column.field.type), column.expression
        while isinstance(e, When):
            e = e.then
        if name in self.target and isinstance(e, Struct | Each | Branches):
            whole = Column(column.field.with_(type=resolved(column.field.type, self.target)), e)
            self.edited.setdefault(name, rebuilt(whole, e).field.type)

    def definition(self, name: str, field: Field) -> Field:
        """The target's definition with the file's storage."""
        if name not in self.named:
            return field
        stored = _stored_as(field, self.named[name])
        return stored.with_(type=self.edited.get(name, stored.type))


@dataclass
class _Over:
    """One scope's expressions over the file's field in place of the registered one."""

    root: Field
    ground: _Ground
    done: dict[int, tuple[Expression, Expression]] = field(default_factory=dict)
    """What became of an expression, by its identity; it is kept as well, so that no other one gets its identity."""

    @cached_property
    def aside(self) -> _Over:
        """The same scope for what is only read on the way: it may be of a named type as that was before, and is not noted."""
        return _Over(self.root, replace(self.ground, edited={}))

    def at(self, path: tuple[str, ...]) -> Field:
        found = self.root
        for name in path:
            record = resolved(found.type, self.ground.named)
            assert isinstance(record, Record)
            found = record[name]
        return found

    def type(self, source: Source) -> Type:
        """The file's type at a source's place; that of a named type where the source has not merely its name."""
        there = self.at(source.path).type
        return there if isinstance(source.type, Reference) else resolved(there, self.ground.named)

    def column(self, column: Column) -> Column:
        expression = self.expression(column.expression)
        origin = self.origin(column.expression)
        field = column.field if origin is None else _stored_as(column.field, origin)
        made = rebuilt(Column(field, expression), expression)
        self.ground.note(made)
        return made

    def origin(self, e: Expression | None) -> Field | None:
        """The file's field whose value this expression carries."""
        while isinstance(e, When):
            e = e.then
        if isinstance(e, Struct | Each | Branches):
            return self.origin(e.of)
        return self.at(e.path) if isinstance(e, Source) else None

    def expression(self, e: Expression) -> Expression:
        if id(e) not in self.done:
            self.done[id(e)] = e, self._expression(e)
        return self.done[id(e)][1]

    def _expression(self, e: Expression) -> Expression:
        match e:
            case Source(path, type):
                there = self.type(e)
                source = Source(path, there)
                return source if _same_order(type, there) else self._in_order(Column(Field("", type), source))
            case Cast(of) | Lookup(of):
                return replace(e, of=self.aside.expression(of))
            case Part(of):
                return replace(e, of=self.aside.expression(of))
            case Sql(_, inputs) | Call(_, inputs):
                return replace(e, inputs=tuple((self.read(x, t), t) for x, t in inputs))
            case When(of, then):
                same = of is then
                then = self.expression(then)
                return replace(e, of=then if same else self.plain(of), then=then)
            case Struct(columns, of):
                return replace(e, columns=tuple(map(self.column, columns)), of=None if of is None else self.plain(of))
            case Each(of, body):
                return replace(e, of=self.plain(of), body=self._element(of).column(body))
            case Branches(of, bodies):
                return replace(e, of=self.plain(of), bodies=self._bodies(of, bodies))
            case _:
                return e

    def _bodies(self, of: Expression, bodies: tuple[Column, ...]) -> tuple[Column, ...]:
        """The bodies of a union's branches, each over the file's branch."""
        source = carried_from(of)
        union = source and resolved(self.at(source.path).type, self.ground.named)
        assert isinstance(union, Union)
        return tuple(_Over(b, self.ground).column(body) for b, body in zip(union.branches, bodies, strict=True))

    def read(self, e: Expression, type: Type) -> Expression:
        """As `expression`, for a value that is looked into with all its named types, as `type`."""
        if isinstance(e, Source) and self.ground.reordered:
            there = self.ground.expansion.type(self.at(e.path).type)
            if not _same_order(type, there):
                return self.aside._in_order(Column(Field("", type), Source(e.path, there)))
        return self.aside.expression(e)

    def plain(self, e: Expression) -> Expression:
        """As `expression`, where only whether it is null, or its elements, matter: the order of its fields does not."""
        return Source(e.path, self.type(e)) if isinstance(e, Source) else self.aside.expression(e)

    def _element(self, of: Expression) -> _Over:
        """The scope of the elements of a list or map: the file's where it carries them, else a computed list's own."""
        origin = self.origin(of)
        while isinstance(of, When):
            of = of.then
        known = origin.type if origin else _type_of_computed(of)
        match known and resolved(known, self.ground.named):
            case List(item):
                return _Over(item, self.ground)
            case Map(value):
                return _Over(value, self.ground)
        raise TypeError(f"not a list or map: {of!r}")

    def _in_order(self, column: Column) -> Expression:
        """The source's records field by field, in the order of the column's type."""
        expression = opened(column).expression
        match expression:
            case Struct(columns, of):
                return replace(expression, columns=tuple(map(self.column, columns)), of=of)
            case Each(of, body):
                return replace(expression, body=self._element(of).column(body))
            case Branches(of, bodies):
                return replace(expression, bodies=self._bodies(of, bodies))
            case _:
                return expression


def _type_of_computed(of: Expression) -> Type | None:
    if isinstance(of, Cast):
        return of.to
    return of.type if isinstance(of, Sql | Literal | Call | Part) else None


def _same_order(a: Type, b: Type) -> bool:
    if isinstance(a, Record) and isinstance(b, Record) and a.names != b.names:
        return False
    inner = zip(_fields(a), _fields(b), strict=False)  # a named type may be inline in the one and a reference in the other
    return all(_same_order(x.type, y.type) for x, y in inner)


def _fields(type: Type) -> tuple[Field, ...]:
    return tuple(f for _, f in steps(Field("", type)))


def _stored_as(field: Field, file: Field) -> Field:
    """The field with the file's `extra` and type names, down to the leaves."""
    return field.with_(type=_type_stored_as(field.type, file.type), extra=file.extra)


def _type_stored_as(type: Type, file: Type) -> Type:
    match type, file:
        case Record(fields), Record():
            return Record(tuple(_stored_as(f, file[f.name]) if f.name in file else f for f in fields), name=file.name)
        case List(item), List(other):
            return List(_stored_as(item, other))
        case Map(value, key), Map(other):
            return Map(_stored_as(value, other), key)
        case Union(a), Union(b) if len(a) == len(b):
            return Union(tuple(_stored_as(x, y) for x, y in zip(a, b, strict=True)))
        case _:
            return file if type == file else type


# ---- the target: the registered schema
def onto(mapping: Mapping, registered: Schema) -> Mapping:
    """See `Mapping.onto`."""
    problems = exact_differences(mapping.target, registered)
    if problems:
        raise MigrationError(
            "the migration does not lead to the registered schema: " + "; ".join(problems[:8]),
            hint="Change the operations, or register the schema they lead to.",
        )
    named = {**mapping.target.definitions, **registered.definitions}
    return replace(mapping, root=_described(mapping.root, registered.root, named), named=named)


def _described(column: Column, field: Field, named: Named) -> Column:
    """The column and those in it with the docs, defaults, tags and `extra` of the registered field."""
    return Column(field, _inside(column.expression, field, named))


def _inside(e: Expression, field: Field, named: Named) -> Expression:
    match e, resolved(field.type, named):
        case Struct(columns), Record(fields):
            return replace(e, columns=tuple(_described(c, f, named) for c, f in zip(columns, fields, strict=True)))
        case Each(_, body), List(item) | Map(item):
            return replace(e, body=_described(body, item, named))
        case Branches(_, bodies), Union(branches):
            return replace(e, bodies=tuple(_described(c, b, named) for c, b in zip(bodies, branches, strict=True)))
        case When(of, then), _:
            inner = _inside(then, field, named)
            return e if inner is then else replace(e, of=inner if of is then else of, then=inner)
        case _:
            return e


def exact_differences(found: Schema, expected: Schema) -> tuple[str, ...]:
    """Where two schemas differ in structure, nullability, optionality or order, each as a sentence."""
    problems = [str(d) for d in differences(found, expected, nullability=True)]
    if not problems:
        problems.extend(_finer(found.root, expected.root, ()))
    for name in sorted(found.definitions.keys() & expected.definitions.keys()):
        a, b = (Schema(of.definitions[name], of.definitions) for of in (found, expected))  # which use is inline may differ
        problems.extend(f"in the type {name!r}: {d}" for d in differences(a, b, nullability=True))
    return tuple(problems)


def _finer(a: Field, b: Field, at: Path) -> Iterator[str]:
    """Optionality and order, for two fields of the same structure."""
    if a.optional != b.optional:
        yield f"the key {path_text(at)} may be missing in {'the first' if a.optional else 'the second'} only"
    if isinstance(a.type, Record) and isinstance(b.type, Record):
        if a.type.names != b.type.names:
            orders = [", ".join(path_text((name,)) for name in r.names) for r in (a.type, b.type)]
            yield f"the fields of {path_text(at) or 'the record'} come in the order {orders[0]}, not {orders[1]}"
        for f in a.type.fields:
            yield from _finer(f, b.type[f.name], (*at, f.name))
    else:
        for (step, x), (_, y) in zip(steps(a), steps(b), strict=False):  # inline in the one, a reference in the other: no steps
            yield from _finer(x, y, (*at, step))
