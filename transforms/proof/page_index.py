"""Where a column chunk's page index says its pages are, against where they are.

Source: the Apache Parquet project's parquet.thrift (PageLocation, OffsetIndex, ColumnIndex, PageHeader) and PageIndex.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .compact import NotCompact, struct_at, varint, zigzag

Location = tuple[int, int, int]
"""A data page: where it begins in the file, its size with its header, and the number of its first row in the row group."""

_LIST_OF_STRUCTS = 0x0C
_FIRST_FIELD = b"\x15\x00"  # any, in the place of the list
_OFFSET, _SIZE, _ROW = 0x16, 0x15, 0x16  # fields 1 to 3 of PageLocation: i64, i32, i64, each the next after the one before


def same_pages(old: bytes, new: bytes, shift: int) -> bool:
    """Do two offset indexes speak of the same pages, which in the new file begin `shift` bytes later?

    Raises:
        NotCompact: one of them is no offset index.
    """
    if not shift:
        return old == new
    (before, more), (after, rest) = _read(old), _read(new)
    return len(before) == len(after) and more == rest and all(
        a[0] + shift == b[0] and a[1:] == b[1:] for a, b in zip(before, after, strict=True)
    )  # fmt: skip


def locations(data: bytes) -> list[Location]:
    """The page locations of an offset index.

    Raises:
        NotCompact: it is none.
    """
    return _read(data)[0]


def _read(data: bytes) -> tuple[list[Location], dict[int, Any]]:
    """The page locations, and the other fields.

    Raises:
        NotCompact: it is no offset index, or something stands behind it.
    """
    try:
        found, at = _plain(data)
        rest, end = struct_at(_FIRST_FIELD + data[at:])
        end += at - len(_FIRST_FIELD)
    except (IndexError, _Unusual):
        rest, end = struct_at(data)
        try:
            found = [(page[1], page[2], page[3]) for page in rest[1]]
        except (KeyError, TypeError) as error:
            raise NotCompact("it is no offset index") from error
    if end != len(data):
        raise NotCompact("something stands behind an offset index")
    return found, {number: value for number, value in rest.items() if number != 1}


class _Unusual(Exception):
    """The index is not written as writers do: fields in order, each once."""


def _plain(data: bytes) -> tuple[list[Location], int]:
    """The locations and where they end, of what every writer writes: there are thousands of pages, and a struct each."""
    if data[0] != 0x19 or data[1] & 0x0F != _LIST_OF_STRUCTS:
        raise _Unusual
    count, at = data[1] >> 4, 2
    if count == 15:
        count, at = varint(data, at)
    found: list[Location] = []
    for _ in range(count):
        if data[at] != _OFFSET:
            raise _Unusual
        offset, at = zigzag(data, at + 1)
        if data[at] != _SIZE:
            raise _Unusual
        size, at = zigzag(data, at + 1)
        if data[at] != _ROW:
            raise _Unusual
        row, at = zigzag(data, at + 1)
        if data[at]:
            raise _Unusual
        at += 1
        found.append((offset, size, row))
    return found, at


# ---- a chunk that was written anew: its index against its pages
Read = Callable[[int, int], bytes]
"""A piece of the file: where it begins, and up to how many bytes."""

_KINDS = 5, 7, 8  # of PageHeader: what it says of a data page, a dictionary page and a data page of version 2
_HEADERS = (1 << 9, 1 << 16, 1 << 24)  # bytes that a page's header may have: tried one after the other


@dataclass(frozen=True)
class Page:
    """A page as its header tells it, at `offset`, of `size` bytes with the header, `unpacked` when decompressed; `rows` and `nulls`
    where it says how many it holds, `statistics` where it has some. A `dictionary` has values that other pages refer to."""

    offset: int
    size: int
    unpacked: int
    encoding: int
    dictionary: bool
    values: int
    rows: int | None
    nulls: int | None
    statistics: dict[int, Any]


def wrong_locations(index: Sequence[Location], pages: Sequence[Page]) -> str:
    """What is wrong with an offset index of a chunk of these pages; "" where nothing is."""
    if len(index) != len(pages):
        return f"it has {len(index)} pages, and the chunk {len(pages)}"
    row: int | None = 0
    for number, ((offset, size, first), page) in enumerate(zip(index, pages, strict=True)):
        if (offset, size) != (page.offset, page.size):
            return f"page {number} is said to be at {offset}, of {size} bytes, and is at {page.offset}, of {page.size}"
        if row is not None and first != row:
            return f"page {number} is said to begin with row {first}, and begins with row {row}"
        row = None if page.rows is None else first + page.rows
    return ""


def pages_of(read: Read, at: int, end: int, *, flat: bool) -> Iterator[Page]:
    """The pages between the two ends of a chunk. `flat`: the column is in no list, so that a page's values are its rows.

    Raises:
        NotCompact: there are no pages.
    """
    while at < end:
        header, length = page_header(read, at, end)
        size, unpacked = length + header.get(3, 0), length + header.get(2, 0)
        if size <= 0 or at + size > end:
            raise NotCompact(f"the page at {at} does not end within its chunk")
        first, dictionary, second = (header.get(kind, {}) for kind in _KINDS)
        if first or dictionary or second:
            encoding = second[4] if second else (first or dictionary)[2]
            values = (first or second).get(1, 0)
            said = first.get(5) or second.get(8) or {}
            told = values if flat else second.get(3), second.get(2), said
            yield Page(at, size, unpacked, encoding, bool(dictionary), values, *told)
        at += size


def page_header(read: Read, at: int, end: int) -> tuple[dict[int, Any], int]:
    """The header of the page at `at` of a chunk that ends at `end`, and its length.

    Raises:
        NotCompact: there is none.
    """
    for most in _HEADERS:
        data = read(at, min(most, end - at))
        try:
            return struct_at(data)
        except NotCompact:
            if len(data) < most:
                break
    raise NotCompact(f"there is no page at {at}")


def wrong_bounds(column_index: dict[int, Any], pages: int, statistics: dict[int, Any]) -> str:
    """What is wrong with a column index of a chunk of so many pages, by the chunk's own statistics; "" where nothing is."""
    empty, lows, highs, nulls = (column_index.get(number) for number in (1, 2, 3, 5))
    if not (isinstance(empty, list) and isinstance(lows, list) and isinstance(highs, list)):
        raise NotCompact("it is no column index")
    if type(column_index.get(4)) is not int:
        raise NotCompact("a column index does not say the order of its pages")
    if {len(empty), len(lows), len(highs)} != {pages}:
        return f"it does not speak of {pages} pages"
    if nulls is not None and 3 in statistics and sum(nulls) != statistics[3]:
        return f"its pages hold {sum(nulls)} nulls, and the chunk {statistics[3]}"
    held = [i for i in range(pages) if not empty[i]]
    for name, number, exact, values in (("least", 6, 8, lows), ("greatest", 5, 7, highs)):
        known = number in statistics and statistics.get(exact, True)
        if known and held and statistics[number] not in [values[i] for i in held]:
            return f"no page's {name} value is the chunk's"
    return ""
