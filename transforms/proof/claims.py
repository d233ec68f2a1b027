"""What a column chunk says of its values, against the values: statistics, the bounds of its pages, its bloom filter.

Readers leave out what these tell them to, so that one which is wrong hides records, though every value is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa

from instar.formats.compute import pc

from .bloom import Bloom
from .bounds import Extent, Order, ordered, wrong_column_index, wrong_statistics
from .chunks import COLUMN_INDEX, OFFSET_INDEX, Chunk, Side
from .compact import NotCompact, only_struct
from .footer import Struct
from .leaf_values import Leaves, leaf_of
from .page_index import Page, locations, pages_of

_ENCODINGS = 2  # of ColumnMetaData
_SHARING = 7
"""DELTA_BYTE_ARRAY: pyarrow leaves values that are equal to the one before out of the bytes that it counts (apache/arrow's
encoder.cc), so that they cannot be held to anything."""


def wrong_claims(side: Side, leaves: Leaves, group: int, leaf: int) -> Iterator[str]:
    """What is wrong with what is said of the values of a chunk whose pages are where they are said to be."""
    try:
        yield from (_Claims.of(side, group, leaf)).wrong(leaves)
    except NotCompact as error:
        yield f"what is said of its values cannot be read: {error}"


@dataclass(frozen=True)
class _Claims:
    """What is said of a chunk's values; `firsts` are the rows with which its pages begin, and the end of the last, where something
    tells."""

    side: Side
    group: int
    leaf: int
    column_index: Struct | None
    bloom: Bloom | None
    pages: Sequence[Page]
    firsts: list[int] | None

    @classmethod
    def of(cls, side: Side, group: int, leaf: int) -> _Claims:
        chunk = side.chunk(group, leaf)
        index, bloom = chunk.index(COLUMN_INDEX), chunk.bloom_filter()
        pages = [page for page in pages_of(chunk.read, chunk.pages, chunk.end, flat=side.flat(leaf)) if not page.dictionary]
        bounds, filter = None if index is None else only_struct(index), None if bloom is None else Bloom(bloom)
        return cls(side, group, leaf, bounds, filter, pages, _firsts(chunk, pages, side.rows[group]))

    @property
    def chunk(self) -> Chunk:
        return self.side.chunk(self.group, self.leaf)

    @property
    def _by_pages(self) -> bool:
        """Are pages spoken of one by one? In a list their rows are."""
        said = self.column_index is not None or any(page.statistics for page in self.pages)
        return self.firsts is not None and (said or not self.side.flat(self.leaf))

    def wrong(self, leaves: Leaves) -> Iterator[str]:
        chunk, rows = self.chunk, self.side.rows[self.group]
        if not (chunk.statistics or chunk.sizes or self.bloom or self.column_index or self._by_pages):
            return
        firsts = self.firsts if self._by_pages and self.firsts else [0, rows]
        whole_texts = self.side.physical(self.leaf) == "BYTE_ARRAY" and _SHARING not in chunk.meta.get(_ENCODINGS, ())
        measured = 1 in chunk.sizes and whole_texts
        seen = _Seen(self.side, self.leaf, self.bloom, measured, 4 in chunk.statistics)
        pages = seen.extents(leaves.arrays(self.group, self.leaf, leaves.step(self.group, self.leaf)), firsts)
        whole = Extent()
        for page in pages:
            whole.add(page)
        yield from self._wrong_chunk(whole, seen)
        yield from self._wrong_pages(pages, seen.order) if self._by_pages else ()

    def _wrong_chunk(self, whole: Extent, seen: _Seen) -> Iterator[str]:
        chunk, rows = self.chunk, self.side.rows[self.group]
        if whole.entries != chunk.values:
            yield f"its levels tell of {whole.entries} values, and it is said to hold {chunk.values}"
        if wrong := wrong_statistics(chunk.statistics, whole, seen.order):
            yield wrong
        if chunk.statistics.get(4, seen.distinct) != seen.distinct:
            yield "its statistics count another number of distinct values"
        if seen.missing:
            yield "its bloom filter does not hold all of its values"
        repeated, defined = chunk.sizes.get(2), chunk.sizes.get(3)
        if (
            (seen.measured and chunk.sizes[1] != seen.size)
            or (repeated and (sum(repeated), repeated[0]) != (whole.entries, rows))
            or (defined and (sum(defined), defined[-1]) != (whole.entries, whole.values))
        ):
            yield "its size statistics are not those of its values"

    def _wrong_pages(self, pages: Sequence[Extent], order: Order) -> Iterator[str]:
        for number, (said, found) in enumerate(zip(self.pages, pages, strict=True)):
            if said.values != found.entries or said.nulls not in (None, found.nulls):
                yield f"page {number} does not begin or end where it is said to, or has another number of nulls"
            elif wrong := wrong_statistics(said.statistics, found, order):
                yield f"of page {number}: {wrong}"
        if self.column_index is not None and (wrong := wrong_column_index(self.column_index, pages, order)):
            yield f"its column index does not tell its pages: {wrong}"


def _firsts(chunk: Chunk, pages: Sequence[Page], rows: int) -> list[int] | None:
    offsets = chunk.index(OFFSET_INDEX)
    if offsets is not None:
        firsts = [first for _, _, first in locations(offsets)]
    elif any(page.rows is None for page in pages):
        return None
    else:
        firsts = list(accumulate((page.rows or 0 for page in pages[:-1]), initial=0))
    firsts.append(rows)
    if firsts[0] or sorted(firsts) != firsts:
        raise NotCompact("its pages do not make up its records")
    return firsts


@dataclass
class _Seen:
    """What is gathered of a chunk's values while they are read: their `size` in bytes where they have no fixed one (and it is
    `measured`), how many are `distinct` (where they are `counted`), whether the bloom filter misses one."""

    side: Side
    leaf: int
    bloom: Bloom | None
    measured: bool
    counted: bool
    size: int = 0
    missing: bool = False
    order: Order = Order("", pa.null(), defined=False)  # noqa: RUF009 (frozen)
    _values: list[pa.Array] = field(default_factory=list)

    @property
    def distinct(self) -> int:
        return len(pa.chunked_array(self._values).unique()) if self._values else 0

    def extents(self, arrays: Iterator[pa.Array], firsts: Sequence[int]) -> list[Extent]:
        """Of the pages that begin with these rows."""
        found, page, row = [Extent() for _ in firsts[1:]], 0, 0
        for array in arrays:
            leaf, entries = leaf_of(array)
            self._see(leaf)
            values, end = ordered(leaf), row + len(array)
            while True:
                start, stop = max(firsts[page], row), min(firsts[page + 1], end)
                if stop - start == len(array):
                    found[page].add(values.extent(0, len(leaf), entries))
                elif self.side.flat(self.leaf):
                    found[page].add(values.extent(start - row, stop - start, stop - start))
                else:
                    some, entries = leaf_of(array.slice(start - row, stop - start))
                    found[page].add(ordered(some).extent(0, len(some), entries))
                if stop == end and (stop < firsts[page + 1] or page + 2 == len(firsts)):
                    break
                page += 1
            row = end
        return found

    def _see(self, leaf: pa.Array) -> None:
        physical = self.side.physical(self.leaf)
        self.order = Order.of(physical, self.side.footer.leaves[self.leaf], leaf.type)
        self.measured = self.measured and not pa.types.is_decimal(leaf.type)
        if self.measured:
            self.size += _bytes_of(leaf)
        if self.counted:
            self._values.append((leaf.dictionary_decode() if pa.types.is_dictionary(leaf.type) else leaf).drop_null().unique())
        if self.bloom is not None and not self.missing:
            length = self.side.footer.leaves[self.leaf].get(2, 0)
            self.missing = self.bloom.lacks(leaf, physical, length)


def _bytes_of(leaf: pa.Array) -> int:
    """How many bytes all values have together."""
    lengths = pc.binary_length(leaf.dictionary).take(leaf.indices) if pa.types.is_dictionary(leaf.type) else pc.binary_length(leaf)
    return pc.sum(lengths.cast(pa.int64()), min_count=0).as_py()
