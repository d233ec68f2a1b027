"""Arrow's type objects in JSON, `{"name": "int", "bitWidth": 64, "isSigned": true}`, and the logical types they mean.

The form is that of Arrow's integration tests; `arrow_nodes` has the fields around them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import SchemaError, Where, suggestion
from .schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
    Fixed,
    Float,
    Int,
    List,
    Map,
    Null,
    Other,
    Record,
    Reference,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    type_text,
)  # fmt: skip

Node = dict[str, Any]

_UNITS = {"SECOND": "s", "MILLISECOND": "ms", "MICROSECOND": "us", "NANOSECOND": "ns"}
_UNIT_NAMES = {short: long for long, short in _UNITS.items()}
_FLOATS = {"HALF": 16, "SINGLE": 32, "DOUBLE": 64}
LISTS = ("list", "largelist", "listview", "largelistview", "fixedsizelist")
INTERVALS = ("YEAR_MONTH", "DAY_TIME", "MONTH_DAY_NANO")
_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}
_PLAIN: dict[str, Type] = {
    "null": Null(), "bool": Bool(), "utf8": String(), "largeutf8": String(), "utf8view": String(),
    "binary": Bytes(), "largebinary": Bytes(), "binaryview": Bytes(),
}  # fmt: skip
NAMES = (*_PLAIN, *LISTS, "int", "floatingpoint", "fixedsizebinary", "decimal", "date", "time", "timestamp", "duration",
          "interval", "struct", "map", "union", "runendencoded")  # fmt: skip


# ---- what is read
def get(node: Any, key: str, kind: type, place: str) -> Any:
    """The value of a key that must be there, and of this JSON type."""
    if not isinstance(node, dict):
        raise bad(place, f"expected an object, found {json.dumps(node)[:60]}")
    if key not in node:
        raise bad(place, f"has no {key!r}")
    if not isinstance(node[key], kind) or (kind is int and isinstance(node[key], bool)):
        wanted = {str: "a string", bool: "true or false", dict: "an object", list: "an array", int: "an integer"}[kind]
        raise bad(place, f"{key!r} must be {wanted}, not {json.dumps(node[key])[:60]}")
    return node[key]


def one_of(node: Node, key: str, known: Mapping[str, Any] | tuple[str, ...], place: str) -> str:
    """The value of a key that must be one of the known words."""
    word = get(node, key, str, place)
    if word not in known:
        raise bad(place, f"there is no {key} {word!r}", suggestion(word, list(known)))
    return word


def counted(children: list[Any], count: int, place: str) -> list[Any]:
    """The children, which must be so many."""
    if len(children) != count:
        raise bad(place, f"has {len(children)} children where its type has {count}")
    return children


def read_scalar(kind: Node, place: str) -> Type:
    """The logical type of a type object without children."""
    name = kind["name"]
    match name:
        case "int":
            bits = get(kind, "bitWidth", int, place)
            if bits not in (8, 16, 32, 64):
                raise bad(place, f"there is no integer of {bits} bits")
            return Int(bits, get(kind, "isSigned", bool, place))
        case "floatingpoint":
            return Float(_FLOATS[one_of(kind, "precision", _FLOATS, place)])
        case "fixedsizebinary":
            if (width := get(kind, "byteWidth", int, place)) < 0:
                raise bad(place, f"byteWidth is {width}")
            return Fixed(width)
        case "decimal":
            return _read_decimal(kind, place)
        case "date":
            one_of(kind, "unit", ("DAY", "MILLISECOND"), place)
            return Date()
        case "time":
            unit = one_of(kind, "unit", _UNITS, place)
            if get(kind, "bitWidth", int, place) != (32 if unit in ("SECOND", "MILLISECOND") else 64):
                raise bad(place, f"time in {unit.lower()}s cannot have {kind['bitWidth']} bits")
            return Time(_UNITS[unit])  # type: ignore[arg-type]
        case "timestamp":
            zone = get(kind, "timezone", str, place) if kind.get("timezone") is not None else None
            return Timestamp(_UNITS[one_of(kind, "unit", _UNITS, place)], zone or None)  # type: ignore[arg-type]
        case "duration":
            return Duration(_UNITS[one_of(kind, "unit", _UNITS, place)])  # type: ignore[arg-type]
        case _:
            return _PLAIN[name]


def _read_decimal(kind: Node, place: str) -> Decimal:
    precision, scale = get(kind, "precision", int, place), get(kind, "scale", int, place)
    bits = get(kind, "bitWidth", int, place) if "bitWidth" in kind else 128
    if bits not in _DIGITS:
        raise bad(place, f"there is no decimal of {bits} bits")
    if not 1 <= precision <= _DIGITS[bits]:
        raise bad(place, f"a decimal of {bits} bits holds 1 to {_DIGITS[bits]} digits, not {precision}")
    return Decimal(precision, scale)


def fits(kind: Node, type: Type) -> bool:
    """Is this type object one way to store the logical type?"""
    match type:
        case Other():
            return True
        case Record():
            return kind["name"] == "struct"
        case List():
            return kind["name"] in LISTS
        case Map():
            return kind["name"] == "map"
        case Union(branches):
            return kind["name"] == "union" and len(kind["typeIds"]) == len(branches)
        case _:
            nested = (*LISTS, "struct", "map", "union", "interval", "runendencoded")
            return kind["name"] not in nested and read_scalar(kind, "") == type


def bad(place: str, what: str, hint: str = "") -> SchemaError:
    """The refusal of a document: what is wrong, and where in it."""
    return SchemaError(
        f"not a valid Arrow schema: {place or 'the schema'}: {what}",
        hint=hint or "The form is that of Arrow's integration tests: name, type, nullable, children.",
        where=Where(path=place or None),
    )


# ---- what is written
def usual_type(type: Type) -> Node:
    """The type object that Instar writes for a logical type when nothing else is known."""
    match type:
        case Int(bits, signed):
            return {"name": "int", "isSigned": signed, "bitWidth": bits}
        case Float(bits):
            return {"name": "floatingpoint", "precision": {16: "HALF", 32: "SINGLE", 64: "DOUBLE"}[bits]}
        case Decimal(precision, scale):
            return {"name": "decimal", "precision": precision, "scale": scale, "bitWidth": 128 if precision <= 38 else 256}
        case Fixed(size):
            return {"name": "fixedsizebinary", "byteWidth": size}
        case Time(unit):
            return {"name": "time", "unit": _UNIT_NAMES[unit], "bitWidth": 32 if unit in ("s", "ms") else 64}
        case Timestamp(unit, zone):
            return {"name": "timestamp", "unit": _UNIT_NAMES[unit]} | ({"timezone": zone} if zone else {})
        case Duration(unit):
            return {"name": "duration", "unit": _UNIT_NAMES[unit]}
        case Union(branches):
            return {"name": "union", "mode": "DENSE", "typeIds": list(range(len(branches)))}
        case Map():
            return {"name": "map", "keysSorted": False}
        case Reference() | Other():
            raise _impossible(type)
        case _:
            return {"name": _USUAL[type.__class__]} | ({"unit": "DAY"} if isinstance(type, Date) else {})


_USUAL: dict[type, str] = {
    Null: "null", Bool: "bool", String: "utf8", Bytes: "binary", Date: "date", Enum: "utf8", Record: "struct", List: "list",
}  # fmt: skip


def _impossible(type: Type) -> SchemaError:
    named = isinstance(type, Reference)
    hint = "Arrow has no named types: write the type out at each place." if named else "Use one of Arrow's own types."
    return SchemaError(f"Arrow has no type {type_text(type)}", hint=hint)
