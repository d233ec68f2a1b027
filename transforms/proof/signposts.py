"""What leads readers of a Parquet file to some of its values: statistics, page indexes, bloom filters, and where row groups begin.

A proof that reads every value would not notice one that leads astray: whoever filters would miss records. Of a copied chunk they
must be those that the same bytes had; of one that was written anew they must be true of its own pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .chunks import COLUMN_INDEX, OFFSET_INDEX, STATISTICS, Chunk, Side
from .compact import NotCompact, only_struct
from .encodings import wrong_form
from .page_index import Page, locations, pages_of, same_pages, wrong_bounds, wrong_locations

_SIZE, _FILE_OFFSET, _PACKED_SIZE, _ORDINAL = 2, 5, 6, 7  # of RowGroup
_CREATED_BY = 6  # of FileMetaData
_WRITER, _FIRST = re.compile(rb"parquet-cpp-arrow version (\d+)\.\d+\.\d+"), 26  # pyarrow's, and the first that there may be


# ---- of a copied chunk
def wrong_ways(old: Chunk, new: Chunk, rows: int, *, flat: bool, same_writer: bool) -> Iterator[str]:
    """What leads readers astray in a chunk that is the bytes of the old file's, in a row group of so many rows.

    What the new file does not say any more is a matter of fidelity. Another writer may say the same in another way: then the pages
    themselves are asked, and whoever calls it asks the values.
    """
    before, after = old.index(OFFSET_INDEX), new.index(OFFSET_INDEX)
    try:
        if before and after and not same_pages(before, after, new.start - old.start):
            yield "its offset index does not point at its pages"
        elif not same_writer or (after and not before):
            wrong = wrong_pages(new, rows, flat=flat)
            yield from [wrong] if wrong else []
        if same_writer:
            yield from _said_otherwise(old, new)
    except NotCompact as error:
        yield f"its page index or bloom filter cannot be read: {error}"


def _said_otherwise(old: Chunk, new: Chunk) -> Iterator[str]:
    before, after = old.description, new.description
    if any(before[number] != after[number] for number in before.keys() & after.keys()):
        yield "its statistics, encodings or sizes are not those that the same bytes had"
    if STATISTICS in after and STATISTICS not in before:
        yield "it has statistics, and the same bytes had none"
    if after.keys() - before.keys() - {STATISTICS}:
        yield "its metadata say what those of the same bytes did not"
    for name, a, b in (
        ("column index", old.index(COLUMN_INDEX), new.index(COLUMN_INDEX)),
        ("bloom filter", old.bloom_filter(), new.bloom_filter()),
    ):
        if a is None and b is not None:
            yield f"it has a {name}, and the same bytes had none"
        elif b is not None and a != b:
            yield f"its {name} is not the one that the same bytes had"


# ---- of a chunk that was written anew
def wrong_pages(chunk: Chunk, rows: int, *, flat: bool) -> str:
    """What is wrong with what is said of a chunk's pages, in a row group of so many rows; "" where nothing is. `flat`: the column
    is in no list."""
    try:
        pages = list(pages_of(chunk.read, chunk.start, chunk.end, flat=flat))
        data = [page for page in pages if not page.dictionary]
        held = sum(page.values for page in data)
        if held != chunk.values or (flat and held != rows):
            return f"its pages hold {held} values, and it is said to hold {chunk.values} of {rows} records"
        return wrong_form(chunk.meta, pages) or _wrong_index(chunk, data)
    except (NotCompact, KeyError) as error:
        return f"its pages cannot be found: {error}"


def _wrong_index(chunk: Chunk, pages: Sequence[Page]) -> str:
    offsets, bounds = chunk.index(OFFSET_INDEX), chunk.index(COLUMN_INDEX)
    if offsets is None:
        return ""
    if wrong := wrong_locations(locations(offsets), pages):
        return f"its offset index does not tell its pages: {wrong}"
    wrong = "" if bounds is None else wrong_bounds(only_struct(bounds), len(pages), chunk.statistics)
    return wrong and f"its column index does not tell its pages: {wrong}"


# ---- of the file
def wrong_writer(old: Side, new: Side) -> Iterator[str]:
    """A name of the writer that is neither the old file's nor that of what writes new ones: readers work around the bugs of writers
    that they know, and so pass over statistics, or take values for others."""
    before, after = (side.footer.struct.get(_CREATED_BY) for side in (old, new))
    found = _WRITER.fullmatch(after or b"")
    if after != before and not (found and int(found[1]) >= _FIRST):
        yield f"it is said to be written by {'nobody' if after is None else after.decode('utf-8', 'replace')}, which it is not"


def wrong_groups(old: Side, new: Side) -> Iterator[str]:
    """What the footer says of the row groups beside their columns: by it readers divide a file among them."""
    if new.metadata.num_rows not in (sum(new.rows), old.metadata.num_rows):  # some old writers give no sum
        yield f"its footer says {new.metadata.num_rows} records, and its row groups {sum(new.rows)}"
    for number, group in enumerate(new.footer.groups):
        chunks, said = _chunks(new, number), old.footer.groups[number] if number < len(old.rows) else {}
        starts, begin = [chunk.start for chunk in chunks], group.get(_FILE_OFFSET)
        if begin and begin not in starts and (said.get(_FILE_OFFSET) != begin or starts != [c.start for c in _chunks(old, number)]):
            yield f"row group {number} is said to begin at {begin}, where none of its columns does"
        for field, what, size in ((_SIZE, "uncompressed", _size), (_PACKED_SIZE, "compressed", _packed_size)):
            found, told = sum(map(size, chunks)), group.get(field)
            if told not in (None, found) and (said.get(field) != told or sum(map(size, _chunks(old, number))) != found):
                yield f"row group {number} is said to have {told} bytes {what}, and its columns have {found}"
        if group.get(_ORDINAL, number) not in (number, said.get(_ORDINAL)):
            yield f"row group {number} is said to be number {group[_ORDINAL]}"
        yield from (f"in row group {number} {what}" for what in _wrong_offsets(chunks, old, number))


def _chunks(side: Side, group: int) -> list[Chunk]:
    """Those of a row group; none where there is no such one."""
    return [side.chunk(group, leaf) for leaf in range(len(side.footer.leaves))] if group < len(side.rows) else []


def _size(chunk: Chunk) -> int:
    return chunk.size


def _packed_size(chunk: Chunk) -> int:
    return chunk.end - chunk.start


def _wrong_offsets(chunks: Sequence[Chunk], old: Side, group: int) -> Iterator[str]:
    """Chunks that are said to be where they are not, nor were said to be in the old file. Writers meant their first page by it, the
    first with values, or what follows them."""
    odd = [chunk for chunk in chunks if chunk.offset not in (0, chunk.start, chunk.pages, chunk.end)]
    known = {chunk.offset - chunk.start for chunk in (_chunks(old, group) if odd else ())}
    for chunk in odd:
        if chunk.offset - chunk.start not in known:
            yield f"a column chunk is said to be at byte {chunk.offset}, and lies from {chunk.start} to {chunk.end}"


def wrong_paths(new: Side) -> Iterator[str]:
    """Chunks that say they are of another column than the one at whose position they stand."""
    for number in range(len(new.rows)):
        for leaf, path in enumerate(new.footer.paths):
            found = new.chunk(number, leaf).path
            if found != path:
                said, real = (b".".join(each).decode("utf-8", "replace") for each in (found, path))
                yield f"in row group {number} the column chunk of {real} is said to be of {said or 'no column'}"
