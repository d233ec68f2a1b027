"""Publishing: the staged files take their places in the dataset; what they replace stays as the snapshot.

`exchange`: the whole new tree in one step. Order on disk: new tree complete → both listings → PublishBegun → exchange →
Exchanged → the old tree becomes `snapshot/` → note → Published. `replace`: file by file. Old files linked into `snapshot/` → both
listings → PublishBegun → for each file: Replacing → replace → … → empty stage removed → note → Published. Each arrow is a flush.
`shadow`: as exchange, in a place of its own, where an earlier shadow may stand, or nothing: then the new tree is moved there.

From PublishBegun on all that is needed is on disk: what stops in between is brought to its end by the next command (`complete`).
An error that is met here is answered here: what was done is taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.transforms.run.changes import ChangeSet, changes_between, with_hashes
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Adding, Exchanged, Journal, Method, PublishBegun, Published, Removing, Replacing, Undone
from instar.transforms.run.listing import Entry, Listing, changed_since, described, listing, listing_bytes, read_listing
from instar.transforms.run.snapshot import (
    NOTHING,
    base_of,
    discard,
    inode,
    put_back,
    restore_times,
    standing,
    swap,
    swap_unless_changed,
    tree_at,
    tree_with,
)
from instar.transforms.run.state import RunFolder, RunState, make_folders, run_state
from instar.transforms.run.tree import build_tree, folders_above, link_or_copy, parent_of

Note = Callable[[], None]
"""Writes down outside of the journal what the new files are."""


@dataclass(frozen=True)
class Publication:
    """What was published. `copied`: files that had to be copied where others were linked; `entries`: the dataset as it now is."""

    method: Method
    changes: ChangeSet
    copied: int
    copied_bytes: int
    entries: dict[str, Entry]


def publish(
    dataset: Path,
    run: RunFolder,
    method: Method,
    before: Listing,
    changes: ChangeSet,
    journal: Journal,
    effects: Effects,
    note: Note = lambda: None,
    *,
    model: tuple[Path, Listing] | None = None,
) -> Publication:
    """Publish what was staged. `dataset` is resolved, `before` the listing which the run was planned by.

    `note` is called when all new files stand, before Published, the last that a run does: what it writes is there once the run
    counts as done. It may be called again, by who completes the publish.
    `model`: the tree (and its listing, which the run was planned by) that the new one is like, where it is not the dataset's own.
    The dataset is listed again as the last thing before, and (exchange) the tree that left once more after: any change refuses.

    Raises:
        RunError: the dataset changed, or the disk says no. The dataset is as it was before, unless the message says that
            taking it back failed, too; then `settle` does it.
    """
    try:
        if method != "replace":
            return _by_exchange(dataset, run, method, before, changes, journal, effects, model or (dataset, before), note)
        return _by_replace(dataset, run, before, changes, journal, effects, note)
    except BaseException as error:
        _take_back(run, journal, effects, error)
        if isinstance(error, OSError):
            raise disk_error("the staged files could not be published", error) from error
        raise


def complete(run: RunState, journal: Journal, effects: Effects, note: Note = lambda: None) -> bool:
    """Bring a publish that stopped anywhere after PublishBegun to its end; may itself be stopped, and be called again.

    Answers False, having changed nothing more, where it cannot: the dataset, or what was staged, changed since.

    Raises:
        OSError: the disk says no. RunError: as `listing`, `read_listing`.
    """
    begun = run.last(PublishBegun)
    assert begun is not None, "only a publish that has begun is completed"
    before, after = read_listing(run.run.before), read_listing(run.run.after)
    if begun.method != "replace":
        return _complete_exchange(begun, run.run, before, after, journal, effects, note)
    return _complete_replace(begun, run.run, before, after, journal, effects, note)


def _take_back(run: RunFolder, journal: Journal, effects: Effects, cause: BaseException) -> None:
    state = run_state(run)
    if state.status != "half-published":
        return
    try:
        put_back(state, effects)
        journal.write(Undone(str(cause)))
    except (OSError, RunError) as error:
        raise RunError(
            f"publishing failed ({cause}), and so did taking it back ({error})",
            hint="Correct the cause, then repeat the command: it first brings this to its end.",
        ) from cause


# ---- exchange
def _by_exchange(
    dataset: Path,
    run: RunFolder,
    method: Method,
    before: Listing,
    changes: ChangeSet,
    journal: Journal,
    effects: Effects,
    model: tuple[Path, Listing],
    note: Note,
) -> Publication:
    like, planned = model
    built = build_tree(like, run.stage, planned, changes, effects)
    _write_listings(run, before, built.entries, effects)
    _refuse_changes(like, planned)
    journal.write(PublishBegun(method, str(dataset), standing(dataset), built.entries["./"].inode))
    swap_unless_changed(dataset, run.stage, before, effects)
    _finish_exchange(run, len(changes.written), journal, effects, note)
    return Publication(method, changes, built.copied, built.copied_bytes, built.entries)


def _finish_exchange(run: RunFolder, count: int, journal: Journal, effects: Effects, note: Note) -> None:
    journal.write(Exchanged())
    _keep_old_tree(run, effects)
    note()
    journal.write(Published(count))


def _keep_old_tree(run: RunFolder, effects: Effects) -> None:
    """What stood in the dataset's place, in the stage's since the exchange, is the snapshot: an empty one where nothing stood."""
    if run.stage.exists():
        effects.rename(run.stage, run.snapshot)
    elif not run.snapshot.exists():
        effects.make_folder(run.snapshot)
    effects.sync_folder(run.path)


def withdraw(place: Path, run: RunFolder, before: Listing, journal: Journal, effects: Effects) -> None:
    """Publish nothing in the place of a shadow: the tree there becomes the snapshot.

    Raises:
        RunError: the tree changed, or the disk says no. It stands as before then.
    """
    try:
        discard(run.stage, effects)
        _write_listings(run, before, {}, effects)
        journal.write(PublishBegun("shadow", str(place), standing(place), NOTHING))
        swap_unless_changed(place, run.stage, before, effects)
        _finish_exchange(run, 0, journal, effects, note=lambda: None)
    except BaseException as error:
        _take_back(run, journal, effects, error)
        if isinstance(error, OSError):
            raise disk_error("the shadow could not be taken away", error) from error
        raise


def _complete_exchange(
    begun: PublishBegun, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects, note: Note
) -> bool:
    dataset, stands = Path(begun.dataset), standing(Path(begun.dataset))
    if stands == begun.old_inode:
        if (
            changed_since(before, tree_at(dataset))
            or standing(run.stage) != begun.new_inode
            or changed_since(after, tree_at(run.stage))
        ):
            return False
        swap(dataset, run.stage, effects)
    elif stands != begun.new_inode and (stands == NOTHING or tree_with(begun.old_inode, run) is None):
        return False  # else the exchange has taken place, and what stands there now somebody has put there since
    effects.sync_folder(dataset.parent)  # the step before may have been taken and not have reached the disk
    effects.sync_folder(run.path)
    if begun.old_inode != NOTHING:
        old = tree_with(begun.old_inode, run)
        if old is None or (changed_since(before, listing(old)) and not changed_since(after, tree_at(dataset))):
            return False
    _keep_old_tree(run, effects)
    note()
    journal.write(Published(len(changes_between(before, after).written)))
    return True


# ---- replace
def _by_replace(
    dataset: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects, note: Note
) -> Publication:
    base = base_of(dataset, before)
    copied = _save_old_files(base, run, [path for path in changes.paths if path in before], effects)
    staged = listing(run.stage)
    kept = {path: entry for path, entry in before.items() if path not in changes.removed}
    entries = with_hashes({**kept, **{path: staged[path] for path in changes.written}}, changes.written)
    entries = {path: _at(entry, changes.folder_times.get(path)) for path, entry in entries.items()}
    _write_listings(run, before, entries, effects)
    _refuse_changes(dataset, before)
    journal.write(PublishBegun("replace", str(dataset), 0, 0, dict(changes.folder_times)))
    for path in changes.paths:
        _refuse_change(base, path, before)
        _take_step(path, base, run, before, entries, journal, effects)
    _finish_replace(base, run, before, changes, journal, effects, note)
    return Publication("replace", changes, len(copied), sum(before[path].size for path in copied), entries)


def _take_step(path: str, base: Path, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects) -> None:
    """One file goes, comes, or is replaced; announced before, durable after."""
    if path not in after:
        journal.write(Removing(path, before[path].inode))
        effects.unlink(base / path)
    elif path in before:
        journal.write(Replacing(path, before[path].inode, after[path].inode))
        effects.replace(run.staged(path), base / path)
    else:
        make_folders((base / path).parent, effects)
        journal.write(Adding(path, after[path].inode))
        effects.rename(run.staged(path), base / path)
    effects.sync_folder((base / path).parent)


def _finish_replace(
    base: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects, note: Note
) -> None:
    made = {folder for path in changes.written for folder in folders_above(path)} - {path.rstrip("/") for path in before}
    for folder in sorted(made, reverse=True):
        if (run.stage / folder).is_dir() and (base / folder).is_dir():
            effects.dress(base / folder, run.stage / folder)
            effects.sync_folder(base / folder)
    restore_times(base, changes.folder_times, effects)
    discard(run.stage, effects)
    note()
    journal.write(Published(len(changes.written)))


def _complete_replace(
    begun: PublishBegun, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects, note: Note
) -> bool:
    base, between = base_of(Path(begun.dataset), before), changes_between(before, after)
    changes = ChangeSet(between.written, between.removed, begun.folder_times)
    open_steps = [path for path in changes.paths if not _taken(base / path, after.get(path))]
    if not all(_can_be_taken(path, base, run, before, after) for path in open_steps):
        return False
    for path in changes.paths:
        if path in open_steps:
            _take_step(path, base, run, before, after, journal, effects)
        else:  # it may have been taken and not have reached the disk
            effects.sync_folder((base / path).parent)
    _finish_replace(base, run, before, changes, journal, effects, note)
    return True


def _taken(path: Path, wanted: Entry | None) -> bool:
    return inode(path) == (wanted.inode if wanted else None)


def _can_be_taken(path: str, base: Path, run: RunFolder, before: Listing, after: Listing) -> bool:
    """Is the old file as it was (or none there, as before), and the new one in the stage?"""
    there = _same(base / path, before[path]) if path in before else inode(base / path) is None
    return there and (path not in after or _same(run.staged(path), after[path]))


def _same(path: Path, known: Entry) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (found.st_size, found.st_mtime_ns, found.st_ino) == known[:3]


def _at(entry: Entry, mtime_ns: int | None) -> Entry:
    return entry if mtime_ns is None else entry._replace(mtime_ns=mtime_ns)


def _save_old_files(base: Path, run: RunFolder, paths: Sequence[str], effects: Effects) -> list[str]:
    """The old files in the snapshot, durable; names those that had to be copied."""
    make_folders(run.snapshot, effects)
    copied: list[str] = []
    for path in paths:
        saved = run.snapshot / path
        make_folders(saved.parent, effects)
        if not link_or_copy(base / path, saved, effects):
            copied.append(path)
    for folder in sorted({folder for path in paths for folder in folders_above(path)}, reverse=True):
        effects.dress(run.snapshot / folder, base / folder)
    for folder in sorted({parent_of(path) for path in paths}):
        effects.sync_folder(run.snapshot / folder)
    return copied


# ---- what both need
def _write_listings(run: RunFolder, before: Listing, after: Listing, effects: Effects) -> None:
    effects.create(run.before, listing_bytes(before))
    effects.create(run.after, listing_bytes(after))
    effects.sync_folder(run.path)


def _refuse_changes(dataset: Path, before: Listing) -> None:
    changes = changed_since(before, listing(dataset))
    if changes:
        raise RunError(
            f"the dataset changed while the run worked: {described(changes)}",
            hint="Nothing was published. Let its writers finish, then repeat the command.",
            where=Where(file=changes[0].path),
        )


def _refuse_change(base: Path, path: str, before: Listing) -> None:
    """The same for one file, right before its step."""
    if not (_same(base / path, before[path]) if path in before else inode(base / path) is None):
        raise RunError(
            f"{path} changed in the moment of publishing",
            hint="What had been published was taken back. Let the dataset's writers finish, then repeat the command.",
            where=Where(file=path),
        )
