"""Publishing: the staged files take their places in the dataset; what they replace stays as the snapshot.

`exchange`: the whole new tree in one step. Order on disk: new tree complete → both listings → PublishBegun → exchange →
Exchanged → the old tree becomes `snapshot/` → note → Published. `replace`: file by file. Old files linked into `snapshot/` → both
listings → PublishBegun → for each file: Replacing → replace → … → empty stage removed → note → Published. Each arrow is a flush.
`shadow`: as exchange, in a place of its own, where an earlier shadow may stand, or nothing: then the new tree is moved there.

From PublishBegun on all that is needed is on disk: what stops in between is brought to its end by the next command (`complete`).
An error that is met here is answered here: what was done is taken back.

Writers are not waited for. The dataset is listed again as the last thing before: what has changed stays as it is. What they do to
the old tree, or to an old file, in the moment of publishing is carried over (`carry`). A shadow alone is refused then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.transforms.run.carry import (
    CARRIED,
    Moved,
    arrived,
    carry_over,
    clear_spares,
    follow,
    put_newest,
    renew_listing,
    renewed,
)
from instar.transforms.run.changes import ChangeSet, changes_between, with_hashes
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import (
    Adding,
    Carried,
    Exchanged,
    Journal,
    Method,
    PublishBegun,
    Published,
    Removing,
    Replacing,
    Undone,
    Withdrawn,
)
from instar.transforms.run.listing import Change, Entry, Listing, changed_since, described, listing, listing_bytes, read_listing
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
from instar.transforms.run.state import RunFolder, RunState, make_folders, renamed_by, run_state
from instar.transforms.run.tree import brought, build_tree, folders_above, parent_of

Note = Callable[[], None]
"""Writes down outside of the journal what the new files are."""


@dataclass(frozen=True)
class Publication:
    """What was published. `copied`: files that had to be copied where others were linked; `entries`: the dataset as it now is;
    `late`: what writers did to the dataset meanwhile, since it was planned by. It stands as they did it."""

    method: Method
    changes: ChangeSet
    copied: int
    copied_bytes: int
    entries: Mapping[str, Entry]
    late: tuple[Change, ...] = ()


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

    Raises:
        RunError: the disk says no (or, of a shadow: what it is like changed). The dataset is as it was before, unless the message
            says that taking it back failed, too; then `settle` does it.
    """
    try:
        if method == "shadow" or model is not None:
            return _beside(dataset, run, method, before, changes, journal, effects, model or (dataset, before), note)
        moved, changes = follow(dataset, run, before, changes, journal, effects)
        by = _by_exchange if method == "exchange" else _by_replace
        made = by(dataset, run, moved.left, changes, journal, effects, note)
        return replace(made, late=(*moved.changes, *made.late))
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
    dataset: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects, note: Note
) -> Publication:
    built = build_tree(dataset, run.stage, before, changes, effects)
    moved = carry_over(dataset, before, run.stage, built.entries, run, journal, effects)  # what was done while it was built
    entries = built.entries
    if moved.changes:
        staged = listing(run.stage)
        before, entries = arrived(moved, before, staged), renewed(entries, staged, moved.touched)
    _write_listings(run, before, entries, effects)
    journal.write(PublishBegun("exchange", str(dataset), standing(dataset), entries["./"].inode))
    swap(dataset, run.stage, effects)
    late, entries = _carry(run.stage, dataset, run, before, entries, journal, effects)
    changes = changes.without(moved.touched | late.touched, renamed_by(run_state(run)))
    _finish_exchange(run, len(changes.written), journal, effects, note)
    return Publication("exchange", changes, built.copied, built.copied_bytes, entries, (*moved.changes, *late.changes))


def _carry(
    old: Path, dataset: Path, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects
) -> tuple[Moved, dict[str, Entry]]:
    """What came to the old tree since it was listed is carried over; both listings say so. Answers with it, and the second."""
    moved = carry_over(old, before, dataset, after, run, journal, effects)
    if not moved.changes:
        return moved, dict(after)
    there = listing(dataset)
    after = renewed(after, there, moved.touched)
    renew_listing(run, run.after, after, effects)
    renew_listing(run, run.before, arrived(moved, before, there), effects)
    return moved, after


def _beside(
    shadow: Path,
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
    journal.write(PublishBegun(method, str(shadow), standing(shadow), built.entries["./"].inode))
    swap_unless_changed(shadow, run.stage, before, effects)
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
        if old is None:
            return False
        if begun.method == "exchange":
            _, after = _carry(old, dataset, run, before, after, journal, effects)
            before = read_listing(run.before)
        elif changed_since(before, listing(old)) and not changed_since(after, tree_at(dataset)):
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
    journal.write(PublishBegun("replace", str(dataset), 0, 0, dict(changes.folder_times)))
    late: list[Change] = []
    for path in changes.paths:
        if _is_as_it_was(base, path, before):
            _take_step(path, base, run, before, entries, journal, effects)
        else:
            late.append(_overtaken(path, base, journal))
    late += _put_newest(dataset, run, before, entries, journal, effects)
    entries = _with_late(dataset, run, entries, {change.path for change in late}, effects)
    changes = changes.without({change.path for change in late}, {})
    _finish_replace(base, run, before, changes, journal, effects, note)
    return Publication("replace", changes, len(copied), sum(before[path].size for path in copied), entries, tuple(late))


def _is_as_it_was(base: Path, path: str, before: Listing) -> bool:
    return _same(base / path, before[path]) if path in before else inode(base / path) is None


def _overtaken(path: str, base: Path, journal: Journal) -> Change:
    """Somebody has put another file there, or taken it away: that is newer than what was staged."""
    change = Change(path, "changed" if (base / path).exists() else "removed")
    journal.write(Withdrawn(path, CARRIED[change.what]))
    return change


def _put_newest(dataset: Path, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects) -> list[Change]:
    """A file that was written to in the very moment in which it was replaced stands there again, as it is now; and where one was
    given another name in that moment, its old name goes."""
    base, there = base_of(dataset, before), listing(dataset)
    ours = {path: e for path, e in after.items() if e.hash and path in before and path in there and there[path].inode == e.inode}
    names = {entry.inode: path for path, entry in there.items() if path not in before}
    found = [Change(path, "removed") for path in ours if before[path].inode in names]
    found += [Change(path, "changed") for path in ours if _was_written_to(run.snapshot / path, before[path])]
    for change in found:
        journal.write(Carried(change.path, change.what), Withdrawn(change.path, CARRIED[change.what]))
        if change.what == "removed":
            effects.unlink(base / change.path)
        else:
            put_newest(run.snapshot / change.path, base / change.path, run, effects)
        effects.sync_folder((base / change.path).parent)
    return found


def _was_written_to(saved: Path, known: Entry) -> bool:
    """Can be told where the old file itself is in the snapshot, not a copy of it."""
    return inode(saved) == known.inode and not _same(saved, known)


def _with_late(dataset: Path, run: RunFolder, after: Listing, late: Collection[str], effects: Effects) -> dict[str, Entry]:
    """The second listing as it is with what came late, written down."""
    if not late:
        return dict(after)
    after = renewed(after, listing(dataset), late)
    clear_spares(run, effects)
    renew_listing(run, run.after, after, effects)
    return after


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
    overtaken = {path for path in open_steps if not _is_as_it_was(base, path, before)}
    if not all(path not in after or _same(run.staged(path), after[path]) for path in open_steps if path not in overtaken):
        return False
    clear_spares(run, effects)
    late: list[Change] = []
    for path in changes.paths:
        if path in overtaken:
            late.append(_overtaken(path, base, journal))
        elif path in open_steps:
            _take_step(path, base, run, before, after, journal, effects)
        else:  # it may have been taken and not have reached the disk
            effects.sync_folder((base / path).parent)
    late += _put_newest(Path(begun.dataset), run, before, after, journal, effects)
    _with_late(Path(begun.dataset), run, after, {change.path for change in late}, effects)
    _finish_replace(base, run, before, changes.without({change.path for change in late}, {}), journal, effects, note)
    return True


def _taken(path: Path, wanted: Entry | None) -> bool:
    return inode(path) == (wanted.inode if wanted else None)


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
        if brought(base / path, saved, effects) == "copied":
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
