"""An Avro file spliced: its blocks copied as they are, or each record put together from bytes of the old one.

The plain case only. Whatever is odd (damage, a value that is refused, records that are no records) is left to `rewrite.py`, which
goes record by record and knows what to say, so that values and errors are the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from instar.formats.avro.container import Container
from instar.formats.avro.pieces import pieces_of
from instar.formats.avro.values import AvroValues
from instar.formats.copied_range import copy_range
from instar.formats.format import Rewrite, Rewritten


class Unspliced(Exception):
    """The file is to be rewritten; its text says why."""


def splice(request: Rewrite, source: Container, target: BinaryIO, values: AvroValues) -> Rewritten:
    """The blocks of the new file, behind its header.

    Raises:
        Unspliced: it cannot be done so; whatever was written counts for nothing. InstarError: as `rewrite`.
    """
    pieces = None if request.splice is None else pieces_of(request, request.splice, values)
    if pieces is None:
        raise Unspliced("")
    if pieces.verbatim:
        return _copied(request, source, target)
    raise Unspliced("")


def _copied(request: Rewrite, source: Container, target: BinaryIO) -> Rewritten:
    """All blocks as they are, not even decompressed; only their heads and sync markers are looked at."""
    rows = 0
    for start, stop, some in _stretches(source):
        try:
            copy_range(source.file, target, start, stop)
        except EOFError:
            raise Unspliced("it became shorter while it was read") from None
        rows += some
        request.progress(some, stop - start)
    return Rewritten(rows, rows, way="spliced")


_STRETCH = 64 << 20
"""Bytes copied between two reports of progress."""


def _stretches(source: Container) -> Iterator[tuple[int, int, int]]:
    """(start, stop, rows) of blocks that follow one another."""
    start = stop = source.header.size
    rows = 0
    for block in source.blocks():
        stop = block.end
        rows += block.rows
        if stop - start >= _STRETCH:
            yield start, stop, rows
            start, rows = stop, 0
    if stop > start:
        yield start, stop, rows
