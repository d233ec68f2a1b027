"""One form for two sides: columns as Instar shows them, and as another reader gives them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.plain import plain_type
from instar.formats.schema import Duration, Field, Float, Json, List, Map, Record, Type
from instar.formats.storage import items_of, relisted, stored, struct_of

from . import json_text


def compared_type(field: Field, format: str) -> pa.DataType:
    """The Arrow type in which both sides are compared: the plain one, but for what readers give otherwise.

    JSON values are compared as their text, in JSON files as canonical bytes.
    """
    match field.type:
        case Record(fields) if fields:
            return pa.struct([pa.field(f"f{i}", compared_type(f, format)) for i, f in enumerate(fields)])
        case List(item):
            return pa.list_(compared_type(item, format))
        case Map(value, key):
            return pa.map_(compared_type(Field("", key), format), compared_type(value, format))
        case Json() | Record():
            return pa.binary() if format == "json" else pa.string()
        case Float(16):
            return pa.float32()
        case Duration():
            return pa.int64()
        case _:
            return plain_type(field.type)


def comparable(array: pa.Array, field: Field, format: str) -> pa.Array:
    """A column in its plain form, or in DuckDB's, in the form that is compared."""
    type = compared_type(field, format)
    if format != "json" or not _has_json(field.type):
        return stored(array, type)
    match field.type:
        case Record(fields) if fields:
            inner = [comparable(pc.struct_field(array, i), f, format) for i, f in enumerate(fields)]
            return struct_of(inner, list(type), array)
        case List(item):
            return relisted(array, comparable(items_of(array), item, format), type)
        case Map(value, key):
            entries = items_of(array)
            pair = [comparable(entries.field(0), Field("", key), format), comparable(entries.field(1), value, format)]
            return relisted(array, struct_of(pair, [type.key_field, type.item_field], None, len(entries)), type)
        case _:
            return pa.array([None if t is None else _canonical(t) for t in array.to_pylist()], pa.binary())


def _canonical(text: str) -> bytes:
    return json_text.canonical(json_text.value_of(text))


def _has_json(type: Type) -> bool:
    match type:
        case Json() | Record(()):
            return True
        case Record(fields):
            return any(_has_json(f.type) for f in fields)
        case List(inner) | Map(inner):
            return _has_json(inner.type)
        case _:
            return False


def first_difference(a: pa.Array, b: pa.Array) -> int | None:
    """The first row where two arrays of one type differ, None where none does. NaN is NaN, and -0.0 is not 0.0."""
    same = _by_value if not _has_floats(a.type) else _by_bits if pa.types.is_floating(a.type) else _by_text
    if same(a, b):
        return None
    low, high = 0, len(a)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if same(a.slice(low, middle - low), b.slice(low, middle - low)) else (low, middle)
    return low


def _has_floats(type: pa.DataType) -> bool:
    return pa.types.is_floating(type) or any(_has_floats(type.field(i).type) for i in range(type.num_fields))


def _by_value(a: pa.Array, b: pa.Array) -> bool:
    return a.equals(b)


def _by_bits(a: pa.Array, b: pa.Array) -> bool:
    return _bits(a).equals(_bits(b))


def _bits(array: pa.Array) -> Any:
    """Floats as integers of the same bits; one for every NaN."""
    whole = array.view(pa.int32() if array.type == pa.float32() else pa.int64())
    return pc.if_else(pc.is_nan(array), pa.scalar(-1, whole.type), whole)


def _by_text(a: pa.Array, b: pa.Array) -> bool:
    return repr(a.to_pylist()) == repr(b.to_pylist())
