"""One logical type in two Arrow forms: dictionary, large, view, fixed-size, run-end, uuid and the plain ones, either way."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pyarrow as pa

from instar.formats.compute import pc

is_ = pa.types


def stored(array: pa.Array, type: pa.DataType) -> pa.Array:
    """The same values in another Arrow form of the same logical type; the very array where it is that form already.

    Records and maps are matched by position, so names may differ.

    Raises:
        pa.ArrowInvalid: the form cannot hold a value (a decimal's digits, a fixed-size list's length).
    """
    if array.type.equals(type, check_metadata=True):
        return array
    if is_.is_null(type) or is_.is_null(array.type):
        return _nulls(len(array), type)
    if isinstance(array, pa.ExtensionArray):
        return stored(_text_of_uuids(array) if isinstance(array.type, pa.UuidType) else array.storage, type)
    if isinstance(type, pa.BaseExtensionType):
        made = _uuids_of_text(array) if isinstance(type, pa.UuidType) and not is_.is_fixed_size_binary(array.type) else array
        return pa.ExtensionArray.from_storage(type, stored(made, type.storage_type))
    if is_.is_dictionary(array.type):
        return stored(array.dictionary_decode(), type)
    if is_.is_dictionary(type):
        return stored(array, type.value_type).dictionary_encode().cast(type)
    if is_.is_run_end_encoded(array.type):
        return stored(pc.run_end_decode(array), type)
    if is_.is_struct(type):
        return struct_of([stored(pc.struct_field(array, i), f.type) for i, f in enumerate(type)], list(type), array)
    if is_.is_map(type) or is_list(type):
        return relisted(array, stored_items(array, type), type)
    if is_.is_float16(type) or is_.is_float16(array.type):
        return array.cast(pa.float32()).cast(type)
    return array.cast(type)


def _nulls(length: int, type: pa.DataType) -> pa.Array:
    """Nothing but nulls; a record's, too, in a form that can be written (see `struct_of`)."""
    if not is_.is_struct(type):
        return pa.nulls(length, type)
    return struct_of([_nulls(length, f.type) for f in type], list(type), pa.nulls(length))


def struct_of(children: list[pa.Array], fields: list[pa.Field], like: pa.Array | None, length: int = 0) -> pa.Array:
    """A struct array that is null where `like` is; `like` may be of any type, None for "never null".

    Below a null record a field that may not be null holds a filler: pyarrow's writers refuse a null there, although nobody sees it.
    """
    size = length if like is None else len(like)
    mask = pc.is_null(like) if like is not None and like.null_count else None
    if not children:
        flags = [False] * size if mask is None else mask.to_pylist()
        return pa.array([None if gone else {} for gone in flags], pa.struct([]))
    if mask is not None:
        children = [_unseen_filled(c, f, mask) for c, f in zip(children, fields, strict=True)]
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)


def _unseen_filled(child: pa.Array, field: pa.Field, dead: pa.Array) -> pa.Array:
    """The child with fillers for the dead nulls of what may not be null, in records of it, too; a null that is seen stays, to be
    refused."""
    if not field.nullable and child.null_count:
        gone = pc.is_null(child)
        if pc.any(pc.and_not(gone, dead)).as_py():
            return child
        rows = pc.if_else(gone, pa.scalar(len(child), pa.int64()), pa.arange(0, len(child)))
        child = taken(pa.concat_arrays([child, filler(child.type)]), rows)
    if not is_.is_struct(child.type):
        return child
    given = [child.field(i) for i in range(child.type.num_fields)]
    filled = [_unseen_filled(c, f, dead) for c, f in zip(given, child.type, strict=True)]
    if all(new is old for new, old in zip(filled, given, strict=True)):
        return child
    return pa.StructArray.from_arrays(filled, fields=list(child.type), mask=pc.is_null(child) if child.null_count else None)


def taken(array: pa.Array, rows: pa.Array) -> pa.Array:
    """The values at `rows` (null where that is null), of any type: pyarrow takes no views, so they go by way of what they view."""
    bare = _without_views(array.type)
    if bare != array.type:
        return stored(taken(stored(array, bare), rows), array.type)
    return _by_storage(array, lambda plain: plain.take(rows), array.type)


def _without_views(type: pa.DataType) -> pa.DataType:
    """The type with strings and lists in the place of views; the very type where it has none."""
    if is_.is_string_view(type) or is_.is_binary_view(type):
        return pa.large_string() if is_.is_string_view(type) else pa.large_binary()
    inner = [_without_views(type.field(i).type) for i in range(type.num_fields)]
    lists = is_.is_list_view(type) or is_.is_large_list_view(type)
    if not lists and all(new == type.field(i).type for i, new in enumerate(inner)):
        return type
    fields = [type.field(i).with_type(new) for i, new in enumerate(inner)]
    if is_.is_struct(type):
        return pa.struct(fields)
    if is_.is_map(type):
        return pa.map_(type.key_field.with_type(fields[0].type[0].type), type.item_field.with_type(fields[0].type[1].type))
    return pa.list_(fields[0], type.list_size) if is_.is_fixed_size_list(type) else pa.large_list(fields[0])


def _by_storage(array: pa.Array, change: Callable[[pa.Array], pa.Array], type: pa.DataType) -> pa.Array:
    """What `change` makes of the array, of `type`. It is given the storage of extensions that stand inside other types: pyarrow
    cannot make empty arrays or nulls of them there."""
    storage = _without_extensions(array.type)
    return change(array) if storage == array.type else change(array.cast(storage)).cast(type)


def _without_extensions(type: pa.DataType) -> pa.DataType:
    """A struct, map or list with the storage of extensions in their place; any other type as it is, views of lists as well."""
    fields = [f.with_type(_storage(f.type)) for f in (type.field(i) for i in range(type.num_fields))]
    if is_.is_struct(type):
        return pa.struct(fields)
    if is_.is_map(type):
        key, item = fields[0].type
        return pa.map_(key, item, keys_sorted=type.keys_sorted)
    if is_.is_fixed_size_list(type):
        return pa.list_(fields[0], type.list_size)
    return pa.large_list(fields[0]) if is_.is_large_list(type) else pa.list_(fields[0]) if is_.is_list(type) else type


def _storage(type: pa.DataType) -> pa.DataType:
    return type.storage_type if isinstance(type, pa.BaseExtensionType) else _without_extensions(type)


def filler(type: pa.DataType) -> pa.Array:
    """One value of the type, of no meaning."""
    if isinstance(type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(type, filler(type.storage_type))
    if is_.is_dictionary(type):
        return filler(type.value_type).dictionary_encode().cast(type)
    if is_.is_struct(type):
        return pa.StructArray.from_arrays([filler(f.type) for f in type], fields=list(type))
    if is_.is_fixed_size_list(type):
        items = pa.concat_arrays([filler(type.value_type)] * type.list_size) if type.list_size else pa.array([], type.value_type)
        return pa.FixedSizeListArray.from_arrays(items, type=type)
    if is_.is_map(type):
        return pa.MapArray.from_arrays(
            pa.array([0, 0], pa.int32()), pa.nulls(0, type.key_type), pa.nulls(0, type.item_type), type=type
        )
    if is_list(type):
        return stored(pa.array([[]], pa.list_(pa.null())), type)
    if is_.is_null(type):
        return pa.nulls(1)
    if is_.is_boolean(type):
        return pa.array([False])
    if is_.is_fixed_size_binary(type):
        return pa.array([bytes(type.byte_width)], type)
    if is_.is_decimal(type):
        return pa.array([0], pa.int64()).cast(pa.decimal128(38, 0)).cast(type) if type.scale <= 0 else pa.array(["0"]).cast(type)
    if any(test(type) for test in (is_.is_string, is_.is_large_string, is_.is_string_view)):
        return pa.array([""], type)
    if any(test(type) for test in (is_.is_binary, is_.is_large_binary, is_.is_binary_view)):
        return pa.array([b""], type)
    return pa.Array.from_buffers(type, 1, [None, pa.py_buffer(bytes(16))])


def is_list(type: pa.DataType) -> bool:
    return (
        is_.is_list(type)
        or is_.is_large_list(type)
        or is_.is_fixed_size_list(type)
        or is_.is_list_view(type)
        or is_.is_large_list_view(type)
    )


def items_of(array: pa.Array) -> pa.Array:
    """The items of every list that is not null, end to end; a map's are its entries."""
    lists = as_lists(array) if is_.is_map(array.type) else array
    return _by_storage(lists, lambda plain: plain.flatten(), lists.type.value_type)


def as_lists(maps: pa.MapArray) -> pa.ListArray:
    """The maps as lists of entries: the same buffers, read as the type they have the layout of."""
    keys, items = maps.keys, maps.items
    items = items.slice(0, len(keys))  # pyarrow's all-null maps of nulls have more of them
    entries = pa.StructArray.from_arrays([keys, items], fields=[maps.type.key_field, maps.type.item_field])
    type = pa.list_(pa.field("entries", entries.type, nullable=False))
    return pa.Array.from_buffers(type, len(maps), maps.buffers()[:2], offset=maps.offset, children=[entries])


def lengths_of(array: pa.Array) -> pa.Array:
    """How many items each list or map has, null where it is null."""
    return pc.list_value_length(as_lists(array) if is_.is_map(array.type) else array)


def stored_items(array: pa.Array, type: pa.DataType) -> pa.Array:
    """The items in the form that lists of `type` have."""
    items = items_of(array)
    if is_.is_map(type):
        entries = pa.struct([type.key_field, type.item_field])
        return struct_of([stored(items.field(i), f.type) for i, f in enumerate(entries)], list(entries), None, len(items))
    return stored(items, type.value_type)


def relisted(array: pa.Array, items: pa.Array, type: pa.DataType) -> pa.Array:
    """Lists (or maps) of `type` with the lengths and nulls of `array` and other items; a map's are entries."""
    large = is_.is_large_list(type) or is_.is_large_list_view(type)
    lengths = pc.fill_null(lengths_of(array), 0).cast(pa.int64() if large else pa.int32())
    offsets = pa.concat_arrays([pa.array([0], lengths.type), pc.cumulative_sum(lengths)])
    mask = pc.is_null(array) if array.null_count else None
    if is_.is_map(type):
        return pa.MapArray.from_arrays(offsets, items.field(0), items.field(1), type=type, mask=mask)
    if is_.is_list_view(type) or is_.is_large_list_view(type):
        kind = pa.LargeListViewArray if large else pa.ListViewArray
        return kind.from_arrays(offsets[:-1], lengths, items, type=type, mask=mask)
    if is_.is_fixed_size_list(type):
        return pa.ListArray.from_arrays(offsets, items, type=pa.list_(type.value_field), mask=mask).cast(type)
    kind = pa.LargeListArray if large else pa.ListArray
    return kind.from_arrays(offsets, items, type=type, mask=mask)


def _text_of_uuids(array: pa.ExtensionArray) -> pa.Array:
    return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())


def _uuids_of_text(array: pa.Array) -> pa.Array:
    return pa.array([None if v is None else uuid.UUID(v).bytes for v in array.to_pylist()], pa.binary(16))
