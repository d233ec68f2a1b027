"""Lines of JSON that a mapping only edits: keys renamed and members dropped, all else left as it is.

The compiled part (`_json_edits.c`) walks through old and new lines together and says of most that they are proved. Whatever else it
meets is judged here in Python, one line at a time: so without the part the answer is the same, and later.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path as FilePath
from types import ModuleType
from typing import Any

import msgspec

from instar.transforms.expression import Column, Each, Source, Struct

from .json_lines import NotPlain
from .json_text import plain_bytes
from .keys import keys_before

PART = "instar.transforms.proof._json_edits"
INTERFACE = 1
"""What the part's INTERFACE must be: in a checkout it may have been built from an older source."""

Member = tuple[bytes, int, bytes, int]
"""An old key, what becomes of it, the new key as JSON spells it, and the number of the level that opens its value, or -1."""
Level = tuple[int, tuple[Member, ...]]
"""The kind of a value that is opened, and its members; a list or map has one, which stands for all."""
Judge = Callable[[bytes, bytes], bool]
"""Is the second line what the first one must become?"""

_SAME, _RENAMED, _DROPPED, _REFUSED = range(4)
_RECORD, _LIST, _MAP = range(3)
_FINISHED, _OLD_WANTED, _NEW_WANTED, _ODD = range(4)
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
    with source.open("rb") as a, staged.open("rb") as b, plain_bytes(a) as before, plain_bytes(b) as after:
        old, new = _Window(before), _Window(after)
        while True:
            count, old.at, new.at, why = part.proved(edits, *old.asked(), *new.asked())
            rows += count
            if why == _FINISHED:
                return rows
            if why != _ODD:
                (old if why == _OLD_WANTED else new).more()
                continue
            theirs, ours = old.line(), new.line()
            if not theirs or not ours or not judge(theirs, ours):
                return None
            rows += 1


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


# ---- what a mapping edits
def levels_of(root: Column) -> tuple[Level, ...] | None:
    """What the compiled part is told; None where more than keys changes, or a key is such that JSON cannot plainly spell it."""
    levels: list[Level] = []
    try:
        return None if _record(root, (), levels) is None else tuple(levels)
    except UnicodeEncodeError:  # half a surrogate pair
        return None


def _record(column: Column, at: tuple[str, ...], levels: list[Level]) -> int | None:
    """The number of the level of a record, which stands at `at` of its scope."""
    struct = column.expression
    if not isinstance(struct, Struct) or not isinstance(struct.of, Source) or struct.of.path != at:
        return None
    before, number = keys_before(struct), _added(levels)
    names = {inner.field.name for inner in struct.columns}
    if before.fresh or names != set(before.kept.values()) or len(before.kept) != len(struct.columns):
        return None
    if not before.named >= before.kept.keys() or before.named & (names - before.kept.keys()):
        return None
    origins = {name: origin for origin, name in before.kept.items()}
    members: dict[str, Member] = {}
    for inner in struct.columns:
        origin, name = origins[inner.field.name], inner.field.name
        child = _value(inner, (*at, origin), levels)
        if child is None:
            return None
        members[origin] = origin.encode(), _SAME if name == origin else _RENAMED, msgspec.json.encode(name), child
    for name in sorted(before.named - members.keys()):
        members[name] = name.encode(), _DROPPED, b"", -1
    for name in sorted(names - members.keys()):  # one that no schema names would stand in the way of one that is renamed
        members[name] = name.encode(), _REFUSED, b"", -1
    levels[number] = _RECORD, tuple(members.values())
    return number


def _value(column: Column, at: tuple[str, ...], levels: list[Level]) -> int | None:
    """The number of the level that opens the value of a column, -1 where none does; None where it is not the one at `at`, or not
    only edited."""
    match column.expression:
        case Source(path):
            return -1 if path == at else None
        case Struct():
            return _record(column, at, levels)
        case Each(Source(path), body, kind) if path == at:
            number = _added(levels)
            inner = _record(body, (), levels)
            if inner is None:
                return None
            levels[number] = _MAP if kind == "map" else _LIST, ((b"", _SAME, b"", inner),)
            return number
        case _:
            return None


def _added(levels: list[Level]) -> int:
    """The number of a level that is told later: it comes before those that it opens."""
    levels.append((_RECORD, ()))
    return len(levels) - 1
