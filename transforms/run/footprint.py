"""What folders cost on disk: the bytes that would be free again if they were removed.

A file with several names (hard links) is free only when its last name goes. A snapshot shares every file that its run did not
rewrite with the dataset, and later snapshots share files with earlier ones, so that each alone may cost little and all of them
together much. Blocks that a file system shares between files (reflinks) cannot be told from others and count in full.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 512  # what st_blocks counts in, whatever the file system's own blocks (POSIX, sys/stat.h)

Inode = tuple[int, int]
"""Device and number: one file, whatever its names."""


@dataclass(frozen=True)
class Held:
    """One file or folder on disk: the bytes of its blocks, and how many names it has in all."""

    bytes: int
    names: int


@dataclass(frozen=True)
class Footprint:
    """What lies below a folder. `names`: how many names each inode has there; `bytes`: the files' sizes as a listing shows them."""

    held: Mapping[Inode, Held]
    names: Mapping[Inode, int]
    files: int
    bytes: int


def footprint(folder: Path) -> Footprint:
    """What `folder` and all below it hold. What vanishes while it is looked at (another command removes it) does not count.

    Raises:
        OSError: a folder may not be read.
    """
    held: dict[Inode, Held] = {}
    names: Counter[Inode] = Counter()
    files = size = 0
    pending = [str(folder)]
    while pending:
        path = pending.pop()
        with suppress(FileNotFoundError):
            known = os.stat(path, follow_symlinks=False)
            inode, is_folder = (known.st_dev, known.st_ino), stat.S_ISDIR(known.st_mode)
            held[inode] = Held(_on_disk(known), 1 if is_folder else known.st_nlink)
            names[inode] += 1
            if is_folder:
                pending += (entry.path for entry in os.scandir(path))
            else:
                files, size = files + 1, size + known.st_size
    return Footprint(held, names, files, size)


def freed(footprints: Iterable[Footprint]) -> int:
    """Bytes on disk that would be free if all of these went at once."""
    held: dict[Inode, Held] = {}
    names: Counter[Inode] = Counter()
    for each in footprints:
        held.update(each.held)
        names.update(each.names)
    return sum(file.bytes for inode, file in held.items() if names[inode] >= file.names)


def _on_disk(known: os.stat_result) -> int:
    return known.st_blocks * _BLOCK if hasattr(known, "st_blocks") else known.st_size
