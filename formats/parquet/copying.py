"""Bytes from one file to another, by the system itself where it can: some then share them instead of copying."""

from __future__ import annotations

import os
from io import FileIO

from .chunks import Unspliceable

_PIECE, _MOST = 1 << 20, 1 << 30
_BY_SYSTEM = hasattr(os, "copy_file_range")
Held = FileIO | bytes
"""A file, or what would be in it."""


class Writing:
    """A new file, written from its beginning to its end. Ranges that follow one another in both files are copied as one."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._waiting: tuple[Held, int, int] | None = None  # of which file from where to where
        self.at = 0

    def copy(self, source: Held, start: int, stop: int) -> None:
        """The bytes of `source` from `start` to before `stop`."""
        self.at += stop - start
        if self._waiting is not None and self._waiting[0] is source and self._waiting[2] == start:
            self._waiting = source, self._waiting[1], stop
            return
        self.flush()
        self._waiting = source, start, stop

    def write(self, data: bytes) -> None:
        self.flush()
        self.at += len(data)
        write_all(self._file, data)

    def flush(self) -> None:
        """Nothing is waiting to be copied any more."""
        if self._waiting is not None:
            source, start, stop = self._waiting
            self._waiting = None
            _copy(source, self._file, start, stop)


def read_at(source: Held, start: int, length: int) -> bytes:
    """
    Raises:
        Unspliceable: the file ends before.
    """
    if isinstance(source, bytes):
        return source[start : start + length]
    if start < 0 or length < 0 or start + length > os.fstat(source.fileno()).st_size:
        raise Unspliceable("it is shorter than its footer says")
    source.seek(start)
    data = source.read(length) or b""
    while len(data) < length:
        more = source.read(length - len(data))
        if not more:
            raise Unspliceable("it is shorter than its footer says")
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
