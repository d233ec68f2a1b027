"""The structural fingerprint: what makes two schemas the same version, and how two that are not differ.

Part of it: field names (case-sensitive), nesting, logical types, units, zones. Not part of it: column order, nullability,
optionality, docs, defaults, tags, and everything in `extra` (storage, native keywords).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .path import EACH_ITEM, EACH_VALUE, Branch, Path, path_text
from .schema import Field, List, Map, Record, Schema, Type, Union, field_text, type_text


def fingerprint(schema: Schema) -> str:
    """Hex digest of the structure; equal for two schemas exactly where `differences` finds nothing but nullability."""
    text = json.dumps(_structure(schema.root.type), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _structure(type: Type) -> Any:
    match type:
        case Record(fields):
            return ["record", sorted([f.name, _structure(f.type)] for f in fields)]
        case List(item):
            return ["list", _structure(item.type)]
        case Map(value, key):
            return ["map", _structure(key), _structure(value.type)]
        case Union(branches):
            return ["union", [_structure(b.type) for b in branches]]
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
    return tuple(_compare(found.root, expected.root, (), nullability))


def misfits(file: Schema, version: Schema) -> tuple[Difference, ...]:
    """Why a file is not of a version: a structural difference, or a null where the version requires a value. () fits."""
    structural = differences(file, version)
    return structural or tuple(_looser(file.root, version.root, ()))


def _compare(a: Field, b: Field, path: Path, nullability: bool) -> Iterator[Difference]:
    if nullability and a.nullable != b.nullable:
        yield Difference(path, field_text(a), field_text(b))
        return
    match a.type, b.type:
        case Record(old), Record(new):
            for f in old:
                if f.name in b.type:
                    yield from _compare(f, b.type[f.name], (*path, f.name), nullability)
                else:
                    yield Difference((*path, f.name), field_text(f), None)
            for f in new:
                if f.name not in a.type:
                    yield Difference((*path, f.name), None, field_text(f))
        case List(old), List(new):
            yield from _compare(old, new, (*path, EACH_ITEM), nullability)
        case Map(old, key), Map(new, other) if key == other:
            yield from _compare(old, new, (*path, EACH_VALUE), nullability)
        case Union(old), Union(new) if len(old) == len(new):
            for x, y in zip(old, new, strict=True):
                yield from _compare(x, y, (*path, Branch(x.name or type_text(x.type))), nullability)
        case old, new:
            if _structure(old) != _structure(new):
                yield Difference(path, type_text(old), type_text(new))


def _looser(file: Field, version: Field, path: Path) -> Iterator[Difference]:
    """Places that may be null in the file but not in the version; the structures are known to be equal."""
    if file.nullable and not version.nullable:
        yield Difference(path, field_text(file), field_text(version))
    match file.type, version.type:
        case Record(fields), Record() as record:
            for f in fields:
                yield from _looser(f, record[f.name], (*path, f.name))
        case List(a), List(b):
            yield from _looser(a, b, (*path, EACH_ITEM))
        case Map(a), Map(b):
            yield from _looser(a, b, (*path, EACH_VALUE))
        case _:
            return
