"""Arrow arrays as a proof gives them to DuckDB in its own reader's place: `sql_type` in Arrow, anything else as bytes."""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.schema import Field, List, Map, Record, Type
from instar.formats.storage import is_list, items_of, relisted, struct_of
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.evaluate.duck_arrays import duck_type, to_duck

from .raw import raw


def given_type(type: Type) -> pa.DataType:
    """The Arrow type that arrives in DuckDB as `sql_type(type)`."""
    match type:
        case Record(fields):
            return pa.struct([pa.field(f"f{i}", given_type(f.type)) for i, f in enumerate(fields)])
        case List(item):
            return pa.list_(pa.field("item", given_type(item.type)))
        case Map(value, key):
            return pa.map_(given_type(key), pa.field("value", given_type(value.type)))
        case _:
            return pa.binary() if sql_scalar(type) is None else duck_type(type)


def given(array: pa.Array, type: Type) -> pa.Array:
    """An array of any storage as DuckDB is given it; what may hold records is copied: it refuses lists over a slice of records."""
    made = _given(array, type)
    return pa.concat_arrays([made]) if isinstance(type, Record | List | Map) else made


def _given(array: pa.Array, type: Type) -> pa.Array:
    if isinstance(array, pa.ExtensionArray) and not isinstance(array.type, pa.UuidType):
        return _given(array.storage, type)
    match type:
        case Record(fields):
            children = [_given(pc.struct_field(array, i), f.type) for i, f in enumerate(fields)]
            return struct_of(children, list(given_type(type)), array)
        case List(Field(type=item)) if is_list(array.type):
            return relisted(array, _given(items_of(array), item), given_type(type))
        case Map(value, key) if pa.types.is_map(array.type):
            shape = given_type(type)
            entries = pa.struct([shape.key_field, shape.item_field])
            pairs = items_of(array)
            children = [_given(pairs.field(0), key), _given(pairs.field(1), value.type)]
            return relisted(array, pa.StructArray.from_arrays(children, fields=list(entries)), shape)
        case _ if sql_scalar(type) is None:
            return _as_bytes(array)
        case _:
            return to_duck(array, type)


def _as_bytes(array: pa.Array) -> pa.Array:
    """Any value as bytes that are equal only for equal values, bit by bit."""
    bits, is_ = raw(array), pa.types
    if is_.is_binary(bits.type) or is_.is_large_binary(bits.type) or is_.is_fixed_size_binary(bits.type):
        return bits.cast(pa.binary())
    return pa.array([None if value is None else repr(value).encode() for value in bits.to_pylist()], pa.binary())
