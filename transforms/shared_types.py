"""Named types: where they are used, what they stand for, and the places of a schema with them in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from instar.formats.path import EACH_ITEM, EACH_VALUE, Branch, Path, Step
from instar.formats.schema import Enum, Field, Fixed, List, Map, Record, Reference, Schema, Type, Union

Named = Mapping[str, Field]
"""A schema's definitions: what each name of a Reference means."""


def places(field: Field, at: Path = ()) -> Iterator[tuple[Path, Field]]:
    """The field and all fields below it, each with its path; References are not followed."""
    yield at, field
    for step, inner in steps(field):
        yield from places(inner, (*at, step))


def steps(field: Field) -> Iterator[tuple[str | Step, Field]]:
    """The fields one level down, each with its step."""
    match field.type:
        case Record(fields):
            yield from ((f.name, f) for f in fields)
        case List(item):
            yield EACH_ITEM, item
        case Map(value):
            yield EACH_VALUE, value
        case Union(branches):
            yield from ((Branch(f.name), f) for f in branches)
        case _:
            return


def field_at(schema: Schema, path: Path) -> Field | None:
    """The field at a path, through named types, of which a path may also begin with one; None where there is none."""
    field = schema.root
    if path and isinstance(path[0], Branch):
        named = types_of(schema)
        if path[0].text not in named:
            return None
        field, path = named[path[0].text], path[1:]
    for step in path:
        found = _inside(resolved(field.type, schema.definitions), step)
        if found is None:
            return None
        field = found
    return field


def fields_along(names: Iterable[str], field: Field, named: Named) -> Iterator[Field]:
    """The fields that names lead to, one below the other, from a record down; below what is no record, that again."""
    for name in names:
        record = resolved(field.type, named)
        field = record[name] if isinstance(record, Record) else field
        yield field


def _inside(type: Type, step: str | Step) -> Field | None:
    match type:
        case Record():
            return type[step] if isinstance(step, str) and step in type else None
        case List(inner) | Map(inner):
            return inner if step == (EACH_ITEM if isinstance(type, List) else EACH_VALUE) else None
        case Union(branches):
            return next((b for b in branches if Branch(b.name) == step), None)
        case _:
            return None


# ---- what a name means
def resolved(type: Type, named: Named) -> Type:
    """The type itself, of a Reference what it means; what is inside stays."""
    for _ in range(len(named)):
        if not isinstance(type, Reference) or type.name not in named:
            return type
        type = named[type.name].type
    return type


def expanded(type: Type, named: Named) -> Type:
    """The type with the meaning of every Reference in its place, also inside; those to types that contain themselves stay."""
    return Expansion(named).type(type) if named else type


class Expansion:
    """`expanded` for many types: each name's meaning is made once, so that what is shared stays so."""

    def __init__(self, named: Named) -> None:
        self.named = named
        self.recursive = recursive(named)
        self.done: dict[str, Type] = {}

    def type(self, type: Type) -> Type:
        match type:
            case Reference(name) if name in self.named and name not in self.recursive:
                if name not in self.done:
                    self.done[name] = self.type(self.named[name].type)
                return self.done[name]
            case Record(old) | Union(old):
                new = tuple(map(self.field, old))
                if all(a is b for a, b in zip(old, new, strict=True)):
                    return type
                return replace(type, fields=new) if isinstance(type, Record) else Union(new)
            case List(item) if (new := self.field(item)) is not item:
                return replace(type, item=new)
            case Map(value) if (new := self.field(value)) is not value:
                return replace(type, value=new)
            case _:
                return type

    def field(self, field: Field) -> Field:
        type = self.type(field.type)
        return field if type is field.type else field.with_(type=type)


def recursive(named: Named) -> frozenset[str]:
    """The names whose types contain themselves, however deep."""
    inside = {name: set(_mentioned(field)) for name, field in named.items()}
    for middle in inside:  # the transitive closure, by Warshall
        for reached in inside.values():
            if middle in reached:
                reached |= inside[middle]
    return frozenset(name for name, reached in inside.items() if name in reached)


def leading(named: Named, name: str) -> frozenset[str]:
    """`name`, and the names whose types contain a use of it, however deep."""
    found = {name}
    while more := {other for other, field in named.items() if other not in found and found & set(_mentioned(field))}:
        found |= more
    return frozenset(found)


def _mentioned(field: Field) -> Iterator[str]:
    """The names of the types used in a field, not through other names."""
    yield from (n for p, f in places(field) if p and (n := name_of(f.type)))
    if isinstance(field.type, Reference):
        yield field.type.name


def name_of(type: Type) -> str:
    """The name that a type has or refers to, "" for none."""
    return type.name if isinstance(type, Reference | Record) else ""


# ---- where a name is used
def types_of(schema: Schema) -> dict[str, Field]:
    """The definitions, and the records that have a name where they stand."""
    inline = {f.type.name: f for _, f in _everywhere(schema) if isinstance(f.type, Record) and f.type.name}
    return {**inline, **schema.definitions}


def uses(schema: Schema, name: str) -> list[Path]:
    """Where a type of that name is used: References to it, and the place that defines it in passing (Avro's first use).

    Empty where no Reference means it: then it is used once, and a path may lead into it. A use inside a definition has the
    definition's name in front.
    """
    found = [(p, f.type) for p, f in _everywhere(schema) if getattr(f.type, "name", "") == name]
    return [p for p, _ in found if p != (Branch(name),)] if any(isinstance(t, Reference) for _, t in found) else []


def editable(schema: Schema) -> Iterator[tuple[Path, Field]]:
    """The places that an operation can work at, records left out: those of a shared type once, below its name."""
    yield from _editable(schema.root, (), schema)
    for name in sorted({n for _, f in _everywhere(schema) if (n := name_of(f.type)) and uses(schema, n)}):
        if name in schema.definitions and name not in recursive(schema.definitions):
            yield from _editable(schema.definitions[name], (Branch(name),), schema)


def _editable(field: Field, at: Path, schema: Schema) -> Iterator[tuple[Path, Field]]:
    for step, inner in steps(field):
        place, name = (*at, step), name_of(inner.type)
        if name and uses(schema, name):
            yield place, inner.with_(type=Reference(name))
            continue
        if not isinstance(inner.type, Record):
            yield place, inner
        yield from _editable(inner, place, schema)


def only_place(schema: Schema, name: str) -> Path | None:
    """Where the record of that name stands, if nothing else uses it."""
    found = [p for p, f in _everywhere(schema) if isinstance(f.type, Record) and f.type.name == name and p != (Branch(name),)]
    return next((p for p in found if p and isinstance(p[0], Branch)), found[0] if found else None)


def dangling(schema: Schema) -> Iterator[tuple[str, Path]]:
    """References whose name nothing defines, and where they are."""
    if not any(map(_refers, (schema.root, *schema.definitions.values()))):  # most schemas
        return
    used = [(f.type.name, p) for p, f in _everywhere(schema) if isinstance(f.type, Reference)]
    if used:
        defined = set(schema.definitions) | {
            f.type.name for _, f in _everywhere(schema) if isinstance(f.type, Record | Enum | Fixed) and f.type.name
        }
        yield from ((name, path) for name, path in used if name not in defined)


def _refers(field: Field) -> bool:
    """Is there a Reference in the field, or below it?"""
    match field.type:
        case Record(fields) | Union(fields):
            return any(map(_refers, fields))
        case List(inner) | Map(inner):
            return _refers(inner)
        case type:
            return isinstance(type, Reference)


def _everywhere(schema: Schema) -> Iterator[tuple[Path, Field]]:
    yield from places(schema.root)
    for name, field in schema.definitions.items():
        yield from places(field, (Branch(name),))
