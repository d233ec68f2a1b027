"""A process that is killed, as far as its effects on the disk tell: one call after the other, and from some moment on none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from instar.transforms.run.effects import Effects, PosixEffects


class Killed(BaseException):
    """The process is no more."""


class Unsynced(PosixEffects):
    """The real file system, without waiting for the disk: a killed process needs no flush, only a power cut does."""

    def sync_file(self, path: Path) -> None:
        assert path.is_file()

    def sync_folder(self, path: Path) -> None:
        assert path.is_dir()

    def append(self, path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)


def dying(at: int) -> Effects:
    """Effects of a process that is killed right before its `at`-th."""
    return cast(Effects, Dying(at))


class Dying:
    """Calls `effects` until the `at`-th call, before which the process dies; what it does then (in a `finally`) dies, too."""

    def __init__(self, at: int, effects: Effects | None = None) -> None:
        self.at, self.count, self.effects = at, 0, effects or Unsynced()

    def __getattr__(self, name: str) -> Callable[..., None]:
        def effect(*args: Any) -> None:
            self.count += 1
            if self.count >= self.at:
                raise Killed(f"{name} {args}")
            getattr(self.effects, name)(*args)

        return effect
