"""The texts of types that JSON lacks (`held.py`): decoded only from the one form in which they are encoded.

The functions raise ValueError on what is not of that form.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Inexact, InvalidOperation
from decimal import Decimal as Exact
from typing import Any

from instar.formats.isotext import date_of, date_text, time_of, time_text, timestamp_of, timestamp_text
from instar.formats.schema import Bytes, Date, Decimal, Duration, Fixed, Time, Timestamp, Type, Uuid

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LONG = 1 << 63


def text_decoder(type: Type) -> Callable[[str], Any] | None:
    """Content of a JSON string → Python value; None for a type that no string holds."""
    match type:
        case Date():
            return date_of
        case Time(unit):
            return lambda text: time_of(text, unit)
        case Timestamp():
            return lambda text: timestamp_of(text, type)
        case Uuid():
            return _uuid
        case Bytes():
            return _bytes
        case Fixed(size):
            return lambda text: _sized(_bytes(text), size)
        case _:
            return None


def text_encoder(type: Type) -> Callable[[Any], str] | None:
    """Python value → content of a JSON string; None for a type that no string holds."""
    match type:
        case Date():
            return lambda value: date_text(_whole(value))
        case Time(unit):
            return lambda value: time_text(_whole(value), unit)
        case Timestamp():
            return lambda value: timestamp_text(_whole(value), type)
        case Uuid():
            return _uuid
        case Bytes():
            return lambda value: base64.b64encode(_octets(value)).decode()
        case Fixed(size):
            return lambda value: base64.b64encode(_sized(_octets(value), size)).decode()
        case _:
            return None


def number_decoder(type: Type) -> Callable[[Exact], Any] | None:
    """The number that a text says → Python value; None for a type that no such number holds."""
    match type:
        case Decimal():
            return lambda number: decimal_of(number, type)
        case Duration():
            return _count
        case _:
            return None


def decimal_of(value: Exact | int, type: Decimal) -> Exact:
    """The number with the type's scale.

    Raises:
        ValueError: it has more digits or places than the type, or is a zero with a sign.
    """
    exact = Exact(value)
    if not exact.is_finite() or (exact.is_zero() and exact.is_signed()):
        raise ValueError(value)
    if exact and exact.adjusted() >= type.precision - type.scale:
        raise ValueError(value)
    try:
        return exact.quantize(
            Exact(1).scaleb(-type.scale), context=Context(prec=type.precision + 1, rounding=ROUND_DOWN, traps=_TRAPS)
        )
    except (Inexact, InvalidOperation):
        raise ValueError(value) from None


_TRAPS = [Inexact, InvalidOperation]


def count_of(value: Any) -> int:
    """A duration's count of units, which 64 bits hold."""
    if not -_LONG <= _whole(value) < _LONG:
        raise ValueError(value)
    return value


def _count(number: Exact) -> int:
    if number != number.to_integral_value() or abs(number) > _LONG:
        raise ValueError(number)
    return count_of(int(number))


def _whole(value: Any) -> int:
    if value.__class__ is not int:
        raise ValueError(value)
    return value


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(value)
    return value


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(value)
    return value


def _bytes(text: str) -> bytes:
    content = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(content).decode() != text:  # bits beyond the last byte
        raise ValueError(text)
    return content


def _uuid(text: Any) -> str:
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise ValueError(text)
    return text
