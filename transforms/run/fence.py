"""Effects of a process that holds a dataset: each step which others would see is taken only while it still holds it.

A process that was suspended (a laptop asleep, a paused virtual machine, SIGSTOP) does not know it. Another host, which does not see
its lock, may have taken the dataset over meanwhile; what the sleeper was about to do must then not be done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from instar.transforms.run.effects import Effects


@dataclass(frozen=True)
class Fenced:
    """`effects`, with `refuse` (`Hold.refuse_if_lost`) asked before each journal line and each change of a name that stands."""

    effects: Effects
    refuse: Callable[[], None]

    def create(self, path: Path, data: bytes) -> None:
        self.effects.create(path, data)

    def append(self, path: Path, data: bytes) -> None:
        self.refuse()
        self.effects.append(path, data)

    def truncate(self, path: Path, size: int) -> None:
        self.refuse()
        self.effects.truncate(path, size)

    def sync_file(self, path: Path) -> None:
        self.effects.sync_file(path)

    def sync_folder(self, path: Path) -> None:
        self.effects.sync_folder(path)

    def link(self, source: Path, target: Path) -> None:
        self.effects.link(source, target)

    def symlink(self, source: Path, target: Path) -> None:
        self.effects.symlink(source, target)

    def copy(self, source: Path, target: Path) -> None:
        self.effects.copy(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self.refuse()
        self.effects.rename(source, target)

    def replace(self, source: Path, target: Path) -> None:
        self.refuse()
        self.effects.replace(source, target)

    def exchange(self, one: Path, other: Path) -> None:
        self.refuse()
        self.effects.exchange(one, other)

    def unlink(self, path: Path) -> None:
        self.refuse()
        self.effects.unlink(path)

    def make_folder(self, path: Path) -> None:
        self.effects.make_folder(path)

    def remove_folder(self, path: Path) -> None:
        self.refuse()
        self.effects.remove_folder(path)

    def dress(self, path: Path, like: Path) -> None:
        self.effects.dress(path, like)

    def set_times(self, path: Path, atime_ns: int, mtime_ns: int) -> None:
        self.effects.set_times(path, atime_ns, mtime_ns)

    def make_writable(self, folder: Path) -> None:
        self.effects.make_writable(folder)


def unfenced(effects: Effects) -> Effects:
    """For workers, who write new files of the run's own stage only and know of no lock."""
    return effects.effects if isinstance(effects, Fenced) else effects
