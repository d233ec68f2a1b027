"""Streaming a file through a conversion: records in chunks, everything between them copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from instar.formats.compiled import compiled_part, without
from instar.formats.copied_range import copy_range
from instar.formats.format import Rewrite, Rewritten
from instar.formats.splice import Splice

from .gaps import closed_up
from .layout import Kind, Layout, layout_of
from .split import pieces
from .streams import blocks, packed_into

_CHUNK = 1 << 20  # bytes of text that are converted together, at most
_CACHED = 1 << 18  # of text that is only spliced: it and what is made of it fit a core's cache
_EXPANSION = 64  # opened, a byte of text costs about a dozen bytes; source, result and buffers exist at once
_RECORDS = 10_000


def records(path: FilePath) -> Iterator[bytes]:
    """The text of each record in turn, unchecked.

    Raises:
        UnreadableError, MalformedError: the file cannot be cut into records.
    """
    for _, text in pieces(layout_of(path).kind, blocks(path), path):
        if text is not None:
            yield text


def rewrite(request: Rewrite) -> Rewritten:
    """Every record of the file, in order, spliced where that can be, else through `request.convert`; layout, byte order mark, line
    ends and compression stay; and the file's very bytes, where no record changes."""
    layout = layout_of(request.source)
    limit = max(1 << 14, min(_CHUNK, request.memory // _EXPANSION))
    why = unspliced(request.splice, leaving_out=request.left_out is not tuple) if request.splice else ""
    if request.splice and request.splice.levels and request.splice.levels.verbatim and request.left_out is tuple:
        return _copied(request, layout, limit, why)
    with packed_into(request.target, layout.compression) as write:
        if request.splice and not why:
            return _spliced(request, layout, write, limit)
        return _converted(request, layout.kind, write, limit, why)


def unspliced(splice: Splice, *, leaving_out: bool) -> str:
    """Why no record is spliced, of no file; "" where some may be."""
    if leaving_out:
        return "bad records are to go into quarantine"
    if splice.levels is None:
        return "its records are new ones, or none"
    return without("json") if compiled_part("json") is None else ""


def _spliced(request: Rewrite, layout: Layout, write: Callable[[bytes], Any], limit: int) -> Rewritten:
    from .chunks import chunks
    from .splice import Splicer, in_order

    progress, splicer, rows = _Progress(request), Splicer(request), 0
    limit = limit if splicer.bulk else min(limit, _CACHED)
    source = chunks(layout, request.source, progress.read, limit, _RECORDS)
    for chunk, scanned in in_order(splicer.scanner, source, request.threads):
        write(splicer.finished(chunk, scanned))
        rows += chunk.rows
        progress.done(chunk.rows)
    progress.done(0)  # bytes that are told of when all their records are taken
    spliced = not rows or splicer.spliced > 0
    return Rewritten(rows, rows, way="spliced" if spliced else "rewritten", why="" if spliced else "no record in it is plain")


def _copied(request: Rewrite, layout: Layout, limit: int, why: str) -> Rewritten:
    """The file as it stands, compressed as it was: no record's text changes. Each is scanned all the same, and refused as ever."""
    if why:
        done = _converted(request, layout.kind, lambda text: None, limit, why)
    else:
        done = replace(_spliced(request, layout, lambda text: None, limit), way="spliced", why="")
    with request.source.open("rb") as source, request.target.open("wb") as target, suppress(EOFError):  # who asked sees it shrank
        copy_range(source, target, 0, os.fstat(source.fileno()).st_size)
    return done


def _converted(request: Rewrite, kind: Kind, write: Callable[[bytes], Any], limit: int, why: str) -> Rewritten:
    progress = _Progress(request)
    rows = out = 0
    held: bytes | None = None
    text = progress.of(blocks(request.source, progress.read))
    for between, texts in _chunks(pieces(kind, text, request.source), limit):
        taken = sum(map(len, texts)) + sum(map(len, between))
        converted = request.convert(texts) if texts else []
        left_out = request.left_out() if texts else ()
        if len(converted) != len(texts) - len(left_out):
            raise AssertionError(f"{len(texts)} records became {len(converted)}")
        if left_out or held is not None:
            between, held = closed_up(between, left_out, held, kind)
        parts: list[Any] = [b"null"] * (2 * len(converted))
        parts[0::2] = between[: len(converted)]
        parts[1::2] = [b"null" if text is None else bytes(text) for text in converted]
        write(b"".join([*parts, *between[len(converted) :]]))
        rows += len(texts)
        out += len(left_out)
        progress.done(len(texts), taken)
    return Rewritten(rows, rows - out, why=why)


def _chunks(source: Iterator[tuple[bytes, bytes | None]], limit: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """What is between the records, and the records, about `limit` bytes of them; the last chunk ends with what follows them."""
    between: list[bytes] = []
    texts: list[bytes] = []
    size = 0
    for before, text in source:
        between.append(before)
        if text is None:
            break
        texts.append(text)
        size += len(text)
        if size >= limit or len(texts) >= _RECORDS:
            yield between, texts
            between, texts, size = [], [], 0
    yield between, texts


class _Progress:
    """Tells the request of rows and of the bytes of the file that they were made from."""

    def __init__(self, request: Rewrite) -> None:
        self._tell = request.progress
        self._bytes = self._text = 0

    def read(self, size: int) -> None:
        self._bytes += size

    def of(self, text: Iterator[bytes]) -> Iterator[bytes]:
        """The text, whose bytes in the file are told as they are read."""
        for block in text:
            self._text += len(block)
            yield block

    def done(self, rows: int, text: int = 0) -> None:
        """Of all that was read; or of so many bytes of the `text`, where more of it may be read than was converted."""
        size = self._bytes if text >= self._text else self._bytes * text // self._text
        self._bytes, self._text = self._bytes - size, max(0, self._text - text)
        self._tell(rows, size)
