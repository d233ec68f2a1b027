"""The last step of a rewrite: the footer that pyarrow wrote becomes the footer the file is to have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

from . import thrift
from .declare import order
from .footer import INT96, Element, Footer, get, items, parse_footer, read_footer, replace_footer, with_elements, with_key_values
from .int96 import as_int96
from .output import Output
from .thrift import BINARY, I32, LIST, STRUCT, Struct


def finish(path: FilePath, old: Footer, output: Output, groups: Sequence[int]) -> None:
    """Gives the file at `path`, just written, its schema elements, key-values, sort order and columns' own key-values.

    `groups` has for each of its row groups the source's row group it comes from.
    """
    written = read_footer(path)
    leaves = _leaves(output.elements, path)
    struct = with_key_values(with_elements(written.struct, output.elements), output.key_values)
    struct = as_int96(struct, {i for i, leaf in enumerate(leaves) if leaf.physical == INT96})
    pairs = zip(leaves, written.leaves, strict=True)
    unordered = {new.leaf for new, drafted in pairs if order(new.struct) != order(drafted.struct)}
    made: list[Struct] = []
    for group, number in zip(items(struct, 4), groups, strict=True):
        source = old.row_groups[number]
        theirs = [None if origin is None else items(source, 1)[origin] for origin in output.origins]
        chunks = [
            _chunk(chunk, leaf, origin, leaf.leaf in unordered)
            for chunk, leaf, origin in zip(items(group, 1), leaves, theirs, strict=True)
        ]
        made.append(_sorted({**group, 1: (LIST, (STRUCT, chunks))}, source, output.origins))
    replace_footer(path, written, {**struct, 4: (LIST, (STRUCT, made))})


def _leaves(elements: list[Struct], path: FilePath) -> list[Element]:
    return list(parse_footer(thrift.encode({2: (LIST, (STRUCT, elements))}), path).leaves)


def _chunk(chunk: Struct, leaf: Element, origin: Struct | None, unordered: bool) -> Struct:
    """The chunk under its leaf's path, with its column's own key-values, without statistics that go by another order."""
    meta = {number: held for number, held in get(chunk, 3, {}).items() if not (unordered and number == 12)}
    meta[3] = (LIST, (BINARY, list(leaf.path)))
    theirs = get(origin, 3, {}) if origin else {}
    if 8 in theirs:
        meta[8] = theirs[8]
    kept = {number: held for number, held in chunk.items() if not (unordered and number in (6, 7))}
    return {**kept, 3: (STRUCT, meta)}


def _sorted(group: Struct, origin: Struct, origins: Sequence[int | None]) -> Struct:
    """The row group with as many of the source's sort columns, from the first on, as are carried."""
    kept: list[Struct] = []
    for column in items(origin, 4):
        if get(column, 1) not in origins:
            break
        kept.append({**column, 1: (I32, origins.index(get(column, 1)))})
    return {**group, 4: (LIST, (STRUCT, kept))} if kept else group
