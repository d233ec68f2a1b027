"""Publishing: the staged files take their places in the dataset; what they replace stays as the snapshot.

`exchange`: the whole new tree in one step. Order on disk: new tree complete → both listings → PublishBegun → exchange →
Exchanged → the old tree becomes `snapshot/` → note → Published. `replace`: file by file. Old files linked into `snapshot/` → both
listings → PublishBegun → for each file: Replacing → replace → … → empty stage removed → note → Published. Each arrow is a flush.
`shadow`: as exchange, in a place of its own, where an earlier shadow may stand, or nothing: then the new tree is moved there.

From PublishBegun on all that is needed is on disk: what stops in between is brought to its end by the next command (`complete`).
An error that is met here is answered here: what was done is taken back.

Writers are not waited for. The dataset is listed again as the last thing before: what has changed stays as it is. What they do to
the old tree, or to an old file, in the moment of publishing is carried over (`carry`). A shadow is what the first tree was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.transforms.run.carry import Moved, arrived, carry_over, follow, renewed
from instar.transforms.run.changes import ChangeSet, changes_between
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Exchanged, Journal, Method, PublishBegun, Published, Undone
from instar.transforms.run.listing import (
    Change,
    Entry,
    Listing,
    changed_since,
    described,
    is_folder,
    listing,
    listing_bytes,
    read_listing,
)
from instar.transforms.run.publication import Note, Publication, write_listings
from instar.transforms.run.renewal import renew
from instar.transforms.run.replacing import by_replace, complete_replace
from instar.transforms.run.shadow import NOT_THERE
from instar.transforms.run.snapshot import NOTHING, discard, put_back, standing, swap, swap_unless_changed, tree_at, tree_with
from instar.transforms.run.state import RunFolder, RunState, renamed_by, run_state
from instar.transforms.run.tree import build_tree


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
        RunError: the disk says no (or a snapshot, which the new tree is to be like, changed). The dataset is as before, unless
            the message says that taking it back failed, too; then `settle` does it.
    """
    try:
        if method == "shadow" or model is not None:
            return _beside(dataset, run, method, before, changes, journal, effects, model or (dataset, before), note)
        moved, changes = follow(dataset, run, before, changes, journal, effects)
        by = _by_exchange if method == "exchange" else by_replace
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
    return complete_replace(begun, run.run, before, after, journal, effects, note)


def _take_back(run: RunFolder, journal: Journal, effects: Effects, cause: BaseException) -> None:
    state = run_state(run)
    if state.status != "half-published":
        return
    try:
        take_back(state, journal, effects, str(cause))
    except (OSError, RunError) as error:
        raise RunError(
            f"publishing failed ({cause}), and so did taking it back ({error})",
            hint="Correct the cause, then repeat the command: it first brings this to its end.",
        ) from cause


def take_back(state: RunState, journal: Journal, effects: Effects, why: str) -> None:
    """Bring the dataset to what it was before the run's publish. What writers did to the new tree while that stood stands in the
    old one, too.

    Raises:
        OSError: the disk says no; calling again goes on from there. RunError: as `put_back`.
    """
    begun, run = state.last(PublishBegun), state.run
    assert begun is not None, "only a publish that has begun is taken back"
    dataset = Path(begun.dataset)
    stood = begun.method == "exchange" and standing(dataset) == begun.new_inode and begun.old_inode != NOTHING
    put_back(state, effects)
    new = tree_with(begun.new_inode, run) if stood else None
    if new is not None:
        before, after = read_listing(run.before), read_listing(run.after)
        carry_over(new, after, dataset, before, run, journal, effects, back=True)
    journal.write(Undone(why))


# ---- exchange, and shadows
def _by_exchange(
    dataset: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects, note: Note
) -> Publication:
    built = build_tree(dataset, run.stage, before, changes, effects)
    moved = carry_over(dataset, before, run.stage, built.entries, run, journal, effects)  # what was done while it was built
    entries = built.entries
    if moved.changes:
        staged = listing(run.stage)
        before, entries = arrived(moved, before, staged), renewed(entries, moved.carried(staged), moved.touched)
    write_listings(run, before, entries, effects)
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
    after = renewed(after, moved.carried(there), moved.touched)
    renew(run.after, listing_bytes(after), effects)
    renew(run.before, listing_bytes(arrived(moved, before, there)), effects)
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
    write_listings(run, before, built.entries, effects)
    changes_since = changed_since(planned, listing(like))
    if changes_since and method != "shadow":
        raise _changed(changes_since)
    journal.write(PublishBegun(method, str(shadow), standing(shadow), built.entries["./"].inode))
    swap_unless_changed(shadow, run.stage, before, effects)
    _finish_exchange(run, len(changes.written), journal, effects, note)
    late = tuple(replace(change, why=NOT_THERE[change.what]) for change in changes_since if not is_folder(change.path))
    return Publication(method, changes, built.copied, built.copied_bytes, built.entries, late)


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
        write_listings(run, before, {}, effects)
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


def _changed(changes: tuple[Change, ...]) -> RunError:
    return RunError(
        f"the snapshot changed while the run worked: {described(changes)}",
        hint="Nothing was published. Nobody may write into it: look at what was changed, then repeat the command.",
        where=Where(file=changes[0].path),
    )
