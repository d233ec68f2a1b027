"""Values as people who write Python have them, to Instar's own form (`formats/schema.py`) and back.

What user's functions are called with and give, and what an upcaster takes and gives:

| type | natural value |
|---|---|
| bool, string, bytes, fixed, enum | bool, str, bytes, bytes, str |
| int8 … uint64, integer | int |
| half, float, double | float |
| number | int where it is whole; float where that prints as exactly this number; else `decimal.Decimal` |
| decimal | `decimal.Decimal` |
| date | `datetime.date` |
| time, duration in s, ms, us | `datetime.time`, `datetime.timedelta` |
| timestamp in s, ms, us | `datetime.datetime`: in the type's zone if it has one, else without one |
| the same in ns | int: nanoseconds, of a timestamp since 1970-01-01T00:00 (Python's own types are no finer than us) |
| uuid | str |
| record, map | dict |
| list | list |
| null | None |

On the way in whatever a script may write as a default is taken, too (a `uuid.UUID`, an int for a float that holds it, "2020-01-31"
for a date), and numpy's scalars. A half or float field takes the nearest value that it holds; nothing else is ever rounded.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from instar.formats.errors import DataError, InstarError, MigrationError
from instar.formats.numbertext import number_text, parse_number
from instar.formats.path import path_text
from instar.formats.schema import (
    MISSING,
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
    Null,
    Number,
    Record,
    String,
    Time,
    Timestamp,
    Type,
    Uuid,
    field_text,
    type_text,
)  # fmt: skip

from .casts.rule import same
from .literal import PER_SECOND, literal

Convert = Callable[[Any], Any]

_ORDINAL = dt.date(1970, 1, 1).toordinal()
_WALL = dt.datetime(1970, 1, 1)
_INSTANT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_USUAL = 1 << 64


# ---- Instar's own form → natural
def to_natural(type: Type, *, every_key: bool = False) -> Convert:
    """The function from a value that is not null; lists and dicts it gives are new ones.

    `every_key`: a record has all its keys, None where one is missing: what Arrow and SQL know of it. Else it stays missing.

    It raises DataError for a date or time that Python's own types do not reach (before the year 1, after 9999).

    Raises:
        MigrationError: an opaque type, or a zone that this system does not know.
    """
    match type:
        case Null() | Bool() | Int() | Float() | Decimal() | String() | Bytes() | Fixed() | Uuid() | Enum():
            return same
        case Integer():
            return _plain
        case Number():
            return natural_number
        case Date():
            return _reached(lambda days: dt.date.fromordinal(days + _ORDINAL), type)
        case Time("ns") | Timestamp("ns") | Duration("ns"):
            return same
        case Time(unit):
            return _reached(_clock_of(unit), type)
        case Timestamp(unit, zone):
            return _reached(_moment_of(unit, zone), type)
        case Duration(unit):
            size = 10**6 // PER_SECOND[unit]
            return _reached(lambda units: dt.timedelta(microseconds=units * size), type)
        case Record(fields):
            return _record_to_natural([(f.name, _or_none(to_natural(f.type, every_key=every_key))) for f in fields], every_key)
        case List(item):
            convert = _or_none(to_natural(item.type, every_key=every_key))
            return lambda values: [convert(v) for v in values]
        case Map(value, key):
            keys, convert = to_natural(key), _or_none(to_natural(value.type, every_key=every_key))
            return lambda values: {keys(k): convert(v) for k, v in values.items()}
        case _:
            raise MigrationError(
                f"a value of type {type_text(type)} has no Python form: it is only carried",
                hint="Read another field, or a field inside it.",
            )


def _or_none(convert: Convert) -> Convert:
    return lambda value: None if value is None or value is MISSING else convert(value)


def _record_to_natural(parts: list[tuple[str, Convert]], every_key: bool) -> Convert:
    if every_key:
        return lambda record: {name: convert(record.get(name)) for name, convert in parts}
    return lambda record: {name: convert(record[name]) for name, convert in parts if record.get(name, MISSING) is not MISSING}


def natural_number(value: Any) -> Any:
    """An int or a Decimal as an int, a float that says exactly the same, or a Decimal: one for all ways to write a number."""
    plain = _plain(value)
    if plain.__class__ is int:
        return plain
    near = float(plain)
    return near if math.isfinite(near) and decimal.Decimal(repr(near)) == plain else plain


def _plain(value: Any) -> Any:
    """The number that its one text says: an int, or a Decimal without zeros that say nothing."""
    if value.__class__ is int and -_USUAL < value < _USUAL:
        return value
    try:
        return parse_number(number_text(value)) if value else 0
    except ValueError as error:
        raise DataError(f"it is {error}", hint="Such a number can only be carried as it is.") from None


def _reached(convert: Convert, type: Type) -> Convert:
    def converted(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, OverflowError):
            raise DataError(
                f"{value} as {type_text(type)} is beyond what Python's datetime reaches",
                hint="Repair the value, or cast the field to another type first.",
            ) from None

    return converted


def _clock_of(unit: str) -> Convert:
    size = 10**6 // PER_SECOND[unit]

    def clock(units: int) -> dt.time:
        seconds, micro = divmod(units * size, 10**6)
        return dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro)

    return clock


def _moment_of(unit: str, name: str | None) -> Convert:
    size = 10**6 // PER_SECOND[unit]
    if name is None:
        return lambda units: _WALL + dt.timedelta(microseconds=units * size)
    zone = zone_named(name)
    if zone is dt.UTC:
        return lambda units: _INSTANT + dt.timedelta(microseconds=units * size)
    return lambda units: (_INSTANT + dt.timedelta(microseconds=units * size)).astimezone(zone)


@lru_cache(maxsize=256)
def zone_named(name: str) -> dt.tzinfo:
    """The zone of a timestamp type: "UTC", "Europe/Paris" or an offset such as "+02:00".

    Raises:
        MigrationError: this system does not know it.
    """
    if name in ("UTC", "Etc/UTC", "Z"):
        return dt.UTC
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        size = dt.timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return dt.timezone(-size if offset[1] == "-" else size)
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise MigrationError(f"the zone {name!r} is not known here", hint="Install tzdata, or cast to a UTC timestamp.") from None


# ---- natural → Instar's own form
def from_natural(field: Field, *, unknown: bool = False) -> Convert:
    """The function that checks a value, None included, against a field and gives it in Instar's own form; dicts and lists are new.

    It raises DataError, whose path is the place inside the value. A record's keys are the field's; one that may be null or missing
    may be left out. `unknown`: other keys are left out, rather than refused.
    """
    of = checked(field, unknown=unknown)

    def convert(value: Any) -> Any:
        if value is None or value is MISSING:
            return value if value is MISSING and field.optional else _nothing(value, field)
        return of(value)

    return convert


def _nothing(value: Any, field: Field) -> None:
    if not field.nullable and not isinstance(field.type, Null):
        what = "the key is missing" if value is MISSING else f"None is no {type_text(field.type)}"
        raise DataError(what, hint="Give a value, or let the field be null: put ? after its type.")


def checked(field: Field, *, unknown: bool = False) -> Convert:
    """As `from_natural`, of a value that is not None: at once where it is plainly right, else as a literal is judged."""
    type, slow = field.type, _judged(field)
    match type:
        case Bool():
            return lambda v: v if v.__class__ is bool else slow(v)
        case Int():
            low, high = type.low, type.high
            return lambda v: v if v.__class__ is int and low <= v <= high else slow(v)
        case Integer():
            return lambda v: v if v.__class__ is int and -_USUAL < v < _USUAL else _plain(slow(v))
        case Number():
            return lambda v: v if v.__class__ is int and -_USUAL < v < _USUAL else _plain(slow(v))
        case Float(64):
            return lambda v: v if v.__class__ is float else slow(v)
        case String():
            return lambda v: v if v.__class__ is str and v.isascii() else slow(v)
        case Bytes():
            return lambda v: v if v.__class__ is bytes else slow(v)
        case Enum(symbols):
            known = frozenset(symbols)
            return lambda v: v if v.__class__ is str and v in known else slow(v)
        case Date():
            return lambda v: v.toordinal() - _ORDINAL if v.__class__ is dt.date else slow(v)
        case Timestamp("s" | "ms" | "us" as unit, zone):
            return _units_of(unit, zone, slow)
        case Record(fields):
            return _record_from_natural(type, [(f, from_natural(f, unknown=unknown)) for f in fields], unknown)
        case List(item):
            return _list_from_natural(type, from_natural(item, unknown=unknown))
        case Map(value, key):
            return _map_from_natural(type, from_natural(Field("", key)), from_natural(value, unknown=unknown))
        case _:
            return slow


def _units_of(unit: str, zone: str | None, slow: Convert) -> Convert:
    start, size = (_INSTANT if zone else _WALL), 10**6 // PER_SECOND[unit]

    def units(value: Any) -> int:
        if value.__class__ is not dt.datetime or (value.tzinfo is None) != (zone is None):
            return slow(value)
        found, rest = divmod((value - start) // _MICROSECOND, size)
        return slow(value) if rest else found

    return units


def _judged(field: Field) -> Convert:
    """As a literal of a script is; numpy's scalars as the Python values they stand for."""
    required = field.with_(nullable=False)

    def judged(value: Any) -> Any:
        if value.__class__.__module__ == "numpy" and hasattr(value, "item"):
            value = value.item()
        try:
            return literal(value, required)
        except InstarError as error:
            raise DataError(error.message, hint=error.hint) from None

    return judged


def _record_from_natural(type: Record, parts: list[tuple[Field, Convert]], unknown: bool) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _not(value, type, "a dict")
        if not unknown and (others := [key for key in value if key not in type]):
            raise DataError(f"{others[0]!r} is no key of {type_text(type):.200}", hint="Leave it out.")
        out = {}
        for f, of in parts:
            try:
                made = of(value.get(f.name, MISSING))
            except DataError as error:
                raise _below(error, path_text((f.name,))) from None
            if made is not MISSING:
                out[f.name] = made
        return out

    return convert


def _list_from_natural(type: List, of: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _not(value, type, "a list")
        try:
            return [of(v) for v in value]
        except DataError as error:
            raise _below(error, "[]") from None

    return convert


def _map_from_natural(type: Map, keys: Convert, of: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _not(value, type, "a dict")
        try:
            return {keys(k): of(v) for k, v in value.items()}
        except DataError as error:
            raise _below(error, "{}") from None

    return convert


def _below(error: DataError, step: str) -> DataError:
    """The error one level further up."""
    inner = error.where.path if error.where and error.where.path else ""
    path = step + ("." if inner and inner[0] not in "[{" else "") + inner
    return DataError(error.message, hint=error.hint).at(path=path)  # type: ignore[return-value]


def _not(value: Any, type: Type, what: str) -> DataError:
    shown = repr(value) if len(repr(value)) < 120 else repr(value)[:117] + "…"
    return DataError(f"{shown} is no {field_text(Field('', type)):.200}", hint=f"Give {what}.")
