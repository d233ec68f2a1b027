"""Numbers for Arrow without `pa.array` and `pa.scalar`, which import pandas where there is one: half a second in each process."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable

import pyarrow as pa

_LEAST, _AFTER = -(1 << 63), 1 << 63


def number(value: int | float, type: pa.DataType) -> pa.Scalar:
    """A number as a scalar of a type.

    Raises:
        pa.ArrowInvalid: the type does not hold it.
    """
    if isinstance(value, int) and not _LEAST <= value < _AFTER:
        return pa.scalar(value, type)
    form, wide = ("=q", pa.int64()) if isinstance(value, int) else ("=d", pa.float64())
    return pa.Array.from_buffers(wide, 1, [None, pa.py_buffer(struct.pack(form, value))])[0].cast(type)


def zeros(count: int) -> pa.Array:
    """So many zeros, as int32."""
    return pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))])


def integers(values: Iterable[int]) -> pa.Array:
    """Numbers as int64.

    Raises:
        OverflowError: one of them is too large.
    """
    held = array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)])
