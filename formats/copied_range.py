"""Bytes copied from one file into another, by the system itself where it can: some file systems then share them."""

from __future__ import annotations

import os
from typing import BinaryIO

_MOST, _PIECE = 1 << 30, 1 << 20
_BY_SYSTEM = hasattr(os, "copy_file_range")


def copy_range(source: BinaryIO, target: BinaryIO, start: int, stop: int) -> None:
    """The bytes of `source` from `start` to before `stop`, behind what is in `target`, whose position is its end afterwards.

    Raises:
        EOFError: the source ends before.
    """
    target.flush()
    if _BY_SYSTEM:
        start = _copied_by_system(source.fileno(), target.fileno(), start, stop)
        target.seek(0, os.SEEK_END)
    source.seek(start)
    while start < stop:
        data = source.read(min(stop - start, _PIECE))
        if not data:
            raise EOFError
        target.write(data)
        start += len(data)


def _copied_by_system(source: int, target: int, start: int, stop: int) -> int:
    """How far the system got: nowhere, perhaps, between two file systems. What is wrong with the disk shows when it is read."""
    while start < stop:
        try:
            count = os.copy_file_range(source, target, min(stop - start, _MOST), start)
        except OSError:
            return start
        if not count:
            return start
        start += count
    return start
