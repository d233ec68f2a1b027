"""Publishing beside the dataset: a second directory gets the whole new tree, and the first is only read.

The shadow is a copy of its own: rewritten files, and copies of all others (blocks are shared where the file system can), never
second names of the first one's files. It takes its place by one rename; a shadow that an earlier run made is exchanged with it, and
is the snapshot then. What came to the first too late for the run is not in the shadow, and is named.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import UsageError
from instar.formats.manifest import content_hash
from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import PublishBegun, Published
from instar.transforms.run.listing import Change, Entry, Listing, changed_since, described, is_folder, read_listing
from instar.transforms.run.snapshot import NOTHING, inode, standing, tree_at
from instar.transforms.run.state import RunState, State, list_runs, make_folders
from instar.transforms.run.tree import parent_of


def shadow_folder(path: Path, dataset: Path, own: State) -> Path:
    """The absolute path that a shadow of `dataset` (resolved) has, links followed; it need not be there, its parent must.

    Raises:
        UsageError: there is no folder to put it in; the dataset is one file; one lies in the other.
    """
    shadow = path.expanduser().resolve()
    if not shadow.parent.is_dir():
        raise UsageError(f"there is no folder {shadow.parent} for the shadow {shadow.name}", hint="Make it, or name another.")
    if not dataset.is_dir():
        raise UsageError("a dataset of one file has no shadow", hint="Copy the file, and make the copy a dataset.")
    for inner, outer in ((shadow, dataset), (dataset, shadow), (shadow, own.folder), (own.folder, shadow)):
        if inner.is_relative_to(outer):
            raise UsageError(f"the shadow {shadow} lies in the dataset {dataset}, or around it", hint="Name one beside it.")
    return shadow


def refuse_place(shadow: Path, state: State) -> None:
    """May a shadow stand there? `state` is the shadow's. Reads only.

    Raises:
        UsageError: it is a mount point, or something else is there already.
    """
    if os.path.ismount(shadow):
        raise UsageError(f"{shadow} is a mount point, which cannot be given in one step", hint="Name a directory below it.")
    if os.path.lexists(shadow) and not (_is_empty(shadow) or is_shadow(shadow, state)):
        raise UsageError(
            f"{shadow} is there already, and is no shadow that Instar made",
            hint="Name a directory that is not there yet, or move this one aside.",
        )


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def is_shadow(path: Path, state: State) -> bool:
    """Did a run put the very directory there?"""
    begun = [run.last(PublishBegun) for run in list_runs(state) if run.last(Published)]
    return inode(path) in {event.new_inode for event in begun if event is not None} - {NOTHING}


def maker(shadow: Path, state: State) -> RunState | None:
    """The run that put there what stands there, as far as it has not been taken back."""
    for run in reversed(list_runs(state)):
        begun = run.last(PublishBegun)
        if begun is not None and run.status == "finished" and begun.new_inode == standing(shadow) != NOTHING:
            return run
    return None


def known_tree(shadow: Path, state: State) -> dict[str, Entry]:
    """What stands at the shadow's place, with the hashes of what an earlier run has put there.

    Raises:
        RunError: as `listing`.
    """
    entries, run = tree_at(shadow), maker(shadow, state)
    after = read_listing(run.run.after) if run else {}
    return {path: after[path] if path in after and after[path][:3] == entry[:3] else entry for path, entry in entries.items()}


def came_since(shadow: Path, state: State) -> tuple[str, ...]:
    """A warning, where the shadow that a run would replace is not as it was made."""
    run = maker(shadow, state)
    changes = changed_since(read_listing(run.run.after), tree_at(shadow)) if run else ()
    if not changes or run is None:
        return ()
    return (f"the shadow is not as run {run.id} made it: {described(changes)}; it becomes the snapshot as it is",)


# ---- what a run leaves as it is
NOT_THERE = {
    "added": "it is not in the shadow",
    "changed": "the shadow has it as it was before",
    "removed": "the shadow has it still",
}
"""What is said of what was done to the first tree after the shadow's part of it was made."""
_TRIES = 3


@dataclass(frozen=True)
class Rest:
    """What was copied into the stage: the change set of the whole new tree; the listing that it was made by, without the files that
    are not in it; and what is to be said of files that writers had in hand."""

    changes: ChangeSet
    planned: Listing
    late: Mapping[str, Change]


def copy_rest(
    dataset: Path, planned: Listing, stage: Path, changes: ChangeSet, unfinished: Collection[str], effects: Effects
) -> Rest:
    """Copy all that a run leaves as it is from the dataset into the stage, durable. Writers go on meanwhile: what has gone is left
    out; so is what is `unfinished`, for in the shadow nobody finishes it, and what changes each time that it is copied.

    `changes` is of the dataset.

    Raises:
        OSError: the disk says no.
    """
    copies: dict[str, str] = {}
    late = {path: Change(path, "changed", f"it is being written, and {NOT_THERE['added']}") for path in unfinished}
    others = {*changes.paths, *unfinished}
    for path in planned:
        if is_folder(path) or path in others:
            continue
        make_folders((stage / path).parent, effects)
        found = _copied(dataset / path, stage / path, effects)
        if found is not None:
            copies[path] = found[0]
        if found is None or found[1] != planned[path][:3]:
            late[path] = _late(path, dataset, copied=found is not None)
    touched = {parent_of(path) for path in (*changes.paths, *late)}
    times = {path: entry.mtime_ns for path, entry in planned.items() if is_folder(path) and path not in touched}
    there = {path: entry for path, entry in planned.items() if path not in late or path in copies}
    return Rest(ChangeSet({**changes.written, **copies}, changes.removed, times), there, late)


def _late(path: str, dataset: Path, *, copied: bool) -> Change:
    if copied:
        return Change(path, "changed", "the shadow has it as it was when it was copied")
    return Change(path, "changed" if os.path.lexists(dataset / path) else "removed", NOT_THERE["added"])


def _copied(source: Path, target: Path, effects: Effects) -> tuple[str, tuple[int, int, int]] | None:
    """The hash of the copy, which is the source's, and size, mtime and inode of what was copied; None where none can be had."""
    for _ in range(_TRIES):
        try:
            before = _known(source)
            effects.copy(source, target)
        except FileNotFoundError:
            if os.path.lexists(source):
                continue
            return None
        hash = content_hash(target)
        with suppress(FileNotFoundError):
            if _known(source) == before and content_hash(source) == hash:
                return hash, before
        effects.unlink(target)
    return None


def _known(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ino
