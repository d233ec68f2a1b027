"""How the records of a file lie: one a line, in one array, or one in the whole file; recognised by content, the name a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Literal

import msgspec

from instar.formats.errors import UnreadableError

from .streams import blocks, compression_of

Kind = Literal["lines", "array", "document"]

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"
_LINES_NAMES = (".ndjson", ".jsonl")
_BEGINS = re.compile(rb'\s*(?:\{\s*(?:["}]|\Z)|\[\s*(?:[\[{"\]]|-?\d|true|false|null|\Z))')
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_VALUE = re.compile(rb'[{\["\-0-9tfn]')


@dataclass(frozen=True)
class Layout:
    """`compression` is "", "gz" or "zst"."""

    kind: Kind
    compression: str
    bom: bool

    @property
    def name(self) -> str:
        """ "lines", "array.gz" …: as `FileFacts.layout` has it."""
        return f"{self.kind}.{self.compression}" if self.compression else self.kind


def looks_like_json(text: bytes) -> bool:
    """Does a text begin like a JSON object or array?"""
    return bool(_BEGINS.match(text.removeprefix(BOM)))


def layout_of(path: FilePath, name: str | None = None) -> Layout:
    """Read as much of the file as tells: the first line, and whether anything comes after it. `name` is the file's own by default.

    Raises:
        UnreadableError: it is not JSON in UTF-8, or its compressed stream is damaged.
    """
    with open(path, "rb") as file:
        compression = compression_of(file.read(4))
    named = name or path.name
    head = _Head(blocks(path, name=named))
    bom = head.skip_bom()
    first = head.first_byte()
    kind: Kind = "lines"
    if first == b"[":
        kind = "array"
    elif first:
        if not _VALUE.match(first):
            raise not_json(named, bytes(head.text[:40]))
        kind = _one_or_lines(head, named.lower().removesuffix(".gz").removesuffix(".zst"))
    return Layout(kind, compression, bom)


def not_json(name: str, text: bytes) -> UnreadableError:
    """The error for a file that begins like no JSON value."""
    wide = text[:2] in (b"\xff\xfe", b"\xfe\xff")
    return UnreadableError(
        f"{name} is not JSON: it begins with {text.lstrip(BLANK)[:20]!r}",
        hint="It is UTF-16; JSON files are UTF-8 (RFC 8259 section 8.1)." if wide else "Leave it out with `exclude`, or repair it.",
        bare=f"{name} is not JSON",
    )


def _one_or_lines(head: _Head, name: str) -> Kind:
    """One value is a document, several are lines."""
    named_lines = name.endswith(_LINES_NAMES)
    line = head.first_line()
    if not head.anything_after(line):
        return "lines" if named_lines else "document"
    return "lines" if named_lines or _complete(line) else "document"


def _complete(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


class _Head:
    """The beginning of a text, read on as needed; `start` is where its first byte that is not blank is."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source: Iterator[bytes] = iter(source)
        self.text = bytearray()
        self.start = 0

    def more(self) -> bool:
        block = next(self._source, b"")
        self.text += block
        return bool(block)

    def skip_bom(self) -> bool:
        while len(self.text) < len(BOM) and self.more():
            pass
        self.start = len(BOM) if self.text.startswith(BOM) else 0
        return bool(self.start)

    def first_byte(self) -> bytes:
        """The first byte that is not blank, b"" where there is none."""
        self.start = self.not_blank(self.start)
        return bytes(self.text[self.start : self.start + 1])

    def not_blank(self, position: int) -> int:
        """Where the first byte from `position` on is that is not blank; the text's end where there is none."""
        while True:
            match = _NOT_BLANK.search(self.text, position)
            if match:
                return match.start()
            position = len(self.text)
            if not self.more():
                return position

    def first_line(self) -> bytes:
        """The first line that is not blank."""
        seen = self.start
        while (end := self.text.find(b"\n", seen)) < 0:
            seen = len(self.text)
            if not self.more():
                end = len(self.text)
                break
        return bytes(self.text[self.start : end])

    def anything_after(self, line: bytes) -> bool:
        return self.not_blank(self.start + len(line)) < len(self.text)
