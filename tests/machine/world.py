"""What a dataset must hold, kept by hand beside it, and how it is compared with the disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from machine.records import Records, at_version, read


class Wrong(AssertionError):
    """The dataset is not what it must be."""


@dataclass(frozen=True)
class Held:
    """One file. `records` and `version` of a data file, else None and 0; `content`: its bytes, None: any that hold the records;
    `mtime_ns` None: any."""

    records: Records | None
    version: int
    content: bytes | None
    mtime_ns: int | None
    mode: int
    inode: int = 0

    def to(self, version: int) -> Held:
        """As a run makes it."""
        assert self.records is not None
        return replace(
            self, records=at_version(self.records, self.version, version), version=version, content=None, mtime_ns=None, inode=0
        )


Files = dict[str, Held]


@dataclass(frozen=True)
class Done:
    """A published run: what it changed, path → (before, after), None: no file. `known`: all paths of then."""

    id: str
    verb: str
    target: int
    changes: dict[str, tuple[Held | None, Held | None]]
    undoes: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()


def base_of(dataset: Path) -> Path:
    return dataset if dataset.is_dir() else dataset.parent


def files_in(dataset: Path) -> list[str]:
    if not dataset.is_dir():
        return [dataset.name] if dataset.exists() else []
    found = []
    for folder, _, names in os.walk(dataset):
        found += [os.path.relpath(os.path.join(folder, name), dataset) for name in names]
    return sorted(found)


def folders_in(dataset: Path) -> set[str]:
    return {os.path.relpath(folder, dataset) for folder, _, _ in os.walk(dataset)}


def parents(path: str) -> set[str]:
    return {str(folder) for folder in PurePosixPath(path).parents}


def compared(dataset: Path, format: str, wanted: Files) -> Files:
    """The files as they are; what was left open of them is known then.

    Raises:
        Wrong: there are others, or one does not hold what it must.
    """
    found = files_in(dataset)
    if sorted(wanted) != found:
        raise Wrong(f"missing {sorted(set(wanted) - set(found))}, left over {sorted(set(found) - set(wanted))}")
    return {path: compare(base_of(dataset) / path, format, held) for path, held in wanted.items()}


def compare(path: Path, format: str, held: Held) -> Held:
    known, content = os.stat(path), path.read_bytes()
    if held.content is None:
        assert held.records is not None
        if (records := read(path, format)) != held.records:
            raise Wrong(f"{path} holds {records}, not {held.records}")
    elif content != held.content:
        raise Wrong(f"{path} has other bytes: {content[:60]!r}, not {held.content[:60]!r}")
    if held.mtime_ns not in (None, known.st_mtime_ns):
        raise Wrong(f"{path} has the time {known.st_mtime_ns}, not {held.mtime_ns}")
    if held.mode != stat.S_IMODE(known.st_mode):
        raise Wrong(f"{path} has the mode {stat.S_IMODE(known.st_mode):o}, not {held.mode:o}")
    return replace(held, content=content, mtime_ns=known.st_mtime_ns, inode=known.st_ino)


def snapshot_of(box: Path) -> dict[str, tuple[int, ...]]:
    """Everything on disk: what reads only must leave it as it is."""
    out: dict[str, tuple[int, ...]] = {}
    for folder, _, names in os.walk(box):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            known = os.lstat(path)
            out[path] = (known.st_ino, known.st_size, known.st_mtime_ns, known.st_mode, known.st_nlink)
    return out
