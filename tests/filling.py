"""Disks that are full: a small one of memory that is really filled, and effects that answer as a full disk or a used-up quota does.

Importable by worker processes, to which a run hands its effects.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from killing import Quick

BALLAST = "ballast"


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A tmpfs of that size (`4m`) at `folder`; skips where mounting is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if not done or done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip() if done else 'there is no mount'}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> None:
    """Write until the disk says that it is full, then free `leave` bytes."""
    path = disk / BALLAST
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            with suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    os.truncate(path, max(0, path.stat().st_size - leave))


def make_room(disk: Path) -> None:
    (disk / BALLAST).unlink()


@dataclass
class Filling(Quick):
    """Fills the disk once, right before the first effect that `moment` says; `links`: False where hard links are missing."""

    disk: Path
    moment: Callable[[str, Path], bool]
    leave: int = 0
    links: bool = True
    filled: bool = False

    def met(self, name: str, path: Path) -> None:
        if not self.filled and self.moment(name, path):
            self.filled = True
            fill(self.disk, self.leave)

    def create(self, path: Path, data: bytes) -> None:
        self.met("create", path)
        super().create(path, data)

    def append(self, path: Path, data: bytes) -> None:
        self.met("append", path)
        super().append(path, data)

    def link(self, source: Path, target: Path) -> None:
        if not self.links:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(target))
        self.met("link", target)
        super().link(source, target)

    def copy(self, source: Path, target: Path) -> None:
        self.met("copy", target)
        super().copy(source, target)

    def exchange(self, one: Path, other: Path) -> None:
        if "probe-" not in str(one):
            self.met("exchange", one)
        super().exchange(one, other)

    def replace(self, source: Path, target: Path) -> None:
        self.met("replace", target)
        super().replace(source, target)

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.met("made", path)

    def __getstate__(self) -> dict[str, object]:
        """For a worker, which meets a disk that is filled already."""
        return {**self.__dict__, "filled": True, "moment": None}


@dataclass
class Used(Quick):
    """From its `at`-th effect that takes space on, the disk answers with `number` (ENOSPC, EDQUOT) to every such effect."""

    at: int
    number: int = errno.ENOSPC
    count: int = field(default=0)

    def space(self, path: Path) -> None:
        self.count += 1
        if self.count >= self.at:
            raise OSError(self.number, os.strerror(self.number), str(path))

    def create(self, path: Path, data: bytes) -> None:
        self.space(path)
        super().create(path, data)

    def append(self, path: Path, data: bytes) -> None:
        try:
            self.space(path)
        except OSError:
            with open(path, "ab") as file:
                file.write(data[: len(data) // 2])  # as much as there was room for
            raise
        super().append(path, data)

    def link(self, source: Path, target: Path) -> None:
        self.space(target)
        super().link(source, target)

    def copy(self, source: Path, target: Path) -> None:
        self.space(target)
        super().copy(source, target)

    def make_folder(self, path: Path) -> None:
        self.space(path)
        super().make_folder(path)

    def rename(self, source: Path, target: Path) -> None:
        self.space(target)
        super().rename(source, target)
