"""Values of the types that `instar.type` names in a JSON Schema, read by Python's own parsers: none of what wrote them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal as Exact
from typing import Any

from msgspec import Raw

from instar.formats.schema import Bytes, Date, Decimal, Duration, Fixed, Time, Timestamp, Type

from .json_text import number_text, short

_PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_TIME = re.compile(r"([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))?(?: ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?").fullmatch


def named_reader(type: Type) -> Callable[[Any], Any] | None:
    """A value as `json_text` has it → Python value; None for a type that is not named.

    The function raises ValueError on what is no such value.
    """
    match type:
        case Date():
            return lambda value: _day(_text(value)) - _EPOCH
        case Time(unit):
            return lambda value: _time(_text(value), unit)
        case Timestamp():
            return lambda value: _moment(_text(value), type)
        case Bytes() | Fixed():
            return lambda value: _bytes(_text(value))
        case Decimal():
            return lambda value: Exact(_number(value))
        case Duration():
            return lambda value: _count(_number(value))
        case _:
            return None


_EPOCH = date(1970, 1, 1).toordinal()


def _day(text: str) -> int:
    try:
        if _DAY(text):
            return date.fromisoformat(text).toordinal()
    except ValueError:
        pass
    raise ValueError(f"{short(text)} is no date")


def _time(text: str, unit: str) -> int:
    """Units since midnight."""
    count, offset = _units(text, text, unit)
    if offset is not None:
        raise ValueError(f"{short(text)} has an offset from UTC, as only an instant has")
    return count


def _moment(text: str, type: Timestamp) -> int:
    """Units since 1970. Only an instant has an offset from UTC (RFC 3339, 5.6; ISO 8601 for a time of no place), and it must."""
    count, offset = _units(text, text[11:] if text[10:11] in ("T", "t", " ") else "", type.unit)
    if (offset is None) == (type.zone is not None):
        what = "no offset from UTC, as an instant has" if offset is None else "an offset from UTC, as only an instant has"
        raise ValueError(f"{short(text)} has {what}")
    return ((_day(text[:10]) - _EPOCH) * 86_400 - (offset or 0)) * 10 ** _PLACES[type.unit] + count


def _units(whole: str, text: str, unit: str) -> tuple[int, int | None]:
    """A time of day in units, and its offset from UTC in seconds, None where it has none. Counted in whole numbers: Python's own
    times know no nanoseconds, and no year before 1."""
    found = _TIME(text)
    try:
        if found is None:
            raise ValueError
        clock, fraction, zone = time.fromisoformat(found[1]), found[2] or "", found[3]
        offset = None if zone is None else 0 if zone in "Zz" else _offset(zone)
    except ValueError:
        raise ValueError(f"{short(whole)} is no time") from None
    places = _PLACES[unit]
    if fraction[places:].strip("0"):
        raise ValueError(f"{short(whole)} is finer than {unit}")
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    return seconds * 10**places + int(fraction[:places].ljust(places, "0") or 0), offset


def _offset(zone: str) -> int:
    away = time.fromisoformat(zone[1:] if ":" in zone or len(zone) == 3 else f"{zone[1:3]}:{zone[3:]}")
    return (away.hour * 3600 + away.minute * 60) * (-1 if zone[0] == "-" else 1)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # text beyond ASCII is the latter
        raise ValueError(f"{short(text)} is no base64") from None


def _count(number: str) -> int:
    exact = Exact(number)
    if exact.adjusted() > 30 or exact != exact.to_integral_value():
        raise ValueError(f"{number} is no whole number of units")
    return int(exact)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{short(value)} is no text")
    return value


def _number(value: Any) -> str:
    if not isinstance(value, Raw):
        raise ValueError(f"{short(value)} is no number")
    return number_text(value)
