"""Streaming a file through a conversion: records in chunks, everything between them copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from instar.formats.format import Rewrite, Rewritten

from .gaps import closed_up
from .layout import layout_of
from .split import pieces
from .streams import blocks, packed_into

_CHUNK = 1 << 20  # bytes of text that are converted together, at most
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
    """Every record through `request.convert`, in order; layout, byte order mark, line ends and compression stay."""
    layout = layout_of(request.source)
    progress = _Progress(request)
    limit = max(1 << 14, min(_CHUNK, request.memory // _EXPANSION))
    rows = out = 0
    held: bytes | None = None
    with packed_into(request.target, layout.compression) as write:
        for between, texts in _chunks(pieces(layout.kind, blocks(request.source, progress.read), request.source), limit):
            converted = request.convert(texts) if texts else []
            left_out = request.left_out() if texts else ()
            if len(converted) != len(texts) - len(left_out):
                raise AssertionError(f"{len(texts)} records became {len(converted)}")
            if left_out or held is not None:
                between, held = closed_up(between, left_out, held, layout.kind)
            parts: list[Any] = [b"null"] * (2 * len(converted))
            parts[0::2] = between[: len(converted)]
            parts[1::2] = [b"null" if text is None else bytes(text) for text in converted]
            write(b"".join([*parts, *between[len(converted) :]]))
            rows += len(texts)
            out += len(left_out)
            progress.done(len(texts))
    return Rewritten(rows, rows - out)


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
    """Tells the request of rows and of the bytes of the file that were read for them."""

    def __init__(self, request: Rewrite) -> None:
        self._tell = request.progress
        self._bytes = 0

    def read(self, size: int) -> None:
        self._bytes += size

    def done(self, rows: int) -> None:
        size, self._bytes = self._bytes, 0
        self._tell(rows, size)
