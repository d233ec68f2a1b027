"""Two files' bytes held against each other, a window at a time."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

_WINDOW = 1 << 19  # bytes: two of them stay in a core's cache, which is faster than one long read of each


class Windows:
    """Two buffers, used again and again: memory is bounded, whatever is compared."""

    def __init__(self) -> None:
        # Of Arrow's pool, which gives the same memory again for the next file: the system would clear new memory each time.
        self._compared = pa.allocate_buffer(_WINDOW), pa.allocate_buffer(_WINDOW)
        self._views = memoryview(self._compared[0]), memoryview(self._compared[1])

    def same(self, a: BinaryIO, at: int, b: BinaryIO, there: int, size: int) -> bool:
        """Are `size` bytes of `a` from `at` on those of `b` from `there` on? Not where one of the files ends before.

        The files are read unbuffered.
        """
        left, right = self._views
        while size:
            a.seek(at)
            b.seek(there)
            most = min(size, _WINDOW)
            count = min(a.readinto(left[:most]), b.readinto(right[:most]))  # type: ignore[attr-defined]
            if not count or not self._compared[0].slice(0, count).equals(self._compared[1].slice(0, count)):
                return False
            at, there, size = at + count, there + count, size - count
        return True
