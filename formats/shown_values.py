"""Columns as `columnar.py` shows them, back to Python values as `schema.py` tells: what writers of records start from.

Opaque types come as they are shown: `json` and a record that names no fields as text, a union as a dict of its branches of which
one is not None.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from .compute import pc
from .numbertext import parse_number
from .plain import counts
from .schema import Date, Duration, Field, Float, Integer, List, Map, Number, Record, Time, Timestamp, Union
from .storage import items_of, lengths_of


def python_values(array: pa.Array, field: Field) -> list[Any]:
    """The values of a column of that field, None where there is none."""
    match field.type:
        case Record(()):
            return array.to_pylist()
        case Record(fields) | Union(fields):
            return _records(array, fields)
        case List(item):
            return cut(array, python_values(items_of(array), item))
        case Map(value, key):
            entries = items_of(array)
            keys, values = python_values(entries.field(0), Field("key", key)), python_values(entries.field(1), value)
            pairs = list(zip(keys, values, strict=True))
            return [None if own is None else dict(own) for own in cut(array, pairs)]
        case Integer():
            return [None if v is None else int(v) for v in array.to_pylist()]
        case Number():
            return [None if v is None else parse_number(v) for v in array.to_pylist()]
        case Float(16):
            return array.cast(pa.float32()).to_pylist()
        case Date() | Time() | Timestamp() | Duration():
            return array.cast(counts(field.type)).to_pylist()
        case _:
            return array.to_pylist()


def text_at(array: pa.Array, row: int) -> str:
    """One value as messages show it: in Arrow's own text where Python's types may not reach it (the year 10000, a nanosecond)."""
    try:
        if not pa.types.is_temporal(array.type):
            return repr(array[row].as_py())
    except (OverflowError, ValueError):
        pass  # times inside
    return " ".join(array.slice(row, 1).to_string(skip_new_lines=True)[1:-1].split())


def _records(array: pa.Array, fields: tuple[Field, ...]) -> list[Any]:
    columns = [python_values(pc.struct_field(array, i), f) for i, f in enumerate(fields)]
    names = [f.name for f in fields]
    there = pc.is_valid(array).to_pylist()
    return [dict(zip(names, row, strict=True)) if own else None for row, own in zip(zip(*columns, strict=True), there, strict=True)]


def cut(array: pa.Array, flat: list[Any]) -> list[list[Any] | None]:
    """What was made of all items, list by list (or map by map); None where there is no list."""
    out: list[list[Any] | None] = []
    at = 0
    for length in lengths_of(array).to_pylist():
        out.append(None if length is None else flat[at : at + length])
        at += length or 0
    return out
