"""The old files back in their place, and what is no longer needed away.

`put_back` looks at the disk, not only at the journal: it may be called on a publish that stopped anywhere, on a complete one,
and again after it was itself interrupted. It never overwrites what neither the run nor the snapshot put there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import PublishBegun, Removing, Replacing
from instar.transforms.run.listing import Listing, changed_since, described, is_folder, listing, read_listing
from instar.transforms.run.state import RunFolder, RunState


def put_back(run: RunState, effects: Effects) -> None:
    """Bring the dataset to what it was before the run's publish, names, bytes, modes and times.

    Raises:
        RunError: the dataset or the snapshot is not what the run left; names the places, and has changed nothing.
        OSError: the disk says no; calling again goes on from there.
    """
    begun = run.last(PublishBegun)
    if begun is None:
        return
    if begun.method == "exchange":
        put_tree_back(begun, run.run, effects)
    else:
        _put_files_back(begun, run, effects)


# ---- exchange
def put_tree_back(begun: PublishBegun, run: RunFolder, effects: Effects) -> None:
    """Exchange the trees again, if the new one stands in the dataset's place."""
    dataset = Path(begun.dataset)
    if inode(dataset) == begun.old_inode:
        return
    old = tree_with(begun.old_inode, run)
    if inode(dataset) != begun.new_inode or old is None:
        raise RunError(
            f"{dataset} is neither the folder that run {run.id} found nor the one it made",
            hint=f"Somebody moved or recreated it. What there is of the old files is below {run.path}: put them back by hand.",
        )
    swap(dataset, old, effects)


def swap(dataset: Path, other: Path, effects: Effects) -> None:
    """Exchange the dataset with another tree, durable when this returns."""
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
        changes = changed_since(expected, listing(other))
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


# ---- replace
def _put_files_back(begun: PublishBegun, run: RunState, effects: Effects) -> None:
    """Each old file over the new one, the last first; the snapshot's copy is used up by it, so that it can be done again."""
    before = read_listing(run.run.before)
    base = base_of(Path(begun.dataset), before)
    steps = [line.event for line in reversed(run.lines) if isinstance(line.event, (Replacing, Removing))]
    _refuse_foreign(steps, base, run.run)
    for step in steps:
        _put_file_back(step, base / step.path, run.run.snapshot / step.path, effects)
    for path in sorted((path for path in before if is_folder(path)), reverse=True):
        _restore_time(base / path, before[path].mtime_ns, effects)


def _refuse_foreign(steps: list[Replacing | Removing], base: Path, run: RunFolder) -> None:
    after = read_listing(run.after)
    foreign = [step.path for step in steps if (run.snapshot / step.path).exists() and not _ours(step, base / step.path, after)]
    if foreign:
        names = ", ".join(foreign[:5])
        raise RunError(
            f"the run {run.id} cannot be taken back: somebody else has replaced {names} since",
            hint=f"Move them aside, then repeat the command. The old ones are in {run.snapshot}.",
            where=Where(file=foreign[0]),
        )


def _ours(step: Replacing | Removing, target: Path, after: Listing) -> bool:
    """Is what stands at the step's path the old file, the new one or one with its bytes, or nothing?"""
    found = inode(target)
    if found in (None, step.old_inode):
        return True
    return isinstance(step, Replacing) and (found == step.new_inode or content_hash(target) == after[step.path].hash)


def _put_file_back(step: Replacing | Removing, target: Path, saved: Path, effects: Effects) -> None:
    if not saved.exists():
        return
    if inode(target) == step.old_inode:  # the step was announced and not taken; replacing would do nothing, both being one file
        effects.unlink(saved)
    else:
        effects.replace(saved, target)
    effects.sync_folder(target.parent)


def _restore_time(folder: Path, mtime_ns: int, effects: Effects) -> None:
    known = os.stat(folder)
    if known.st_mtime_ns != mtime_ns:
        effects.set_times(folder, known.st_atime_ns, mtime_ns)
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
