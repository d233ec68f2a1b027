"""Arrays brought to a column's exact Arrow type: names and nullability of nested fields, without touching a value."""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import DataError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.storage import filler, taken

from .decimals import stored
from .int96 import RAW, decoded

is_ = pa.types


def fitted(array: pa.Array, field: pa.Field) -> pa.Array:
    """A column's array as `field` declares it: the same values, its type exactly the field's.

    Raises:
        DataError: a null where the field holds none; `where.row` is its row, for the column itself.
    """
    path = (field.name,)
    if not field.nullable and array.null_count:
        raise _null(path).at(row=pc.index(pc.is_null(array), pa.scalar(True)).as_py())
    return _Retyping(strict=True).array(array, field.type, path)


def timestamps_shown(array: pa.Array, field: pa.Field, *, strict: bool) -> pa.Array:
    """A column with INT96's raw bytes as timestamps, as `field` declares it.

    Raises:
        DataError: with `strict`, a timestamp that microseconds do not hold.
    """
    return _Retyping(strict).array(array, field.type, (field.name,))


def barely_stored(array: pa.Array, field: pa.Field) -> pa.Array:
    """A column's array, fitted already, with its decimals as the bytes or integers of `field`."""
    return _Retyping(strict=True, bare=True).array(array, field.type, (field.name,))


def with_entries(array: pa.Array) -> pa.Array:
    """The same values, where dictionaries without entries have one of no meaning.

    Below a null record pyarrow's reader leaves a required value at entry 0, and its writer looks that up, even if there is none.
    """
    type = array.type
    if is_.is_nested(type) and not _has_dictionary(type):
        return array
    if is_.is_dictionary(type):
        if len(array.dictionary) or array.null_count == len(array):
            return array
        return pa.DictionaryArray.from_arrays(array.indices, filler(type.value_type), ordered=type.ordered)
    if is_.is_struct(type):
        given = [array.field(i) for i in range(len(type))]
        made = [with_entries(child) for child in given]
        if all(new is old for new, old in zip(made, given, strict=True)):
            return array
        return pa.StructArray.from_arrays(made, fields=list(type), mask=array.is_null() if array.null_count else None)
    if is_.is_map(type):
        inner = pa.StructArray.from_arrays([array.keys, with_entries(array.items)], fields=[type.key_field, type.item_field])
        return pa.Array.from_buffers(type, len(array), array.buffers()[:2], offset=array.offset, children=[inner])
    if _is_list(type):
        count = 1 if is_.is_fixed_size_list(type) else 2
        inner = with_entries(array.values)
        return pa.Array.from_buffers(type, len(array), array.buffers()[:count], offset=array.offset, children=[inner])
    return array


def refers_beyond(array: pa.Array) -> bool:
    """Does a dictionary array, or one below it, refer to an entry that its dictionary does not have?"""
    type = array.type
    if isinstance(array, pa.ExtensionArray):
        return refers_beyond(array.storage)
    if is_.is_dictionary(type):
        found = pc.min_max(array.indices).as_py()
        return found["min"] is not None and not 0 <= found["min"] <= found["max"] < max(len(array.dictionary), 1)
    if not is_.is_nested(type) or not _has_dictionary(type):
        return False
    if is_.is_struct(type):
        return any(refers_beyond(array.field(i)) for i in range(type.num_fields))
    if is_.is_map(type):
        return refers_beyond(array.keys) or refers_beyond(array.items)
    return refers_beyond(array.values)


def _has_dictionary(type: pa.DataType) -> bool:
    """Is there a dictionary below a nested type?"""
    inner = [type.field(i).type for i in range(type.num_fields)]
    return any(is_.is_dictionary(t) or _has_dictionary(t) for t in inner)


def _null(path: Path) -> DataError:
    hint = "Fill it (`op.require(path, fill=…)`) or allow null there."
    error = DataError("a null where the schema requires a value", hint=hint).at(path=path_text(path))
    assert isinstance(error, DataError)
    return error


@dataclass(frozen=True)
class _Retyping:
    """The same values under another type of the same layout; a leaf in another storage is cast."""

    strict: bool
    bare: bool = False

    def array(self, array: pa.Array, type: pa.DataType, path: Path) -> pa.Array:
        if array.type.equals(type):
            return array
        if isinstance(type, pa.BaseExtensionType) and not isinstance(array.type, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(type, self.array(array, type.storage_type, path))
        if isinstance(array.type, pa.BaseExtensionType) and not isinstance(type, pa.BaseExtensionType):
            return self.array(array.storage, type, path)
        if is_.is_struct(type) and is_.is_struct(array.type) and len(type):
            return self.struct(array, type, [(*path, child.name) for child in type])
        if is_.is_map(type) and is_.is_map(array.type):
            return self.map(array, type, (*path, EACH_VALUE))
        if _is_list(type) and _same_layout(array.type, type):
            inner = self.child(array.values, type.value_field, (*path, EACH_ITEM), None)
            count = 1 if is_.is_fixed_size_list(type) else 2
            return pa.Array.from_buffers(type, len(array), array.buffers()[:count], offset=array.offset, children=[inner])
        if is_.is_timestamp(type) and array.type == RAW:
            return decoded(array, path=path, strict=self.strict)
        if self.bare and is_.is_decimal(array.type):
            return stored(array, type)
        return array.cast(type)

    def map(self, array: pa.MapArray, type: pa.MapType, path: Path) -> pa.Array:
        entries = pa.struct([type.key_field, type.item_field])
        pairs = pa.StructArray.from_arrays([array.keys, array.items], fields=[array.type.key_field, array.type.item_field])
        inner = self.struct(pairs, entries, [path, path])
        return pa.Array.from_buffers(type, len(array), array.buffers()[:2], offset=array.offset, children=[inner])

    def struct(self, array: pa.StructArray, type: pa.StructType, paths: list[Path]) -> pa.Array:
        alive = array.is_valid() if array.null_count else None
        children = [self.child(array.field(i), field, paths[i], alive) for i, field in enumerate(type)]
        return pa.StructArray.from_arrays(children, fields=list(type), mask=None if alive is None else array.is_null())

    def child(self, array: pa.Array, field: pa.Field, path: Path, alive: pa.Array | None) -> pa.Array:
        """A child; nulls below a null parent are nobody's."""
        if not field.nullable and array.null_count:
            missing = array.is_null() if alive is None else pc.and_(array.is_null(), alive)
            if pc.any(missing).as_py():
                raise _null(path)
        return self.array(array, field.type, path)


def _is_list(type: pa.DataType) -> bool:
    return is_.is_list(type) or is_.is_large_list(type) or is_.is_fixed_size_list(type)


def _same_layout(a: pa.DataType, b: pa.DataType) -> bool:
    return a.id == b.id and (not is_.is_fixed_size_list(a) or a.list_size == b.list_size)


def without(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """The batch without these rows, in its storage."""
    gone = set(rows)
    kept = pa.array([row for row in range(batch.num_rows) if row not in gone], pa.int64())
    return pa.RecordBatch.from_arrays([taken(column, kept) for column in batch.columns], schema=batch.schema)
