"""A Parquet file walked page by page: everything that its footer and its indexes say of places and sizes, against what is there.

Source of all numbers: the Apache Parquet project's parquet.thrift.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from instar.formats.parquet import thrift
from instar.formats.parquet.footer import Footer, get, items, parse_footer
from instar.formats.parquet.source import open_source
from instar.formats.path import Path as Place

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
PLACES = {9, 10, 11, 14, 15}
"""The fields of ColumnMetaData that say where something is, and how long a bloom filter is, which older writers did not say; a
copied chunk keeps all others but its name."""


@dataclass(frozen=True)
class Page:
    """A page: where its header begins, the bytes of both, its kind, how many values it has, and rows where its header says."""

    at: int
    size: int
    kind: int
    values: int
    rows: int | None


@dataclass(frozen=True)
class Chunk:
    """One column chunk of a file, and the indexes and filter that belong to it, as bytes."""

    struct: thrift.Struct
    meta: thrift.Struct
    start: int
    data: bytes
    offsets: thrift.Struct | None
    columns: bytes
    bloom: bytes


class Walked:
    """A file, its bytes and its footer."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        length = int.from_bytes(self.data[-8:-4], "little")
        self.start = len(self.data) - 8 - length
        self.footer: Footer = parse_footer(self.data[self.start : -8], path, self.start, len(self.data))

    def chunk(self, group: int, leaf: int) -> Chunk:
        struct = items(self.footer.row_groups[group], 1)[leaf]
        meta = get(struct, 3)
        start = begin(meta)
        offsets = thrift.decode(self.part(get(struct, 4), get(struct, 5)))[0] if 4 in struct else None
        columns = self.part(get(struct, 6), get(struct, 7)) if 6 in struct else b""
        data = self.part(start, get(meta, 7)) if start else b""
        return Chunk(struct, meta, start, data, offsets, columns, self.bloom(meta))

    def part(self, at: int, size: int) -> bytes:
        assert at >= 4, f"at byte {at} there is the magic number"
        assert at + size <= self.start, f"bytes {at} to {at + size} reach into the footer at {self.start}"
        return self.data[at : at + size]

    def bloom(self, meta: thrift.Struct) -> bytes:
        """A bloom filter with its header."""
        if 14 not in meta:
            return b""
        at = get(meta, 14)
        header, end = thrift.decode(self.data, at)
        size = end - at + get(header, 1)
        assert get(meta, 15, size) == size, f"a bloom filter has {size} bytes, not {get(meta, 15)}"
        return self.part(at, size)


def begin(meta: thrift.Struct) -> int:
    """Where a chunk's pages begin; 0 where it has none and says no place."""
    return min((at for at in (get(meta, 11), get(meta, 9)) if at), default=0)


# ---- one file
def check(path: Path) -> None:
    """Asserts that every offset, size, count and checksum in the file is right, and that nothing overlaps."""
    file = Walked(path)
    taken: list[tuple[int, int]] = []
    groups = file.footer.row_groups
    assert sum(get(group, 3) for group in groups) == get(file.footer.struct, 3), "the row groups do not make up the file's rows"
    for number, group in enumerate(groups):
        chunks = [file.chunk(number, leaf) for leaf in range(len(file.footer.leaves))]
        for leaf, chunk in enumerate(chunks):
            assert tuple(items(chunk.meta, 3)) == file.footer.leaves[leaf].path, "the chunk is said to be of another column"
            _check_chunk(file, chunk, get(group, 3), flat=_is_flat(file.footer, leaf))
            taken += _extents(chunk)
        _check_group(group, chunks)
    taken.sort()
    for (a, size), (b, _) in pairwise(taken):
        assert a + size <= b, f"bytes {b} to {a + size} belong to two parts of the file"


def _check_group(group: thrift.Struct, chunks: Sequence[Chunk]) -> None:
    assert get(group, 2) == sum(get(chunk.meta, 6) for chunk in chunks), "total_byte_size is not the sum of the chunks'"
    packed = sum(get(chunk.meta, 7) for chunk in chunks)
    assert get(group, 6, packed) == packed, "total_compressed_size is not the sum of the chunks'"
    first = chunks[0].start if chunks else 0
    assert get(group, 5, first) in (0, first), f"the row group begins at {first}, not {get(group, 5)}"
    for column in items(group, 4):
        assert get(column, 1) < len(chunks), f"the order is by leaf {get(column, 1)} of {len(chunks)}"


def _check_chunk(file: Walked, chunk: Chunk, rows: int, *, flat: bool) -> None:
    pages = list(pages_of(chunk))
    data = [page for page in pages if page.kind != DICTIONARY]
    meta = chunk.meta
    assert sum(page.values for page in data) == get(meta, 5), "the pages do not make up the chunk's values"
    if flat:
        assert get(meta, 5) == rows, f"a leaf outside of lists has {get(meta, 5)} values in {rows} rows"
    if data:
        assert data[0].at == get(meta, 9), f"the first data page is at {data[0].at}, not {get(meta, 9)}"
    if pages and pages[0].kind == DICTIONARY:
        assert get(meta, 11, pages[0].at) in (0, pages[0].at), "the dictionary page is not where the footer says"
    else:
        assert not get(meta, 11), "there is no dictionary page where the footer says"
    if chunk.offsets is not None:
        _check_locations(chunk.offsets, data, flat=flat)
    if chunk.columns:
        index, end = thrift.decode(chunk.columns)
        assert end == len(chunk.columns), "the column index has another length"
        assert len(items(index, 1)) == len(items(index, 2)) == len(items(index, 3)) == len(data), "not one entry a page"


def _check_locations(offsets: thrift.Struct, pages: Sequence[Page], *, flat: bool) -> None:
    found = [(get(place, 1), get(place, 2)) for place in items(offsets, 1)]
    assert found == [(page.at, page.size) for page in pages], "the offset index does not say where the pages are"
    counts = [page.values if flat else page.rows for page in pages]
    row = 0
    for place, count in zip(items(offsets, 1), counts, strict=True):
        if count is None:
            return
        assert get(place, 3) == row, f"a page begins with row {row}, not {get(place, 3)}"
        row += count


def pages_of(chunk: Chunk) -> Iterator[Page]:
    """Every page of a chunk; its header, its sizes and its checksum hold, and the last one ends with the chunk."""
    at, unpacked = 0, 0
    while at < len(chunk.data):
        header, end = thrift.decode(chunk.data, at)
        size = get(header, 3)
        body = chunk.data[end : end + size]
        assert len(body) == size, "a page runs past the end of its chunk"
        if 4 in header:
            assert zlib.crc32(body) == get(header, 4) & 0xFFFFFFFF, "a page's checksum is wrong"
        own: Any = get(header, 5) or get(header, 8) or get(header, 7) or {}
        yield Page(chunk.start + at, end - at + size, get(header, 1), get(own, 1, 0), get(own, 3) if 8 in header else None)
        unpacked += end - at + get(header, 2)
        at = end + size
    if chunk.data:
        assert unpacked == get(chunk.meta, 6), f"the chunk has {unpacked} bytes uncompressed, not {get(chunk.meta, 6)}"


def _is_flat(footer: Footer, leaf: int) -> bool:
    """Is no group above the leaf, nor the leaf itself, repeated?"""
    path = footer.leaves[leaf].path
    above = (element for element in footer.root.walk() if element.path and path[: len(element.path)] == element.path)
    return all(element.repetition != 2 for element in above)


def _extents(chunk: Chunk) -> Iterator[tuple[int, int]]:
    if chunk.data:
        yield chunk.start, len(chunk.data)
    if 4 in chunk.struct:
        yield get(chunk.struct, 4), get(chunk.struct, 5)
    if 6 in chunk.struct:
        yield get(chunk.struct, 6), get(chunk.struct, 7)
    if chunk.bloom:
        yield get(chunk.meta, 14), len(chunk.bloom)


# ---- two files
def check_copied(old: Path, new: Path, untouched: dict[Place, Place]) -> int:
    """Asserts that each untouched leaf of the new file is the old one's, in every byte of its pages, indexes, filter and footer;
    how many chunks that were.

    `untouched`: place in the new file → in the old one.
    """
    before, after = Walked(old), Walked(new)
    theirs, ours = open_source(old).places, open_source(new).places
    assert len(before.footer.row_groups) == len(after.footer.row_groups), "there is another number of row groups"
    assert get(after.footer.struct, 6) == get(before.footer.struct, 6), "it is said to be made by another writer"
    orders = _orders(before.footer), _orders(after.footer)
    count = 0
    for target, origin in untouched.items():
        a, b = theirs[origin].element.leaf, ours[target].element.leaf
        assert a is not None
        assert b is not None
        assert (orders[1][b] if orders[1] else None) == (orders[0][a] if orders[0] else None), f"{target} is of another order"
        for group in range(len(before.footer.row_groups)):
            _check_same(before.chunk(group, a), after.chunk(group, b), f"{target} in row group {group}")
            count += 1
    return count


def _orders(footer: Footer) -> list[Any]:
    """By what order each leaf's minimum and maximum are; none where the footer does not say."""
    only = {number: value for number, value in footer.struct.items() if number == 7}
    return items(thrift.decode(thrift.encode(only))[0], 7)


def _check_same(old: Chunk, new: Chunk, what: str) -> None:
    assert new.data == old.data, f"{what}: the pages differ"
    assert new.columns == old.columns, f"{what}: the column index differs"
    assert new.bloom == old.bloom, f"{what}: the bloom filter differs"
    assert _said(new.meta) == _said(old.meta), f"{what}: the footer says something else of it"
    assert set(new.struct) == set(old.struct), f"{what}: the footer does not say the same of it"
    shift = new.start - old.start
    assert _located(new.offsets, 0) == _located(old.offsets, shift), f"{what}: the offset index differs"


def _said(meta: thrift.Struct) -> dict[int, Any]:
    return {number: value for number, (_, value) in meta.items() if number not in PLACES and number != 3}


def _located(offsets: thrift.Struct | None, shift: int) -> Any:
    if offsets is None:
        return None
    places = [(get(place, 1) + shift, get(place, 2), get(place, 3)) for place in items(offsets, 1)]
    return places, {number: value for number, value in offsets.items() if number != 1}
