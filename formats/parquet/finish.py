"""The last step of a rewrite: the footer that pyarrow wrote becomes the footer the file is to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from .footer import INT96, Element, Footer, get, items, read_footer, replace_footer, with_elements, with_key_values
from .int96 import as_int96
from .output import Output
from .sort_order import in_order, with_sort_order
from .thrift import BINARY, LIST, STRUCT, Struct


@dataclass(frozen=True)
class Piece:
    """A row group of the new file: the source's row group it comes from, and what was counted for it, leaf by leaf."""

    group: int
    statistics: Mapping[int, Struct]


def finish(path: FilePath, old: Footer, output: Output, pieces: Sequence[Piece]) -> None:
    """Gives the file at `path`, just written, its schema elements, key-values, sort order and columns' own key-values."""
    written = read_footer(path)
    replace_footer(path, written, finished(written, old, output, pieces))


def finished(written: Footer, old: Footer, output: Output, pieces: Sequence[Piece]) -> Struct:
    """The footer that a file is to have of which pyarrow wrote the footer `written`."""
    leaves = list(output.root.leaves())
    struct = with_key_values(with_elements(written.struct, output.elements), output.key_values)
    struct = as_int96(struct, {i for i, leaf in enumerate(leaves) if leaf.physical == INT96})
    made: list[Struct] = []
    ordered = in_order(old, output.root, output.origins)
    for group, piece in zip(items(struct, 4), pieces, strict=True):
        theirs = [None if origin is None else old.chunk(piece.group, origin) for origin in output.origins]
        chunks = [
            _chunk(chunk, leaf, origin, piece.statistics.get(i))
            for i, (chunk, leaf, origin) in enumerate(zip(items(group, 1), leaves, theirs, strict=True))
        ]
        made.append(with_sort_order({**group, 1: (LIST, (STRUCT, chunks))}, old.groups[piece.group], ordered))
    return {**struct, 4: (LIST, (STRUCT, made))}


def _chunk(chunk: Struct, leaf: Element, origin: Struct | None, counted: Struct | None) -> Struct:
    """The chunk under its leaf's path, with its column's own key-values, and with statistics where some were counted."""
    meta = dict(get(chunk, 3, {}))
    if counted:
        meta[12] = (STRUCT, counted)
    meta[3] = (LIST, (BINARY, list(leaf.path)))
    theirs = get(origin, 3, {}) if origin else {}
    if 8 in theirs:
        meta[8] = theirs[8]
    return {**chunk, 3: (STRUCT, meta)}
