"""JSON texts of single values to Python and back, checked against their logical type."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal as Exact
from typing import Any, NoReturn

import msgspec

from instar.formats.errors import DataError, SchemaError, Where
from instar.formats.schema import (
    Bool,
    Decimal,
    Duration,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    Null,
    Number,
    Reference,
    String,
    Type,
    Union,
    type_text,
)

from .exact import exact
from .texts import count_of, decimal_of, number_decoder, text_decoder, text_encoder

_SHOWN = 60
_INTEGER = re.compile(rb"-?\d+")
_LONGEST = 4300  # digits: the length to which Python reads and prints an int (sys.set_int_max_str_digits)
_DIGITS = {64: 17, 32: 9, 16: 5}
"""Significant digits within which a decimal text tells one binary float from all others (IEEE 754, section 5.12.2)."""

_FORMS = {16: struct.Struct("<e"), 32: struct.Struct("<f")}

_text = msgspec.json.Decoder(str).decode
_any = msgspec.json.Decoder(float_hook=exact).decode
_quote = msgspec.json.Encoder().encode


# ---- text → value
def scalar_decoder(field: Field) -> Callable[[bytes], Any]:
    """The function from a value's text (never null) to its Python value.

    It raises DataError where the text is of another type, or its number is not one the type holds:

    - an integer may be written `1.0` or `1e2` (JSON Schema 2020-12 validation, section 6.1.1);
    - a float or double is the binary float nearest to its text; a text of more significant digits than tell two such floats
      apart (9, 17) is refused unless the float is exactly that number, and so is one too large: rounding would lose what it says.
    """
    kind = field.type
    match kind:
        case Bool():
            return lambda text: text == b"true" or (text != b"false" and _not(text, kind))
        case String():
            return lambda text: _string(text, kind)
        case Enum(symbols):
            return lambda text: _symbol(text, kind, frozenset(symbols))
        case Integer():
            return lambda text: _integer(text, kind)
        case Int():
            return lambda text: _sized(text, kind)
        case Number():
            return lambda text: int(text) if _INTEGER.fullmatch(text) and len(text) < _LONGEST else _number(text, kind)
        case Float(bits) if bits in _DIGITS:
            return lambda text: _float(text, kind)
        case Null():
            return lambda text: _not(text, kind)
        case Json() | Reference() | Union():
            return lambda text: _whatever(text, kind)
    if (of_text := text_decoder(kind)) is not None:
        return lambda text: _formed(text, kind, of_text)
    if (of_number := number_decoder(kind)) is not None:
        return lambda text: _counted(text, kind, of_number)
    raise SchemaError(f"JSON has no type {type_text(kind)}")


def _formed(text: bytes, kind: Type, of: Callable[[str], Any]) -> Any:
    try:
        return of(_string(text, kind))
    except ValueError:
        raise _refused(f"{shown(text)} is not in the form of {_short(kind)}", "a string", kind) from None


def _counted(text: bytes, kind: Type, of: Callable[[Exact], Any]) -> Any:
    try:
        return of(_number(text, kind))
    except ValueError:
        raise _refused(f"{shown(text)} does not fit {_short(kind)}", "a number", kind) from None


def _string(text: bytes, kind: Type) -> str:
    if text[:1] != b'"':
        _not(text, kind)
    try:
        return _text(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _refused(f"{shown(text)} holds half a surrogate pair, which is no character", "a string", kind) from None


def _symbol(text: bytes, kind: Type, symbols: frozenset[str]) -> str:
    value = _string(text, kind)
    if value not in symbols:
        raise _refused(f"{shown(text)} is not one of the symbols of {_short(kind)}", "a string", kind)
    return value


def _integer(text: bytes, kind: Type) -> int:
    if _INTEGER.fullmatch(text):
        if len(text) < _LONGEST:
            return int(text)
    else:
        number = _number(text, kind)
        if number == 0:
            return 0
        if number.adjusted() < _LONGEST and number == (whole := number.to_integral_value()):
            return int(whole)
    return _not(text, kind)


def _sized(text: bytes, kind: Int) -> int:
    value = _integer(text, kind)
    if not kind.low <= value <= kind.high:
        raise _refused(f"{shown(text)} is out of the range of {_short(kind)}", "an integer", kind)
    return value


def _number(text: bytes, kind: Type) -> Exact:
    if text[:1] not in b"-0123456789":
        _not(text, kind)
    return exact(text.decode("ascii"))


def _float(text: bytes, kind: Float) -> float:
    exact = _number(text, kind)
    near = nearest(float(exact), kind.bits)
    if not math.isfinite(near):
        raise _refused(f"{shown(text)} is out of the range of {_short(kind)}", "a number", kind)
    too_long = len(exact.as_tuple().digits) > _DIGITS[kind.bits] and _significant(exact) > _DIGITS[kind.bits]
    if (too_long or (near == 0) != (exact == 0)) and Exact(near) != exact:
        raise _refused(f"{shown(text)} has more digits than {_short(kind)} holds", "a number", kind)
    return near


def _significant(number: Exact) -> int:
    """Its digits without the zeros at the end (`normalize` would round it to 28 first)."""
    return len(bytes(number.as_tuple().digits).rstrip(b"\0"))


def _whatever(text: bytes, kind: Type) -> Any:
    try:
        return _any(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _not(text, kind)


def nearest(value: float, bits: int) -> float:
    """The 16-bit or 32-bit float nearest to a double, as a double; infinite where it is too large."""
    if bits == 64:
        return value
    try:
        return _FORMS[bits].unpack(_FORMS[bits].pack(value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _not(text: bytes, kind: Type) -> NoReturn:
    found = kind_of_text(text)
    raise _refused(f"{shown(text)} is {found}, expected {_short(kind)}", found, kind)


def _refused(message: str, found: str, kind: Type) -> DataError:
    return DataError(
        message, hint="Correct the value, or the type in the schema.", where=Where(found=found, expected=type_text(kind))
    )


def _short(kind: Type) -> str:
    text = type_text(kind)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def shown(text: bytes) -> str:
    """A value's text for a message, cut where it is long."""
    whole = text.decode("utf-8", "replace")
    return whole if len(whole) <= _SHOWN else whole[: _SHOWN - 1] + "…"


def kind_of_text(text: bytes) -> str:
    """What a JSON text is, for a message: "a string", "an integer" …"""
    known = {b'"': "a string", b"{": "an object", b"[": "an array", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
    return known.get(text[:1]) or ("an integer" if _INTEGER.fullmatch(text) else "a number")


# ---- value → text
def scalar_encoder(field: Field) -> Callable[[Any], bytes]:
    """The function from a Python value (never None) to its canonical text.

    It raises DataError for what the type does not hold: another Python type, an integer out of range, NaN, an infinity.
    """
    kind = field.type
    match kind:
        case Bool():
            return lambda value: (b"false", b"true")[_typed(value, bool, kind)]
        case String():
            return lambda value: _quoted(_typed(value, str, kind), kind)
        case Enum(symbols):
            return lambda value: _quoted(value, kind) if value in symbols else _unfit(value, kind)
        case Integer():
            return lambda value: _digits(_typed(value, int, kind), kind)
        case Int():
            return lambda value: _digits(value, kind) if kind.low <= _typed(value, int, kind) <= kind.high else _unfit(value, kind)
        case Number():
            return lambda value: _plain_number(value, kind)
        case Float(bits) if bits in _DIGITS:
            return lambda value: _shortest(_typed(value, float, kind), kind)
        case Json() | Reference() | Union():
            return lambda value: _anything(value, kind)
        case Decimal():
            return lambda value: _held(value, kind, lambda: format(decimal_of(_exact(value), kind), "f").encode())
        case Duration():
            return lambda value: _held(value, kind, lambda: b"%d" % count_of(value))
    if (to_text := text_encoder(kind)) is not None:
        return lambda value: _held(value, kind, lambda: _quote(to_text(value)))
    if isinstance(kind, Null):
        return lambda value: _unfit(value, kind)
    raise SchemaError(f"JSON has no type {type_text(kind)}")


def _held(value: Any, kind: Type, text: Callable[[], bytes]) -> bytes:
    try:
        return text()
    except (ValueError, TypeError):
        return _unfit(value, kind)


def _exact(value: Any) -> Exact:
    if value.__class__ is not Exact:
        raise ValueError(value)
    return value


def _typed(value: Any, wanted: type, kind: Type) -> Any:
    if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _unfit(value, kind)


def _unfit(value: Any, kind: Type) -> NoReturn:
    text = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{text} is no JSON number", hint="Let what computes it give null there, or text.")
    raise DataError(
        f"{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'} is not {_short(kind)}",
        hint="The value cannot be written as that type.",
        where=Where(found=type(value).__name__, expected=type_text(kind)),
    )


def _quoted(value: str, kind: Type) -> bytes:
    try:
        return _quote(value)
    except UnicodeEncodeError:
        return _unfit(value, kind)


def _digits(value: int, kind: Type) -> bytes:
    try:
        return b"%d" % value
    except ValueError:
        return _unfit("an integer of more than 4300 digits", kind)


def _plain_number(value: Any, kind: Type) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value, kind)
    if isinstance(value, Exact) and value.is_finite():
        return str(value).encode()
    if isinstance(value, float) and math.isfinite(value):
        return repr(value).encode()
    return _unfit(value, kind)


def _shortest(value: float, kind: Float) -> bytes:
    """The fewest digits that read back as the same float."""
    if not math.isfinite(value) or nearest(value, kind.bits) != value:
        _unfit(value, kind)
    if kind.bits < 64:
        for digits in range(1, _DIGITS[kind.bits] + 1):
            text = f"{value:.{digits}g}"
            if nearest(float(text), kind.bits) == value:
                return repr(float(text)).encode()
    return repr(value).encode()


def _anything(value: Any, kind: Type) -> bytes:
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case str():
            return _quoted(value, kind)
        case dict():
            return b"{" + b",".join(_quoted(k, kind) + b":" + _anything(v, kind) for k, v in value.items()) + b"}"
        case list() | tuple():
            return b"[" + b",".join(_anything(v, kind) for v in value) + b"]"
        case _:
            return _plain_number(value, kind)
