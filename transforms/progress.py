"""How a run tells that it is getting on; the library's default says nothing."""

from __future__ import annotations

from typing import Protocol

from instar.transforms.events import Event


class Progress(Protocol):
    """Told by the coordinator only, from one thread. What it raises ends the run."""

    def step(self, name: str, *, files: int, size: int) -> None:
        """A step begins ("inventory", "stage", "prove", "publish") over so many files of so many source bytes."""
        ...

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        """So much more of the step is done."""
        ...

    def event(self, event: Event) -> None:
        """This happened; `transforms.events` has all there are."""
        ...


class Silent:
    """Says nothing. A listener that wants only some of it derives from this."""

    def step(self, name: str, *, files: int, size: int) -> None:
        pass

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        pass

    def event(self, event: Event) -> None:
        pass
