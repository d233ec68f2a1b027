"""Avro's object container files (Avro 1.12, "Object Container Files"): header and blocks, nothing of what the blocks hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import BinaryIO, NamedTuple, NoReturn

from instar.formats.avro.codecs import Codec, Garbled, codec_named
from instar.formats.compiled import compiled_part
from instar.formats.errors import UnreadableError, Where

MAGIC = b"Obj\x01"
SCHEMA, CODEC = "avro.schema", "avro.codec"
SYNC_SIZE = 16
_HEAD_SIZE = 20  # two numbers of at most 10 bytes
_WINDOW = 256 << 10  # bytes that are read to find the heads of small blocks
_PREAD = hasattr(os, "pread")


@dataclass(frozen=True)
class Header:
    """`metadata` in the file's order; `size` is the offset of the first block."""

    metadata: Mapping[str, bytes]
    sync: bytes
    size: int

    @property
    def codec(self) -> Codec:
        return codec_named(self.metadata.get(CODEC, b"null").decode("utf-8", "replace"))


class Block(NamedTuple):
    """Where a block is: `number` counts from 0, `offset` is that of its row count, `start` that of its data of `size` bytes."""

    number: int
    offset: int
    rows: int
    start: int
    size: int

    @property
    def end(self) -> int:
        """Behind its sync marker."""
        return self.start + self.size + SYNC_SIZE


class Container:
    """A container file open for reading. Every fault is an UnreadableError with the file, the block and the byte offset."""

    def __init__(self, file: BinaryIO, path: FilePath) -> None:
        self.file = file
        self.path = path
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.header = self._header()

    def blocks(self) -> Iterator[Block]:
        """All blocks in order: their heads and sync markers are looked at, not their data."""
        for number, offset, found in self.runs():
            first = offset
            for i in range(0, len(found), 3):
                rows, start, size = found[i : i + 3]
                yield Block(number + i // 3, first, rows, offset + start, size)
                first = offset + start + size + SYNC_SIZE

    def runs(self) -> Iterator[tuple[int, int, list[int]]]:
        """Blocks that follow one another: the number of the first, the offset where it begins, and of each how many rows it has,
        where its data begins behind that offset, and their size; all in one list."""
        scan = compiled_part("avro")
        number, offset, small = 0, self.header.size, False
        while offset < self.size:
            found = scan.heads(self._read_at(offset, _WINDOW), self.header.sync) if scan and small else []
            if not found:  # one by one: large blocks, or a block with which something is wrong
                block = self._block(number, offset, self._read_at(offset, _HEAD_SIZE))
                end = block.start + block.size
                if self._read_at(end, SYNC_SIZE) != self.header.sync:
                    self.fail(f"block {number} does not end with the file's sync marker", end)
                found = [block.rows, block.start - offset, block.size]
            yield number, offset, found
            behind = found[-2] + found[-1] + SYNC_SIZE
            number, offset, small = number + len(found) // 3, offset + behind, behind * 3 // len(found) < _WINDOW // 4

    def _block(self, number: int, offset: int, head: bytes) -> Block:
        rows, middle = _number(head, 0)
        size, at = _number(head, middle) if middle else (0, 0)
        start = offset + at
        if not at:  # longer than it should be, or cut off: this says which
            self.file.seek(offset)
            rows, size = self._long(f"block {number}"), self._long(f"block {number}")
            start = self.file.tell()
        if rows < 0 or size < 0:
            self.fail(f"block {number} says that it holds {rows} records in {size} bytes", offset)
        if start + size + SYNC_SIZE > self.size:
            self.fail(f"block {number} is cut off: it needs {start + size + SYNC_SIZE - self.size} more bytes", offset)
        return Block(number, offset, rows, start, size)

    def _read_at(self, offset: int, size: int) -> bytes:
        """So many bytes, less at the file's end."""
        if _PREAD:
            return os.pread(self.file.fileno(), size, offset)
        self.file.seek(offset)
        return self.file.read(size)

    def at(self, start: int, stop: int) -> bytes:
        """The file's bytes from `start` to before `stop`."""
        self.file.seek(start)
        data = self.file.read(stop - start)
        if len(data) != stop - start:
            self.fail("the file became shorter while it was read", start + len(data))
        return data

    def stored(self, block: Block) -> bytes:
        """The block's data as the file has it, compressed."""
        self.file.seek(block.start)
        data = self.file.read(block.size)
        if len(data) != block.size:
            self.fail(f"block {block.number} is cut off", block.offset)
        return data

    def data(self, block: Block) -> bytes:
        """The block's records, decompressed."""
        codec = self.header.codec
        try:
            return codec.decompress(self.stored(block))
        except Garbled as e:
            self.fail(f"block {block.number} cannot be decompressed ({codec.name}): {e}", block.start)

    def fail(self, problem: str, offset: int) -> NoReturn:
        raise UnreadableError(
            f"{problem} (byte {offset})",
            hint="The file is truncated or damaged; write it again from its source, or exclude it.",
            where=Where(file=str(self.path)),
        )

    # ---- header
    def _header(self) -> Header:
        magic = self.file.read(len(MAGIC))
        if magic != MAGIC:
            problem = "it is empty" if not self.size else f"it does not begin with Obj\\x01 but with {magic!r}"
            self.fail(f"this is not an Avro file: {problem}", 0)
        metadata: dict[str, bytes] = {}
        while count := self._long("the header"):
            if count < 0:
                count = -count
                self._long("the header")
            for _ in range(count):
                key = self._bytes()
                metadata[self._text(key)] = self._bytes()
        sync = self._read(SYNC_SIZE, "the header")
        if SCHEMA not in metadata:
            self.fail("its header has no avro.schema", 0)
        header = Header(metadata, sync, self.file.tell())
        try:
            header.codec  # noqa: B018  an unknown codec is refused here, before any block
        except UnreadableError as e:
            raise UnreadableError(e.message, hint=e.hint, where=Where(file=str(self.path))) from None
        return header

    def _text(self, key: bytes) -> str:
        try:
            return key.decode()
        except UnicodeDecodeError:
            self.fail(f"its header has a key that is not UTF-8: {key[:40]!r}", self.file.tell())

    def _bytes(self) -> bytes:
        at = self.file.tell()
        length = self._long("the header")
        if not 0 <= length <= self.size - self.file.tell():
            self.fail(f"its header says that {length} bytes follow", at)
        return self._read(length, "the header")

    # ---- pieces
    def _read(self, length: int, part: str) -> bytes:
        data = self.file.read(length)
        if len(data) != length:
            self.fail(f"the file ends within {part}", self.size)
        return data

    def _long(self, part: str) -> int:
        at = self.file.tell()
        value = shift = 0
        while (byte := self._read(1, part)[0]) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                self.fail(f"{part} has a number of more than 10 bytes", at)
        value |= byte << shift
        return (value >> 1) ^ -(value & 1)


@contextmanager
def opened(path: FilePath) -> Iterator[Container]:
    """The file open for reading, its header read.

    Raises:
        UnreadableError: it cannot be opened, or is no Avro file.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below; only the opening's own errors are translated
    except OSError as e:
        raise UnreadableError(
            f"cannot be read: {e.strerror}", hint="Check that it exists and may be read.", where=Where(file=str(path))
        ) from e
    with file:
        yield Container(file, path)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The long at `at`, and where it ends; 0 where it does not end, or takes more than 9 bytes."""
    value = shift = 0
    for i in range(at, min(at + 9, len(data))):
        byte = data[i]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), i + 1
        shift += 7
    return 0, 0


def long_bytes(value: int) -> bytes:
    """An int or long as Avro writes it: zigzag, seven bits a byte, the lowest first."""
    number = (value << 1) ^ (value >> 63)
    if number < 0x80:
        return _SHORT[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SHORT = tuple(bytes((number,)) for number in range(0x80))


def header_bytes(metadata: Mapping[str, bytes], sync: bytes) -> bytes:
    """Magic, metadata in this order, sync marker."""
    parts = [MAGIC]
    if metadata:
        parts.append(long_bytes(len(metadata)))
    for key, value in metadata.items():
        for text in (key.encode(), value):
            parts += long_bytes(len(text)), text
    return b"".join((*parts, b"\x00", sync))


def block_bytes(rows: int, stored: bytes, sync: bytes) -> bytes:
    """A whole block; `stored` is its data, compressed."""
    return b"".join((long_bytes(rows), long_bytes(len(stored)), stored, sync))
