"""A file's text in chunks with whole records in them, cut by the compiled part."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from instar.formats.compiled import compiled_part

from .layout import Layout
from .split import Cursor, pieces
from .streams import blocks

compiled: Any = compiled_part("json")


@dataclass(frozen=True)
class Chunk:
    """Text with whole records in it, and where each begins and ends: pairs of 64-bit numbers."""

    text: Any
    places: bytes

    @property
    def rows(self) -> int:
        return len(self.places) // 16

    def records(self, numbers: Iterable[int] | None = None) -> list[bytes]:
        """The texts of these records; of all by default."""
        ends = memoryview(self.places).cast("q")
        return [bytes(self.text[ends[2 * i] : ends[2 * i + 1]]) for i in (range(self.rows) if numbers is None else numbers)]

    def with_records(self, records: list[Any]) -> bytes:
        """The text with other records in their places."""
        ends = (0, *memoryview(self.places).cast("q"), len(self.text))
        parts: list[Any] = [b"null"] * (2 * len(records) + 1)
        parts[0::2] = [self.text[ends[i] : ends[i + 1]] for i in range(0, len(ends), 2)]
        parts[1::2] = [b"null" if each is None else bytes(each) for each in records]
        return b"".join(parts)


def chunks(layout: Layout, path: FilePath, read: Callable[[int], None], size: int, records: int) -> Iterator[Chunk]:
    """A file's text, about `size` bytes or so many records at a time; what is between the records goes with them. `read` is told of
    the file's bytes that they were made from.

    Raises:
        UnreadableError, MalformedError: as `streams.blocks` and `split.pieces`.
    """
    if layout.kind == "lines" and not layout.compression:
        return _of_plain_lines(path, read, size, records)
    text = blocks(path, read)
    if layout.kind == "lines":
        return _of_lines(text, size, records)
    return _of_array(Cursor(text, path), size, records) if layout.kind == "array" else _of_document(text, path)


def _of_plain_lines(path: FilePath, read: Callable[[int], None], size: int, records: int) -> Iterator[Chunk]:
    """An unfinished line at the end of a block is read again with the next: that is cheaper than to move the text."""
    start, want = 0, size
    with open(path, "rb", buffering=0) as file:
        while block := file.read(want):
            rest, done = memoryview(block), 0
            ends = len(block) < want and not file.read(1)
            while rest:
                places, end, _ = compiled.lines(rest, size, records, ends)
                if not end:
                    break
                yield Chunk(rest[:end], places)
                rest, done = rest[end:], done + end
            read(done)
            if ends:
                return
            start, want = start + done, size if done else 2 * want
            file.seek(start)


def _of_lines(text: Iterable[bytes], size: int, records: int) -> Iterator[Chunk]:
    source, held, want = iter(text), b"", size
    while True:
        waiting, filled = [held], len(held)
        while filled < want and (block := next(source, None)) is not None:
            waiting.append(block)
            filled += len(block)
        ends, held = filled < want, b"".join(waiting)
        rest = memoryview(held)
        while rest:
            places, end, full = compiled.lines(rest, size, records, ends)
            if not full and not ends:
                break
            yield Chunk(rest[:end], places)
            rest = rest[end:]
        if ends:
            return
        held, want = bytes(rest), max(size, 2 * len(rest))


def _of_array(cursor: Cursor, size: int, records: int) -> Iterator[Chunk]:
    """Elements are cut many at a time where they are objects in valid JSON that is read to its end, else one by one."""
    parts = _Parts()
    parts.add(cursor.begin())
    ended = cursor.at(b"]")
    while not ended:
        places, end = compiled.elements(cursor.buffer, cursor.start, size - parts.filled, records - parts.rows, parts.length)
        if places:
            cursor.row += len(places) // 16
            parts.add_records(cursor.taken(end), places)
        else:
            element = cursor.element()
            cursor.row += 1
            parts.add_records(element, array("q", (parts.length, parts.length + len(element))).tobytes())
        if parts.filled >= size or parts.rows >= records:
            yield parts.chunk()
            parts = _Parts()
        before, ended = cursor.between()
        parts.add(before)
    parts.add(cursor.finish())
    yield parts.chunk()


def _of_document(text: Iterable[bytes], path: FilePath) -> Iterator[Chunk]:
    parts = _Parts()
    for before, record in pieces("document", text, path):
        parts.add(before)
        if record is not None:
            parts.add_records(record, array("q", (parts.length, parts.length + len(record))).tobytes())
    yield parts.chunk()


class _Parts:
    """A chunk as it grows: `length` is that of its text, `filled` that of the pieces with records in them."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._places: list[bytes] = []
        self.length = self.filled = self.rows = 0

    def add(self, text: bytes) -> None:
        self._texts.append(text)
        self.length += len(text)

    def add_records(self, text: bytes, places: bytes) -> None:
        self.add(text)
        self._places.append(places)
        self.filled += len(text)
        self.rows += len(places) // 16

    def chunk(self) -> Chunk:
        return Chunk(b"".join(self._texts), b"".join(self._places))
