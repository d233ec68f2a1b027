"""A file woven of other files' column chunks: pages are copied as they are, and what tells where they are is written anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path as FilePath
from typing import Any

from . import thrift
from .chunks import all_outlines
from .copying import Ahead, Held, Writing, read_at
from .footer import Footer, framed, get, with_elements, with_key_values
from .layout import From, Layout
from .moving import Moved, written
from .outlines import Outlines
from .page_index import bloom_filter, moved
from .sort_order import with_sort_order
from .thrift import BINARY, I32, I64, LIST, RAW, STRUCT, Struct

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

    @cached_property
    def leaves(self) -> list[tuple[From, tuple[bytes, ...] | None, Holder]]:
        """Where the chunks of each leaf come from, and the path that is new to them."""
        found: list[tuple[From, tuple[bytes, ...] | None, Holder]] = []
        for origin, path in zip(self.layout.leaves, self.paths, strict=True):
            kept = origin.scratch is None and self.source.footer.leaves[origin.leaf].path == path
            found.append((origin, None if kept else path, self.holder(origin)))
        return found

    @cached_property
    def is_copy(self) -> bool:
        """Does every chunk of the source stay, in its order? Then nothing moves, and only the footer is new."""
        leaves = self.layout.leaves
        stays = all(origin.scratch is None and origin.leaf == i for i, origin in enumerate(leaves))
        return stays and len(leaves) == len(self.source.footer.leaves)


def woven(weave: Weave, target: FilePath, done: Callable[[int], None]) -> None:
    """Writes the file. `done` is told the number of each row group that is in it.

    Raises:
        Unspliceable: an index or a filter is damaged, or the source ends before its footer says.
    """
    with open(target, "wb", buffering=0) as file:
        writing = Writing(file)
        groups = _copied(weave, writing) if weave.is_copy else _moved(weave, writing, done)
        writing.write(framed(_footer(weave, groups)))
        writing.flush()
    if weave.is_copy:
        for number in range(len(groups)):
            done(number)


def _copied(weave: Weave, writing: Writing) -> list[Struct]:
    """All up to the footer as it stands; each chunk under its leaf's new path."""
    source, footer = weave.source, weave.source.footer
    writing.copy(source.file, 0, footer.start)
    renamed = {i: path for i, (leaf, path) in enumerate(zip(footer.leaves, weave.paths, strict=True)) if leaf.path != path}
    return [{**group, 1: _renamed(footer, number, renamed)} for number, group in enumerate(footer.groups)]


def _renamed(footer: Footer, group: int, paths: Mapping[int, tuple[bytes, ...]]) -> tuple[int, Any]:
    """The list of a row group's chunks, some of them under other paths."""
    new = {leaf: _under(footer.chunk(group, leaf), path) for leaf, path in paths.items()}
    if footer.outlines is None:
        return LIST, (STRUCT, [new.get(leaf, footer.chunk(group, leaf)) for leaf in range(len(footer.leaves))])
    held = list(footer.outlines[group].structs)
    for leaf, chunk in new.items():
        held[leaf] = thrift.encode(chunk)
    return thrift.of_structs(held)


def _under(chunk: Struct, path: tuple[bytes, ...]) -> Struct:
    return {**chunk, 3: (STRUCT, {**get(chunk, 3), 3: (LIST, (BINARY, list(path)))})}


# ---- chunks that move
def _moved(weave: Weave, writing: Writing, done: Callable[[int], None]) -> list[Struct]:
    writing.copy(weave.source.file, 0, 4)  # the magic: copied with what follows, some systems need not copy anything
    outlines = {id(each): all_outlines(each.footer) for each in (weave.source, *weave.scratches)}
    groups: list[tuple[int, list[Moved]]] = []  # where each begins, and its chunks
    for number in range(len(weave.source.footer.rows)):
        first = writing.at
        chunks = [
            _chunk(holder, outlines[id(holder)][holder.groups[number]], holder.groups[number], origin.leaf, path, writing)
            for origin, path, holder in weave.leaves
        ]
        groups.append((first, chunks))
        done(number)
    writing.flush()
    every = [chunk for _, chunks in groups for chunk in chunks]
    for place in (_bloom_filters, _column_indexes, _offset_indexes):
        place(every, writing)
    return [_group(weave, *each) for each in zip(weave.source.footer.groups, groups, strict=True)]


def _chunk(holder: Holder, outlines: Outlines, group: int, leaf: int, path: tuple[bytes, ...] | None, writing: Writing) -> Moved:
    start = outlines.starts[leaf]
    by = writing.at - start  # of a chunk without pages, too: some readers look whether it lies within the file
    writing.copy(holder.file, start, outlines.stops[leaf])
    return Moved(holder.file, holder.footer, outlines, group, leaf, path, by)


def _group(weave: Weave, old: Struct, made: tuple[int, Sequence[Moved]]) -> Struct:
    """The row group with its sums and its sort order, and where its first chunk begins."""
    first, chunks = made
    new = {**old, 1: thrift.of_structs([written(each) for each in chunks])}
    new[2] = (I64, sum(each.outlines.sizes[each.leaf] for each in chunks))
    if 5 in old:
        new[5] = (I64, first)
    if 6 in old:
        new[6] = (I64, sum(each.outlines.stops[each.leaf] - each.outlines.starts[each.leaf] for each in chunks))
    return with_sort_order(new, old, weave.origins)


def _bloom_filters(chunks: Sequence[Moved], writing: Writing) -> None:
    for each in chunks:
        if each.outlines.filtered[each.leaf]:
            found = bloom_filter(get(each.footer.chunk(each.group, each.leaf), 3), partial(read_at, each.file))
            each.bloom_filter_at, each.bloom_filter_length = writing.at, len(found)
            writing.write(found)


def _column_indexes(chunks: Sequence[Moved], writing: Writing) -> None:
    for each in chunks:
        if at := each.outlines.column_index_at[each.leaf]:
            each.column_index_at = writing.at
            writing.copy(each.file, at, at + each.outlines.column_index_length[each.leaf])


def _offset_indexes(chunks: Sequence[Moved], writing: Writing) -> None:
    files: dict[int, Ahead] = {}
    for each in chunks:
        if at := each.outlines.offset_index_at[each.leaf]:
            if id(each.file) not in files:
                files[id(each.file)] = Ahead(each.file)
            index = files[id(each.file)].read(at, each.outlines.offset_index_length[each.leaf])
            new = moved(index, each.by) if each.by else index
            each.offset_index_at, each.offset_index_length = writing.at, len(new)
            writing.write(new)


# ---- footer
def _footer(weave: Weave, groups: list[Struct]) -> Struct:
    """The source's, with all that nobody here knows; of it what the new file has otherwise."""
    old = weave.source.footer.bare
    new = with_key_values(with_elements(old, weave.layout.elements), weave.key_values)
    new[4] = (LIST, (STRUCT, groups))
    versions = [get(each.footer.bare, 1, 1) for each in (weave.source, *weave.scratches)]
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
    wire, held = footer.bare.get(7, (LIST, (STRUCT, [])))
    if wire & RAW:
        held = get(thrift.decode(bytes([0x10 | LIST]) + held + b"\0")[0], 1)
    return held[1] if held[0] == STRUCT else []
