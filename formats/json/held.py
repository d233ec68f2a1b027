"""Logical types that JSON Schema lacks: what holds them in a document and in a file, named by `instar.type`.

| type | held as |
|---|---|
| date, time(u), timestamp(u), timestamp(u, tz) | a string: ISO 8601, an instant in UTC (`formats/isotext.py`) |
| decimal(p,s) | a number with s places |
| half | a number: the fewest digits that read back as the same half |
| bytes, fixed(n) | a string: base64 (RFC 4648 section 4) |
| uuid | a string |
| duration(u) | an integer: units |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from instar.formats.logical import contradicts, type_named
from instar.formats.schema import Bytes, Date, Decimal, Duration, Fixed, Float, Time, Timestamp, Type, Uuid, type_text

KEYWORDS = frozenset({"format", "contentEncoding"})
"""Keywords that say more of what holds a type, to other readers."""


@dataclass(frozen=True)
class Held:
    """The JSON type, and what else to say of it."""

    name: str
    keywords: Mapping[str, str] = field(default_factory=dict)


def held_as(type: Type) -> Held | None:
    """None for a type that JSON Schema has, and for one that JSON cannot hold."""
    match type:
        case Date():
            return Held("string", {"format": "date"})
        case Timestamp(_, zone):
            return Held("string", {"format": "date-time"} if zone else {})
        case Time():
            return Held("string")
        case Uuid():
            return Held("string", {"format": "uuid"})
        case Bytes() | Fixed():
            return Held("string", {"contentEncoding": "base64"})
        case Decimal() | Float(16):
            return Held("number")
        case Duration():
            return Held("integer")
        case _:
            return None


def named_type(written: object, found: Type, name: str | None, place: str) -> Type:
    """The type that an `instar.type` names; `found` is what the node is without it, `name` its JSON type.

    Raises:
        SchemaError: it names a type that is not held so.
    """
    meant = type_named(written, place)
    held = held_as(meant)
    if meant == found or (held is not None and held.name == name):
        return meant
    raise contradicts(meant, type_text(found), held and f'"{held.name}"', place)
