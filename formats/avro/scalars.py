"""One scalar's raw bytes ⇄ its Python value (the values are those of `formats/schema.py`); both ways checked.

A faulty value is a ValueError whose text says what it is; who calls knows where it stands.
"""

from __future__ import annotations

import math
import re
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal as Exact
from typing import Any

from instar.formats.avro.container import long_bytes
from instar.formats.avro.defaults import number_of, shortest_bytes, unscaled_of
from instar.formats.avro.physical import storage
from instar.formats.avro.walk import Damaged, long_at
from instar.formats.schema import Decimal, Enum, Field, Float, Int, Integer, Number, Uuid, type_text

Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]

_LONGEST = 4300
"""Digits of the longest number that Python reads and prints (sys.set_int_max_str_digits), whatever precision a header claims."""
_FLOAT, _HALF = struct.Struct("<f"), struct.Struct("<e")
_NUMBERS = {
    Integer: re.compile(r"0|-?[1-9][0-9]*"),
    Number: re.compile(r"0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9]"),
}
"""The canonical texts of JSON's unbounded numbers, as the cast table has them."""


def scalar_decoder(field: Field) -> Decode:
    """raw → value, for a field whose storage is not nested."""
    kind, size = storage(field)
    match field.type:
        case Enum(symbols):
            return _enum_decoder(symbols)
        case Decimal(precision, scale):
            return _decimal_decoder(precision, scale, size if kind == "fixed" else None)
        case Uuid() if kind == "fixed":
            return lambda raw: str(uuid.UUID(bytes=_exactly(raw, 16)))
        case Int(bits, signed) if bits < 32 or not signed:
            return _sized_decoder(field.type, _unsigned_long if kind == "bytes" else _int32 if kind == "int" else _int64)
        case Integer() | Number():
            return _number_decoder(field.type)
        case Float(16):
            return _half
    match kind:
        case "boolean":
            return _boolean
        case "int":
            return _int32
        case "long":
            return _int64
        case "float" | "double":
            return _float_decoder(struct.Struct("<f" if kind == "float" else "<d"))
        case "string":
            return _text
        case "bytes":
            return _content
        case _:
            return lambda raw: _exactly(raw, size)


def scalar_encoder(field: Field) -> Encode:
    """value (not None) → raw, for a field whose storage is not nested."""
    kind, size = storage(field)
    match field.type:
        case Enum(symbols):
            return _enum_encoder(symbols)
        case Decimal(precision, scale):
            return _decimal_encoder(precision, scale, size if kind == "fixed" else None)
        case Uuid():
            return _fixed_uuid if kind == "fixed" else _encoded_uuid
        case Int(64, False):
            return _encoded_unsigned
        case Int() as whole:
            return _integer_encoder(whole, type_text(whole))
        case Integer() | Number():
            return _number_encoder(field.type)
        case Float(16):
            return _float_encoder(struct.Struct("<f"), "half", struct.Struct("<e"))
    match kind:
        case "boolean":
            return _encoded_boolean
        case "int" | "long":
            return _integer_encoder(Int(32 if kind == "int" else 64), type_text(field.type))
        case "float" | "double":
            return _float_encoder(struct.Struct("<f" if kind == "float" else "<d"), kind)
        case "string":
            return _encoded_text
        case "bytes":
            return lambda value: _with_length(_checked_bytes(value))
        case _:
            return lambda value: _exactly(_checked_bytes(value), size)


# ---- decoding
def whole_long(raw: bytes) -> int:
    """The number that all of `raw` is."""
    if len(raw) == 1 and raw[0] < 0x80:
        return (raw[0] >> 1) ^ -(raw[0] & 1)
    value, end = long_at(raw, 0)
    if end != len(raw):
        raise Damaged(f"a number with {len(raw) - end} bytes too many")
    return value


_int64 = whole_long


def _int32(raw: bytes) -> int:
    value = whole_long(raw)
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise Damaged(f"{value} is no 32-bit integer")
    return value


def _sized_decoder(type: Int, decode: Callable[[bytes], int]) -> Decode:
    def sized(raw: bytes) -> int:
        value = decode(raw)
        if not type.low <= value <= type.high:
            raise Damaged(f"{value} is no {type_text(type)}")
        return value

    return sized


def _unsigned_long(raw: bytes) -> int:
    return int.from_bytes(_content(raw), "big", signed=True)


def _number_decoder(type: Integer | Number) -> Decode:
    def decode(raw: bytes) -> Any:
        text = _text(raw)
        if not _NUMBERS[type.__class__].fullmatch(text):
            raise Damaged(f"the text {text[:40]!r} is no {type_text(type)}")
        return int(text) if isinstance(type, Integer) or "." not in text else Exact(text)

    return decode


def _half(raw: bytes) -> float:
    value = _FLOAT.unpack(_exactly(raw, 4))[0]
    try:
        exact = not math.isfinite(value) or _HALF.unpack(_HALF.pack(value))[0] == value
    except OverflowError:
        exact = False
    if not exact:
        raise Damaged(f"{value!r} is not exactly a half")
    return value


def _boolean(raw: bytes) -> bool:
    if raw not in (b"\x00", b"\x01"):
        raise Damaged(f"{raw!r} is no boolean")
    return raw == b"\x01"


def _float_decoder(form: struct.Struct) -> Decode:
    return lambda raw: form.unpack(_exactly(raw, form.size))[0]


def _content(raw: bytes) -> bytes:
    length, start = long_at(raw, 0)
    if start + length != len(raw) or length < 0:
        raise Damaged(f"a length of {length} before {len(raw) - start} bytes")
    return raw[start:]


def _text(raw: bytes) -> str:
    content = _content(raw)
    try:
        return content.decode()
    except UnicodeDecodeError as e:
        raise Damaged(f"a text that is not UTF-8: {content[:40]!r} ({e.reason})") from None


def _exactly(raw: bytes, size: int) -> bytes:
    if len(raw) != size:
        raise Damaged(f"{len(raw)} bytes where {size} are fixed")
    return raw


def _enum_decoder(symbols: tuple[str, ...]) -> Decode:
    def decode(raw: bytes) -> str:
        index = whole_long(raw)
        if not 0 <= index < len(symbols):
            raise Damaged(f"the enum's index {index} where there are {len(symbols)} symbols")
        return symbols[index]

    return decode


def _decimal_decoder(precision: int, scale: int, size: int | None) -> Decode:
    precision = min(precision, _LONGEST)
    limit = 10**precision

    def decode(raw: bytes) -> Exact:
        content = _content(raw) if size is None else _exactly(raw, size)
        unscaled = int.from_bytes(content, "big", signed=True)
        if not -limit < unscaled < limit:
            raise Damaged(f"a decimal that needs more than {precision} digits ({len(content)} bytes)")
        return number_of(content, scale)

    return decode


# ---- encoding
def _integer_encoder(type: Int, name: str) -> Encode:
    low, high = type.low, type.high

    def encode(value: Any) -> bytes:
        if value.__class__ is not int or not low <= value <= high:
            raise ValueError(f"{value!r} is no {name}")
        return long_bytes(value)

    return encode


def _encoded_unsigned(value: Any) -> bytes:
    if value.__class__ is not int or not 0 <= value < 1 << 64:
        raise ValueError(f"{value!r} is no uint64")
    return _with_length(shortest_bytes(value))


def _number_encoder(type: Integer | Number) -> Encode:
    """A number as its canonical text: no exponent, no zeros that say nothing."""
    kinds = (int,) if isinstance(type, Integer) else (int, Exact)

    def encode(value: Any) -> bytes:
        if value.__class__ not in kinds or (value.__class__ is Exact and not value.is_finite()):
            raise ValueError(f"{value!r} is no {type_text(type)}")
        text = format(value, "f") if value.__class__ is Exact else str(value)
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if not _NUMBERS[type.__class__].fullmatch(text):
            raise ValueError(f"{value!r} has no canonical text")
        return _encoded_text(text)

    return encode


def _encoded_boolean(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is no bool")
    return b"\x01" if value else b"\x00"


def _float_encoder(form: struct.Struct, name: str, narrow: struct.Struct | None = None) -> Encode:
    """`narrow`: the form of fewer bits in which the value must be exact, too."""
    exact = narrow or form

    def encode(value: Any) -> bytes:
        if value.__class__ not in (float, int):
            raise ValueError(f"{value!r} is no {name}")
        try:
            raw, kept = form.pack(value), exact.pack(value)
        except OverflowError:
            raise ValueError(f"{value!r} is out of the range of {name}") from None
        if form.size == 4 and math.isfinite(value) and exact.unpack(kept)[0] != value:
            raise ValueError(f"{value!r} is not exactly a {name}")
        return raw

    return encode


def _encoded_text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no string")
    try:
        return _with_length(value.encode())
    except UnicodeEncodeError as e:
        raise ValueError(f"{value!r} cannot be written in UTF-8 ({e.reason})") from None


def _encoded_uuid(value: Any) -> bytes:
    _checked_uuid(value)
    return _with_length(value.encode())


def _fixed_uuid(value: Any) -> bytes:
    return _checked_uuid(value).bytes


def _checked_uuid(value: Any) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"{value!r} is no uuid") from None


def _checked_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"{value!r} is no bytes")
    return value


def _with_length(content: bytes) -> bytes:
    return long_bytes(len(content)) + content


def _enum_encoder(symbols: tuple[str, ...]) -> Encode:
    raws = {symbol: long_bytes(i) for i, symbol in enumerate(symbols)}

    def encode(value: Any) -> bytes:
        if value not in raws:
            raise ValueError(f"{value!r} is no symbol of enum({', '.join(symbols)})")
        return raws[value]

    return encode


def _decimal_encoder(precision: int, scale: int, size: int | None) -> Encode:
    limit = 10 ** min(precision, _LONGEST)

    def encode(value: Any) -> bytes:
        unscaled = unscaled_of(Exact(value), scale) if isinstance(value, Exact | int) and not isinstance(value, bool) else None
        if unscaled is None or not -limit < unscaled < limit:
            raise ValueError(f"{value!r} does not fit decimal({precision},{scale})")
        length = (unscaled + (unscaled < 0)).bit_length() // 8 + 1
        if size is not None:
            return unscaled.to_bytes(size, "big", signed=True)
        return _with_length(unscaled.to_bytes(length, "big", signed=True))

    return encode
