"""Arrow columns as plain bits, for what DuckDB does not hold exactly: integers, BLOBs, and lists and structs of them.

Floats, times and decimals become the integer or the bytes that they are stored as, so that equal means equal in every bit.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.storage import items_of

_INTEGERS = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}


def raw(array: pa.Array) -> pa.Array:
    """The array as bits, nulls and nesting kept; a map is a list of (key, value), a dictionary its values."""
    type, is_ = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return raw(array.storage)
    if is_.is_dictionary(type):
        return raw(array.dictionary_decode())
    if is_.is_run_end_encoded(type):
        return raw(pc.run_end_decode(array))
    if is_.is_struct(type):
        return _struct([array.field(i) for i in range(type.num_fields)], array.is_null())
    if is_.is_map(type):
        return raw(array.cast(pa.list_(pa.struct([type.key_field, type.item_field]))))
    if is_.is_list(type) or is_.is_large_list(type) or is_.is_fixed_size_list(type) or is_.is_list_view(type):
        return _list(array)
    return _leaf(array)


def at(array: pa.Array, path: tuple[int, ...]) -> pa.Array:
    """The array at a path of positions below a struct; null where a struct on the way is."""
    for position in path:
        array = array.flatten()[position]
    return array


def _struct(children: list[pa.Array], nulls: pa.Array) -> pa.Array:
    inner = [raw(child) for child in children]
    if not inner:
        return pc.if_else(nulls, pa.scalar(None, pa.bool_()), True)
    fields = [pa.field(f"f{i}", child.type) for i, child in enumerate(inner)]
    return pa.StructArray.from_arrays(inner, fields=fields, mask=nulls)


def _list(array: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    items = raw(items_of(array))
    return pa.LargeListArray.from_arrays(offsets, items, mask=array.is_null() if array.null_count else None)


def _leaf(array: pa.Array) -> pa.Array:
    type, is_ = array.type, pa.types
    if is_.is_null(type):
        return array.cast(pa.int32())
    if is_.is_boolean(type) or is_.is_integer(type):
        return array
    if is_.is_fixed_size_binary(type) or is_.is_binary(type) or is_.is_large_binary(type):
        return array
    if is_.is_string(type) or is_.is_large_string(type):
        return array.view(pa.large_binary() if is_.is_large_string(type) else pa.binary())
    if type in (pa.string_view(), pa.binary_view()):
        return array.cast(pa.large_binary())
    width: int = type.bit_width
    return array.view(_INTEGERS[width] if width in _INTEGERS else pa.binary(width // 8))
