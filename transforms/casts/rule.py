"""What an entry of the cast table is made of: the meaning in words, and the same meaning for each interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    Null,
    Number,
    String,
    Time,
    Timestamp,
    Type,
    Uuid,
)

Convert = Callable[[Any], Any]
"""Python value → Python value; raises ValueError (or OverflowError, which a caller treats alike) where the value is refused."""

Render = Callable[[str], str]
"""SQL of a value → SQL of the cast value, which is NULL where the value is refused. The text given is an atom (a column, a lambda's
variable): it may be repeated."""


@dataclass(frozen=True)
class Rule:
    """One way to cast, for a family of pairs.

    `meaning` says which values pass, in the words of the docs. `record` and `sql` make the function for two given types.
    """

    meaning: str
    record: Callable[[Any, Any], Convert]
    sql: Callable[[Any, Any], Render]


def refuse(value: Any) -> Any:
    """The conversion that never succeeds."""
    raise ValueError(value)


def same(value: Any) -> Any:
    return value


_KINDS: dict[type, str] = {
    Null: "null", Bool: "bool", Int: "int", Integer: "integer", Number: "number", Decimal: "decimal", String: "string",
    Bytes: "bytes", Fixed: "fixed", Date: "date", Time: "time", Timestamp: "timestamp", Duration: "duration", Uuid: "uuid",
    Enum: "enum",
}  # fmt: skip
_FLOATS = {16: "half", 32: "float", 64: "double"}


def kind(type: Type) -> str | None:
    """The row or column of the cast table that a type belongs to; None for what is only carried, and for nested types."""
    return _FLOATS[type.bits] if isinstance(type, Float) else _KINDS.get(type.__class__)


SQL_INTS = {
    (8, True): "TINYINT", (16, True): "SMALLINT", (32, True): "INTEGER", (64, True): "BIGINT",
    (8, False): "UTINYINT", (16, False): "USMALLINT", (32, False): "UINTEGER", (64, False): "UBIGINT",
}  # fmt: skip


def sql_scalar(type: Type) -> str | None:
    """The DuckDB type that holds every value of a scalar type exactly, None where there is none.

    `integer` and `number` are unbounded, so they travel as their canonical text; a duration as its count of units (Parquet has no
    duration, and an INTERVAL is not a number); a uuid as it is written; an enum as its symbol.
    """
    match type:
        case Bool():
            return "BOOLEAN"
        case Int(bits, signed):
            return SQL_INTS[bits, signed]
        case Float(bits):
            return "DOUBLE" if bits == 64 else "FLOAT"
        case Decimal(precision, scale) if precision <= 38 and 0 <= scale <= precision:
            return f"DECIMAL({precision},{scale})"
        case String() | Uuid() | Enum() | Integer() | Number():
            return "VARCHAR"
        case Bytes() | Fixed():
            return "BLOB"
        case Date():
            return "DATE"
        case Time(unit):
            return "TIME_NS" if unit == "ns" else "TIME"
        case Timestamp(unit, None):
            return {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}[unit]
        case Timestamp(unit):
            return "TIMESTAMPTZ_NS" if unit == "ns" else "TIMESTAMPTZ"
        case Duration():
            return "BIGINT"
        case _:
            return None


def sql_text(value: str) -> str:
    """A string literal of DuckDB's."""
    return "'" + value.replace("'", "''") + "'"
