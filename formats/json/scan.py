"""Opening a JSON container one level: its members' texts, exactly as they are written.

msgspec finds (and checks) the values; they stay text. Where writing them compactly gives the very text again, nothing was lost on
the way: no blanks, no escapes in keys, no key twice. Otherwise the exact place of each member is found in the text.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from instar.formats.errors import DataError, MalformedError, Where

from .scalars import shown
from .style import Style, UniformObject

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
compact = msgspec.json.Encoder().encode

_BEFORE_VALUE = re.compile(rb'[ \t\r\n]*+[{,][ \t\r\n]*+("(?:[^"\\]++|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_BEFORE_ITEM = re.compile(rb"[ \t\r\n]*+[\[,][ \t\r\n]*+")
_AT_END = re.compile(rb"[ \t\r\n]*+[\]}][ \t\r\n]*+")

_STYLES = 4  # remembered

Member = tuple[int, int, int, int]
"""Where a member's key begins and ends (its quotes included), and where its value does."""


class SpelledObject(dict[str, Any]):
    """The members of an object that is not written compactly, with its text and the places of its members, in order."""

    __slots__ = ("members", "text")

    def __init__(self, opened: dict[str, Any], text: bytes, members: dict[str, Member]) -> None:
        super().__init__(opened)
        self.text = text
        self.members = members


class SpelledList(list[Any]):
    """The items of an array that is not written compactly, with its text and where its items begin and end."""

    __slots__ = ("items", "text")

    def __init__(self, opened: list[Any], text: bytes, items: list[tuple[int, int]]) -> None:
        super().__init__(opened)
        self.text = text
        self.items = items


def object_opener() -> Callable[[bytes], dict[str, Any]]:
    """The function from an object's text to its values' texts by key, in the text's order.

    It raises DataError where the text is not an object in valid JSON, or has a key twice. What it returns depends on the text
    alone; it only remembers the styles it has met, to try them first.
    """
    styles: deque[Style] = deque(maxlen=_STYLES)

    def open_object(text: bytes) -> dict[str, Any]:
        try:
            opened = _members(text)
            if compact(opened) == text:
                return opened
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(text, error, "an object") from None
        if len(opened) > 1:
            for style in styles:
                if style.text(opened) == text:
                    return UniformObject(opened, style)
        spelled = _spelled_object(text, opened)
        style = _style(spelled)
        if style is None:
            return spelled
        styles.appendleft(style)
        return UniformObject(opened, style)

    return open_object


def _style(spelled: SpelledObject) -> Style | None:
    """The one style of an object, None where it has several, or (with one member) does not tell what stands between two."""
    text, spans = spelled.text, list(spelled.members.values())
    if len(spans) < 2:
        return None
    style = Style(text[: spans[0][0]], text[spans[0][3] : spans[1][0]], text[spans[0][1] : spans[0][2]], text[spans[-1][3] :])
    return style if style.text(spelled) == text else None


def open_list(text: bytes) -> list[Any]:
    """The items' texts.

    Raises:
        DataError: it is not an array in valid JSON.
    """
    try:
        opened = _items(text)
        if compact(opened) == text:
            return opened
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(text, error, "an array") from None
    return _spelled_list(text, opened)


def _spelled_object(text: bytes, opened: dict[str, Any]) -> SpelledObject:
    """The text is valid and the values are known, so only keys need be found: each value's length says where the next key is."""
    members: dict[str, Member] = {}
    position = 0
    for name, value in opened.items():
        before = _BEFORE_VALUE.match(text, position)
        if before is None:
            raise key_twice(text)
        start, end = before.end(), before.end() + len(value)
        if text[start:end] != bytes(value) or not _spells(before[1], name):
            raise key_twice(text)
        members[name] = (*before.span(1), start, end)
        position = end
    if not _AT_END.fullmatch(text, position) and opened:
        raise key_twice(text)
    return SpelledObject(opened, text, members)


def _spells(quoted: bytes, name: str) -> bool:
    return quoted[1:-1] == name.encode() if b"\\" not in quoted else json.loads(quoted) == name


def _spelled_list(text: bytes, opened: list[Any]) -> SpelledList:
    items: list[tuple[int, int]] = []
    position = 0
    for value in opened:
        before = _BEFORE_ITEM.match(text, position)
        start = before.end() if before else position
        position = start + len(value)
        items.append((start, position))
    return SpelledList(opened, text, items)


def malformed(text: bytes, error: Exception, expected: str) -> DataError:
    """The error for a text that is not valid JSON, or not the container that was expected."""
    where = Where(expected=expected)
    hint = "Correct the record where it is written, or exclude the file."
    if isinstance(error, msgspec.ValidationError):
        return DataError(f"{shown(text)} is not {expected}", hint=hint, where=where, bare=f"a value is not {expected}")
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(error)
    if isinstance(error, RecursionError):
        deep = "the value is nested too deeply"
        return MalformedError(deep, hint=hint, where=where, bare=deep)
    if _half_pair(text):
        half = "a key or a value holds half a surrogate pair, which is no character"
        return DataError(half, hint=hint, where=where, bare=half)
    problem = str(error).removeprefix("JSON is malformed: ") or "it ends too early"
    bare = f"not valid JSON: {problem} in a text of {len(text):,} bytes"
    return MalformedError(f"not valid JSON: {problem} in {shown(text)}", hint=hint, where=where, bare=bare)


def not_utf8(error: UnicodeDecodeError) -> MalformedError:
    """The error for bytes that are not UTF-8."""
    wrong, at = error.object[error.start : error.start + 1].hex(), error.start + 1
    return MalformedError(
        f"not valid UTF-8: byte 0x{wrong} at {at} of the record ({error.reason})",
        hint="JSON is UTF-8 (RFC 8259 section 8.1); convert the file where it is written.",
        bare=f"not valid UTF-8: the byte at {at} of the record ({error.reason})",
    )


def _half_pair(text: bytes) -> bool:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except ValueError as error:
        return isinstance(error, UnicodeEncodeError)
    except RecursionError:
        return False
    return False


def key_twice(text: bytes) -> DataError:
    """The error for a text with a key twice in one object; names the keys."""
    names = duplicates(text)
    listed = ", ".join(map(repr, names)) or "a key"
    return DataError(
        f"the key {listed} is in one object twice",
        hint="Readers disagree on which of the two counts: keep one of them where the record is written.",
        bare="a key is in one object twice",
    )


def _unread(number: str) -> None:
    """Of numbers nothing is asked: Python refuses to read some that JSON has."""


def duplicates(text: bytes) -> tuple[str, ...]:
    """The keys that are twice in one object, at any depth, innermost objects first; () where there are none."""
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note, parse_int=_unread, parse_float=_unread)
    return tuple(dict.fromkeys(found))
