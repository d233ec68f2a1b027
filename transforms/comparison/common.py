"""The one type that holds the values of two scalar types exactly, and SQL that brings either to it."""

from __future__ import annotations

from instar.formats.schema import (
    Bool,
    Bytes,
    Date,
    Decimal,
    Duration,
    Enum,
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
    Unit,
    Uuid,
    type_text,
)
from instar.transforms.casts.numbers import double_number, plain
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.evaluate.sql_types import sql_type

_UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
_TEXTS = (String, Enum, Uuid)
_NUMBERS = (Int, Integer, Number, Float, Decimal)


def opaque(type: Type) -> bool:
    """Is it a type whose values are compared as bytes: neither nested, nor one that DuckDB holds?"""
    nested = isinstance(type, List | Map) or (isinstance(type, Record) and bool(type.fields))
    return not nested and not isinstance(type, Null) and sql_scalar(type) is None


def common_scalar(old: Type, new: Type) -> Type | None:
    """The type that both are compared as; None where no type holds the values of both."""
    if type_text(old) == type_text(new):
        return old
    match old, new:
        case (Int(), Int()):
            return _wider(old, new)
        case (Int() | Integer(), Int() | Integer()):
            return Integer()
        case (Float(), Float()):
            return Float(64)
        case (Decimal(p, s), Decimal(q, t)):
            digits, scale = max(p - s, q - t), max(s, t)
            return Decimal(digits + scale, scale) if digits + scale <= 38 and s >= 0 and t >= 0 else None
        case (Timestamp(unit, zone), Timestamp(other, second)) if bool(zone) == bool(second):
            return Timestamp(_finer(unit, other), zone)
        case (Time(unit), Time(other)):
            return Time(_finer(unit, other))
        case (Duration(unit), Int(64)) | (Int(64), Duration(unit)):
            return Duration(unit)
    if isinstance(old, _TEXTS) and isinstance(new, _TEXTS):
        return String()
    if isinstance(old, Bytes | Fixed) and isinstance(new, Bytes | Fixed):
        return Bytes()
    if isinstance(old, _NUMBERS) and isinstance(new, _NUMBERS) and sql_scalar(old) and sql_scalar(new):
        return Number()
    return None


def _wider(a: Int, b: Int) -> Type:
    """The smallest integer type that holds both; of an unsigned and a signed one of 64 bits a decimal does."""
    for bits in (8, 16, 32, 64):
        for signed in (True, False):
            made = Int(bits, signed)
            if made.low <= min(a.low, b.low) and made.high >= max(a.high, b.high):
                return made
    return Decimal(20, 0)


def _finer(a: Unit, b: Unit) -> Unit:
    return a if _UNITS.index(a) >= _UNITS.index(b) else b


def as_common(value: str, source: Type, to: Type) -> str:
    """SQL of a scalar (an atom, in the compared form of `source`) as the type that `common_scalar` gave."""
    match source, to:
        case Uuid(), Uuid() | String():
            return f"lower({value})"  # the digits a to f may be written either way, and mean the same (RFC 9562, 4)
        case Float(), Number():
            return _number_of_float(value)
        case Decimal(), Number():
            return plain(f"CAST({value} AS VARCHAR)")
        case Int(), Integer() | Number():
            return f"CAST({value} AS VARCHAR)"
        case _ if sql_type(source) == sql_type(to):
            return value
        case _:
            return f"CAST({value} AS {sql_type(to)})"


def _number_of_float(value: str) -> str:
    """The number that a float prints as; what is no number keeps its name, so that it equals no number, nor null."""
    v = f"CAST({value} AS DOUBLE)"
    zero = f"CASE WHEN signbit({v}) THEN '-0' ELSE '0' END"
    number = f"CASE WHEN {v} = 0 THEN {zero} ELSE {double_number(v)} END"
    return f"CASE WHEN {value} IS NOT NULL THEN CASE WHEN isfinite({v}) THEN {number} ELSE CAST({v} AS VARCHAR) END END"


# ---- what kind of values
def ordered(type: Type) -> bool:
    """Do its values have a smallest and a largest one that say something?"""
    return isinstance(
        type, Bool | Int | Float | Decimal | Date | Time | Timestamp | Duration | Integer | Number | String | Enum | Uuid
    )
