"""Which branch of a union a JSON value is of: JSON does not say it, so the branches must differ in what their values look like.

They do where the values are of different JSON types; where they are different fixed texts; or, for records, where a key that all of
them require has other fixed values in each (a discriminator such as `"kind": {"const": "created"}`), or where one requires a key
that another, which is closed (`"additionalProperties": false`), does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import msgspec

from instar.formats.errors import DataError, Where
from instar.formats.schema import (
    Bool,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    List,
    Map,
    Null,
    Number,
    Record,
    Reference,
    String,
    Type,
    Uuid,
)

from .origin import kind_of, origin_of
from .scalars import shown

_FIRST = {
    b'"': "string", b"{": "object", b"[": "array", b"t": "boolean", b"f": "boolean", b"n": "null", b"-": "number",
    **{str(digit).encode(): "number" for digit in range(10)},
}  # fmt: skip
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class _Look:
    """What the values of a branch look like. `fixed`: their texts, if these are limited; `keys`: those of keys that are required;
    `known`: all the keys there may be, if it is closed."""

    kind: str
    fixed: frozenset[str] | None
    required: frozenset[str]
    keys: Mapping[str, frozenset[str]]
    known: frozenset[str] | None

    def fits(self, kind: str, value: Any) -> bool:
        if kind != self.kind:
            return False
        if isinstance(value, dict):
            return (
                self.required <= value.keys()
                and (self.known is None or value.keys() <= self.known)
                and all(_text(value[key]) in texts for key, texts in self.keys.items())
            )
        return self.fixed is None or value in self.fixed


class Branches:
    """The branches of a union by what their values look like."""

    def __init__(self, branches: tuple[Field, ...], named: Mapping[str, Field]) -> None:
        self.names = [branch.name for branch in branches]
        self.looks = [_look(branch, named) for branch in branches]
        alone = {look.kind for look in self.looks if look and sum(o.kind == look.kind for o in self.looks if o) == 1}
        self.by_kind = {look.kind: i for i, look in enumerate(self.looks) if look and look.kind in alone}

    def alike(self) -> tuple[str, str] | None:
        """Two branches that a value may be of both of, None where there are none."""
        for (a, x), (b, y) in combinations(zip(self.names, self.looks, strict=True), 2):
            if x is None or y is None or not _apart(x, y):
                return a, b
        return None

    def of(self, text: bytes) -> int:
        """The number of the branch that a value, which is not null, is of.

        Raises:
            DataError: of none, or of more than one; names the branches.
        """
        kind = _FIRST.get(text[:1], "")
        if kind in self.by_kind and self.looks[self.by_kind[kind]].fixed is None:  # type: ignore[union-attr]
            return self.by_kind[kind]
        value = _members(text) if kind == "object" else _text(text) if kind == "string" else None
        found = [i for i, look in enumerate(self.looks) if look and look.fits(kind, value)]
        if len(found) == 1:
            return found[0]
        which = f"may be any of {_listed(self.names[i] for i in found)}" if found else f"is none of {_listed(self.names)}"
        raise DataError(
            f"{shown(text)} {which}",
            hint="Correct the record where it is written, or exclude the file.",
            where=Where(expected=_listed(self.names)),
        )


def branch_names(branches: list[Field]) -> list[str]:
    """What to call branches: as the definition they refer to, their title, their one fixed text, or their JSON type."""
    names: list[str] = []
    for branch in branches:
        wanted = _wanted(branch)
        name, number = wanted, 2
        while name in names:
            name, number = f"{wanted}_{number}", number + 1
        names.append(name)
    return names


def _wanted(branch: Field) -> str:
    if isinstance(branch.type, Reference):
        return branch.type.name
    layers = origin_of(branch).layers
    if layers[0].definition is not None:
        return layers[0].definition[1]
    title = next((layer.node["title"] for layer in layers if isinstance(layer.node, dict) and layer.node.get("title")), "")
    if isinstance(title, str) and title:
        return title
    if isinstance(branch.type, Record):
        fixed = [json.loads(min(texts)) for f in branch.type.fields if not f.optional and len(texts := _fixed(f) or ()) == 1]
        if fixed and isinstance(fixed[0], str) and fixed[0]:
            return fixed[0]
    return "integer" if isinstance(branch.type, Int | Integer) else _kind(branch.type) or "value"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"<{name}>" for name in names)


def _text(value: Any) -> str:
    """A scalar's text in one spelling; of anything else, the text that no fixed value has."""
    raw = bytes(value)
    if raw[:1] in (b"{", b"["):
        return ""
    return json.dumps(json.loads(raw))


def _look(field: Field, named: Mapping[str, Field]) -> _Look | None:
    type: Type = field.type
    for _ in named:
        if isinstance(type, Reference) and type.name in named:
            field = named[type.name]
            type = field.type
    kind = _kind(type)
    if not kind or field.nullable:
        return None
    if not isinstance(type, Record):
        return _Look(kind, _fixed(field), frozenset(), {}, None)
    required = frozenset(f.name for f in type.fields if not f.optional)
    keys = {f.name: texts for f in type.fields if not f.optional and (texts := _fixed(f))}
    node = origin_of(field).last
    closed = isinstance(node, dict) and node.get("additionalProperties") is False and "patternProperties" not in node
    return _Look(kind, None, required, keys, frozenset(type.names) if closed else None)


def _kind(type: Type) -> str:
    match type:
        case Bool():
            return "boolean"
        case Int() | Integer() | Number() | Float():
            return "number"
        case String() | Enum() | Uuid():
            return "string"
        case List():
            return "array"
        case Record() | Map():
            return "object"
        case Null():
            return "null"
        case _:
            return ""


def _fixed(field: Field) -> frozenset[str] | None:
    """The texts of all values that the field may have, where `enum` or `const` says them."""
    if isinstance(field.type, Enum):
        return frozenset(json.dumps(symbol) for symbol in field.type.symbols)
    origin = origin_of(field)
    node = origin.last
    if not isinstance(node, dict) or kind_of(field.type) != origin.kind:
        return None
    values = [node["const"]] if "const" in node else node.get("enum")
    if not isinstance(values, list) or not all(isinstance(v, str | int | bool) for v in values):
        return None
    return frozenset(json.dumps(v) for v in values)


def _apart(a: _Look, b: _Look) -> bool:
    """Is no value of both?"""
    if a.kind != b.kind:
        return True
    if a.fixed is not None and b.fixed is not None:
        return not a.fixed & b.fixed
    if any(not texts & b.keys[key] for key, texts in a.keys.items() if key in b.keys):
        return True
    return any(x.known is not None and not y.required <= x.known for x, y in ((a, b), (b, a)))
