"""Kinds of corruption: each makes of a file's records others that differ in one thing, chosen by chance; None where it cannot.

They are what a broken rewrite could do, or a disk: the law is that a proof finds each of them and names the record.
"""

from __future__ import annotations

import math
import random
import struct
import unicodedata
from collections.abc import Iterable
from decimal import Decimal as Exact
from typing import Any

from instar.formats.schema import (
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
    List,
    Map,
    Record,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
)  # fmt: skip
from instar.formats.schema import Number as AnyNumber
from tests.mutations.between import (
    doubled_row,
    dropped_row,
    other_rows,
    overwritten_row,
    swapped_columns,
    swapped_groups,
    swapped_rows,
    swapped_values,
)  # fmt: skip
from tests.mutations.kind import Kind, inside
from tests.mutations.neutral import Node, Number, Pairs

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


# ---- one value
def other_value(node: Node, chance: random.Random) -> Iterable[Any]:
    """Another value of the type, near to this one."""
    value = node.value
    if value is None or isinstance(value, list | dict):
        return []
    if isinstance(value, Number):
        return _other_number(value, node.field.type)
    match node.field.type:
        case Bool():
            return [not value]
        case Enum(symbols):
            return symbols
        case Uuid():
            return [value[:-1] + "0", value[:-1] + "1"]
        case String():
            return [
                value + "x",
                value + " ",
                value[:-1],
                value.upper(),
                value + "\N{ZERO WIDTH SPACE}",
                "".join(reversed(value)),
                "null",
            ]
        case Int(width, signed):
            low, high = (-(2 ** (width - 1)), 2 ** (width - 1)) if signed else (0, 2**width)
            return [x for x in (value + 1, value - 1, -value, value ^ 1 << chance.randrange(width - 1)) if low <= x < high]
        case Integer():
            return [value + 1]
        case Date():
            return [value + 1, value - 7]
        case Time(unit):
            return [x for x in (value + 1, value - 1, value - 3600 * _PER_SECOND[unit]) if 0 <= x < 86_400 * _PER_SECOND[unit]]
        case Timestamp() | Duration():
            return [value + 1, value - 1]
        case Float(width):
            return [_rounded(x, width) for x in (value + 1, -value, value * 1.001, math.nan, math.inf)]
        case Decimal():
            return _other_decimal(value)
        case Bytes() | Fixed():
            return [bytes([*value[:-1], value[-1] ^ 1])] if value else [b"\0"] if isinstance(node.field.type, Bytes) else []
    return []


def _other_number(value: Number, type: Type) -> list[Number]:
    number = Exact(value)
    if isinstance(type, Int | Integer):
        return [Number(int(number) + 1), Number(int(number) - 10)]
    return [Number(text) for text in (f"{value}1" if "." in value and "E" not in value else "7.25", "8", "1e-3")]


def _other_decimal(value: Any) -> list[Any]:
    if isinstance(value, bytes):  # as Avro stores it
        number = int.from_bytes(value, "big", signed=True)
        return [(number + step).to_bytes(len(value), "big", signed=True) for step in (1, -100)]
    last = Exact((0, (1,), value.as_tuple().exponent))
    return [value + last, value - 100 * last, value.copy_negate()]


def _rounded(value: float, width: int) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0] if width == 32 else value
    except OverflowError:
        return math.inf


def no_value(node: Node, chance: random.Random) -> Iterable[Any]:
    return [None] if node.field.nullable else []


def some_value(node: Node, chance: random.Random) -> Iterable[Any]:
    """Something in the place of a null."""
    return [_empty(node.field)] if node.value is None else []


def _empty(field: Field) -> Any:
    match field.type:
        case Record(fields):
            return {f.name: None if f.nullable else _empty(f) for f in fields}
        case List():
            return []
        case Map():
            return Pairs()
        case String():
            return ""
        case Bytes():
            return b""
        case Bool():
            return False
        case Enum(symbols):
            return symbols[0]
        case Fixed(size):
            return b"\0" * size
        case Float():
            return 0.0
        case Decimal(_, scale):
            return Exact(0).scaleb(-scale)
        case Union():
            return {"b0": 0}
        case _:
            return 0


def empty_of_json(node: Node, chance: random.Random) -> Iterable[Any]:
    """Something in the place of a null, in JSON."""
    found = [*some_value(node, chance)]
    return [Number("0") if isinstance(x, int | float | Exact) and not isinstance(x, bool) else x for x in found]


def wrong_unit(node: Node, chance: random.Random) -> Iterable[Any]:
    """A time said in a unit a thousand times as long or as short."""
    value = node.value
    if value is None or not isinstance(node.field.type, Time | Timestamp | Duration):
        return []
    return [value // 1000] if isinstance(node.field.type, Time) else [x for x in (value // 1000, value * 1000) if abs(x) < 2**63]


def wrong_zone(node: Node, chance: random.Random) -> Iterable[Any]:
    """An instant some hours off, as by a zone, or by summer time."""
    if node.value is None or not isinstance(node.field.type, Timestamp):
        return []
    return [node.value + hours * 3600 * _PER_SECOND[node.field.type.unit] for hours in (-5, -1, 1, 2, 9)]


def encoded_again(node: Node, chance: random.Random) -> Iterable[Any]:
    """Text in another normal form, or with bytes taken for another encoding."""
    value = node.value
    if not isinstance(value, str) or isinstance(value, Number) or not isinstance(node.field.type, String):
        return []
    forms = [unicodedata.normalize(form, value) for form in ("NFC", "NFD")]
    return [
        *forms,
        value.encode().decode("latin-1"),
        value.encode("ascii", "replace").decode(),
        value.encode("ascii", "ignore").decode(),
    ]


def next_float(node: Node, chance: random.Random) -> Iterable[Any]:
    """The next double or float, up or down."""
    value = node.value
    if not isinstance(value, float) or not math.isfinite(value) or not isinstance(node.field.type, Float):
        return []
    if node.field.type.bits == 64:
        return [math.nextafter(value, math.inf), math.nextafter(value, -math.inf)]
    (number,) = struct.unpack("<I", struct.pack("<f", value))
    found = [struct.unpack("<f", struct.pack("<I", number + step))[0] for step in (1, -1) if number + step >= 0]
    return [x for x in found if math.isfinite(x)]


def next_number(node: Node, chance: random.Random) -> Iterable[Any]:
    """The double next to a JSON number, spelled in full."""
    if not isinstance(node.value, Number) or not isinstance(node.field.type, Float | AnyNumber):
        return []
    value = float(node.value)
    return [Number(repr(math.nextafter(value, way))) for way in (math.inf, -math.inf)]


def other_zero(node: Node, chance: random.Random) -> Iterable[Any]:
    if isinstance(node.value, Number) and isinstance(node.field.type, Float | AnyNumber) and float(node.value) == 0:
        return [Number("0.0"), Number("-0.0")]
    return [-node.value] if isinstance(node.value, float) and node.value == 0 else []


def other_branch(node: Node, chance: random.Random) -> Iterable[Any]:
    """The same number in another branch of a union: an int for a long."""
    if not isinstance(node.field.type, Union) or not isinstance(node.value, dict):
        return []
    ((name, value),) = node.value.items()
    return [{"b1" if name == "b0" else "b0": value}] if isinstance(value, int) else []


# ---- lists and maps
def other_order(node: Node, chance: random.Random) -> Iterable[Any]:
    """The elements of a list in another order."""
    if not isinstance(node.value, list) or isinstance(node.value, Pairs):
        return []
    return [node.value[::-1], node.value[1:] + node.value[:1]]


def other_elements(node: Node, chance: random.Random) -> Iterable[Any]:
    """An element less, or one twice."""
    if not isinstance(node.value, list) or isinstance(node.value, Pairs) or not node.value:
        return []
    at = chance.randrange(len(node.value))
    return [node.value[:at] + node.value[at + 1 :], node.value[: at + 1] + node.value[at:]]


def other_entries(node: Node, chance: random.Random) -> Iterable[Any]:
    """A map's entry with another key, an entry less, entries in another order."""
    if not isinstance(node.value, Pairs) or not node.value:
        return []
    at = chance.randrange(len(node.value))
    key, value = node.value[at]
    less, more = node.value[:at] + node.value[at + 1 :], (f"{key}!", value)
    return [Pairs(less), Pairs(node.value[::-1]), Pairs([*node.value[:at], more, *node.value[at + 1 :]])]


def twice_the_key(node: Node, chance: random.Random) -> Iterable[Any]:
    """A map's entry twice: formats other than JSON can hold that."""
    return [Pairs([*node.value, node.value[-1]])] if isinstance(node.value, Pairs) and node.value else []


# ---- JSON's own
def other_text(node: Node, chance: random.Random) -> Iterable[Any]:
    """The same number in other words: 1.0 for 1, 100 for 1e2, a long integer as the double that most readers take it for."""
    if not isinstance(node.value, Number):
        return []
    text, number = str(node.value), Exact(node.value)
    short = (
        str(int(number))
        if number == number.to_integral_value() and abs(number) < 10**30
        else f"{text}0"
        if "." in text and "E" not in text
        else text
    )
    return [
        Number(short),
        Number(f"{short}.0") if "." not in short else text,
        Number(f"{text}e0" if "e" not in text.lower() else text),
        Number(repr(float(number))),
    ]


def other_keys(node: Node, chance: random.Random) -> Iterable[Any]:
    """A record's keys in another order; one key less, or one more."""
    if not isinstance(node.value, dict):
        return []
    names = list(node.value)
    turned = [names[::-1], names[1:] + names[:1]] if len(names) > 1 else []
    less = [{n: node.value[n] for n in names if n != gone} for gone in names]
    return [*({name: node.value[name] for name in order} for order in turned), *less, {**node.value, "more": True}]


def unknown_value(node: Node, chance: random.Random) -> Iterable[Any]:
    """Another value of a key that no schema names."""
    if not isinstance(node.value, dict) or "unknown" not in node.value:
        return []
    texts: list[Any] = [Number("1.5"), "é", None]
    return [{**node.value, "unknown": x} for x in ({"deep": texts}, {"deep": [Number("1.50"), "e\u0301", None]}, None, {})]


COMMON: dict[str, Kind] = {
    "value": inside(other_value),
    "null": inside(no_value),
    "row dropped": dropped_row,
    "row duplicated": doubled_row,
    "row over another": overwritten_row,
    "rows swapped": swapped_rows,
    "order of rows": other_rows,
    "groups swapped": swapped_groups,
    "values swapped between rows": swapped_values,
    "values swapped between columns": swapped_columns,
    "text encoded again": inside(encoded_again),
    "order of a list": inside(other_order),
    "elements of a list": inside(other_elements),
    "entries of a map": inside(other_entries),
}
BINARY: dict[str, Kind] = {
    "value for null": inside(some_value),
    "unit": inside(wrong_unit),
    "zone": inside(wrong_zone),
    "next float": inside(next_float),
    "other zero": inside(other_zero),
    "key of a map twice": inside(twice_the_key),
}
KINDS: dict[str, dict[str, Kind]] = {
    "parquet": {**COMMON, **BINARY},
    "avro": {**COMMON, **BINARY, "branch": inside(other_branch)},
    "json": {
        **COMMON,
        "value for null": inside(empty_of_json),
        "next float": inside(next_number),
        "other zero": inside(other_zero),
        "number text": inside(other_text),
        "keys": inside(other_keys),
        "unknown key": inside(unknown_value),
    },
}
"""What may be done to a file of each format. (JSON's times are texts, which have no units.)"""
