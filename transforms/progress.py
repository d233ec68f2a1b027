"""How a run tells that it is getting on; the library's default says nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by the coordinator only, from one thread."""

    def step(self, name: str, *, files: int, size: int) -> None:
        """A step begins ("inventory", "stage", "prove", "publish") over so many files of so many source bytes."""
        ...

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        """So much more of the step is done."""
        ...


class Silent:
    """Says nothing."""

    def step(self, name: str, *, files: int, size: int) -> None:
        pass

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        pass
