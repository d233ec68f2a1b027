"""Arrow arrays in the form that DuckDB reads without loss, and back: structs by position, halves as floats, durations as counts."""

from __future__ import annotations

import pyarrow as pa

from instar.formats.schema import Duration, Float, List, Map, Record, Type
from instar.formats.storage import stored

from .plain import plain_type


def duck_type(type: Type) -> pa.DataType:
    """The Arrow type that DuckDB takes for `sql_type(type)`.

    Raises:
        MigrationError: an opaque type.
    """
    match type:
        case Record(fields):
            return pa.struct([pa.field(f"f{i}", duck_type(f.type)) for i, f in enumerate(fields)])
        case List(item):
            return pa.list_(pa.field("item", duck_type(item.type)))
        case Map(value, key):
            return pa.map_(duck_type(key), pa.field("value", duck_type(value.type)))
        case Float(16):
            return pa.float32()
        case Duration():
            return pa.int64()
        case _:
            return plain_type(type)


def to_duck(array: pa.Array, type: Type) -> pa.Array:
    """An array of any storage as DuckDB is given it; what may hold records is copied: it refuses lists over a slice of records."""
    made = stored(stored(array, plain_type(type)), duck_type(type))
    return pa.concat_arrays([made]) if isinstance(type, Record | List | Map) else made


def from_duck(array: pa.Array, type: Type) -> pa.Array:
    """What DuckDB gave for `sql_type(type)`, in the plain form."""
    return stored(array, plain_type(type))
