"""What stands beside the column chunks and is found by its place in the file: page index and bloom filters.

Of the page index (the Parquet project's PageIndex.md) the ColumnIndex holds no positions, and the OffsetIndex one for each page,
counted from the file's beginning. A bloom filter (BloomFilter.md) holds none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import thrift
from .chunks import Unspliceable
from .footer import get, items
from .thrift import I64, LIST, STRUCT, Struct

_VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
_LOCATION = re.compile(rb"\x16(" + _VARINT + rb")(\x15" + _VARINT + rb"\x16" + _VARINT + rb"\x00)")
"""A PageLocation as all writers write it: offset, length, first row."""
_LOCATIONS = re.compile(rb"\x19(?:[\x00-\xef]|[\xf0-\xff]" + _VARINT + rb")")
_HEADER = 1 << 6
Reader = Callable[[int, int], bytes]
"""(position, length) → the bytes there."""


def moved(index: bytes, by: int) -> bytes:
    """An OffsetIndex whose pages lie `by` bytes further.

    Only the offsets are written anew: nearly all of such an index is copied, and a file may have a hundred thousand pages.

    Raises:
        Unspliceable: it is damaged.
    """
    plain = thrift.compiled.moved(index, by) if thrift.compiled else None
    return moved_slowly(index, by) if plain is None else plain


def moved_slowly(index: bytes, by: int) -> bytes:
    """The same in Python: where there is no compiled part, and for what that leaves alone."""
    begin = _LOCATIONS.match(index)
    if begin is None:
        return _moved_as_struct(index, by)
    parts, at = [begin[0]], begin.end()
    while (location := _LOCATION.match(index, at)) is not None:
        offset = _number(location[1])
        parts += (b"\x16", thrift.varint(2 * _further(-1 if offset & 1 else offset >> 1, by)), location[2])
        at = location.end()
    if len(parts) // 3 != _count(begin[0]):
        return _moved_as_struct(index, by)
    return b"".join((*parts, index[at:]))


def _moved_as_struct(index: bytes, by: int) -> bytes:
    try:
        struct, _ = thrift.decode(index, 0, {1: True})
        locations = [{**each, 1: (I64, _further(get(each, 1), by))} for each in items(struct, 1)]
        return thrift.encode({**struct, 1: (LIST, (STRUCT, locations))})
    except (thrift.ThriftError, TypeError, KeyError, AttributeError) as error:
        raise Unspliceable(f"an offset index is damaged: {error}") from None


def _further(offset: int, by: int) -> int:
    if offset < 0 or not 0 <= offset + by < 1 << 63:
        raise Unspliceable("an offset index says that a page lies nowhere")
    return offset + by


def _count(header: bytes) -> int:
    """The length of a list of structs from the bytes before its first; -1 where it is no such list."""
    if header[1] & 15 != STRUCT:
        return -1
    return header[1] >> 4 if len(header) == 2 else _number(header[2:])


def _number(varint: bytes) -> int:
    """Of zigzag numbers the doubled one."""
    number = 0
    for byte in reversed(varint):
        number = number << 7 | byte & 0x7F
    return number


def bloom_filter(meta: Struct, read: Reader) -> bytes:
    """A chunk's bloom filter, header and all.

    Raises:
        Unspliceable: it is damaged.
    """
    start, length = get(meta, 14), get(meta, 15)
    if length is None:  # older writers do not say
        try:
            header, end = thrift.decode(read(start, _HEADER), 0)
            length = end + get(header, 1)
        except (thrift.ThriftError, TypeError) as error:
            raise Unspliceable(f"the bloom filter at byte {start} is damaged: {error}") from None
    if not isinstance(length, int):
        raise Unspliceable(f"the bloom filter at byte {start} is damaged")
    return read(start, length)
