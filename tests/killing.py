"""A process that is killed, as far as its effects on the disk tell: one call after the other, and from some moment on none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from instar.transforms.run.effects import Effects, PosixEffects


class Killed(BaseException):
    """The process is no more."""


class Quick(PosixEffects):
    """The real file system, without waiting for the disk: a killed process loses nothing that it had written, only a power cut
    would need a flush."""

    def create(self, path: Path, data: bytes) -> None:
        with open(path, "xb") as file:
            file.write(data)

    def append(self, path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)

    def sync_file(self, path: Path) -> None:
        os.stat(path)

    def sync_folder(self, path: Path) -> None:
        os.scandir(path).close()


def dying(at: int) -> Effects:
    """Effects of a process that is killed right before its `at`-th."""
    return cast(Effects, Dying(Quick(), at))


class Dying:
    """Calls `effects` until the `at`-th call, at which the process dies: that one is not done (an append only in part), nor any
    later, not even in a `finally`. `names` are the calls."""

    def __init__(self, effects: Any, at: int) -> None:
        self.effects, self.at, self.count, self.names = effects, at, 0, list[str]()

    def __getattr__(self, name: str) -> Callable[..., None]:
        def effect(*args: Any) -> None:
            self.count += 1
            self.names.append(name)
            if self.count >= self.at:
                if name == "append" and self.count == self.at:
                    self.effects.append(args[0], args[1][: len(args[1]) // 2])
                raise Killed(f"{name} {args}")
            getattr(self.effects, name)(*args)

        return effect
