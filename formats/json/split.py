"""A file's text cut into its records and everything between them, so that what is between can be written as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath

from instar.formats.errors import MalformedError, UnreadableError, Where

from .layout import BLANK, BOM, Kind

Piece = tuple[bytes, bytes | None]
"""(what comes before the record: line ends, commas, blanks; the record's text). The last piece's record is None."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SCALAR = re.compile(_STRING + rb"|[^\s,\[\]{}\"]++", re.DOTALL)
_MARK = re.compile(_STRING + rb"|[\[\]{}]|\"", re.DOTALL)


def _nested(depth: int) -> bytes:
    """An object or array that holds others down to `depth`, found in one match; which bracket closes which is not its business."""
    inner = rb"[^\"{}\[\]]++|" + _STRING
    pattern = rb"[{\[](?:" + inner + rb")*+[}\]]"
    for _ in range(depth):
        pattern = rb"[{\[](?:" + inner + rb"|" + pattern + rb")*+[}\]]"
    return pattern


_CONTAINER = re.compile(_nested(6), re.DOTALL)


def pieces(kind: Kind, text: Iterable[bytes], path: FilePath) -> Iterator[Piece]:
    """Joined, the pieces are the text. Records are cut, not checked: `Values` and `validate` do that.

    Raises:
        UnreadableError, MalformedError: the array has no end, or something other than records and commas in it; names the record.
    """
    if kind == "lines":
        return _lines(text)
    return _array(text, path) if kind == "array" else _document(text)


def _lines(text: Iterable[bytes]) -> Iterator[Piece]:
    before, parts = b"", list[bytes]()
    for block in text:
        if b"\n" not in block:
            parts.append(block)
            continue
        lines = b"".join([*parts, block]).split(b"\n")
        parts = [lines.pop()]
        for line in lines:
            record = line.strip(BLANK)
            if record and len(record) == len(line) and record[:3] != BOM:
                yield before, record
                before = b"\n"
            else:
                head, record, tail = _trimmed(line)
                if record:
                    yield before + head, record
                    before = tail + b"\n"
                else:
                    before += head + tail + b"\n"
    head, record, tail = _trimmed(b"".join(parts))
    if record:
        yield before + head, record
        before, head = b"", b""
    yield before + head + tail, None


def _trimmed(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Blanks (and a byte order mark) before, the record, blanks after."""
    bare = text.removeprefix(BOM).lstrip(BLANK)
    record = bare.rstrip(BLANK)
    return text[: len(text) - len(bare)], record, bare[len(record) :]


def _document(text: Iterable[bytes]) -> Iterator[Piece]:
    head, record, tail = _trimmed(b"".join(text))
    yield head, record
    yield tail, None


def _array(text: Iterable[bytes], path: FilePath) -> Iterator[Piece]:
    cursor = Cursor(text, path)
    before = cursor.begin()
    ended = cursor.at(b"]")
    while not ended:
        yield before, cursor.element()
        cursor.row += 1
        before, ended = cursor.between()
    yield before + cursor.finish(), None


class Cursor:
    """A place in a text that is read block by block; what lies behind it is let go."""

    def __init__(self, text: Iterable[bytes], path: FilePath) -> None:
        self.source = iter(text)
        self.path = path
        self.buffer = b""
        self.start = 0
        self.row = 0

    def more(self) -> bool:
        block = next(self.source, b"")
        if block:
            self.buffer = self.buffer[self.start :] + block
            self.start = 0
        return bool(block)

    def at_least(self, count: int) -> bool:
        while len(self.buffer) - self.start < count:
            if not self.more():
                return False
        return True

    def at(self, mark: bytes) -> bool:
        return self.at_least(1) and self.buffer[self.start : self.start + 1] == mark

    def taken(self, end: int) -> bytes:
        text = self.buffer[self.start : end]
        self.start = end
        return text

    def take_bom(self) -> bytes:
        return self.taken(self.start + 3) if self.at_least(3) and self.buffer[self.start : self.start + 3] == BOM else b""

    def space(self) -> bytes:
        text = b""
        while True:
            match = _SPACE.match(self.buffer, self.start)
            text += self.taken(match.end() if match else self.start)
            if self.start < len(self.buffer) or not self.more():
                return text

    def mark(self, mark: bytes) -> bytes:
        if not self.at_least(1):
            raise UnreadableError(
                f"{self.path.name} is cut off: its array has no end after {self.row} records", hint="Copy or write it again."
            )
        if not self.at(mark):
            raise self.error(f"{mark.decode()!r} is missing", " before ")
        return self.taken(self.start + 1)

    def begin(self) -> bytes:
        """All up to the first record, or to the end of an array without one."""
        return self.take_bom() + self.space() + self.mark(b"[") + self.space()

    def between(self) -> tuple[bytes, bool]:
        """All up to the next record, or to the end of the array; is it that?"""
        before = self.space()
        if self.at(b"]"):
            return before, True
        before += self.mark(b",") + self.space()
        if self.at(b"]"):
            raise self.error("there is a comma after the last record")
        return before, False

    def finish(self) -> bytes:
        """The end of the array, and the blanks after it."""
        end = self.mark(b"]") + self.space()
        if self.at_least(1):
            raise self.error("there is more after the end of the array", ": ")
        return end

    def element(self) -> bytes:
        """The next value's text."""
        if not self.at_least(1):
            self.mark(b"]")
        first = self.buffer[self.start : self.start + 1]
        if first in (b"{", b"["):
            match = _CONTAINER.match(self.buffer, self.start)
            return self.taken(match.end() if match else self.end_of_container())
        while True:
            match = _SCALAR.match(self.buffer, self.start)
            if match and (first == b'"' or match.end() < len(self.buffer)):
                return self.taken(match.end())
            if match is None and first != b'"':
                raise self.error("a record is missing", " before ")
            if not self.more():
                self.start = len(self.buffer)
                self.mark(b"]")

    def end_of_container(self) -> int:
        """Where a container ends that is nested deeper than one match reaches, or is not yet read to its end."""
        depth, offset, step = 0, 0, 1
        while True:
            for match in _MARK.finditer(self.buffer, self.start + offset):
                mark = match[0]
                if mark == b'"':  # a string that is not yet read to its end
                    break
                if mark in (b"{", b"["):
                    depth += 1
                elif len(mark) == 1:
                    depth -= 1
                offset = match.end() - self.start
                if not depth:
                    return match.end()
            if not self.more():
                self.start = len(self.buffer)
                self.mark(b"]")
            for _ in range(step - 1):
                self.more()
            step = min(2 * step, 64)

    def error(self, problem: str, before: str = "") -> MalformedError:
        """The error; with `before`, and behind it what stands here."""
        found = f"{before}{self.buffer[self.start : self.start + 20].decode('utf-8', 'replace')!r}" if before else ""
        told = f"the array is malformed: {problem}"
        return MalformedError(told + found, hint="Repair the file.", where=Where(row=self.row), bare=told)
