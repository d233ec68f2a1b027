"""Values in their plain Arrow form: one Arrow type per logical type, whatever a file stores it as.

`integer` and `number` are unbounded, so they are strings here, in their one text (`numbertext.py`); a uuid is its text, an enum
its symbol. Everything else is what one would expect. Opaque types have no plain form: `columnar.py` says how they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from .errors import DataError, SchemaError
from .numbertext import integer_text, number_text
from .schema import (
    MISSING,
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
    Uuid,
    type_text,
)

_FLOATS = {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}


def plain_type(type: Type) -> pa.DataType:
    """The plain Arrow type.

    Raises:
        SchemaError: an opaque type, which has none.
    """
    match type:
        case Null():
            return pa.null()
        case Bool():
            return pa.bool_()
        case Int(bits, signed):
            return pa.type_for_alias(f"{'' if signed else 'u'}int{bits}")
        case Float(bits):
            return _FLOATS[bits]
        case Decimal(precision, scale):
            return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
        case String() | Uuid() | Enum() | Integer() | Number():
            return pa.string()
        case Bytes():
            return pa.binary()
        case Fixed(size):
            return pa.binary(size)
        case Date():
            return pa.date32()
        case Time(unit):
            return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
        case Timestamp(unit, zone):
            return pa.timestamp(unit, zone)
        case Duration(unit):
            return pa.duration(unit)
        case Record(fields):
            return pa.struct([pa.field(f.name, plain_type(f.type)) for f in fields])
        case List(item):
            return pa.list_(pa.field("item", plain_type(item.type)))
        case Map(value, key):
            return pa.map_(plain_type(key), pa.field("value", plain_type(value.type)))
        case _:
            raise SchemaError(f"values of type {type_text(type)} have no plain form in Arrow")


_COUNTS = {"date32": pa.int32(), "time32": pa.int32(), "time64": pa.int64(), "timestamp": pa.int64(), "duration": pa.int64()}


def counts(type: Type) -> pa.DataType | None:
    """The integers under a date, time, timestamp or duration; None for other types."""
    return _COUNTS.get(str(plain_type(type)).partition("[")[0]) if isinstance(type, Date | Time | Timestamp | Duration) else None


# ---- Python values → Arrow
def from_python(values: Sequence[Any], type: Type) -> pa.Array:
    """Values as `formats/schema.py` has them (MISSING is null) to a plain array.

    Raises:
        DataError: a value that has no Arrow form (a lone surrogate, a number of more than 1,000 digits); `where.row` says which.
    """
    values = [None if v is MISSING else v for v in values]
    match type:
        case Record(fields):
            children = [from_python([None if v is None else v.get(f.name) for v in values], f.type) for f in fields]
            if not fields:
                return pa.array([None if v is None else {} for v in values], pa.struct([]))
            mask = pa.array([v is None for v in values], pa.bool_())
            return pa.StructArray.from_arrays(children, fields=list(plain_type(type)), mask=mask)
        case List(item):
            flat = [x for v in values if v is not None for x in v]
            return pa.ListArray.from_arrays(
                _offsets(values), from_python(flat, item.type), type=plain_type(type), mask=_nulls(values)
            )
        case Map(value, key):
            pairs = [pair for v in values if v is not None for pair in v.items()]
            keys, items = from_python([k for k, _ in pairs], key), from_python([x for _, x in pairs], value.type)
            return pa.MapArray.from_arrays(_offsets(values), keys, items, type=plain_type(type), mask=_nulls(values))
        case Integer():
            return _strings(values, integer_text)
        case Number():
            return _strings(values, number_text)
        case _:
            return _scalars(values, type)


def _strings(values: list[Any], text: Any) -> pa.Array:
    out = []
    for row, value in enumerate(values):
        try:
            out.append(None if value is None else text(value))
        except ValueError as e:
            raise DataError(str(e), hint="Such a number can only be carried as it is.").at(row=row) from None
    return pa.array(out, pa.string())


def _scalars(values: list[Any], type: Type) -> pa.Array:
    try:
        whole = counts(type)
        return pa.array(values, whole or plain_type(type)).cast(plain_type(type))
    except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError) as e:
        for row, value in enumerate(values):
            try:
                pa.array([value], plain_type(type) if counts(type) is None else counts(type))
            except (pa.ArrowInvalid, UnicodeEncodeError, OverflowError):
                message = f"{value!r} is no {type_text(type)}: {e}"
                raise DataError(message, hint="Repair the value where it is written.").at(row=row) from None
        raise


def _offsets(values: list[Any]) -> pa.Array:
    at, out = 0, [0]
    for value in values:
        at += len(value) if value is not None else 0
        out.append(at)
    return pa.array(out, pa.int32())


def _nulls(values: list[Any]) -> pa.Array | None:
    return pa.array([v is None for v in values], pa.bool_()) if None in values else None
