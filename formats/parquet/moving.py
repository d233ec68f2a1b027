"""A column chunk that lies elsewhere in a new file: what the footer says of it follows, all else stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from . import thrift
from .chunks import page_offsets
from .copying import Held
from .footer import Footer, get
from .outlines import Outlines
from .thrift import BINARY, I32, I64, LIST, STRUCT

_INDEX_PLACES = (4, 5, 6, 7)  # fields of ColumnChunk: where its offset index and its column index are, and how long


@dataclass(slots=True)
class Moved:
    """The chunk of a leaf in a row group of `footer`, that of `file`, with the outlines of that group.

    `path` is the leaf's new one, None where it keeps its own. `by` is how much further the pages lie than before. The rest is where
    in the new file its indexes and its bloom filter are, if it has any.
    """

    file: Held
    footer: Footer
    outlines: Outlines
    group: int
    leaf: int
    path: tuple[bytes, ...] | None
    by: int
    column_index_at: int = 0
    offset_index_at: int = 0
    offset_index_length: int = 0
    bloom_filter_at: int = 0
    bloom_filter_length: int = 0


def written(moved: Moved) -> bytes:
    """The ColumnChunk struct of the new file."""
    outlines, leaf = moved.outlines, moved.leaf
    plain = None
    if thrift.compiled and outlines.structs and moved.path is None and not outlines.filtered[leaf]:
        plain = thrift.compiled.moved_chunk(
            outlines.structs[leaf], outlines.starts[leaf], outlines.stops[leaf], moved.by,
            moved.column_index_at, moved.offset_index_at, moved.offset_index_length,
        )  # fmt: skip
    return written_slowly(moved) if plain is None else plain


def written_slowly(moved: Moved) -> bytes:
    """The same in Python: where there is no compiled part, and for what that leaves alone."""
    old, outlines, leaf = moved.footer.chunk(moved.group, moved.leaf), moved.outlines, moved.leaf
    meta = dict(get(old, 3))
    for field in page_offsets(meta):
        meta[field] = (I64, get(meta, field) + moved.by)
    if moved.path is not None:
        meta[3] = (LIST, (BINARY, list(moved.path)))
    if outlines.filtered[leaf]:
        meta[14], meta[15] = (I64, moved.bloom_filter_at), (I32, moved.bloom_filter_length)
    at = get(old, 2, 0)  # deprecated, and of several meanings
    chunk = {**old, 2: (I64, at + moved.by if outlines.starts[leaf] <= at < outlines.stops[leaf] else 0), 3: (STRUCT, meta)}
    for field in _INDEX_PLACES:  # of an index whose length nobody knows there is nothing that could be moved
        chunk.pop(field, None)
    if outlines.offset_index_at[leaf]:
        chunk[4], chunk[5] = (I64, moved.offset_index_at), (I32, moved.offset_index_length)
    if outlines.column_index_at[leaf]:
        chunk[6], chunk[7] = (I64, moved.column_index_at), (I32, outlines.column_index_length[leaf])
    return thrift.encode(chunk)
