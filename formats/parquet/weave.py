"""A file woven of other files' column chunks: pages are copied as they are, and what tells where they are is written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath

from . import thrift
from .chunks import extent, page_offsets
from .copying import Held, Writing, read_at
from .footer import Footer, framed, get, items, with_elements, with_key_values
from .layout import From, Layout
from .page_index import bloom_filter, moved
from .sort_order import with_sort_order
from .thrift import BINARY, I32, I64, LIST, RAW, STRUCT, Struct

_OFFSET_INDEX, _COLUMN_INDEX, _BLOOM_FILTER = (4, 5), (6, 7), (14, 15)  # fields: where it is, and how long
_UNDEFINED: Struct = {1: (STRUCT, {})}  # ColumnOrder: by the type's own order


@dataclass(frozen=True)
class Holder:
    """A Parquet file that chunks are taken from. `groups` has for each row group of the new file the number of the holder's."""

    file: Held
    footer: Footer
    groups: Sequence[int]


@dataclass(frozen=True)
class Weave:
    """What is to be written. `origins` has for each leaf of the new file the source leaf whose order it has."""

    source: Holder
    scratches: Sequence[Holder]
    layout: Layout
    paths: Sequence[tuple[bytes, ...]]
    origins: Sequence[int | None]
    key_values: dict[bytes, bytes | None]

    def holder(self, origin: From) -> Holder:
        return self.source if origin.scratch is None else self.scratches[origin.scratch]

    @property
    def is_copy(self) -> bool:
        """Does every chunk of the source stay, in its order? Then nothing moves, and only the footer is new."""
        return self.layout.leaves == tuple(From(None, i) for i in range(len(self.source.footer.leaves)))


def woven(weave: Weave, target: FilePath, done: Callable[[int], None]) -> None:
    """Writes the file. `done` is told the number of each row group that is in it.

    Raises:
        Unspliceable: an index or a filter is damaged, or the source ends before its footer says.
    """
    with open(target, "wb", buffering=0) as file:
        writing = Writing(file)
        groups = _copied(weave, writing) if weave.is_copy else _moved(weave, writing, done)
        writing.write(framed(_footer(weave, groups)))
    if weave.is_copy:
        for number in range(len(groups)):
            done(number)


def _copied(weave: Weave, writing: Writing) -> list[Struct]:
    """All up to the footer as it stands; each chunk under its leaf's new path."""
    source = weave.source
    writing.copy(source.file, 0, source.footer.start)
    groups: list[Struct] = []
    for group in source.footer.row_groups:
        chunks = [_renamed(chunk, path) for chunk, path in zip(items(group, 1), weave.paths, strict=True)]
        groups.append({**group, 1: (LIST, (STRUCT, chunks))})
    return groups


def _renamed(chunk: Struct, path: tuple[bytes, ...]) -> Struct:
    meta = get(chunk, 3)
    if tuple(items(meta, 3)) == path:
        return chunk
    return {**chunk, 3: (STRUCT, {**meta, 3: (LIST, (BINARY, list(path)))})}


# ---- chunks that move
@dataclass(frozen=True)
class _Moved:
    """A chunk of the new file, whose dicts are its own; `by` is how much further its pages lie than in its holder."""

    chunk: Struct
    meta: Struct
    holder: Holder
    by: int


def _moved(weave: Weave, writing: Writing, done: Callable[[int], None]) -> list[Struct]:
    writing.copy(weave.source.file, 0, 4)  # the magic: copied with what follows, some systems need not copy anything
    groups: list[Struct] = []
    every: list[_Moved] = []
    for number, group in enumerate(weave.source.footer.row_groups):
        first = writing.at
        chunks = [_chunk(weave, number, leaf, writing) for leaf in range(len(weave.paths))]
        every += chunks
        groups.append(_group(weave, group, chunks, first))
        done(number)
    writing.flush()
    for place in (_bloom_filters, _column_indexes, _offset_indexes):
        place(every, writing)
    return groups


def _chunk(weave: Weave, group: int, leaf: int, writing: Writing) -> _Moved:
    origin = weave.layout.leaves[leaf]
    holder = weave.holder(origin)
    old = items(holder.footer.row_groups[holder.groups[group]], 1)[origin.leaf]
    meta = dict(get(old, 3))
    start, stop = extent(meta)
    by = writing.at - start  # of a chunk without pages, too: some readers look whether it lies within the file
    for field in page_offsets(meta):
        meta[field] = (I64, get(meta, field) + by)
    meta[3] = (LIST, (BINARY, list(weave.paths[leaf])))
    writing.copy(holder.file, start, stop)
    at = get(old, 2, 0)  # deprecated, and of several meanings
    chunk = {**old, 2: (I64, at + by if start <= at < stop else 0), 3: (STRUCT, meta)}
    return _Moved(chunk, meta, holder, by)


def _group(weave: Weave, old: Struct, chunks: Sequence[_Moved], first: int) -> Struct:
    """The row group with its sums and its sort order; `first` is where its first chunk begins."""
    new = {**old, 1: (LIST, (STRUCT, [each.chunk for each in chunks])), 2: (I64, sum(get(each.meta, 6, 0) for each in chunks))}
    if 5 in old:
        new[5] = (I64, first)
    if 6 in old:
        new[6] = (I64, sum(get(each.meta, 7, 0) for each in chunks))
    return with_sort_order(new, old, weave.origins)


def _bloom_filters(chunks: Sequence[_Moved], writing: Writing) -> None:
    at, length = _BLOOM_FILTER
    for each in chunks:
        found = bloom_filter(each.meta, partial(read_at, each.holder.file))
        if found is not None:
            each.meta[at], each.meta[length] = (I64, writing.at), (I32, len(found))
            writing.write(found)


def _column_indexes(chunks: Sequence[_Moved], writing: Writing) -> None:
    for each, index in _indexes(chunks, _COLUMN_INDEX):
        each.chunk[_COLUMN_INDEX[0]] = (I64, writing.at)
        writing.write(index)


def _offset_indexes(chunks: Sequence[_Moved], writing: Writing) -> None:
    at, length = _OFFSET_INDEX
    for each, index in _indexes(chunks, _OFFSET_INDEX):
        new = moved(index, each.by) if each.by else index
        each.chunk[at], each.chunk[length] = (I64, writing.at), (I32, len(new))
        writing.write(new)


def _indexes(chunks: Sequence[_Moved], fields: tuple[int, int]) -> Iterator[tuple[_Moved, bytes]]:
    at, length = fields
    for each in chunks:
        if at in each.chunk and length in each.chunk:
            yield each, read_at(each.holder.file, get(each.chunk, at), get(each.chunk, length))


# ---- footer
def _footer(weave: Weave, groups: list[Struct]) -> Struct:
    """The source's, with all that nobody here knows; of it what the new file has otherwise."""
    old = weave.source.footer.struct
    new = with_key_values(with_elements(old, weave.layout.elements), weave.key_values)
    new[4] = (LIST, (STRUCT, groups))
    versions = [get(each.footer.struct, 1, 1) for each in (weave.source, *weave.scratches)]
    new[1] = (I32, max(versions))
    if 7 in old:
        new.pop(7)
        if orders := _orders(weave):
            new[7] = (LIST, (STRUCT, orders))
    return new


def _orders(weave: Weave) -> list[Struct]:
    """By what order each leaf's minimum and maximum were found; none where the source does not say it of every leaf."""
    known = [_opened_orders(each.footer) for each in (weave.source, *weave.scratches)]
    if len(known[0]) != len(weave.source.footer.leaves):
        return []
    orders = []
    for origin in weave.layout.leaves:
        of = known[0 if origin.scratch is None else 1 + origin.scratch]
        orders.append(of[origin.leaf] if origin.leaf < len(of) else _UNDEFINED)
    return orders


def _opened_orders(footer: Footer) -> list[Struct]:
    wire, held = footer.struct.get(7, (LIST, (STRUCT, [])))
    if wire & RAW:
        held = get(thrift.decode(bytes([0x10 | LIST]) + held + b"\0")[0], 1)
    return held[1]
