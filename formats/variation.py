"""What makes a file a variant of its version: in which of the things that the structural fingerprint leaves out it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from .schema import Field, List, Map, Record, Reference, Schema, Type, Union

_SHOWN = 3


def variation(file: Schema, version: Schema) -> str:
    """In words, each kind of difference with the places that have it: "order of columns; storage of b, c.d"; "" without any.

    Both are of one structure. What belongs to the file as a whole, such as its key-values, does not count.
    """
    found: dict[str, list[str]] = {}
    for what, path in _field(file.root, version.root, (), (file.definitions, version.definitions), frozenset()):
        found.setdefault(what, []).append(path_text(path))
    return "; ".join(f"{what}{_named(places)}" for what, places in found.items())


def _named(places: list[str]) -> str:
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f" of {', '.join(places[:_SHOWN])}{more}" if any(places) else ""


Named = tuple[Mapping[str, Field], Mapping[str, Field]]


def _field(a: Field, b: Field, path: Path, named: Named, within: frozenset[str]) -> Iterator[tuple[str, Path]]:
    """`within`: the named types that the walk is inside of, whose uses below are not walked again."""
    if (a.nullable, a.optional) != (b.nullable, b.optional):
        yield "nullability", path
    if path:  # the root's are the file's own
        if a.extra != b.extra:
            yield "storage", path
        if a.doc != b.doc:
            yield "docs", path
    if a.default != b.default:
        yield "default", path
    if a.tags != b.tags:
        yield "tags", path
    yield from _type(a.type, b.type, path, named, within)


def _type(a: Type, b: Type, path: Path, named: Named, within: frozenset[str]) -> Iterator[tuple[str, Path]]:
    names = {t.name for t in (a, b) if isinstance(t, Reference)}
    if names & within:
        return
    within |= names
    a, b = _defined(a, named[0]), _defined(b, named[1])
    match a, b:
        case Record(fields, name), Record(others, other):
            if name != other:
                yield "type name", path
            if [f.name for f in fields] != [f.name for f in others]:
                yield "order of fields" if path else "order of columns", path
            for f in fields:
                if f.name in b:
                    yield from _field(f, b[f.name], (*path, f.name), named, within)
        case List(item), List(other):
            yield from _field(item, other, (*path, EACH_ITEM), named, within)
        case Map(value), Map(other):
            yield from _field(value, other, (*path, EACH_VALUE), named, within)
        case Union(branches), Union(others):
            for one, other in zip(branches, others, strict=True):
                yield from _field(one, other, (*path, Branch(other.name)), named, within)
        case _:
            if a != b:
                yield "storage", path


def _defined(type: Type, definitions: Mapping[str, Field]) -> Type:
    return definitions[type.name].type if isinstance(type, Reference) and type.name in definitions else type
