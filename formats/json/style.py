"""Objects that are written in one regular way, such as `{"a": 1, "b": 2}` or indented: checked and written at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_compact = msgspec.json.Encoder().encode
_REMEMBERED = 4096


class _Prefixes(dict[str, bytes]):
    """What stands before the value of a key: the separator, the key, the colon."""

    def __init__(self, between: bytes, colon: bytes) -> None:
        super().__init__()
        self._between, self._colon = between, colon

    def __missing__(self, name: str) -> bytes:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[name] = prefix = self._between + _compact(name) + self._colon
        return prefix


class Style:
    """How an object is spaced: after `{`, between members, around the colon, before `}`; its keys have no needless escapes."""

    __slots__ = ("_before", "between", "colon", "head", "tail")

    def __init__(self, head: bytes, between: bytes, colon: bytes, tail: bytes) -> None:
        self.head, self.between, self.colon, self.tail = head, between, colon, tail
        self._before = _Prefixes(between, colon)

    def text(self, members: Mapping[str, Any]) -> bytes:
        """The members' object in this style; at least one member, values are raw."""
        parts: list[Any] = [b""] * (2 * len(members))
        parts[0::2] = map(self._before.__getitem__, members)
        parts[1::2] = members.values()
        parts[0] = self.head + parts[0][len(self.between) :]
        parts.append(self.tail)
        return b"".join(parts)


class UniformObject(dict[str, Any]):
    """The members of an object that is written in one style, two of them at least."""

    __slots__ = ("style",)

    def __init__(self, opened: dict[str, Any], style: Style) -> None:
        super().__init__(opened)
        self.style = style
