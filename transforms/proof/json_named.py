"""Values of the types that `instar.type` names in a JSON Schema, read by Python's own parsers: none of what wrote them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from typing import Any

from msgspec import Raw

from instar.formats.schema import Bytes, Date, Decimal, Duration, Fixed, Time, Timestamp, Type

from .json_text import number_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def named_reader(type: Type) -> Callable[[Any], Any] | None:
    """A value as `json_text` has it → Python value; None for a type that is not named.

    The function raises ValueError on what is no such value.
    """
    match type:
        case Date():
            return lambda value: (date.fromisoformat(_text(value)) - date(1970, 1, 1)).days
        case Time(unit):
            return lambda value: _instant(f"1970-01-01T{_text(value)}", unit)
        case Timestamp(unit):
            return lambda value: _instant(_text(value), unit)
        case Bytes() | Fixed():
            return lambda value: base64.b64decode(_text(value), validate=True)
        case Decimal():
            return lambda value: Exact(_number(value))
        case Duration():
            return lambda value: int(_number(value))
        case _:
            return None


def _instant(text: str, unit: str) -> int:
    """Units since 1970; Python's datetime knows microseconds, so what follows them is counted apart."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = (datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND * 1000
    count, rest = divmod(seconds + int(fraction.ljust(9, "0")), _NANOSECONDS[unit])
    if rest:
        raise ValueError(f"{text!r} has a fraction of {unit}")
    return count


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _number(value: Any) -> str:
    if not isinstance(value, Raw):
        raise ValueError(f"{value!r} is no number")
    return number_text(value)
