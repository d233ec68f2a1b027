"""What work on one file leaves open for the next one: things that take longer to open than to use."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Closing(Protocol):
    def close(self) -> None: ...


_T = TypeVar("_T", bound=Closing)


class Kept:
    """Things that are used by one piece of work after another, in one thread. Whoever has the work done closes them."""

    def __init__(self) -> None:
        self._things: dict[type, Any] = {}

    def one(self, kind: type[_T]) -> _T:
        """The one thing of this kind, made when it is first asked for."""
        if kind not in self._things:
            self._things[kind] = kind()
        return self._things[kind]

    def close(self) -> None:
        """Close all of them; they are made anew where they are asked for again."""
        things, self._things = self._things, {}
        for thing in things.values():
            thing.close()
