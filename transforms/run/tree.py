"""The new tree of a dataset, built beside the old one for a publish by exchange."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from instar.formats.errors import RunError, Where
from instar.transforms.run.changes import ChangeSet, with_hashes
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.listing import Entry, Listing, is_folder, listing


@dataclass(frozen=True)
class Built:
    """The new tree as listed; files that could not be linked were copied (a reflink counts as a copy)."""

    entries: dict[str, Entry]
    copied: int
    copied_bytes: int


def build_tree(dataset: Path, stage: Path, before: Listing, changes: ChangeSet, effects: Effects) -> Built:
    """Complete `stage`, which holds the written files, to the whole new tree, durable when this returns.

    Every other file is linked in (copied where links cannot be), folders are made, empty ones too. Folders have mode, owner
    and attributes of the old ones, and their times, save those in which a file was written or removed: caches go by these.
    What has gone from the dataset meanwhile is left out.

    Raises:
        RunError: the stage does not hold just the written files.
        OSError: the disk says no.
    """
    _check_stage(stage, changes.written)
    _remove_strange_folders(stage, before, changes.written, effects)
    folders = [path for path in before if is_folder(path)]
    for path in folders:
        if not (stage / path).is_dir():
            effects.make_folder(stage / path)
    changed = set(changes.paths)
    kept = [path for path in before if not is_folder(path) and path not in changed]
    copied = [path for path in kept if brought(dataset / path, stage / path, effects) == "copied"]
    touched = {parent_of(path) for path in changed}
    for path in sorted(folders, reverse=True):
        wanted = changes.folder_times.get(path, None if path in touched else before[path].mtime_ns)
        if (dataset / path).is_dir():
            _finish_folder(stage / path, dataset / path, wanted, effects)
    effects.sync_folder(stage.parent)
    entries = with_hashes(listing(stage), changes.written)
    return Built(entries, len(copied), sum(before[path].size for path in copied))


def _check_stage(stage: Path, written: Collection[str]) -> None:
    found = {path for path in listing(stage) if not is_folder(path)}
    for path in sorted(found.symmetric_difference(written)):
        raise RunError(
            f"the stage {'lacks' if path in written else 'holds more than was staged:'} {path}",
            hint=f"Something else changed {stage}. Repeat the command: it stages anew.",
            where=Where(file=path),
        )


def _remove_strange_folders(stage: Path, before: Listing, written: Collection[str], effects: Effects) -> None:
    """Folders that were staged for files which were withdrawn, and that the dataset has no more."""
    needed = {f"{folder}/" for path in written for folder in map(str, PurePosixPath(path).parents)}
    for path in sorted(listing(stage), reverse=True):
        if is_folder(path) and path != "./" and path not in before and path not in needed:
            effects.remove_folder(stage / path)


def brought(source: Path, target: Path, effects: Effects) -> Literal["linked", "copied", "gone"]:
    """The file under a second name, else a copy of it, or nothing: it has gone meanwhile."""
    try:
        return "linked" if link_or_copy(source, target, effects) else "copied"
    except FileNotFoundError:
        if os.path.lexists(source):
            raise
        return "gone"


def link_or_copy(source: Path, target: Path, effects: Effects) -> bool:
    """A second name for the file, else a copy of it. True: linked. Names in the target's folder are not yet durable."""
    try:
        effects.link(source, target)
        return True
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    effects.copy(source, target)
    return False


def _finish_folder(new: Path, old: Path, mtime_ns: int | None, effects: Effects) -> None:
    effects.dress(new, old)
    if mtime_ns is not None:
        effects.set_times(new, os.stat(old).st_atime_ns, mtime_ns)
    effects.sync_folder(new)


def folders_above(path: str) -> list[str]:
    """The folders that a file is in, the innermost first, without the root."""
    return [str(folder) for folder in PurePosixPath(path).parents][:-1]


def parent_of(path: str) -> str:
    """The listing's name of the folder that holds a file."""
    head, _, _ = path.rpartition("/")
    return head + "/" if head else "./"
