"""Effects for the crash tests: those of a process that is killed, and of one that is to be killed later, which counts them."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from killing import Quick

from instar.transforms.run.effects import PosixEffects

NAMES = tuple(name for name in vars(PosixEffects) if not name.startswith("_"))
_RECORD = 256

_Effects = PosixEffects if TYPE_CHECKING else object

Point = tuple[int, int | None]
"""The number of an effect, and which of its parts has been written when it is cut off; None: it is not begun."""


def parts(name: str, arguments: tuple[Any, ...]) -> list[int]:
    """How many bytes an effect may have written when it is cut off in its midst; of a journal's lines any number may be whole."""
    if name in ("create", "append"):
        data: bytes = arguments[1]
        ends = [at + 1 for at, byte in enumerate(data[:-1]) if byte == 10] if name == "append" else []
        return [len(data) // 2, *ends]
    return [os.stat(arguments[0]).st_size // 2] if name == "copy" else []


def do_part(name: str, arguments: tuple[Any, ...], size: int) -> None:
    """What stands on the disk after an effect that was cut off."""
    path, data = (arguments[0], arguments[1]) if name != "copy" else (arguments[1], Path(arguments[0]).read_bytes())
    with open(path, "ab" if name == "append" else "xb") as file:
        file.write(data[:size])


class Forwarding(_Effects):
    """Effects that are asked for in `_asked`, all the same way."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in NAMES:
            raise AttributeError(name)
        return lambda *arguments: self._asked(name, *arguments)

    def _asked(self, name: str, *arguments: Any) -> None:
        raise NotImplementedError


class Counting(Forwarding):
    """Writes every effect of the coordinator and its workers into one file, numbered from 1."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def _asked(self, name: str, *arguments: Any) -> None:
        self._number(name, arguments)
        getattr(Quick(), name)(*arguments)

    def _number(self, name: str, arguments: tuple[Any, ...]) -> int:
        said = f"{name}\t{len(parts(name, arguments))}\t{Path(arguments[0]).name}".encode()
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            fcntl.flock(log, fcntl.LOCK_EX)
            os.write(log, said[: _RECORD - 1].ljust(_RECORD - 1) + b"\n")
            return os.fstat(log).st_size // _RECORD
        finally:
            os.close(log)


class Killing(Counting):
    """Ends the process at effect number `at`: before it (`part` None), or when its part of that index has been written.

    `group`: the coordinator and its workers at once; else the coordinator alone.
    """

    def __init__(self, log: Path, at: int, part: int | None, group: bool) -> None:
        super().__init__(log)
        self.at, self.part, self.group, self.coordinator = at, part, group, os.getpid()

    def _asked(self, name: str, *arguments: Any) -> None:
        if self._number(name, arguments) == self.at:
            sizes = parts(name, arguments)
            if self.part is not None and self.part < len(sizes):
                do_part(name, arguments, sizes[self.part])
            if self.group:
                os.killpg(0, signal.SIGKILL)
            os.kill(self.coordinator, signal.SIGKILL)  # a worker goes on until it hears of it
        getattr(Quick(), name)(*arguments)


def points_of(log: Path) -> list[Point]:
    """Every point at which a run that wrote this log can be killed."""
    out: list[Point] = []
    for number, line in enumerate(log.read_text().splitlines(), 1):
        _, cuts, _ = line.split("\t")
        out += [(number, None), *((number, part) for part in range(int(cuts)))]
    return out


def names_of(log: Path) -> list[str]:
    """What the effects of a run that wrote this log are called, each with the name of what it was done to."""
    return [f"{name} {of.strip()}" for name, _, of in (line.split("\t") for line in log.read_text().splitlines())]
