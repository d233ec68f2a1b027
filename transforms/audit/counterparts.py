"""Which place of the new schema holds what a place of the old one held: what a query's names become.

Only fields of records, as queries name them: what is inside lists and maps is read by way of the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from instar.formats.pii import PII, any_tagged
from instar.formats.schema import Field, Record, Reference, Schema, Type, children
from instar.transforms.expression import Branches, Cast, Column, Each, Expression, Literal, Lookup, Source, Struct, When
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.tree import carried_from
from instar.transforms.untouched import keeps_values

Names = tuple[str, ...]


@dataclass(frozen=True)
class Counterpart:
    """The place on the other side. `changed`: a declared change made its values other ones, or their type."""

    path: Names
    changed: bool = False


@dataclass(frozen=True)
class Side:
    """What a query can name on one side, and what each place is on the other. A place without a counterpart was dropped or added.

    `also` are columns that are no fields of the schema, and the same on both sides: partition keys. `unseen` are columns that
    DuckDB cannot show.
    """

    schema: Schema
    others: Mapping[Names, Counterpart]
    also: Names = ()
    unseen: frozenset[str] = frozenset()

    @property
    def columns(self) -> Names:
        return tuple(name for name in (*self.schema.record.names, *self.also) if name not in self.unseen)

    def place(self, written: Names) -> Names | None:
        """The place that `written` names, as deep as the records go; what follows is DuckDB's. Case counts only where two names
        differ in nothing else, as it is with DuckDB. None: there is no such column."""
        if (key := _spelled(written[0], self.also)) is not None and _spelled(written[0], self.schema.record.names) is None:
            return (key,)
        found: list[str] = []
        type = self.schema.root.type
        for name in written:
            spelled = _spelled(name, type.names) if isinstance(type, Record) else None
            if spelled is None:
                break
            assert isinstance(type, Record)
            found.append(spelled)
            type = type[spelled].type
        return tuple(found) or None

    def type(self, place: Names) -> Type | None:
        """None for a column that is no field."""
        type: Type | None = self.schema.record
        for name in place:
            type = type[name].type if isinstance(type, Record) and name in type else None
        return type

    def other(self, place: Names) -> Counterpart | None:
        """Where a place of this side is on the other."""
        return Counterpart(place) if place[0] in self.also and place[0] not in self.schema.record else self.others.get(place)


def _spelled(name: str, known: Names) -> str | None:
    if name in known:
        return name
    return next((each for each in known if each.casefold() == name.casefold()), None)


def sides(mapping: SchemaMapping, also: Names = ()) -> tuple[Side, Side]:
    """Both sides of a mapping, old first."""
    forward: dict[Names, Counterpart] = {}
    for target, origin, changed in _pairs(mapping.root, ()):
        known = forward.get(origin)
        if known is None or (known.changed, known.path != origin) > (changed, target != origin):
            forward[origin] = Counterpart(target, changed)
    for place in places_of(mapping.source.record, ()):  # computed anew under its old name
        if place not in forward and _has(mapping.target.record, place):
            forward[place] = Counterpart(place, changed=True)
    back: dict[Names, Counterpart] = {}
    for origin, found in forward.items():
        if found.path not in back or back[found.path].changed > found.changed:
            back[found.path] = Counterpart(origin, found.changed)
    return Side(mapping.source, forward, also), Side(mapping.target, back, also)


def _pairs(column: Column, target: Names) -> Iterator[tuple[Names, Names, bool]]:
    """Target place, source place, and whether the value is another one; the root's own among them, as ((), ())."""
    expression, filled = column.expression, False
    while isinstance(expression, When):
        filled = filled or isinstance(expression.otherwise, Literal)
        expression = expression.then
    match expression:
        case Source(path):
            yield target, path, filled
            if isinstance(expression.type, Record):
                for place in places_of(expression.type, ()):
                    yield (*target, *place), (*path, *place), filled
        case Struct(columns, of):
            if isinstance(of, Source):
                yield target, of.path, filled or not keeps_values(Column(column.field, _bare(expression, of)), of.path)
            for inner in columns:
                yield from _pairs(inner, (*target, inner.field.name))
        case Each(of, body) if source := carried_from(of):
            yield target, source.path, filled or not keeps_values(body)
        case Branches(of, bodies) if source := carried_from(of):
            yield target, source.path, filled or not all(map(keeps_values, bodies))
        case Cast(of=of) | Lookup(of=of) if source := carried_from(of):
            yield target, source.path, True
        case _:
            return


def _bare(struct: Struct, of: Source) -> Expression:
    """The record as it would have to be to be carried whole: no field of its own more or less."""
    whole = isinstance(of.type, Record) and [c.field.name for c in struct.columns] == list(of.type.names)
    return struct if whole else Struct(struct.columns, None)


def places_of(record: Record, at: Names) -> Iterator[Names]:
    for field in record.fields:
        yield (*at, field.name)
        if isinstance(field.type, Record):
            yield from places_of(field.type, (*at, field.name))


def _has(record: Record, place: Names) -> bool:
    return place[0] in record and (
        len(place) == 1 or (isinstance(inner := record[place[0]].type, Record) and _has(inner, place[1:]))
    )


def may_not_show(schema: Schema, place: Names) -> bool:
    """Is the place, or one around it, or one inside it, tagged as one whose values are not to be shown?"""
    type: Type | None = schema.record
    for name in place:
        if not isinstance(type, Record) or name not in type:
            return False
        if PII in type[name].tags:
            return True
        type = type[name].type
    return any_tagged([Schema(Field("", type), schema.definitions)]) if type is not None and _opens(type) else False


def _opens(type: Type) -> bool:
    """May there be fields inside?"""
    return isinstance(type, Record | Reference) or bool(list(children(type)))
