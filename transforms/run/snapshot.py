"""The old files back in their place, and what is no longer needed away.

`put_back` looks at the disk, not only at the journal: it may be called on a publish that stopped anywhere, on a complete one,
and again after it was itself interrupted. It never overwrites what neither the run nor the snapshot put there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from instar.formats.errors import RunError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Adding, Carried, Event, PublishBegun, Removing, Replacing, Withdrawn
from instar.transforms.run.listing import Entry, Listing, changed_since, described, is_folder, listing, read_listing
from instar.transforms.run.state import RunFolder, RunState


def put_back(run: RunState, effects: Effects) -> None:
    """Bring the dataset to what it was before the run's publish, names, bytes, modes and times; nothing of a publish that is whole.

    Raises:
        RunError: the dataset or the snapshot is not what the run left; names the places, and has changed nothing.
        OSError: the disk says no; calling again goes on from there.
    """
    begun = run.last(PublishBegun)
    if begun is None:
        return
    if begun.method != "replace":
        put_tree_back(begun, run.run, effects)
    else:
        _put_files_back(begun, run, effects)


# ---- exchange
def put_tree_back(begun: PublishBegun, run: RunFolder, effects: Effects) -> None:
    """Exchange the trees again, if the new one stands in the dataset's place; either may be nothing at all."""
    dataset = Path(begun.dataset)
    if standing(dataset) == begun.old_inode:
        return
    old = tree_with(begun.old_inode, run) if begun.old_inode else run.stage
    if old is None and standing(dataset) != NOTHING and standing(run.stage) == begun.new_inode:
        return  # they were never exchanged, and somebody has put another folder there: it is not ours
    if standing(dataset) != begun.new_inode or old is None:
        raise RunError(
            f"{dataset} is neither the folder that run {run.id} found nor the one it made",
            hint=f"Somebody moved or recreated it. What there is of the old files is below {run.path}: put them back by hand.",
        )
    swap(dataset, old, effects)


def swap(dataset: Path, other: Path, effects: Effects) -> None:
    """Exchange the dataset with another tree, durable when this returns. What is not there changes places, too: one is moved."""
    if inode(dataset) is None:
        effects.rename(other, dataset)
    elif inode(other) is None:
        effects.rename(dataset, other)
    else:
        effects.exchange(dataset, other)
    effects.sync_folder(dataset.parent)
    effects.sync_folder(other.parent)


def swap_unless_changed(dataset: Path, other: Path, expected: Listing, effects: Effects) -> None:
    """Exchange the dataset with another tree; and back at once if the one that left is not `expected`.

    A writer who comes between the last listing and the exchange would else find his file in the snapshot.

    Raises:
        RunError: names what changed; the dataset stands where it stood.
    """
    swap(dataset, other, effects)
    try:
        changes = changed_since(expected, tree_at(other))
        if changes:
            raise RunError(
                f"the dataset changed in the moment of the exchange: {described(changes)}",
                hint="It stands as before. Let its writers finish, then repeat the command.",
            )
    except RunError:
        swap(dataset, other, effects)
        raise


def tree_with(number: int, run: RunFolder) -> Path | None:
    """The tree in the run's folder which has this inode."""
    return next((path for path in (run.snapshot, run.stage) if inode(path) == number), None)


def inode(path: Path) -> int | None:
    """The inode number, which a folder keeps when it is moved; None where nothing is there."""
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


NOTHING = 0
"""The inode of a place where nothing is."""


def standing(path: Path) -> int:
    """The inode of what is there, or NOTHING."""
    return inode(path) or NOTHING


def tree_at(path: Path) -> dict[str, Entry]:
    """The listing of a tree that may not be there: it holds nothing then, not even a root.

    Raises:
        RunError: as `listing`.
    """
    return {} if inode(path) is None else listing(path)


# ---- replace
_Step = Replacing | Adding | Removing


def _put_files_back(begun: PublishBegun, run: RunState, effects: Effects) -> None:
    """Each old file over the new one, the last first; the snapshot's copy is used up by it, so that it can be done again."""
    before = read_listing(run.run.before)
    base = base_of(Path(begun.dataset), before)
    events = run.since(PublishBegun)
    alone = _left_alone(events)
    steps = [event for event in reversed(events) if isinstance(event, _Step) and event.path not in alone]
    _refuse_foreign(steps, base, run.run)
    for step in steps:
        _take_step_back(step, base / step.path, run.run.snapshot / step.path, effects)
    for path in sorted({parent for step in steps for parent in _parents(step.path)} - before.keys(), reverse=True):
        _remove_if_empty(base / path, effects)
    restore_times(base, {path: entry.mtime_ns for path, entry in before.items() if is_folder(path)}, effects)


def _left_alone(events: Sequence[Event]) -> set[str]:
    """Where a writer was quicker than the step that had been announced."""
    withdrawn = {event.path for event in events if isinstance(event, Withdrawn)}
    return withdrawn - {event.path for event in events if isinstance(event, Carried)}


def _refuse_foreign(steps: list[_Step], base: Path, run: RunFolder) -> None:
    after = read_listing(run.after)
    foreign = [step.path for step in steps if not _ours(step, base / step.path, run, after)]
    if foreign:
        names = ", ".join(foreign[:5])
        raise RunError(
            f"the run {run.id} cannot be taken back: somebody else has replaced {names} since",
            hint=f"Move them aside, then repeat the command. The old ones are in {run.snapshot}.",
            where=Where(file=foreign[0]),
        )


def _ours(step: _Step, target: Path, run: RunFolder, after: Listing) -> bool:
    """Is what stands at the step's path the old file, the new one or one with its bytes, or nothing?"""
    found = inode(target)
    if found is None:
        return True
    if isinstance(step, Adding):
        return found == step.new_inode or (run.staged(step.path)).exists()
    if found == step.old_inode or not (run.snapshot / step.path).exists():
        return True
    return isinstance(step, Replacing) and (found == step.new_inode or content_hash(target) == after[step.path].hash)


def _take_step_back(step: _Step, target: Path, saved: Path, effects: Effects) -> None:
    if isinstance(step, Adding):
        if inode(target) != step.new_inode:
            return
        effects.unlink(target)
    elif not saved.exists():
        return
    elif inode(target) == step.old_inode:  # the step was announced and not taken; replacing would do nothing, both being one file
        effects.unlink(saved)
    else:
        effects.replace(saved, target)
    effects.sync_folder(target.parent)


def _parents(path: str) -> list[str]:
    return [f"{folder}/" for folder in map(str, PurePosixPath(path).parents) if folder != "."]


def _remove_if_empty(folder: Path, effects: Effects) -> None:
    """A folder that was made for a file which has gone again; what somebody else put into it stays."""
    if folder.is_dir() and not any(folder.iterdir()):
        effects.remove_folder(folder)
        effects.sync_folder(folder.parent)


def restore_times(base: Path, times: Mapping[str, int], effects: Effects) -> None:
    """Give folders (as a listing names them) their mtimes (ns), the innermost first."""
    for path in sorted(times, reverse=True):
        folder, known = base / path, os.stat(base / path)
        if known.st_mtime_ns != times[path]:
            effects.set_times(folder, known.st_atime_ns, times[path])
            effects.sync_folder(folder)


def base_of(dataset: Path, entries: Listing) -> Path:
    """The folder that the listing's paths are relative to: the dataset, or the parent of a dataset that is one file."""
    return dataset if "./" in entries else dataset.parent


# ---- away with it
def discard(path: Path, effects: Effects) -> None:
    """Remove a folder of a run with all it holds; other names of linked files stay. Nothing there: nothing to do.

    Raises:
        OSError: the disk says no; calling again goes on from there.
    """
    if not os.path.lexists(path):
        return
    with os.scandir(path) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if entries and not os.access(path, os.W_OK | os.X_OK):
        effects.make_writable(path)
    for entry in entries:
        if stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode):
            discard(path / entry.name, effects)
        else:
            effects.unlink(path / entry.name)
    effects.remove_folder(path)
