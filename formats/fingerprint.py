"""The structural fingerprint: what makes two schemas the same version, and how two that are not differ.

Part of it: field names (case-sensitive), nesting, logical types, units, zones. Not part of it: column order, nullability,
optionality, docs, defaults, tags, and everything in `extra` (storage, native keywords).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from .schema import Field, List, Map, Record, Reference, Schema, Type, Union, field_text, type_text


def fingerprint(schema: Schema) -> str:
    """Hex digest of the structure; equal for two schemas exactly where `differences` finds nothing but nullability.

    A named type counts as what it is made of, at its first use in the order of the names; where it is used again only that is
    noted. So neither the name, nor which use has the definition, makes a difference.
    """
    text = json.dumps(_structure(schema.root.type, (), schema.definitions, {}), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _structure(type: Type, at: Path, named: Mapping[str, Field], met: dict[str, str]) -> Any:
    """`met`: where each named type was first met."""
    name = type.name if isinstance(type, Reference | Record) else ""
    if name in named:
        if name in met:
            return ["again", met[name]]
        met[name] = path_text(at)
        type = named[name].type if isinstance(type, Reference) else type
    match type:
        case Record(fields):
            ordered = sorted(fields, key=lambda f: f.name)
            return ["record", [[f.name, _structure(f.type, (*at, f.name), named, met)] for f in ordered]]
        case List(item):
            return ["list", _structure(item.type, (*at, EACH_ITEM), named, met)]
        case Map(value, key):
            return ["map", type_text(key), _structure(value.type, (*at, EACH_VALUE), named, met)]
        case Union(branches):
            return ["union", [_structure(b.type, (*at, Branch(str(i))), named, met) for i, b in enumerate(branches)]]
        case _:
            return type_text(type)


@dataclass(frozen=True)
class Difference:
    """One place where two schemas differ: `found` and `expected` are type texts, or None where the field is absent."""

    path: Path
    found: str | None
    expected: str | None

    def __str__(self) -> str:
        place = path_text(self.path) or "the record"
        if self.found is None:
            return f"{place} is missing ({self.expected} expected)"
        if self.expected is None:
            return f"{place} ({self.found}) is not in the schema"
        return f"{place} is {self.found}, not {self.expected}"


def differences(found: Schema, expected: Schema, *, nullability: bool = False) -> tuple[Difference, ...]:
    """Where `found` differs from `expected` in structure; with `nullability` also in that, in both directions."""
    return tuple(_compare(found.root, expected.root, (), nullability, _Named(found.definitions, expected.definitions)))


def misfits(file: Schema, version: Schema) -> tuple[Difference, ...]:
    """Why a file is not of a version: a structural difference, or a null where the version requires a value. () fits."""
    structural = differences(file, version)
    return structural or tuple(_looser(file.root, version.root, (), _Named(file.definitions, version.definitions)))


@dataclass(frozen=True)
class _Named:
    """The named types of two schemas, and which pairs of them have been compared: recursion ends there."""

    a: Mapping[str, Field]
    b: Mapping[str, Field]
    met: set[tuple[str, str]] = field(default_factory=set)

    def resolved(self, a: Type, b: Type) -> tuple[Type, Type] | None:
        """Both types with definitions in the place of references; None for a pair that was met before."""
        if isinstance(a, Reference) and isinstance(b, Reference):
            if (a.name, b.name) in self.met:
                return None
            self.met.add((a.name, b.name))
        return _definition(a, self.a), _definition(b, self.b)


def _definition(type: Type, named: Mapping[str, Field]) -> Type:
    return named[type.name].type if isinstance(type, Reference) and type.name in named else type


def _compare(a: Field, b: Field, path: Path, nullability: bool, named: _Named) -> Iterator[Difference]:
    if nullability and a.nullable != b.nullable:
        yield Difference(path, field_text(a), field_text(b))
        return
    match named.resolved(a.type, b.type):
        case None:
            return
        case Record(old) as before, Record(new) as after:
            for f in old:
                if f.name in after:
                    yield from _compare(f, after[f.name], (*path, f.name), nullability, named)
                else:
                    yield Difference((*path, f.name), field_text(f), None)
            for f in new:
                if f.name not in before:
                    yield Difference((*path, f.name), None, field_text(f))
        case List(old), List(new):
            yield from _compare(old, new, (*path, EACH_ITEM), nullability, named)
        case Map(old, key), Map(new, other) if key == other:
            yield from _compare(old, new, (*path, EACH_VALUE), nullability, named)
        case Union(old), Union(new) if len(old) == len(new):
            for x, y in zip(old, new, strict=True):
                yield from _compare(x, y, (*path, Branch(x.name or type_text(x.type))), nullability, named)
        case old, new:
            if type(old) is not type(new) or type_text(old) != type_text(new):
                yield Difference(path, type_text(a.type), type_text(b.type))


def _looser(file: Field, version: Field, path: Path, named: _Named) -> Iterator[Difference]:
    """Places that may be null in the file but not in the version; the structures are known to be equal."""
    if file.nullable and not version.nullable:
        yield Difference(path, field_text(file), field_text(version))
    match named.resolved(file.type, version.type):
        case Record(fields), Record() as record:
            for f in fields:
                yield from _looser(f, record[f.name], (*path, f.name), named)
        case List(a), List(b):
            yield from _looser(a, b, (*path, EACH_ITEM), named)
        case Map(a), Map(b):
            yield from _looser(a, b, (*path, EACH_VALUE), named)
        case _:
            return
