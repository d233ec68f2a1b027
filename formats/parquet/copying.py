"""Bytes from one file to another, by the system itself where it can: some then share them instead of copying."""

from __future__ import annotations

import os
from io import FileIO

from .chunks import Unspliceable

_PIECE, _MOST, _WINDOW = 1 << 20, 1 << 30, 1 << 16
_SHORT = "it is shorter than its footer says"
_BY_SYSTEM = hasattr(os, "copy_file_range")
Held = FileIO | bytes
"""A file, or what would be in it."""


class Writing:
    """A new file, written from its beginning to its end. Ranges that follow one another in both files are copied as one, and small
    pieces are written together. What waits for that is only in the file after `flush`."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._waiting: tuple[Held, int, int] | None = None  # of which file from where to where
        self._pieces: list[bytes] = []  # to be written after that
        self._size = 0  # of the pieces
        self.at = 0

    def copy(self, source: Held, start: int, stop: int) -> None:
        """The bytes of `source` from `start` to before `stop`.

        Raises:
            Unspliceable: now or later, the source has no such range.
        """
        if not 0 <= start <= stop:
            raise Unspliceable(_SHORT)
        self.at += stop - start
        if self._waiting is not None and not self._pieces and self._waiting[0] is source and self._waiting[2] == start:
            self._waiting = source, self._waiting[1], stop
            return
        self.flush()
        self._waiting = source, start, stop

    def write(self, data: bytes) -> None:
        self.at += len(data)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _PIECE:
            self.flush()

    def flush(self) -> None:
        """Nothing is waiting any more."""
        if self._waiting is not None:
            source, start, stop = self._waiting
            self._waiting = None
            _copy(source, self._file, start, stop)
        if self._pieces:
            data, self._pieces, self._size = b"".join(self._pieces), [], 0
            write_all(self._file, data)


class Ahead:
    """Reads small pieces of a file that mostly follow one another: a window of it at once."""

    def __init__(self, source: Held) -> None:
        self._source = source
        self._start, self._data = 0, b""

    def read(self, start: int, length: int) -> bytes:
        """
        Raises:
            Unspliceable: the file ends before.
        """
        at = start - self._start
        if not 0 <= at <= at + length <= len(self._data):
            window = max(length, min(_WINDOW, _size(self._source) - start)) if length >= 0 else length
            self._start, self._data, at = start, read_at(self._source, start, window), 0
        return self._data[at : at + length]


def _size(source: Held) -> int:
    return len(source) if isinstance(source, bytes) else os.fstat(source.fileno()).st_size


def read_at(source: Held, start: int, length: int) -> bytes:
    """
    Raises:
        Unspliceable: the file ends before.
    """
    if isinstance(source, bytes):
        return source[start : start + length]
    if start < 0 or length < 0 or start + length > _size(source):
        raise Unspliceable(_SHORT)
    source.seek(start)
    data = source.read(length) or b""
    while len(data) < length:
        more = source.read(length - len(data))
        if not more:
            raise Unspliceable(_SHORT)
        data += more
    return data


def _copy(source: Held, target: FileIO, start: int, stop: int) -> None:
    if isinstance(source, bytes):
        write_all(target, source[start:stop])
        return
    if _BY_SYSTEM:
        start = _copied_by_system(source, target, start, stop)
    while start < stop:
        data = read_at(source, start, min(stop - start, _PIECE))
        write_all(target, data)
        start += len(data)


def _copied_by_system(source: FileIO, target: FileIO, start: int, stop: int) -> int:
    """How far the system got, between files of two systems or of a kind that cannot do it perhaps nowhere."""
    while start < stop:
        try:
            count = os.copy_file_range(source.fileno(), target.fileno(), min(stop - start, _MOST), start)
        except OSError:  # the slower way is tried in any case: what is wrong with the disk shows there, too
            return start
        if not count:
            return start
        start += count
    return start


def write_all(target: FileIO, data: bytes) -> None:
    """All of `data`, whatever the system writes at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) or 0 :]
