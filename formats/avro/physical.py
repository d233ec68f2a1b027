"""How Avro stores a logical field: primitive or complex type, size, and where null stands in its union.

One place decides it for both the schema document and the bytes, so that a header cannot disagree with its data.
`Field.extra` keys of this format, all optional:

| key | what it holds |
|---|---|
| `avro.type` | the type's object as it was written, without its children |
| `avro.name` | the full name of a named type |
| `avro.reference` | a use of a named type after its first: how it spelled the name |
| `avro.around` | objects around that type which only repeat it (`{"type": {"type": "int"}}`), outermost first |
| `avro.null` | `{"at": index of null in the union, "node": null as it was written}` |
| `avro.field` | the record field's own object, type and default left out |
| `avro.default` | the default: (as it was written, the Python value) |
| `avro.library` | the named type comes from another registered document |

Logical types that Avro lacks are named by `instar.type` in the type's object and held as another type (`held_as`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from instar.formats.errors import SchemaError
from instar.formats.logical import TYPE as LOGICAL
from instar.formats.logical import contradicts, type_named
from instar.formats.schema import (
    MISSING,
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Record,
    Reference,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
    type_text,
)

TYPE, NAME, REFERENCE, AROUND, NULL, FIELD, DEFAULT, LIBRARY = (
    "avro.type", "avro.name", "avro.reference", "avro.around", "avro.null", "avro.field", "avro.default", "avro.library",
)  # fmt: skip

_LOGICAL: dict[Type, tuple[str, str]] = {
    Date(): ("int", "date"),
    Time("ms"): ("int", "time-millis"),
    Time("us"): ("long", "time-micros"),
    Timestamp("ms", "UTC"): ("long", "timestamp-millis"),
    Timestamp("us", "UTC"): ("long", "timestamp-micros"),
    Timestamp("ns", "UTC"): ("long", "timestamp-nanos"),
    Timestamp("ms"): ("long", "local-timestamp-millis"),
    Timestamp("us"): ("long", "local-timestamp-micros"),
    Timestamp("ns"): ("long", "local-timestamp-nanos"),
    Uuid(): ("string", "uuid"),
}
_PLAIN: dict[Type, str] = {
    Null(): "null", Bool(): "boolean", Int(32): "int", Int(64): "long", Float(32): "float", Float(64): "double",
    String(): "string", Bytes(): "bytes",
}  # fmt: skip
PRIMITIVE_TYPES: dict[str, Type] = {name: type for type, name in _PLAIN.items()}


@dataclass(frozen=True)
class Held:
    """How a type that Avro lacks is held: the Avro type, and the attributes by which other readers see more in it."""

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return json.dumps({"type": self.kind, **self.attributes})


_UNSIGNED_LONG = Held("bytes", {"logicalType": "decimal", "precision": 20, "scale": 0})


def held_as(type: Type) -> Held | None:
    """None for a type that Avro has, and for one that it cannot hold."""
    match type:
        case Int(8 | 16):
            return Held("int")
        case Int(32, False):
            return Held("long")
        case Int(64, False):
            return _UNSIGNED_LONG
        case Integer() | Number() | Json():
            return Held("string")
        case Float(16):
            return Held("float")
        case Time("s"):
            return Held("int")
        case Time("ns") | Timestamp("s") | Duration():
            return Held("long")
        case Timestamp(unit, zone) if zone not in (None, "UTC"):
            return Held("long", {"logicalType": _LOGICAL[Timestamp(unit, "UTC")][1]})
        case _:
            return None


def named_type(node: Mapping[str, Any], found: Type | None, place: str) -> Type | None:
    """The type that an `instar.type` in the object names, where it has one, else `found`.

    Raises:
        SchemaError: it names a type that is not held so.
    """
    if LOGICAL not in node:
        return found
    meant = type_named(node[LOGICAL], place)
    if meant == found:
        return meant
    held = held_as(meant)
    if held is None or {key: node.get(key) for key in ("type", *held.attributes)} != {"type": held.kind, **held.attributes}:
        written = json.dumps({key: node[key] for key in ("type", "logicalType", "precision", "scale", "size") if key in node})
        raise contradicts(meant, written, held and str(held), place)
    return meant


def logical_type(node: Mapping[str, Any], base: str) -> Type | None:
    """The type a `logicalType` attribute means on `base`; None where it is unknown or does not fit, which the specification
    says to ignore. `duration` has no counterpart and stays the fixed(12) that it is.
    """
    name = node.get("logicalType")
    if name == "decimal" and base in ("bytes", "fixed"):
        return _decimal(node, base)
    if name == "uuid" and base == "fixed" and node.get("size") == 16:
        return Uuid()
    for type, (stored, known) in _LOGICAL.items():
        if (stored, known) == (base, name):
            return type
    return None


def _decimal(node: Mapping[str, Any], base: str) -> Decimal | None:
    precision, scale = node.get("precision"), node.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or precision < 1 or not 0 <= scale <= precision:
        return None
    if base == "fixed" and precision > decimal_digits(node["size"]):
        return None
    return Decimal(precision, scale)


def decimal_digits(size: int) -> int:
    """The decimal digits that `size` bytes of two's complement always hold: ⌊log₁₀(2^(8·size − 1) − 1)⌋."""
    return int((8 * size - 1) * 0.30102999566398120) if size > 0 else 0


def logical_name(type: Type) -> str | None:
    """The `logicalType` that says `type`, or None for a type that needs none."""
    return "decimal" if isinstance(type, Decimal) else _LOGICAL.get(type, ("", None))[1]


def storage(field: Field) -> tuple[str, int]:
    """The Avro type that stores the field's non-null values, and its size (fixed: bytes; enum: symbols; else 0).

    Raises:
        SchemaError: Avro has no such type; says what to use.
    """
    type = field.type
    written = written_type(field)
    match type:
        case Fixed(size):
            return "fixed", size
        case Decimal(precision, scale) if 0 <= scale <= precision:
            size = written.get("size", 0) if written.get("type") == "fixed" else 0
            return ("fixed", size) if size and decimal_digits(size) >= precision else ("bytes", 0)
        case Uuid() if written.get("type") == "fixed":
            return "fixed", 16
        case Enum(symbols):
            return "enum", len(symbols)
        case Record():
            return "record", 0
        case List():
            return "array", 0
        case Map(_, String()):
            return "map", 0
        case Union():
            return "union", 0
        case Reference():
            return "reference", 0
    if type in _PLAIN:
        return _PLAIN[type], 0
    if type in _LOGICAL:
        return _LOGICAL[type][0], 0
    if (held := held_as(type)) is not None:
        return held.kind, 0
    raise SchemaError(f"Avro has no type {type_text(type)}", hint=_instead(type))


def written_type(field: Field) -> Mapping[str, Any]:
    """The type's object as the document had it, {} where it was a bare name or there was none."""
    return field.extra.get(TYPE, {})


def _instead(type: Type) -> str:
    match type:
        case Decimal(precision, _):
            return f"Avro's scale is between 0 and the precision; use decimal({precision},0)."
        case Map():
            return "Use map<T>, whose keys are strings, or list<record{key: K, value: T}>."
        case _:
            return "Use one of Avro's: bool int32 int64 float double string bytes fixed(n) decimal(p,s) date time(u) uuid …"


def default_kept(field: Field) -> bool:
    """Is the field's default still the one its document had (or still none)?"""
    written = field.extra.get(DEFAULT)
    return field.default is MISSING if written is None else repr(written[1]) == repr(field.default)


def null_at(field: Field) -> int | None:
    """Where null stands in the field's union, None for a field that is never null.

    Where the document had it: a file's variant may have another default, and carried bytes hold the index. In a new union a value
    as default puts null last, anything else puts it first, because readers before Avro 1.12 take a default for the first branch.
    """
    if not field.nullable or isinstance(field.type, Null):
        return None
    branches = len(field.type.branches) if isinstance(field.type, Union) else 1
    written = field.extra.get(NULL)
    if written is not None and written["at"] <= branches:
        return written["at"]
    return 0 if field.default is MISSING or field.default is None else branches


@dataclass(frozen=True)
class Layout:
    """How a field's bytes are made up. `of`: a record's fields, an array's items, a map's values, a union's branches but null."""

    kind: str
    size: int = 0
    null: int | None = None
    names: tuple[str, ...] = ()
    of: tuple[Layout, ...] = ()
    name: str = ""  # of the definition that a reference means

    @property
    def value(self) -> Layout:
        """The layout of a value that is not null."""
        return self if self.null is None else Layout(self.kind, self.size, None, self.names, self.of, self.name)


def layout(field: Field) -> Layout:
    """The field's layout; references stay, to be looked up in the schema's definitions.

    Raises:
        SchemaError: as `storage`.
    """
    kind, size = storage(field)
    null = null_at(field)
    match field.type:
        case Record(fields):
            return Layout(kind, null=null, names=field.type.names, of=tuple(map(layout, fields)))
        case List(item) | Map(item):
            return Layout(kind, null=null, of=(layout(item),))
        case Union(branches):
            return Layout(kind, null=null, of=tuple(map(layout, branches)))
        case Reference(name):
            return Layout(kind, null=null, name=name)
        case _:
            return Layout(kind, size, null)


Definitions = Mapping[str, Layout]


def layouts(definitions: Mapping[str, Field]) -> dict[str, Layout]:
    return {name: layout(field) for name, field in definitions.items()}


def same_bytes(a: Layout, b: Layout, known_a: Definitions, known_b: Definitions) -> bool:
    """Do bytes of the one layout mean the same in the other, field by field of the same name? Recursion is followed once."""
    seen: set[tuple[str, str]] = set()

    def same(a: Layout, b: Layout) -> bool:
        if a.null != b.null:
            return False
        if a.kind == "reference" or b.kind == "reference":
            pair = (a.name, b.name)
            if a.name and b.name:
                if pair in seen:
                    return True
                seen.add(pair)
            return same(_resolved(a, known_a), _resolved(b, known_b))
        if (a.kind, a.size, a.names, len(a.of)) != (b.kind, b.size, b.names, len(b.of)):
            return False
        return all(map(same, a.of, b.of))

    return same(a, b)


def _resolved(layout: Layout, known: Definitions) -> Layout:
    return replace(known[layout.name], null=layout.null) if layout.kind == "reference" else layout
