"""Publishing beside the dataset: a second directory gets the whole new tree, and the first is only read.

The shadow is a copy of its own: rewritten files, and copies of all others (blocks are shared where the file system can), never
second names of the first one's files. It takes its place by one rename; a shadow that an earlier run made is exchanged with it, and
is the snapshot then. What came to the first meanwhile is not in the shadow.
"""

from __future__ import annotations

import os
from pathlib import Path

from instar.formats.errors import RunError, UsageError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import PublishBegun, Published
from instar.transforms.run.listing import Entry, Listing, changed_since, described, is_folder, read_listing
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


def copy_rest(dataset: Path, planned: Listing, stage: Path, changes: ChangeSet, effects: Effects) -> ChangeSet:
    """Copy all that a run leaves as it is from the dataset into the stage, durable; the change set of the whole new tree.

    `changes` is of the dataset.

    Raises:
        RunError: a file changed while it was copied. OSError: the disk says no.
    """
    copies: dict[str, str] = {}
    changed = set(changes.paths)
    for path in planned:
        if not is_folder(path) and path not in changed:
            make_folders((stage / path).parent, effects)
            copies[path] = _copied(dataset, path, stage, planned, effects)
    touched = {parent_of(path) for path in changed}
    times = {path: entry.mtime_ns for path, entry in planned.items() if is_folder(path) and path not in touched}
    return ChangeSet({**changes.written, **copies}, changes.removed, times)


def _copied(dataset: Path, path: str, stage: Path, planned: Listing, effects: Effects) -> str:
    """The hash of the copy, which is the source's."""
    source, target = dataset / path, stage / path
    effects.copy(source, target)
    known, hash = os.stat(source), content_hash(target)
    if (known.st_size, known.st_mtime_ns, known.st_ino) != planned[path][:3] or content_hash(source) != hash:
        raise RunError(
            f"{path} changed while it was copied", hint="Let its writer finish, then repeat the command.", where=Where(file=path)
        )
    return hash
