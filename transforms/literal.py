"""Literals in scripts: a value as people write it, checked against its type and brought into the form `formats/schema.py` has."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
import struct
import uuid
from typing import Any

from instar.formats.errors import MigrationError, suggestion
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

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_EXACT = decimal.Context(prec=200, traps=[decimal.Inexact, decimal.InvalidOperation])
_EPOCH = dt.date(1970, 1, 1).toordinal()
_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]([\d:.]+)(Z|[+-]\d\d:\d\d)?")


def literal(value: Any, field: Field) -> Any:
    """The value in the one Python form of the field's type.

    Dates may be `datetime.date` or "2020-01-31" (or days since 1970), times and timestamps `datetime` objects, ISO texts or
    integers in the type's unit, decimals `Decimal`, text or int. Applied to its own result it changes nothing.

    Raises:
        MigrationError: another type, out of range, or more digits than the type holds; nothing is ever rounded but a `float` or
            `half` literal, to the nearest it can hold.
    """
    if value is None:
        if field.nullable:
            return None
        raise MigrationError(f"None is not a value of type {field_text(field)}", hint="Say nullable=True if it may be null.")
    return _value(value, field.type)


def _value(value: Any, type: Type) -> Any:
    match type:
        case Bool() if isinstance(value, bool):
            return value
        case Int(_, _) if _is_int(value):
            return _in_range(value, type.low, type.high, type)
        case Integer() if _is_int(value):
            return value
        case Number() if _is_int(value) or (isinstance(value, decimal.Decimal) and value.is_finite()):
            return value
        case Number() if isinstance(value, float) and math.isfinite(value):
            return decimal.Decimal(repr(value))
        case Float(bits) if _is_int(value) or isinstance(value, float):
            return _float(value, bits, type)
        case Decimal() if _is_int(value) or isinstance(value, decimal.Decimal | str):
            return _decimal(value, type)
        case String() if isinstance(value, str):
            return _text(value, type)
        case Bytes() if isinstance(value, bytes):
            return value
        case Fixed(size) if isinstance(value, bytes) and len(value) == size:
            return value
        case Uuid() if isinstance(value, str | uuid.UUID):
            return _uuid(value, type)
        case Enum(symbols) if isinstance(value, str):
            if value in symbols:
                return value
            raise MigrationError(f"{value!r} is not a symbol of {type_text(type)}", hint=suggestion(value, symbols))
        case Date() | Time() | Timestamp() | Duration():
            return _temporal(value, type)
        case Record() if isinstance(value, dict):
            return _record(value, type)
        case List(item) if isinstance(value, list | tuple):
            return [literal(v, item) for v in value]
        case Map(inner, key) if isinstance(value, dict):
            return {_value(k, key): literal(v, inner) for k, v in value.items()}
    raise _not(value, type)


def _not(value: Any, type: Type, why: str = "") -> MigrationError:
    examples = {
        Decimal: 'Write Decimal("1.50") or "1.50": a float has no exact decimal digits.',
        Date: 'Write "2020-01-31" or a datetime.date.',
        Time: 'Write "13:45:00" or a datetime.time.',
        Timestamp: 'Write "2020-01-31T13:45:00" (with Z or +01:00 exactly where the type has a zone) or a datetime.',
        Duration: "Write a datetime.timedelta, or an integer in the type's unit.",
        Bytes: 'Write bytes: b"…".',
        Fixed: "Write bytes of exactly that length.",
        Null: "A null column holds None only.",
    }
    hint = examples.get(type.__class__, f"Write a Python value that {type_text(type)} holds.")
    return MigrationError(f"{value!r} is not a value of type {type_text(type)}" + (f": {why}" if why else ""), hint=hint)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _in_range(value: int, low: int, high: int, type: Type) -> int:
    if low <= value <= high:
        return value
    raise _not(value, type, f"it must be from {low} to {high}")


def _float(value: Any, bits: int, type: Type) -> float:
    try:
        out = float(value)
        if bits < 64 and math.isfinite(out):
            code = "<e" if bits == 16 else "<f"
            out = struct.unpack(code, struct.pack(code, out))[0]
    except OverflowError:
        raise _not(value, type, "it is too large") from None
    if isinstance(value, int) and out != value:
        raise _not(value, type, f"the nearest is {out!r}")
    return out


def _decimal(value: Any, type: Decimal) -> decimal.Decimal:
    try:
        exact = decimal.Decimal(value)
        out = exact.quantize(decimal.Decimal(1).scaleb(-type.scale), context=_EXACT)
    except (decimal.InvalidOperation, decimal.Inexact):
        raise _not(value, type, f"it has more than {type.scale} decimals, or is not a number") from None
    if not out.is_finite() or (out and len(out.as_tuple().digits) > type.precision):
        raise _not(value, type, f"it has more than {type.precision} digits")
    return out


def _text(value: str, type: Type) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _not(value, type, "it is not Unicode text") from None
    return value


def _uuid(value: str | uuid.UUID, type: Type) -> str:
    text = str(value)
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return text
    raise _not(value, type, "a UUID has the form 12345678-1234-1234-1234-123456789abc")


def _record(value: dict[str, Any], type: Record) -> dict[str, Any]:
    for name in value:
        if name not in type:
            raise MigrationError(f"the record has no field {name!r}", hint=suggestion(str(name), type.names))
    out = {}
    for f in type.fields:
        if f.name in value:
            out[f.name] = literal(value[f.name], f)
        elif not f.optional:
            out[f.name] = literal(None if f.default is MISSING else f.default, f)
    return out


# ---- dates and times: integers, exactly
def _temporal(value: Any, type: Date | Time | Timestamp | Duration) -> int:
    if _is_int(value):
        bits = 32 if isinstance(type, Date) or (isinstance(type, Time) and type.unit in ("s", "ms")) else 64
        low, high = (0, _DAY * PER_SECOND[type.unit] - 1) if isinstance(type, Time) else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return _in_range(value, low, high, type)
    match type:
        case Date():
            return _days(value, type)
        case Time(unit):
            nanoseconds = _clock(value.isoformat() if isinstance(value, dt.time) and value.tzinfo is None else value, type)
        case Timestamp(unit):
            nanoseconds = _instant(value.isoformat() if isinstance(value, dt.datetime) else value, type, value)
        case Duration(unit) if isinstance(value, dt.timedelta):
            nanoseconds = (value // dt.timedelta(microseconds=1)) * 1000
        case _:
            raise _not(value, type)
    units, rest = divmod(nanoseconds, 10**9 // PER_SECOND[unit])
    if rest:
        raise _not(value, type, f"it is finer than {unit}")
    return _in_range(units, -(1 << 63), (1 << 63) - 1, type)


def _days(value: Any, type: Type) -> int:
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date | str):
        raise _not(value, type)
    try:
        day = value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except ValueError as e:
        raise _not(value, type, str(e)) from None
    return day.toordinal() - _EPOCH


def _clock(text: Any, type: Type) -> int:
    """Nanoseconds since midnight."""
    parts = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if parts is None or int(parts[1]) > 23 or int(parts[2]) > 59 or int(parts[3] or 0) > 59:
        raise _not(text, type)
    seconds = int(parts[1]) * 3600 + int(parts[2]) * 60 + int(parts[3] or 0)
    return seconds * 10**9 + int((parts[4] or "0").ljust(9, "0"))


def _instant(text: Any, type: Timestamp, value: Any) -> int:
    """Nanoseconds since 1970-01-01T00:00, in UTC where the type has a zone."""
    if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text) and type.zone is None:
        text += "T00:00"
    parts = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        raise _not(value, type)
    if (parts[3] is None) != (type.zone is None):
        raise _not(value, type, "it has a zone and the type has none" if parts[3] else "it says no zone, and the type has one")
    offset = 0
    if parts[3] and parts[3] != "Z":
        sign = -1 if parts[3][0] == "-" else 1
        offset = sign * (int(parts[3][1:3]) * 3600 + int(parts[3][4:6]) * 60)
    return (_days(parts[1], type) * _DAY - offset) * 10**9 + _clock(parts[2], type)
