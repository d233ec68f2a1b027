"""One Avro file to another: block by block, each record opened once, what is not converted copied as bytes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn

from instar.formats.avro.container import SCHEMA, Block, Container, block_bytes, header_bytes, opened
from instar.formats.avro.document import parse
from instar.formats.avro.physical import layout
from instar.formats.avro.render import document, header_text
from instar.formats.avro.splice import REFUSED, Unspliced, splice
from instar.formats.avro.values import AvroValues
from instar.formats.avro.walk import MOST_EMPTY_ITEMS, Damaged, least_size, records_walker, values_walker
from instar.formats.errors import DataError, FileError, InstarError, SchemaError, UnreadableError, Where
from instar.formats.format import Rewrite, Rewritten, Stamp
from instar.formats.schema import Schema

SUBJECT, VERSION = "instar.subject", "instar.version"
BATCH_ROWS = 4096
BATCH_SHARE = 64
"""A batch's records take this part of the memory at most, as stored: opened, they take some twenty times as much."""


def rewrite(request: Rewrite) -> Rewritten:
    """As the format contract says. Codec, sync marker, metadata and the rows of each block stay as they are.

    Raises:
        UnreadableError: the source is damaged. FileError: it is not of `source_schema`. DataError: a value that the target
            cannot hold.
    """
    with opened(request.source) as source:
        own = header_schema(source)
        values = AvroValues(request.source_schema, request.target_schema)
        if not AvroValues(own, request.source_schema).same_storage(own.root, request.source_schema.root):
            raise FileError(
                "its schema is not the one it was planned with",
                hint="The file was changed; make a new plan.",
                where=Where(file=str(request.source)),
            )
        head = header_bytes(_metadata(source, request.target_schema, request.stamp), source.header.sync)
        with open(request.target, "wb") as target:
            target.write(head)
            told = _Told(request.progress)
            try:
                return splice(replace(request, progress=told), source, target, values)
            except Unspliced as reason:
                why = str(reason)
            except (InstarError, RecursionError):
                why = REFUSED
            target.seek(len(head))
            target.truncate()
            work = _Work(replace(request, progress=told.again()), source, target, values)
            for block in source.blocks():
                work.take(block)
            work.convert()
    return Rewritten(work.rows, work.rows - work.left_out, why=why)


class _Told:
    """Progress that is told once of what is done twice."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self.progress = progress
        self.rows = self.bytes = 0

    def __call__(self, rows: int, source_bytes: int) -> None:
        self.rows, self.bytes = self.rows + rows, self.bytes + source_bytes
        self.progress(rows, source_bytes)

    def again(self) -> Callable[[int, int], None]:
        """What has been told so far is left out."""

        def more(rows: int, source_bytes: int) -> None:
            known, known_bytes = min(rows, self.rows), min(source_bytes, self.bytes)
            self.rows, self.bytes = self.rows - known, self.bytes - known_bytes
            if rows > known or source_bytes > known_bytes:
                self.progress(rows - known, source_bytes - known_bytes)

        return more


def header_schema(container: Container) -> Schema:
    """The schema in the file's header.

    Raises:
        UnreadableError: it is not valid Avro.
    """
    try:
        return _schema_of(container.header.metadata[SCHEMA])
    except (SchemaError, UnicodeDecodeError) as e:
        problem = e.message if isinstance(e, SchemaError) else "it is not UTF-8"
        raise UnreadableError(
            f"the schema in its header is not valid: {problem}",
            hint=e.hint if isinstance(e, SchemaError) else "The file is damaged; write it again from its source.",
            where=Where(file=str(container.path)),
        ) from None


@lru_cache(maxsize=64)
def _schema_of(text: bytes) -> Schema:
    """The schema of a header's text: thousands of files of a dataset share one."""
    return parse(text.decode())


def stamp_of(metadata: Mapping[str, bytes]) -> Stamp | None:
    """What the header says of subject and version, None where it says nothing that can be read."""
    return Stamp.read(metadata.get(SUBJECT), metadata.get(VERSION))


def _metadata(source: Container, target: Schema, stamp: Stamp | None) -> dict[str, bytes]:
    """The source's metadata in its order, with the new schema and stamp; an unchanged schema keeps its very text."""
    metadata = dict(source.header.metadata)
    if json.loads(metadata[SCHEMA]) != document(target, alone=True):
        metadata[SCHEMA] = header_text(target).encode()
    if stamp is None:
        metadata.pop(SUBJECT, None)
        metadata.pop(VERSION, None)
    else:
        metadata[SUBJECT] = stamp.subject.encode()
        metadata[VERSION] = str(stamp.version).encode()
    return metadata


@dataclass
class _Open:
    """A block of the target that still lacks rows."""

    block: Block
    missing: int
    parts: list[bytes] = field(default_factory=list)


class _Work:
    """Records on their way: walked out of source blocks, converted in batches, written in blocks of the same rows."""

    def __init__(self, request: Rewrite, source: Container, target: BinaryIO, values: AvroValues) -> None:
        self.request = request
        self.source = source
        self.target = target
        self.codec = source.header.codec
        self.rows = 0  # converted, or left out
        self.left_out = 0
        self.batch: list[Any] = []
        self.raws: list[Any] = []
        self.open: deque[_Open] = deque()
        root = layout(request.source_schema.root)
        self.least = least_size(root, values.source_layouts)
        self.walk = self._walker(values)
        self.bytes_of = _output(request, values)
        self.batch_bytes = max(1 << 16, request.memory // BATCH_SHARE)

    def _walker(self, values: AvroValues) -> Callable[[bytes, int, int, int], int]:
        root = layout(self.request.source_schema.root)
        if root.kind == "record" and root.null is None:
            records = records_walker(root, values.source_layouts)
            return lambda b, p, count, n: records(b, p, count, n, self.batch, self.raws)
        walk = values_walker(root, values.source_layouts)

        def both(b: bytes, p: int, count: int, n: int) -> int:
            p = walk(b, p, count, n, self.batch)
            self.raws += self.batch[len(self.raws) :]
            return p

        return both

    def take(self, block: Block) -> None:
        """The block's records into batches, each converted as it is full."""
        data = self.source.data(block)
        n = len(data)
        if block.rows > (n // self.least if self.least else MOST_EMPTY_ITEMS):
            self.source.fail(f"block {block.number} says that it holds {block.rows} records in {n} bytes", block.offset)
        self.open.append(_Open(block, block.rows))
        at_once = max(1, self.batch_bytes * block.rows // n) if n else BATCH_ROWS
        p, left = 0, block.rows
        while left:
            count = min(left, at_once, BATCH_ROWS - len(self.batch))
            p = self._walked(data, p, count, n, block)
            left -= count
            if len(self.batch) >= min(BATCH_ROWS, at_once):
                self.convert()
        if p != n:
            self.source.fail(f"block {block.number} has {n - p} bytes behind its last record", block.offset)
        if not self.batch:
            self._write_full()

    def _walked(self, data: bytes, p: int, count: int, n: int, block: Block) -> int:
        try:
            return self.walk(data, p, count, n)
        except Damaged as e:
            self._damaged(block, e.problem, e.place, e.bare)
        except IndexError:
            self._damaged(block, "it ends beyond its block", "")
        except RecursionError:
            self._damaged(block, "it is nested too deeply", "")

    def _damaged(self, block: Block, problem: str, place: str, bare: str = "") -> NoReturn:
        raise UnreadableError(
            f"the record cannot be read: {problem} (block {block.number}, byte {block.offset})",
            hint="The file is damaged; write it again from its source, or exclude it.",
            where=Where(file=str(self.source.path), row=self.rows + len(self.batch), path=place or None),
            bare=bare and f"the record cannot be read: {bare} (block {block.number}, byte {block.offset})",
        )

    def convert(self) -> None:
        """Convert what is waiting and write the blocks that are full."""
        before, raws = self.batch, self.raws
        after = self.request.convert(before)
        out = set(self.request.left_out())
        if len(after) != len(before) - len(out):
            raise FileError(f"{len(before)} records became {len(after)}", hint="This is a fault of Instar's; report it.")
        made = iter(after)
        for i, old in enumerate(before):
            self._place(None if i in out else self.bytes_of(next(made), old, raws[i], self.rows + i))
        self.rows += len(before)
        self.batch, self.raws = [], []
        self._write_full()

    def _place(self, record: bytes | None) -> None:
        while not self.open[0].missing:
            self._write()
        first = self.open[0]
        first.missing -= 1
        if record is None:
            self.left_out += 1
        else:
            first.parts.append(record)

    def _write_full(self) -> None:
        while self.open and not self.open[0].missing:
            self._write()

    def _write(self) -> None:
        full = self.open.popleft()
        if full.parts or not full.block.rows:  # a block of which nothing is left goes
            stored = self.codec.compress(b"".join(full.parts))
            self.target.write(block_bytes(len(full.parts), stored, self.source.header.sync))
        self.request.progress(full.block.rows, full.block.size)


def _output(request: Rewrite, values: AvroValues) -> Callable[[Any, Any, Any, int], bytes]:
    """(converted, as it was opened, its bytes, row) → the bytes to write."""
    source, target = request.source_schema.root, request.target_schema.root
    place = values.placer(target)
    as_it_was = values.same_storage(source, target)

    def bytes_of(new: Any, old: Any, raw: Any, row: int) -> bytes:
        try:
            return place(raw if new is old and as_it_was else new)
        except DataError as e:
            raise e.at(file=str(request.source), row=row) from None

    return bytes_of
