"""What a dataset's tree holds at one moment, to see later whether it is still the same."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from instar.formats.errors import RunError, Where


class Entry(NamedTuple):
    """One file or folder: `size` in bytes (0 for folders), `hash` (xxh3-128, hex) where somebody had computed it anyway."""

    size: int
    mtime_ns: int
    inode: int
    hash: str = ""


Listing = Mapping[str, Entry]
"""Path relative to the dataset (POSIX; a folder's ends with "/", the root is "./") → entry. A dataset of one file: its name."""


def listing(root: Path) -> dict[str, Entry]:
    """Everything below `root`, nothing left out, in a fixed order. What goes while it is listed is not there.

    Raises:
        RunError: a symbolic link or a device inside (they cannot be carried over exactly), no permission, or `root` is gone.
    """
    try:
        known = os.stat(root)
        if not stat.S_ISDIR(known.st_mode):
            return {root.name: _entry(known)}
        return dict(_walk(root, "./", known))
    except OSError as error:
        raise RunError(
            f"{error.filename or root} cannot be listed: {error.strerror}",
            hint="Check that the dataset is there and that this user may read it.",
        ) from error


def _walk(folder: Path, name: str, known: os.stat_result) -> Iterator[tuple[str, Entry]]:
    yield name, _entry(known)._replace(size=0)
    prefix = "" if name == "./" else name
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = prefix + entry.name
        try:
            known = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(known.st_mode):
            with suppress(FileNotFoundError):
                yield from list(_walk(folder / entry.name, path + "/", known))
        elif stat.S_ISREG(known.st_mode):
            yield path, _entry(known)
        else:
            raise RunError(
                f"{path} is {_kind(known.st_mode)}",
                hint=f"Only files and folders can be carried over; replace it by a file, or move it: {folder / entry.name}",
                where=Where(file=path),
            )


def _entry(known: os.stat_result) -> Entry:
    return Entry(known.st_size, known.st_mtime_ns, known.st_ino)


def is_same(path: Path, known: Entry | None) -> bool:
    """Is the file still the one that was listed, with its size and time? None: none was there."""
    try:
        found = _entry(os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return known is None
    return known is not None and found[:3] == known[:3]


def _kind(mode: int) -> str:
    return "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a folder"


def is_whole(entries: Listing) -> bool:
    """Is it of a folder, not of a dataset that is one file?"""
    return "./" in entries


def is_folder(path: str) -> bool:
    return path.endswith("/")


@dataclass(frozen=True)
class Change:
    """How one path differs between two listings. `why`: what is to be said of it besides, where there is something."""

    path: str
    what: Literal["added", "removed", "changed"]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.path} was {self.what}"


def changed_since(before: Listing, after: Listing) -> tuple[Change, ...]:
    """Files and folders that came or went, and files whose size, mtime or inode is another. Folders' own times do not count."""
    return tuple(
        Change(path, "added" if path not in before else "removed" if path not in after else "changed")
        for path in sorted(before.keys() | after.keys())
        if path not in before or path not in after or (not is_folder(path) and before[path][:3] != after[path][:3])
    )


def with_hashes_of(known: Listing, entries: Listing) -> dict[str, Entry]:
    """The listing with the hashes that `known` has of files that are still the same."""
    same = (path for path in entries if path in known and known[path][:3] == entries[path][:3])
    return {**entries, **{path: entries[path]._replace(hash=known[path].hash) for path in same}}


def described(changes: tuple[Change, ...], limit: int = 5) -> str:
    """The changes in words, the first few by name."""
    rest = f" and {len(changes) - limit} more" if len(changes) > limit else ""
    return ", ".join(str(change) for change in changes[:limit]) + rest


def listing_bytes(entries: Listing) -> bytes:
    """The listing as JSON (ASCII: a name that is no valid UTF-8 survives as a lone surrogate escape)."""
    return json.dumps({path: list(entry) for path, entry in entries.items()}, separators=(",", ":")).encode("ascii")


def read_listing(path: Path) -> dict[str, Entry]:
    """The listing that `listing_bytes` wrote.

    Raises:
        RunError: it is missing or unreadable.
    """
    try:
        found: dict[str, list[Any]] = json.loads(path.read_bytes())
        return {name: Entry(*entry) for name, entry in found.items()}
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"the run's record {path} cannot be read: {error}", hint="Restore the state folder.") from error
