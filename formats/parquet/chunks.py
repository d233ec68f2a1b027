"""Where the column chunks of a file lie, and whether they may be taken out of it as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import FileIO
from typing import Any

from . import thrift
from .footer import BYTE_ARRAY, CODECS, ENCODINGS, REPEATED, REQUIRED, Element, Footer, get, items
from .source import Source
from .thrift import I32, I64, Struct

_DATA, _INDEX, _DICTIONARY = 9, 10, 11  # fields of ColumnMetaData: offsets of the first page of each kind
_INDEXES = (4, 6)  # fields of ColumnChunk: where its OffsetIndex and ColumnIndex are
_SIZES = 16
_FIRST_PAGES = (_DATA, _INDEX, _DICTIONARY)
_OLD = re.compile(rb"parquet-mr (?:version )?(\d+)\.(\d+)\.(\d+)")
_PARQUET_816 = (1, 2, 9)
_HEADERS = (1 << 8, 1 << 12, 1 << 24)  # bytes to look for a page's header in


class Unspliceable(Exception):
    """The file cannot be spliced: the message says why, as the end of a sentence. It is to be rewritten in full."""


def extent(meta: Struct) -> tuple[int, int]:
    """Where the pages of a column chunk begin and end, from its ColumnMetaData. Without pages both are the same."""
    offsets = [offset for number in _FIRST_PAGES if (offset := get(meta, number, 0)) > 0]
    start = min(offsets, default=0)
    return start, start + get(meta, 7, 0)


def page_offsets(meta: Struct) -> Iterator[int]:
    """The numbers of the fields that say where pages are."""
    return (number for number in _FIRST_PAGES if get(meta, number, 0) > 0)


def refuse_odd(footer: Footer) -> None:
    """
    Raises:
        Unspliceable: a chunk is not where it should be, or of another column, or its length is not to be trusted.
    """
    _refuse_old_writer(get(footer.struct, 6, b""))
    leaves = chains(footer.root)
    spans: list[tuple[int, int]] = []
    for number, group in enumerate(footer.row_groups):
        for chunk, (leaf, levels) in zip(items(group, 1), leaves, strict=True):
            spans.append(_span(chunk, leaf.path, number, footer))
            _refuse_misdescribed(get(chunk, 3), leaf, levels)
    spans.sort()
    end = 0
    for start, stop in spans:
        if start < end and stop > start:
            raise Unspliceable("two of its column chunks overlap")
        end = max(end, stop)


def _span(chunk: Struct, path: tuple[bytes, ...], group: int, footer: Footer) -> tuple[int, int]:
    of = f"the chunk of {b'.'.join(path).decode('utf-8', 'replace')} in row group {group}"
    if 1 in chunk:
        raise Unspliceable(f"{of} lies in another file")
    if 3 not in chunk or 8 in chunk or 9 in chunk:
        raise Unspliceable(f"{of} is encrypted or not described")
    meta = get(chunk, 3)
    if tuple(items(meta, 3)) != path:
        raise Unspliceable(f"{of} is declared to be of another column")
    start, stop = extent(meta)
    if stop < start or (stop > start and (start < 4 or stop > footer.start)):
        raise Unspliceable(f"{of} does not lie within the file")
    if stop > start and not start <= get(meta, _DATA) < stop:
        raise Unspliceable(f"{of} does not hold its own first page")
    if stop == start and get(meta, 5, 0):
        raise Unspliceable(f"{of} has values but no bytes")
    return start, stop


def chains(root: Element) -> list[tuple[Element, tuple[int, ...]]]:
    """Each leaf with the repetitions that make levels, from the root to itself."""
    found: list[tuple[Element, tuple[int, ...]]] = []

    def visit(element: Element, above: tuple[int, ...]) -> None:
        here = above if element.repetition == REQUIRED else (*above, element.repetition)
        if element.leaf is not None:
            found.append((element, here))
        for child in element.children:
            visit(child, here)

    for child in root.children:
        visit(child, ())
    return found


def _refuse_misdescribed(meta: Struct, leaf: Element, levels: Sequence[int]) -> None:
    """What pyarrow does not bear to look at (it may end the process) is left to a reader that refuses it."""
    name = b".".join(leaf.path).decode("utf-8", "replace")
    encodings = items(meta, 2)
    if not 0 <= get(meta, 4) < len(CODECS) or not all(0 <= each < len(ENCODINGS) for each in encodings):
        raise Unspliceable(f"{name} is compressed or encoded in an unknown way")
    if get(meta, 1) != leaf.physical:
        raise Unspliceable(f"a chunk of {name} is said to be of another type")
    if _SIZES in meta and not _sizes_fit(meta[_SIZES], leaf, levels):
        raise Unspliceable(f"the size statistics of {name} are not those of its type")


def _sizes_fit(held: tuple[int, Any], leaf: Element, levels: Sequence[int]) -> bool:
    """Have the histograms of SizeStatistics a count for each level, where they are given?"""
    wire, value = held
    try:
        sizes: Struct = thrift.decode(value if wire & thrift.RAW else thrift.encode(value), 0, {})[0]
        wanted = (levels.count(REPEATED) + 1, len(levels) + 1)
        found = (_count(sizes, 2), _count(sizes, 3))
    except (thrift.ThriftError, TypeError, IndexError):
        return False
    alike = all(count in (0, min(needed, 15)) for count, needed in zip(found, wanted, strict=True))
    return alike and (1 not in sizes or leaf.physical == BYTE_ARRAY)


def _count(struct: Struct, number: int) -> int:
    """The length of a list that stayed raw; -1 for one of other than numbers, 15 for all that are that long or longer."""
    if number not in struct:
        return 0
    head = struct[number][1][0]
    return head >> 4 if head & 15 == I64 else -1


def _refuse_old_writer(created_by: bytes) -> None:
    """Before 1.2.9 parquet-mr did not count a dictionary page's header in a chunk's length (PARQUET-816)."""
    found = _OLD.match(created_by)
    if found and tuple(map(int, found.groups())) < _PARQUET_816:
        raise Unspliceable(f"{created_by.decode('utf-8', 'replace')} gave column chunks a wrong length")


def refuse_gaps(source: Source) -> None:
    """Where nothing says that a chunk ends where it should (the next chunk, an index or the footer begins there), its pages are
    followed to its end.

    Raises:
        Unspliceable: they end elsewhere.
    """
    footer = source.footer
    chunks = [chunk for group in footer.row_groups for chunk in items(group, 1)]
    spans = [extent(get(chunk, 3)) for chunk in chunks]
    starts = {start for start, _ in spans} | {footer.start}
    starts |= {get(chunk, number) for chunk in chunks for number in _INDEXES if number in chunk}
    loose = [(start, stop) for start, stop in spans if stop > start and stop not in starts]
    if not loose:
        return
    with open(source.path, "rb", buffering=0) as file:
        for start, stop in loose:
            if _pages_end(file, start, stop) != stop:
                raise Unspliceable(f"the pages of the column chunk at byte {start} do not end where its length says")


def _pages_end(file: FileIO, start: int, stop: int) -> int:
    """Where the first page ends that reaches `stop`."""
    while start < stop:
        start += _page_length(file, start)
    return start


def _page_length(file: FileIO, start: int) -> int:
    """The bytes of a page with its header, which may hold long statistics."""
    for length in _HEADERS:
        file.seek(start)
        try:
            header, end = thrift.decode(file.read(length), 0, {})
        except thrift.ThriftError:
            continue
        wire, size = header.get(3, (I32, -1))
        if wire == I32 and size >= 0:
            return end + size
        break
    raise Unspliceable(f"the page at byte {start} is damaged")
