"""Which files take far longer than the files before them let expect: a disk that ails, a file that is not like the others."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Sequence

from instar.transforms.events import FileSlow

TIMES = 4.0
"""As many times the expected seconds make a file slow."""
LEAST_SECONDS = 2.0
"""Nobody minds a shorter time."""
LEAST_FILES = 5
"""Files of a step that must be known before one is judged."""
LEAST_BYTES = 1 << 20
"""A smaller file takes as long as one of this size: opening it, not its bytes, is what takes time."""


class Pace:
    """The seconds a byte of the files so far, by step."""

    def __init__(self) -> None:
        self._rates: dict[str, list[float]] = defaultdict(list)

    def judged(self, step: str, file: str, size: int, seconds: float) -> FileSlow | None:
        """The file is slow, or None; from now on it is one of the files before."""
        rates, bytes = self._rates[step], max(size, LEAST_BYTES)
        expected = _median(rates) * bytes if len(rates) >= LEAST_FILES else 0.0
        insort(rates, seconds / bytes)
        if seconds < LEAST_SECONDS or expected <= 0.0 or seconds < TIMES * expected:
            return None
        return FileSlow(step, file, size, seconds, expected, seconds / expected)


def _median(ascending: Sequence[float]) -> float:
    return (ascending[(len(ascending) - 1) // 2] + ascending[len(ascending) // 2]) / 2
