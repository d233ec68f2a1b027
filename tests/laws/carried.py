"""Values of every type as Arrow arrays, and back: also of types that expressions only carry, whatever a file holds of them.

JSON is its text, an interval a tuple. SQL knows what is carried as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.schema import Decimal, Field, Json, List, Map, Other, Record, Type, children
from instar.formats.shown_values import cut
from instar.formats.storage import items_of, stored
from instar.transforms.evaluate.duck_arrays import from_duck
from instar.transforms.evaluate.plain import from_python, plain_type, to_python
from instar.transforms.proof.given import given


def is_carried(type: Type) -> bool:
    """Is it a type that only carries?"""
    return isinstance(type, Json | Other) or (isinstance(type, Decimal) and type.precision > 38)


def has_carried(type: Type) -> bool:
    return is_carried(type) or any(has_carried(f.type) for _, f in children(type))


def array_of(values: Sequence[Any], type: Type) -> pa.Array:
    if not has_carried(type):
        return from_python(values, type)
    nulls, lengths = pa.array([v is None for v in values], pa.bool_()), [0 if v is None else len(v) for v in _sized(values)]
    offsets = pa.array([sum(lengths[:i]) for i in range(len(lengths) + 1)], pa.int32())
    match type:
        case Record(fields):
            arrays = [array_of([None if v is None else v.get(f.name) for v in values], f.type) for f in fields]
            return pa.StructArray.from_arrays(arrays, names=[f.name for f in fields], mask=nulls)
        case List(item):
            flat = [x for v in values if v is not None for x in v]
            return pa.ListArray.from_arrays(offsets, array_of(flat, item.type), mask=nulls)
        case Map(value):
            pairs = [pair for v in values if v is not None for pair in v.items()]
            keys, items = pa.array([k for k, _ in pairs], pa.string()), array_of([x for _, x in pairs], value.type)
            return pa.MapArray.from_arrays(offsets, keys, items, mask=nulls)
        case Other():
            return pa.array(values, pa.month_day_nano_interval())
        case Json():
            return pa.array(values, pa.string())
        case _:
            return from_python(values, type)


def _sized(values: Sequence[Any]) -> Sequence[Any]:
    return [v if isinstance(v, list | dict) else () for v in values]


def values_of(array: pa.Array, type: Type) -> list[Any]:
    """An array in any storage to values."""
    if not has_carried(type):
        return to_python(stored(array, plain_type(type)), type)
    return _nested(array, type, values_of) if children_of(type) else _plain(array).to_pylist()


def sql_values(array: pa.Array, type: Type) -> list[Any]:
    """What DuckDB gave to values, what is carried as bytes."""
    if not has_carried(type):
        return to_python(from_duck(array, type), type)
    return _nested(array, type, sql_values) if children_of(type) else array.to_pylist()


def as_sql(value: Any, field: Field) -> Any:
    """A value with bytes in the place of what is carried, as DuckDB is given it."""
    if value is None or not has_carried(field.type):
        return value
    match field.type:
        case Record(fields):
            return {f.name: as_sql(value[f.name], f) for f in fields}
        case List(item):
            return [as_sql(v, item) for v in value]
        case Map(inner):
            return {key: as_sql(v, inner) for key, v in value.items()}
        case type:
            return given(array_of([value], type), type)[0].as_py()


def children_of(type: Type) -> bool:
    return isinstance(type, Record | List | Map)


def _plain(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _nested(array: pa.Array, type: Type, inner: Any) -> list[Any]:
    match type:
        case Record(fields):
            columns = [inner(pc.struct_field(array, i), f.type) for i, f in enumerate(fields)]
            names, there = [f.name for f in fields], pc.is_valid(array).to_pylist()
            rows = zip(*columns, strict=True)
            return [dict(zip(names, row, strict=True)) if own else None for row, own in zip(rows, there, strict=True)]
        case List(item):
            return cut(array, inner(items_of(array), item.type))
        case Map(value):
            entries = items_of(array)
            pairs = zip(_plain(entries.field(0)).to_pylist(), inner(entries.field(1), value.type), strict=True)
            return [None if own is None else dict(own) for own in cut(array, list(pairs))]
    raise TypeError(type)
