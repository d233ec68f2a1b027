"""Dates, times and timestamps as text: ISO 8601 in one form for each type, and no other. Only the years 0001 to 9999."""

from __future__ import annotations

import re
from datetime import date

from instar.formats.schema import Timestamp

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 9}
DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = date(1, 1, 1).toordinal() - _EPOCH, date(9999, 12, 31).toordinal() - _EPOCH
_NS_DAYS = date(1678, 1, 1).toordinal() - _EPOCH, date(2261, 12, 31).toordinal() - _EPOCH


def bounds(unit: str) -> tuple[int, int]:
    """The first and last timestamp that is cast: years 0001–9999, in nanoseconds the whole years that 64 bits hold, 1678–2261.

    DuckDB takes the ends of what 64 bits hold for infinities; no year near them is inside.
    """
    first, last = _NS_DAYS if unit == "ns" else (FIRST_DAY, LAST_DAY)
    per_day = DAY * PER_SECOND[unit]
    return first * per_day, (last + 1) * per_day - 1


def ranged(value: int, low: int, high: int) -> int:
    """The value itself.

    Raises:
        ValueError: it is not from `low` to `high`.
    """
    if not low <= value <= high:
        raise ValueError(value)
    return value


# ---- texts
def date_text(days: int) -> str:
    """ISO 8601: 2026-11-21."""
    return date.fromordinal(ranged(days, FIRST_DAY, LAST_DAY) + _EPOCH).isoformat()


def time_text(value: int, unit: str) -> str:
    """ISO 8601 with the unit's places: 23:59:59.999."""
    seconds, part = divmod(ranged(value, 0, DAY * PER_SECOND[unit] - 1), PER_SECOND[unit])
    fraction = f".{part:0{PLACES[unit]}d}" if PLACES[unit] else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def timestamp_text(value: int, type: Timestamp) -> str:
    """ISO 8601 with the unit's places; an instant in UTC, with a Z: 2026-11-21T23:59:59.999Z."""
    days, rest = divmod(ranged(value, *bounds(type.unit)), DAY * PER_SECOND[type.unit])
    return f"{date_text(days)}T{time_text(rest, type.unit)}{'Z' if type.zone else ''}"


def date_pattern() -> str:
    """The form of a date's text, as a regular expression."""
    return "[0-9]{4}-[0-9]{2}-[0-9]{2}"


def time_pattern(unit: str) -> str:
    """The form of a time's text."""
    return "[0-9]{2}:[0-9]{2}:[0-9]{2}" + (rf"\.[0-9]{{{PLACES[unit]}}}" if PLACES[unit] else "")


def timestamp_pattern(type: Timestamp) -> str:
    """The form of a timestamp's text."""
    return f"{date_pattern()}T{time_pattern(type.unit)}{'Z' if type.zone else ''}"


# ---- and back
def date_of(text: str) -> int:
    """Days since 1970-01-01.

    Raises:
        ValueError: not in the form of `date_text`, or no such day.
    """
    return date.fromisoformat(_fit(date_pattern(), text)).toordinal() - _EPOCH


def time_of(text: str, unit: str) -> int:
    """Units since midnight.

    Raises:
        ValueError: not in the form of `time_text`, or no such time.
    """
    _fit(time_pattern(unit), text)
    hours, minutes, seconds = int(text[:2]), int(text[3:5]), int(text[6:8])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(text)
    return ((hours * 60 + minutes) * 60 + seconds) * PER_SECOND[unit] + int(text[9 : 9 + PLACES[unit]] or 0)


def timestamp_of(text: str, type: Timestamp) -> int:
    """Units since 1970-01-01T00:00.

    Raises:
        ValueError: not in the form of `timestamp_text`, no such moment, or out of `bounds`.
    """
    _fit(timestamp_pattern(type), text)
    days = date_of(text[:10]) * DAY * PER_SECOND[type.unit]
    return ranged(days + time_of(text[11:].removesuffix("Z"), type.unit), *bounds(type.unit))


def _fit(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError(text)
    return text
