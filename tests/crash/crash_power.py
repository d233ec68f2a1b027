"""A power cut, acted out on the real file system: what was not made durable is taken back, with the inodes as they were.

What is durable stands at the head of `instar.transforms.run.effects`: contents and attributes of a file after `sync_file`, names
after `sync_folder`. A step on names happens wholly or not at all, but for a move between folders, whose old name may still be
there when only the new one was made durable. Steps that no sync put in order may survive in any choice, save that a later step on
a name does not survive without the earlier ones on it.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crash_effects import Forwarding, do_part, parts
from killing import Quick

Variant = Literal["lost", "kept", "mixed"]
"""All that is not durable is lost; all names are kept, but contents that are not durable are gone; any choice."""

Name = tuple[int, str]
"""The inode of a folder and a name in it."""


class PowerCut(BaseException):
    """Nothing happens any more."""


@dataclass
class Step:
    """One change: which inode stood at each name before (None: nothing), and the folders that are not durable since."""

    names: dict[Name, int | None] = field(default_factory=dict)
    waits_for: set[int] = field(default_factory=set)
    times: dict[int, int] = field(default_factory=dict)
    attributes: tuple[int, os.stat_result] | None = None


class Recording(Forwarding):
    """Does the effects up to number `last`, keeping every file and folder that goes; then the power is off.

    `torn`: the first effect that is not done leaves half of its bytes. One process, one thread.
    """

    def __init__(self, box: Path, kept: Path, last: int, torn: bool) -> None:
        self.box, self.kept, self.last, self.torn = box, kept, last, torn
        self.count = 0
        self.off = False
        self.steps: list[Step] = []
        self.known = {path.lstat().st_ino for path in (box, *box.rglob("*"))}
        self.durable = set(self.known)  # inodes of files whose contents are
        kept.mkdir()

    # ---- doing
    def _asked(self, name: str, *arguments: Any) -> None:
        if self.off or self.count == self.last:
            if not self.off and self.torn and (sizes := parts(name, arguments)):
                self._tear(name, arguments, sizes[0])
            self.off = True
            raise PowerCut
        self.count += 1
        self._do(name, *arguments)

    def _tear(self, name: str, arguments: tuple[Any, ...], size: int) -> None:
        target = Path(arguments[1] if name == "copy" else arguments[0])
        step = None if target.exists() else self._step(target)
        do_part(name, arguments, size)
        self._noted(step, target)  # the half that is there stays

    def _do(self, name: str, *arguments: Any) -> None:
        first, last = arguments[0], arguments[-1]
        match name:
            case "create" | "append" | "truncate":
                step = None if first.exists() else self._step(first)
                getattr(Quick(), name)(*arguments)
                self._noted(step, first)
            case "copy" | "link":
                self._meet(first)
                step = self._step(last)
                getattr(Quick(), name)(*arguments)
                self._noted(step, last)
            case "exchange":
                step = self._step(first, last)
                Quick().exchange(first, last)
                self.steps.append(step)
            case "rename" | "replace":
                self._meet(first)
                self._keep(last)
                step, old_name = self._step(first, last), self._step(first)
                step.waits_for = {inode(last.parent)}
                getattr(Quick(), name)(*arguments)
                self.steps += [step, old_name] if first.parent != last.parent else [step]
            case "unlink":
                self._meet(first)
                self._keep(first)
                step = self._step(first)
                Quick().unlink(first)
                self.steps.append(step)
            case "make_folder":
                step = self._step(first)
                Quick().make_folder(first)
                self.steps.append(step)
                self.known.add(inode(first))
            case "remove_folder":
                step = self._step(first)
                if os.listdir(first):
                    Quick().remove_folder(first)  # says no
                first.rename(self.kept / str(inode(first)))
                self.steps.append(step)
            case "sync_file" | "sync_folder":
                self._sync(name, inode(first))
            case "dress" | "set_times" | "make_writable":
                self._meet(first)
                step = Step(waits_for={inode(first)}, attributes=(inode(first), os.stat(first)))
                getattr(Quick(), name)(*arguments)
                self.steps.append(step)
            case _:
                raise AssertionError(f"nobody said what a power cut makes of {name}")

    def _sync(self, name: str, number: int) -> None:
        if name == "sync_file":
            self.durable.add(number)
        for step in self.steps:
            step.waits_for.discard(number)

    # ---- noting
    def _step(self, *paths: Path) -> Step:
        """What is about to change at these paths."""
        folders = {path: os.stat(path.parent) for path in paths}
        return Step(
            {(known.st_ino, path.name): inode(path) if os.path.lexists(path) else None for path, known in folders.items()},
            {known.st_ino for known in folders.values()},
            {known.st_ino: known.st_mtime_ns for known in folders.values()},
        )

    def _noted(self, step: Step | None, path: Path) -> None:
        self._met(path)
        self.durable.add(inode(path))
        if step is not None:
            self.steps.append(step)

    def _met(self, path: Path) -> None:
        self.known.add(inode(path))
        self._keep(path)

    def _meet(self, path: Path) -> None:
        """A file that was written past the effects: by a format, as it may, and its name is not durable."""
        if inode(path) not in self.known:
            known = os.stat(path.parent)
            self.steps.append(Step({(known.st_ino, path.name): None}, {known.st_ino}))
            self.known.add(inode(path))
        self._keep(path)

    def _keep(self, path: Path) -> None:
        """A second name for a file, so that it can come back, and its inode belongs to nobody else."""
        if path.is_file() and not (self.kept / str(inode(path))).exists():
            os.link(path, self.kept / str(inode(path)))

    # ---- the cut
    def lose(self, variant: Variant, seed: int) -> None:
        """Bring the box to what may be found when the power is back."""
        for path in files(self.box):
            if path.name != "lock":
                self._meet(path)
        drawn = random.Random(seed)
        for step in reversed(self._dropped(variant, drawn)):
            self._undo(step)
        for path in files(self.box):
            if inode(path) not in self.durable:
                _lose_contents(path, variant, drawn)

    def _dropped(self, variant: Variant, drawn: random.Random) -> list[Step]:
        """The steps that are lost: none that a later durable one builds upon, and all that build upon a lost one."""
        open_steps: list[Step] = []
        durable: set[Name] = set()
        for step in reversed(self.steps):
            if step.waits_for and not durable & step.names.keys():
                open_steps.append(step)
            else:
                durable |= step.names.keys()
        lost: list[Step] = []
        names: set[Name] = set()
        for step in reversed(open_steps):
            chosen = {"lost": True, "kept": False, "mixed": drawn.random() < 0.5}[variant]
            if chosen or names & step.names.keys():
                lost.append(step)
                names |= step.names.keys()
        return lost

    def _undo(self, step: Step) -> None:
        if step.attributes is not None:
            number, was = step.attributes
            path = self._where(number)
            os.chmod(path, stat.S_IMODE(was.st_mode))
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        places = {self._where(folder) / name: number for (folder, name), number in step.names.items()}
        for place in places:
            if place.is_dir():
                place.rename(self.kept / str(inode(place)))
            elif place.exists():
                self._keep(place)
                place.unlink()
        for place, number in places.items():
            if number is not None:
                found = self._where(number)
                found.rename(place) if found.is_dir() else os.link(found, place)
        for folder, time in step.times.items():
            os.utime(self._where(folder), ns=(time, time))

    def _where(self, number: int) -> Path:
        """Where a folder is now; of a file, one of its names."""
        return next(path for top in (self.box, self.kept) for path in (top, *top.rglob("*")) if inode(path) == number)


def _lose_contents(path: Path, variant: Variant, drawn: random.Random) -> None:
    known = path.stat()
    kept = {"lost": 0, "kept": 0, "mixed": drawn.choice((0, known.st_size // 2, known.st_size))}[variant]
    os.truncate(path, kept)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # the system need not have noted that either


def files(top: Path) -> Iterator[Path]:
    return (path for path in sorted(top.rglob("*")) if path.is_file())


def inode(path: Path) -> int:
    return path.lstat().st_ino
