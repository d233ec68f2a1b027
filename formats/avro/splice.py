"""An Avro file spliced: its blocks copied as they are, or each record put together from bytes of the old one.

The plain case only. Whatever is odd (damage, a value that is refused, records that are no records) is left to `rewrite.py`, which
goes record by record and knows what to say, so that values and errors are the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from instar.formats.avro.compiled_layout import TooManyBranches, compiled_layout
from instar.formats.avro.container import SYNC_SIZE, Block, Container, block_bytes
from instar.formats.avro.made import Located, makers
from instar.formats.avro.physical import layout
from instar.formats.avro.pieces import Constant, Copied, Made, Pieces, Turned, pieces_of
from instar.formats.avro.values import AvroValues
from instar.formats.avro.walk import least_size
from instar.formats.compiled import compiled_part, without
from instar.formats.copied_range import copy_range
from instar.formats.errors import InstarError
from instar.formats.format import Rewrite, Rewritten
from instar.formats.schema import Schema
from instar.formats.splice import Splice

_STRETCH = 64 << 20
"""Bytes copied between two reports of progress."""
_BATCH = 2 << 20
"""Bytes of records that are spliced at once, blocks that are larger excepted; less where the memory is less."""
_SHARE = 64  # of the memory at most

REFUSED = "a block is damaged, or a value is refused"
"""Why a file is not spliced where only going through its records one by one says more."""


class Unspliced(Exception):
    """The file is to be rewritten; its text says why."""


def splice(request: Rewrite, source: Container, target: BinaryIO, values: AvroValues) -> Rewritten:
    """The blocks of the new file, behind its header.

    Raises:
        Unspliced: it cannot be done so; whatever was written counts for nothing. InstarError: as `rewrite`.
    """
    if request.splice is None:
        raise Unspliced("")
    walk = _walk_of(request.source_schema, request.target_schema, request.splice, values)
    if walk is None:
        return _copied(request, source, target)
    try:
        return _Splicing(request, source, target, values, walk).run()
    except walk.module.Odd as odd:
        raise Unspliced(str(odd)) from None


def unspliced(source: Schema, target: Schema, splice: Splice) -> str:
    """Why no file of the schema `source` is spliced; "" where one without anything odd in it is."""
    try:
        _walk_of(source, target, splice, AvroValues(source, target))
    except Unspliced as reason:
        return str(reason)
    except (InstarError, RecursionError):
        return REFUSED
    return ""


@dataclass(frozen=True)
class _Walk:
    """Records are put together from `pieces`, found by a walk of the compiled `module` over its `layout`; each has at least so many
    bytes."""

    pieces: Pieces
    module: Any
    layout: Any
    least: int


def _walk_of(source: Schema, target: Schema, splice: Splice, values: AvroValues) -> _Walk | None:
    """None where every record stays as it is.

    Raises:
        Unspliced: neither can be done.
    """
    pieces = pieces_of(source.root, target.root, splice, values)
    if pieces is None:
        raise Unspliced("its records are no records with fields")
    if pieces.verbatim:
        return None
    module = compiled_part("avro")
    if module is None:
        raise Unspliced(without("avro"))
    least = least_size(layout(source.root), values.source_layouts)
    if not least:
        raise Unspliced("its records have no bytes")
    try:
        return _Walk(pieces, module, compiled_layout(module, pieces.slots, values.source_layouts), least)
    except TooManyBranches:
        raise Unspliced("a union has too many branches") from None


# ---- blocks as they are
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


def _stretches(source: Container) -> Iterator[tuple[int, int, int]]:
    """(start, stop, rows) of blocks that follow one another."""
    start = stop = source.header.size
    rows = 0
    for _, offset, found in source.runs():
        stop = offset + found[-2] + found[-1] + SYNC_SIZE
        rows += sum(found[::3])
        if stop - start >= _STRETCH:
            yield start, stop, rows
            start, rows = stop, 0
    if stop > start:
        yield start, stop, rows


# ---- records from pieces
class _Splicing:
    """Blocks on their way, some at once: walked, computed from where anything is computed, put together, written."""

    def __init__(self, request: Rewrite, source: Container, target: BinaryIO, values: AvroValues, walk: _Walk) -> None:
        self.request = request
        self.source = source
        self.target = target
        self.module, self.pieces, self.layout, self.least = walk.module, walk.pieces, walk.layout, walk.least
        self.makers = makers(request, values, walk.pieces, walk.module)
        used = (*_used(walk.pieces), *(slots for maker in self.makers for slots in maker.reads))
        self.marks = sorted({mark for slots in used for mark in (slots.first, slots.stop)})
        self.rows = 0

    def run(self) -> Rewritten:
        for batch in self._batches():
            blocks = [block for block, _ in batch]
            data, spans = self._data(batch)
            made = self._records(data, [number for span in spans for number in span])
            self._write(blocks, made)
        return Rewritten(self.rows, self.rows, way="spliced")

    def _batches(self) -> Iterator[list[tuple[Block, bytes]]]:
        """Blocks that are spliced at once, each with its records where they are compressed: a small file may hold a great deal."""
        most = max(1 << 16, min(_BATCH, self.request.memory // _SHARE))
        packed = self.source.header.codec.name != "null"
        batch: list[tuple[Block, bytes]] = []
        size = 0
        for block in self.source.blocks():
            data = self.source.data(block) if packed else b""
            more = len(data) if packed else block.size
            if batch and size + more > most:
                yield batch
                batch, size = [], 0
            batch.append((block, data))
            size += more
        if batch:
            yield batch

    def _data(self, batch: list[tuple[Block, bytes]]) -> tuple[bytes, list[tuple[int, int, int]]]:
        """The records of some blocks, and of each block where they begin and end in it, and how many they are."""
        if self.source.header.codec.name == "null":
            start, last = batch[0][0].start, batch[-1][0]
            data = self.source.at(start, last.start + last.size)
            spans = [(block.start - start, block.start - start + block.size, block.rows) for block, _ in batch]
        else:
            data, spans, at = b"".join(part for _, part in batch), [], 0
            for block, part in batch:
                spans.append((at, at + len(part), block.rows))
                at += len(part)
        if any(rows > (stop - start) // self.least for start, stop, rows in spans):
            raise Unspliced("a block is damaged")
        return data, spans

    def _records(self, data: bytes, spans: list[int]) -> list[bytes]:
        """The new records of each span."""
        offsets = self.module.locate(self.layout, data, spans, self.marks)
        records = Located(data, offsets, self.marks, sum(spans[2::3]))
        made = {name: column for maker in self.makers for name, column in maker.made(records).items()}
        column = {mark: i for i, mark in enumerate(self.marks)}
        pieces: list[tuple[Any, ...]] = []
        for piece in self.pieces.of:
            match piece:
                case Copied(first, stop):
                    pieces.append((self.module.COPIED, column[first], column[stop]))
                case Turned(slot):
                    pieces.append((self.module.TURNED, column[slot], column[slot + 1]))
                case Constant(constant):
                    pieces.append((self.module.CONSTANT, constant))
                case Made(name):
                    pieces.append((self.module.MADE, *made[name]))
        return self.module.assemble(data, offsets, len(self.marks), spans, pieces)

    def _write(self, blocks: list[Block], made: list[bytes]) -> None:
        compress, sync = self.source.header.codec.compress, self.source.header.sync
        parts = [block_bytes(block.rows, compress(data), sync) for block, data in zip(blocks, made, strict=True)]
        self.target.write(b"".join(parts))
        rows = sum(block.rows for block in blocks)
        self.rows += rows
        self.request.progress(rows, sum(block.size for block in blocks))


def _used(pieces: Pieces) -> Iterator[Copied]:
    """The slots that are copied."""
    for piece in pieces.of:
        match piece:
            case Copied():
                yield piece
            case Turned(slot):
                yield Copied(slot, slot + 1)
