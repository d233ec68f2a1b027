"""Ways to cast over plain Arrow arrays: lists by their lengths, the rest by the record rule over distinct values."""

from __future__ import annotations

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.storage import items_of
from instar.transforms.casts.ways import Only, Way, Wrapped
from instar.transforms.expression import Cast

from .kernels import by_distinct_values
from .plain import plain_type


def by_way(array: pa.Array, e: Cast) -> pa.Array:
    """The values of a plain array in the way that `e` names: null where one is refused, or becomes null."""
    match e.way:
        case Wrapped():
            return _wrapped(array, plain_type(e.to))
        case Only() as only:
            return _only(array, only)
        case _:
            return by_distinct_values(array, e.source, e.to, e.way)


def nulls_by(way: Way, array: pa.Array) -> pa.Array | None:
    """Where a value becomes null without being refused; None where none does."""
    if not isinstance(way, Only):
        return None
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    out = pc.and_(pc.equal(lengths, 0), pa.scalar(way.empty == "null"))
    if way.several != "fail":
        taken = pc.greater(lengths, 0 if way.several in ("first", "last") else 1)
        out = pc.or_(out, taken)
    return out


def _wrapped(array: pa.Array, type: pa.DataType) -> pa.Array:
    there = pc.is_valid(array)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(there.cast(pa.int32()))])
    return pa.ListArray.from_arrays(offsets, array.filter(there), type=type, mask=pc.invert(there) if array.null_count else None)


def _only(array: pa.Array, way: Only) -> pa.Array:
    """The element of each list that `way` takes: at the list's first place, or its last, among all elements end to end."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    at = pc.subtract(ends, 1) if way.several == "last" else pc.subtract(ends, lengths)
    takes = pc.greater(lengths, 0) if way.several in ("first", "last") else pc.equal(lengths, 1)
    return items_of(array).take(pc.if_else(takes, at, pa.scalar(None, pa.int64())))
