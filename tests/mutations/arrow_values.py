"""Arrow columns to neutral values and back, by the Arrow types alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tests.mutations.neutral import Pairs

_INTEGERS = {32: pa.int32(), 64: pa.int64()}


def values_of(array: pa.Array) -> list[Any]:
    type = array.type
    if pa.types.is_struct(type):
        columns = [values_of(column) for column in array.flatten()]
        names = [type.field(i).name for i in range(type.num_fields)]
        rows = zip(*columns, strict=True)
        return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, array.is_valid(), strict=True)]
    if pa.types.is_map(type):
        keys, items, at = values_of(array.keys), values_of(array.items), array.offsets.to_pylist()
        pairs = list(zip(keys, items, strict=True))
        first = at[0]
        return [Pairs(pairs[a - first : b - first]) if there.as_py() else None for (a, b), there in _cut(array, at)]
    if pa.types.is_list(type):
        items, at = values_of(array.flatten()), itertools.accumulate((len(x) if x.is_valid else 0 for x in array), initial=0)
        return [items[a:b] if there.as_py() else None for (a, b), there in _cut(array, list(at))]
    if pa.types.is_temporal(type):
        return array.view(_INTEGERS[type.bit_width]).to_pylist()
    return array.to_pylist()


def _cut(array: pa.Array, at: Sequence[int]) -> Any:
    return zip(itertools.pairwise(at), array.is_valid(), strict=True)


def array_of(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    if pa.types.is_struct(type):
        fields = [type.field(i) for i in range(type.num_fields)]
        columns = [array_of([None if v is None else v[f.name] for v in values], f.type) for f in fields]
        return pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array([v is None for v in values], pa.bool_()))
    if pa.types.is_map(type):
        pairs = [pair for v in values if v is not None for pair in v]
        keys, items = array_of([k for k, _ in pairs], type.key_type), array_of([x for _, x in pairs], type.item_type)
        return pa.MapArray.from_arrays(_offsets(values), keys, items, type=type)
    if pa.types.is_list(type):
        return pa.ListArray.from_arrays(
            _offsets(values), array_of([x for v in values if v is not None for x in v], type.value_type), type=type
        )
    if pa.types.is_temporal(type):
        return pa.array(values, _INTEGERS[type.bit_width]).view(type)
    return pa.array(values, type)


def _offsets(values: Sequence[Any]) -> pa.Array:
    """A null before each list that is null; the end is never null."""
    ends = list(itertools.accumulate((0 if v is None else len(v) for v in values), initial=0))
    return pa.array([None if v is None else at for v, at in zip(values, ends, strict=False)] + ends[-1:], pa.int32())
