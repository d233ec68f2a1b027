"""Lines of JSON that a mapping only edits: keys renamed, members dropped, computed or new, all else left as it is.

The compiled part (`_json_edits.c`) walks through old and new lines together and says of most that they are proved. Whatever else it
meets is judged here in Python, one line at a time: so without the part the answer is the same, and later. On the way it takes out
the values that are computed, and those that they are computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path as FilePath
from types import ModuleType
from typing import Any

from .json_levels import Level
from .json_lines import NotPlain
from .json_text import plain_bytes

PART = "instar.transforms.proof._json_edits"
INTERFACE = 2
"""What the part's INTERFACE must be: in a checkout it may have been built from an older source."""

Judge = Callable[[bytes, bytes], bool]
"""Is the second line what the first one must become?"""
Taken = tuple[tuple[bytes, bytes, bytes], ...]
"""Of each column of values that were taken out of some lines: the kind of each (see `json_taken`), where it begins, the data."""
Texts = Callable[[bytes, bytes], tuple[bytes | None, ...]]
"""The values of one line and its new form that are to be taken out, as they are written."""

_FINISHED, _OLD_WANTED, _NEW_WANTED, _ODD, _FULL = range(5)
_WINDOW = 1 << 18


def compiled_part() -> ModuleType | None:
    """The part; None where it was not built, or for another machine, or from another source."""
    try:
        part = import_module(PART)
    except ImportError:
        return None
    return part if getattr(part, "INTERFACE", None) == INTERFACE else None


def proved_rows(source: FilePath, staged: FilePath, levels: tuple[Level, ...], part: ModuleType, judge: Judge) -> int | None:
    """The number of lines of both files; None where one is not what it must be.

    Raises:
        NotPlain: a file is not of lines. Others: as `judge` raises, and as files do that cannot be read.
    """
    edits, rows = part.edits(levels), 0
    with _windows(source, staged) as (old, new):
        while True:
            count, why = _walked(part, edits, old, new)
            rows += count
            if why == _FINISHED:
                return rows
            if why != _ODD:
                continue
            if not _judged(old, new, judge):
                return None
            rows += 1


class UnlikeError(ValueError):
    """A line is not what it must be."""


def taken(
    source: FilePath, staged: FilePath, levels: tuple[Level, ...], columns: int, part: ModuleType, judge: Judge, texts: Texts
) -> Iterator[Taken]:
    """The values that are taken out of all lines of both files, some lines at a time.

    Raises:
        UnlikeError: a line is not what it must be. NotPlain: a file is not of lines. Others: as `judge` and `texts` raise, and as
            files do that cannot be read.
    """
    edits = part.edits(levels, columns)
    with _windows(source, staged) as (old, new):
        while True:
            _, why = _walked(part, edits, old, new)
            if why in (_FULL, _FINISHED):
                yield part.taken(edits)
            if why == _FINISHED:
                return
            if why == _ODD:
                lines = _judged(old, new, judge)
                if not lines:
                    raise UnlikeError("a line is not what it must be")
                part.noted(edits, texts(*lines))


def _walked(part: ModuleType, edits: Any, old: _Window, new: _Window) -> tuple[int, int]:
    """How many lines more were proved, and why it goes no further; a window that is at its end has moved on."""
    count, old.at, new.at, why = part.proved(edits, *old.asked(), *new.asked())
    if why in (_OLD_WANTED, _NEW_WANTED):
        (old if why == _OLD_WANTED else new).more()
    return count, why


def _judged(old: _Window, new: _Window, judge: Judge) -> tuple[bytes, bytes] | None:
    """The next line of both, if they are as they must be."""
    theirs, ours = old.line(), new.line()
    return (theirs, ours) if theirs and ours and judge(theirs, ours) else None


@contextmanager
def _windows(source: FilePath, staged: FilePath) -> Iterator[tuple[_Window, _Window]]:
    with source.open("rb") as a, staged.open("rb") as b, plain_bytes(a) as before, plain_bytes(b) as after:
        yield _Window(before), _Window(after)


class _Window:
    """A piece of a file that moves on over it, never into the midst of a line that was not looked at."""

    def __init__(self, file: Any) -> None:
        self._file, self._held, self._end, self._ends, self.at = file, bytearray(_WINDOW), 0, False, 0
        self.more()
        self.at = 3 if self._held.startswith(b"\xef\xbb\xbf") else 0
        if self._held[self.at : self._end].lstrip(b" \t\r")[:1] != b"{":
            raise NotPlain("it does not hold one object a line")

    def asked(self) -> tuple[bytearray, int, int, bool]:
        """The text, from where to where it is asked about, and whether the file ends there."""
        return self._held, self.at, self._end, self._ends

    def more(self) -> None:
        rest = self._held[self.at : self._end]
        if len(rest) > len(self._held) // 2:
            self._held = bytearray(2 * len(self._held))
        self._held[: len(rest)] = rest
        with memoryview(self._held) as held:
            read = self._file.readinto(held[len(rest) :])
        self.at, self._end, self._ends = 0, len(rest) + read, not read

    def line(self) -> bytes:
        """The next line, without the white space around it; none at the end."""
        end = self._held.find(b"\n", self.at, self._end)
        end = self._end if end < 0 else end
        text, self.at = bytes(self._held[self.at : end]), min(end + 1, self._end)
        return text.strip(b" \t\r\n")
