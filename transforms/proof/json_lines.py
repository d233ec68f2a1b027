"""JSON lines as msgspec takes them apart: of each record its keys, and of each value its own text, which is not looked into.

msgspec takes the last of two keys that are the same. So an object is put together again from what was found: only where that is
the text that was there, or Python's parser finds no key twice in it, is it all that there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path as FilePath
from typing import Any

import msgspec
from msgspec import Raw

from .json_text import plain_bytes, value_of

Fields = dict[str, Raw]
"""An object's values as text, by their keys, in order."""

_fields = msgspec.json.Decoder(Fields).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_STYLES = ((b",", b":"), (b", ", b": "))
_REMEMBERED = 1024


class NotPlain(ValueError):
    """A file or an object that is better read by Python's own parser."""


class Objects:
    """Reads objects; remembers how those with the same keys are put together."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, ...], list[list[bytes]]] = {}

    def fields(self, text: bytes | Raw) -> Fields:
        """
        Raises:
            NotPlain: it is no object. ValueError: it has a key twice.
        """
        return self.read(text)[0]

    def read(self, text: bytes | Raw) -> tuple[Fields, int | None]:
        """As `fields`, and in which of the usual styles it is spelled, if in one."""
        try:
            found = _fields(text)
        except msgspec.MsgspecError as error:
            raise NotPlain(str(error)) from None
        for style, frame in enumerate(self._frames_of(tuple(found))):
            if self._together(frame, found) == text:
                return found, style
        value_of(bytes(text).decode())
        return found, None

    def spelled(self, fields: Fields, names: tuple[str, ...], style: int) -> bytes:
        """The text of an object with these values, by other names."""
        return self._together(self._frames_of(names)[style], fields)

    def items(self, text: Raw) -> list[Raw]:
        """
        Raises:
            NotPlain: it is no array.
        """
        try:
            return _items(text)
        except msgspec.MsgspecError as error:
            raise NotPlain(str(error)) from None

    def _together(self, frame: list[bytes], fields: Fields) -> bytes:
        parts: list[bytes | Raw] = [b"}"] * (2 * len(frame) + 1)
        parts[0:-1:2], parts[1::2] = frame, fields.values()
        return b"".join(parts)

    def _frames_of(self, names: tuple[str, ...]) -> list[list[bytes]]:
        """What stands before each value, in each of the usual styles."""
        known = self._frames.get(names)
        if known is None:
            keys = [msgspec.json.encode(name) for name in names]
            known = [[(comma if i else b"{") + key + colon for i, key in enumerate(keys)] for comma, colon in _STYLES]
            if len(self._frames) < _REMEMBERED:
                self._frames[names] = known
        return known


def lines(path: FilePath) -> Iterator[bytes]:
    """The lines of a file that are not blank, without the white space around them.

    Raises:
        NotPlain: it does not begin with an object.
    """
    with path.open("rb") as raw, plain_bytes(raw) as file:
        first = True
        for line in file:
            text = (line.removeprefix(b"\xef\xbb\xbf") if first else line).strip(b" \t\r\n")
            if first and text[:1] != b"{":
                raise NotPlain("it does not hold one object a line")
            first = False
            if text:
                yield text


def fields_of(path: FilePath, names: Collection[str]) -> Iterator[dict[str, Any]]:
    """Every record of a file of lines, with only those of its values that are asked for, as `json_text` reads them.

    Raises:
        ValueError: not JSON; names the record.
    """
    objects = Objects()
    for number, line in enumerate(lines(path)):
        try:
            found = objects.fields(line)
            yield {name: value_of(bytes(found[name]).decode()) for name in names if name in found}
        except ValueError as error:
            raise ValueError(f"record {number}: {error}") from None
