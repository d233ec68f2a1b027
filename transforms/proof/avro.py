"""Proving an Avro file: fastavro reads both sides, values as stored and union branches told apart."""

from __future__ import annotations

import decimal
import uuid
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Dict
from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from instar.formats.isotext import date_text, time_text, timestamp_text
from instar.formats.schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    List,
    Map,
    Number,
    Record,
    Reference,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
)
from instar.transforms.mapping import Mapping

from .avro_blocks import count, records, schema_of
from .avro_copied import prove_copied
from .avro_header import misfits
from .check import EXAMPLES
from .database import Room
from .keys import Keys
from .proved import Proved
from .wants import Dialect


def prove(
    source: FilePath,
    staged: FilePath,
    mapping: Mapping,
    *,
    room: Room,
    full: bool,
    left_out: Sequence[int] = (),
    examples: int = EXAMPLES,
) -> Proved:
    """Compares `staged` with what `mapping` makes of `source`, but for the records numbered in `left_out`; so many `examples`
    of what differs at a place.

    Blocks that were copied are compared as such, and no reader is even loaded, unless everything is to be read (`full`).

    Raises:
        ValueError, OSError: a side cannot be read at all.
    """
    if not full and not left_out and (proved := prove_copied(source, staged, mapping)):
        return proved
    if wrong := tuple(misfits(schema_of(staged), mapping.target)):
        return Proved(count(source), count(staged), (), wrong)
    from .avro_columns import NotSplitError, columns, compiled_part
    from .records import Fields, Records, prove_records

    def compared(fields: Fields | None = None) -> Proved:
        format = Records(AvroReader(), records, fields=fields)
        return prove_records(format, source, staged, mapping, room=room, full=full, left_out=left_out, examples=examples)

    part = compiled_part()
    if part is not None:
        with suppress(NotSplitError):
            return compared(partial(columns, part=part))
    return compared()


def carried_type(type: Type) -> Type:
    """What a value is stored as: numbers and text as such, everything else as bytes."""
    match type:
        case Bool():
            return Bool()
        case Int(64, False):
            return Bytes()
        case Int() | Date() | Time() | Timestamp() | Duration():
            return Int(64)
        case Float():
            return Float(64)
        case String() | Enum() | Integer() | Number():
            return String()
        case _:
            return Bytes()


def told(type: Type) -> Callable[[Any], str] | None:
    """How a stored value is told to people: times and decimals as such, what has parts by these."""
    match type:
        case Date():
            return _or_plain(lambda value: date_text(int(value)))
        case Time(unit):
            return _or_plain(lambda value: time_text(int(value), unit))
        case Timestamp():
            return _or_plain(lambda value: timestamp_text(int(value), type))
        case Decimal(_, scale):
            return lambda value: f"{decimal.Decimal(int.from_bytes(value, 'big', signed=True)).scaleb(-scale, _EXACT):f}"
        case Record() | List() | Map() | Union() | Reference():
            return _unpacked
        case _:
            return None


def _or_plain(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """A time that is none, as a damaged one may be, is told as its number."""

    def told(value: Any) -> str:
        try:
            return text(value)
        except (ValueError, OverflowError):
            return str(value)

    return told


def _unpacked(value: bytes) -> str:
    import msgspec

    return _parts(msgspec.msgpack.decode(value))


def _parts(value: Any) -> str:
    """Lists and records as JSON has them, a map as its pairs, a branch with its number."""
    match value:
        case dict():
            return "{" + ", ".join(f"{name}: {_parts(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_parts, value)) + "]"
        case _:
            return "null" if value is None else str(value)


class AvroReader:
    """Values as `avro_blocks` reads them."""

    dialect = Dialect(carried=carried_type, keys=False, told=told)

    def carried(self, type: Type) -> Callable[[Any], Any] | None:
        return _bytes if isinstance(carried_type(type), Bytes) else None

    def typed(self, type: Type) -> Callable[[Any], Any] | None:
        match type:
            case Decimal(precision, scale) if precision <= 38:
                return lambda value: decimal.Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-scale, _EXACT)
            case Int(64, False):
                return lambda value: int.from_bytes(value, "big", signed=True)
            case Uuid():
                return lambda value: value if isinstance(value, str) else str(uuid.UUID(bytes=value))
            case _:
                return self.carried(type)

    def made(self, type: Type) -> Callable[[Any], Any] | None:
        return self.typed(type)

    def branch(self, type: Union, named: Dict[str, Field]) -> Callable[[Any], tuple[int, Any]]:
        return _told_apart

    def pairs(self, map: Any) -> Iterable[tuple[str, Any]]:
        return [(pair["k"], pair["v"]) for pair in map]

    def keys(self, scope: Any, keys: Keys) -> bytes | None:
        raise TypeError("an Avro record has no keys beyond its schema")


_EXACT = decimal.Context(prec=100)


def _told_apart(value: Any) -> tuple[int, Any]:
    """The pair as which `avro_blocks` gives the value of a union."""
    ((name, inside),) = value.items()
    return int(name[1:]), inside


def _bytes(value: Any) -> bytes:
    """Bytes as they are, anything else as MessagePack: it tells every two values apart, floats by their bits."""
    if isinstance(value, bytes):
        return value
    import msgspec

    return msgspec.msgpack.encode(value)
