"""What leads readers of a Parquet file to some of its values: statistics, page indexes, bloom filters, and where row groups begin.

A proof that reads every value would not notice one that leads astray: whoever filters would miss records. Of a copied chunk they
must be those that the same bytes had; of one that was written anew they must be true of its own pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from .chunks import COLUMN_INDEX, OFFSET_INDEX, Chunk, Side
from .compact import NotCompact, struct_at
from .page_index import locations, same_pages, wrong_bounds, wrong_pages

_FILE_OFFSET = 5  # of RowGroup


# ---- of a copied chunk
def astray(old: Chunk, new: Chunk) -> Iterator[str]:
    """What does not lead to the pages of a copied chunk, although it did in the old file."""
    before, after = old.index(OFFSET_INDEX), new.index(OFFSET_INDEX)
    try:
        if before and after and not same_pages(before, after, new.start - old.start):
            yield "its offset index does not point at its pages"
    except NotCompact as error:
        yield f"its offset index cannot be read: {error}"


def said_otherwise(old: Chunk, new: Chunk) -> Iterator[str]:
    """What is said of a copied chunk, and was said otherwise of the same bytes in the old file. What one of the two does not say is
    a matter of fidelity; another writer may have another way to say it."""
    before, after = old.description, new.description
    if any(before[number] != after[number] for number in before.keys() & after.keys()):
        yield "its statistics, encodings or sizes are not those that the same bytes had"
    for name, a, b in (
        ("column index", old.index(COLUMN_INDEX), new.index(COLUMN_INDEX)),
        ("bloom filter", old.bloom_filter(), new.bloom_filter()),
    ):
        if a is not None and b is not None and a != b:
            yield f"its {name} is not the one that the same bytes had"


# ---- of a chunk that was written anew
def wrong_index(chunk: Chunk, rows: int, *, flat: bool) -> str:
    """What is wrong with its page index, in a row group of so many rows; "" where nothing is. `flat`: it is in no list."""
    try:
        offsets, bounds = chunk.index(OFFSET_INDEX), chunk.index(COLUMN_INDEX)
        if offsets is None:
            return ""
        pages = locations(offsets)
        if wrong := wrong_pages(pages, chunk.read, (chunk.pages, chunk.end), rows, flat=flat):
            return f"its offset index does not tell its pages: {wrong}"
        wrong = "" if bounds is None else wrong_bounds(struct_at(bounds)[0], len(pages), chunk.statistics)
        return wrong and f"its column index does not tell its pages: {wrong}"
    except NotCompact as error:
        return f"its page index cannot be read: {error}"


# ---- of the file
def wrong_groups(old: Side, new: Side) -> Iterator[str]:
    """What the footer says of the row groups beside their columns: by it readers divide a file among them."""
    if new.metadata.num_rows not in (sum(new.rows), old.metadata.num_rows):  # some old writers give no sum
        yield f"its footer says {new.metadata.num_rows} records, and its row groups {sum(new.rows)}"
    for number, group in enumerate(new.footer.groups):
        begins = {new.chunk(number, leaf).start for leaf in range(len(new.footer.leaves))}
        if group.get(_FILE_OFFSET, 0) not in {0, *begins}:
            yield f"row group {number} is said to begin at {group[_FILE_OFFSET]}, where none of its columns does"
