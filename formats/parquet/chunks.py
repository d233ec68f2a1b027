"""Where the column chunks of a file lie, and whether they may be taken out of it as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import FileIO
from typing import Any

from . import thrift
from .footer import BYTE_ARRAY, CODECS, ENCODINGS, REPEATED, Element, Footer, get, items
from .outlines import Outlines
from .source import Source
from .thrift import I32, I64, Struct

_DATA, _INDEX, _DICTIONARY = 9, 10, 11  # fields of ColumnMetaData: offsets of the first page of each kind
_OFFSET_INDEX, _COLUMN_INDEX = (4, 5), (6, 7)  # fields of ColumnChunk: where it is, and how long
_BLOOM_FILTER, _SIZES = 14, 16
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


def all_outlines(footer: Footer) -> Sequence[Outlines]:
    """The column chunks of each row group; `structs` are left out where a chunk is not ordinary.

    Raises:
        Unspliceable: an index lies nowhere.
    """
    return footer.outlines or [
        _outlines([footer.chunk(group, leaf) for leaf in range(len(footer.leaves))]) for group in range(len(footer.rows))
    ]


def _outlines(chunks: Sequence[Struct]) -> Outlines:
    metas = [get(chunk, 3) for chunk in chunks]
    spans = [extent(meta) for meta in metas]
    offsets, columns = ([_index(chunk, fields) for chunk in chunks] for fields in (_OFFSET_INDEX, _COLUMN_INDEX))
    return Outlines(
        codecs=[get(meta, 4) for meta in metas],
        starts=[start for start, _ in spans],
        stops=[stop for _, stop in spans],
        sizes=[get(meta, 6, 0) for meta in metas],
        column_index_at=[at for at, _ in columns],
        column_index_length=[length for _, length in columns],
        offset_index_at=[at for at, _ in offsets],
        offset_index_length=[length for _, length in offsets],
        filtered=[_BLOOM_FILTER in meta for meta in metas],
        structs=[],
    )


def _index(chunk: Struct, fields: tuple[int, int]) -> tuple[int, int]:
    at, length = fields
    if at not in chunk or length not in chunk:
        return 0, 0
    if get(chunk, at) <= 0:
        raise Unspliceable("an index of its pages lies nowhere")
    return get(chunk, at), get(chunk, length)


def page_offsets(meta: Struct) -> Iterator[int]:
    """The numbers of the fields that say where pages are."""
    return (number for number in _FIRST_PAGES if get(meta, number, 0) > 0)


def refuse_odd(footer: Footer) -> None:
    """
    Raises:
        Unspliceable: a chunk is not where it should be, or of another column, or its length is not to be trusted.
    """
    _refuse_old_writer(get(footer.bare, 6, b""))
    spans = sorted(_outlined_spans(footer) or _spans(footer))
    end = 0
    for start, stop in spans:
        if start < end and stop > start:
            raise Unspliceable("two of its column chunks overlap")
        end = max(end, stop)


def _outlined_spans(footer: Footer) -> list[tuple[int, int]] | None:
    """Where each chunk lies that is ordinary, if all lie within the file; None where they are to be looked at one by one."""
    if footer.outlines is None:
        return None
    spans = [span for each in footer.outlines for span in zip(each.starts, each.stops, strict=True)]
    pages = [(start, stop) for start, stop in spans if stop > start]
    inside = all(start >= 4 and stop <= footer.start for start, stop in pages)
    return spans if inside else None


def _spans(footer: Footer) -> list[tuple[int, int]]:
    """The same, of any chunks.

    Raises:
        Unspliceable: as `refuse_odd`.
    """
    spans: list[tuple[int, int]] = []
    for number, group in enumerate(footer.row_groups):
        for chunk, (leaf, levels) in zip(items(group, 1), footer.root.chains, strict=True):
            spans.append(_span(chunk, leaf.path, number, footer))
            _refuse_misdescribed(get(chunk, 3), leaf, levels)
    return spans


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
    groups = all_outlines(source.footer)
    starts = {source.footer.start}.union(
        *(at for each in groups for at in (each.starts, each.column_index_at, each.offset_index_at))
    )
    spans = [span for each in groups for span in zip(each.starts, each.stops, strict=True)]
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
