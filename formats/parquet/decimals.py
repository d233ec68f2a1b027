"""Decimals stored otherwise than pyarrow's writer would store them: DuckDB's sixteen bytes, wide integers, bytes of any length.

They are read as decimals, like all others. To be written they become the bare bytes or integers of the source's physical type, and
the new file's footer declares these to be decimals again. What is stored is the unscaled number in any case (the Parquet project's
LogicalTypes.md, "DECIMAL"): as an integer, or as big-endian two's complement, in BYTE_ARRAY the fewest bytes that will do.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.path import Path
from instar.formats.schema import Bytes, Fixed, Int, Type

from .declare import DECIMAL, is_decimal, stored_alike
from .footer import BYTE_ARRAY, FIXED, INT32, INT64, Element, get
from .places import Place
from .thrift import BINARY, BOOL, I64, Struct

_MOST_BYTES = 32  # of a decimal in Arrow
_MIN, _MAX = 6, 5  # of Statistics; 1 and 2 are the deprecated ones, whose order nobody knows


# ---- which
def otherwise_stored(new: Mapping[Path, Place], old: Mapping[Path, Place], carried: Mapping[Path, Path]) -> dict[Path, Type]:
    """The carried decimals that pyarrow would store otherwise, and as what they are to be written instead.

    `new` is the new file as pyarrow lays it out. A map's key goes by the map's own path.
    """
    found: dict[Path, Type] = {}
    for path, origin in carried.items():
        ours, theirs = new.get(path), old.get(origin)
        if ours is None or theirs is None:
            continue
        pairs = [(ours.element, theirs.element)] + ([(ours.key, theirs.key)] if ours.key and theirs.key else [])
        for mine, source in pairs:
            if not stored_alike(mine.struct, source.struct) and (bare := _bare(mine, source)):
                found[path] = bare
    return found


def _bare(ours: Element, theirs: Element) -> Type | None:
    """The type without annotation whose physical type is the source's; None where it may not hold what the new file declares."""
    if ours.leaf is None or theirs.leaf is None or not (is_decimal(ours.struct) and is_decimal(theirs.struct)):
        return None
    kind, length = theirs.physical, get(theirs.struct, 2, 0)
    if kind == BYTE_ARRAY:
        return Bytes()
    size = {INT32: 4, INT64: 8, FIXED: length}.get(kind, 0) if kind is not None else 0
    if size > _MOST_BYTES or (10 ** _precision(ours.struct) - 1).bit_length() >= 8 * size:
        return None
    return Fixed(size) if kind == FIXED else Int(8 * size)


def _precision(struct: Struct) -> int:
    """Of a decimal's element: from its logical type, or from the older field."""
    logical = get(struct, 10, {}).get(DECIMAL)
    return get(logical[1], 2) if logical else get(struct, 8, 0)


# ---- values
def stored(array: pa.Array, type: pa.DataType) -> pa.Array:
    """Decimals as their unscaled numbers in `type`: int32, int64, binary, or fixed-size binary. The caller knows that they fit."""
    if array.type.bit_width < 128:
        array = array.cast(pa.decimal128(array.type.precision, array.type.scale))
    size = array.type.bit_width // 8
    little = pa.concat_arrays([array]).view(pa.binary(size)).cast(pa.binary())
    if pa.types.is_integer(type):
        return pc.binary_slice(little, 0, type.bit_width // 8).cast(pa.binary(type.bit_width // 8)).view(type)
    big = pc.binary_reverse(little)
    if not pa.types.is_fixed_size_binary(type):
        return _shortest(big)
    length = type.byte_width
    return (pc.binary_slice(big, size - length, size) if length <= size else _lengthened(big, length - size)).cast(type)


def _lengthened(big: pa.Array, more: int) -> pa.Array:
    """The numbers with `more` bytes of sign before them."""
    sign = pc.if_else(pc.greater_equal(big, b"\x80"), b"\xff" * more, b"\x00" * more)
    return pc.binary_join_element_wise(sign, big, b"")


def _shortest(big: pa.Array) -> pa.Array:
    """The numbers without bytes that only repeat the sign."""
    while True:
        longer = pc.greater(pc.binary_length(big), 1)
        repeats = pc.or_(pc.less(big, b"\x00\x80"), pc.greater_equal(big, b"\xff\x80"))
        spare = pc.and_(longer, repeats)
        if not pc.any(spare, min_count=0).as_py():
            return big
        big = pc.if_else(spare, pc.binary_slice(big, 1, _MOST_BYTES), big)


# ---- statistics
def statistics(numbers: pa.ChunkedArray) -> Struct:
    """A column chunk's Statistics: its nulls, and the least and greatest of numbers in big-endian bytes of one length.

    Bytes are compared as if without a sign, which is the order of the numbers within each sign.
    """
    first_negative = pa.scalar(b"\x80" + bytes(numbers.type.byte_width - 1), numbers.type)
    negative = pc.greater_equal(numbers, first_negative)
    signs = [pc.min_max(numbers.filter(wanted)).as_py() for wanted in (negative, pc.invert(negative))]
    found = [(sign["min"], sign["max"]) for sign in signs if sign["min"] is not None]
    nulls: Struct = {3: (I64, numbers.null_count)}
    if not found:
        return nulls
    return nulls | {_MAX: (BINARY, found[-1][1]), _MIN: (BINARY, found[0][0]), 7: (BOOL, True), 8: (BOOL, True)}
