"""The CRC-32 that a Parquet page's header may give, against the page's bytes.

Nothing else tells of a flipped bit in a page that is copied and not decoded. Source: the Apache Parquet project's parquet.thrift,
PageHeader: it is of all that follows the header, as it is stored.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

from .chunks import Chunk, Side
from .compact import NotCompact
from .page_index import page_header

_KIND, _SIZE, _CRC = 1, 3, 4  # of PageHeader
_HOLDING = {0: 5, 3: 8}  # kinds of pages that hold values: the field of what is said of them, with their number first
_DICTIONARY = 2
_PIECE = 1 << 19  # bytes
_NUMBER = rb"\x15[\x80-\xff]*[\x00-\x7f]"
_HEADER = re.compile(_NUMBER * 3 + rb"([\x10-\xff])", re.DOTALL)
"""How nearly all headers begin: three numbers, and the head of the next field, which tells by how much its number is greater."""
_BEGINNING = 32  # bytes, enough for these


class DamagedPageError(ValueError):
    """A page of the file does not hold what its writer put there."""


def checked(side: Side) -> bool:
    """Does a page of the file come with a checksum? The first of each column chunk is looked at: one may be damaged just there."""
    groups, leaves = range(len(side.rows)), range(len(side.footer.leaves))
    return any(_has_checksum(side.chunk(group, leaf)) for group in groups for leaf in leaves)


def _has_checksum(chunk: Chunk) -> bool:
    if not chunk.values or not chunk.inside:
        return False
    if usual := _HEADER.match(chunk.read(chunk.start, _BEGINNING)):
        return usual[1][0] >> 4 == 1  # field 4
    try:
        return _CRC in page_header(chunk.read, chunk.start, chunk.end)[0]
    except NotCompact:
        return False


def damaged_pages(chunk: Chunk) -> Iterator[str]:
    """What is wrong with the pages of a chunk of a file that is `checked`; pages without a checksum may be in it.

    No checksum is of a header; but its kind and the number of its values are held to what readers can use.
    """
    at, number, held = (chunk.start if chunk.values and chunk.inside else chunk.end), 0, 0
    while at < chunk.end:
        try:
            header, length = page_header(chunk.read, at, chunk.end)
        except NotCompact:
            yield f"there is no page at byte {at}, where page {number} must begin"
            return
        size = header.get(_SIZE, 0)
        if not 0 <= size <= chunk.end - at - length:
            yield f"page {number}, at byte {at}, does not end within its column chunk"
            return
        if _CRC in header and _crc(chunk, at + length, size) != header[_CRC] & 0xFFFFFFFF:
            yield f"page {number}, at byte {at}, does not have the bytes that its CRC-32 was made of"
        elif not _is_page(header):
            yield f"page {number}, at byte {at}, is of no kind that holds values or a dictionary"
            return
        held += _values(header)
        at, number = at + length + size, number + 1
    if number and held != chunk.values:
        yield f"its pages hold {held:,} values, not the {chunk.values:,} that its footer tells of"


def _is_page(header: dict[int, Any]) -> bool:
    return header.get(_KIND) == _DICTIONARY or _held(header) is not None


def _values(header: dict[int, Any]) -> int:
    return (_held(header) or {}).get(1, 0)


def _held(header: dict[int, Any]) -> dict[int, Any] | None:
    """What a header says of its page's values, where the page is of a kind that holds some."""
    said = header.get(_HOLDING.get(header.get(_KIND, -1), -1))
    return said if isinstance(said, dict) else None


def _crc(chunk: Chunk, at: int, size: int) -> int:
    found, end = 0, at + size
    while at < end:
        piece = chunk.read(at, min(end - at, _PIECE))
        if not piece:
            return ~found  # the file ends before
        found, at = zlib.crc32(piece, found), at + len(piece)
    return found
