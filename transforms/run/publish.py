"""Publishing: the staged files take the place of the old ones, which stay as the snapshot.

`exchange`: the whole new tree in one step. Order on disk: new tree complete → both listings → PublishBegun → exchange →
Exchanged → the old tree becomes `snapshot/` → Published. `replace`: file by file. Old files linked into `snapshot/` → both
listings → PublishBegun → for each file: Replacing → replace → … → empty stage removed → Published. Each arrow is a flush. What
stops in between is taken back, here where the error is met, else by `settle`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Exchanged, Journal, Method, PublishBegun, Published, Removing, Replacing, Undone
from instar.transforms.run.listing import Entry, Listing, changed_since, described, listing, listing_bytes
from instar.transforms.run.snapshot import base_of, discard, put_back, swap_unless_changed
from instar.transforms.run.state import RunFolder, make_folders, run_state
from instar.transforms.run.tree import build_tree, link_or_copy, parent_of, side_files, with_hashes
from instar.transforms.run.unit import Receipt


@dataclass(frozen=True)
class Publication:
    """What was published. `left_out`: side files that are gone because they described bytes which changed; `copied`: files
    that had to be copied where others were linked; `entries`: the dataset as it now is."""

    method: Method
    rewritten: tuple[str, ...]
    left_out: tuple[str, ...]
    copied: int
    copied_bytes: int
    entries: dict[str, Entry]


def publish(
    dataset: Path, run: RunFolder, method: Method, before: Listing, receipts: Sequence[Receipt], journal: Journal, effects: Effects
) -> Publication:
    """Publish what `receipts` say was staged. `dataset` is resolved, `before` the listing which the run was planned by.

    The dataset is listed again as the last thing before, and (exchange) the tree that left once more after: any change refuses.

    Raises:
        RunError: the dataset changed, or the disk says no. The dataset is as it was before, unless the message says that
            taking it back failed, too; then `settle` does it.
    """
    try:
        if method == "exchange":
            return _by_exchange(dataset, run, before, receipts, journal, effects)
        return _by_replace(dataset, run, before, receipts, journal, effects)
    except BaseException as error:
        _take_back(run, journal, effects, error)
        if isinstance(error, OSError):
            raise disk_error("the staged files could not be published", error) from error
        raise


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
            hint="Correct the cause, then repeat the command: it first puts the old files back from the snapshot.",
        ) from cause


def _by_exchange(
    dataset: Path, run: RunFolder, before: Listing, receipts: Sequence[Receipt], journal: Journal, effects: Effects
) -> Publication:
    hashes = {receipt.path: receipt.hash for receipt in receipts}
    left_out = side_files(before, hashes)
    built = build_tree(dataset, run.stage, before, hashes, left_out, effects)
    _write_listings(run, before, built.entries, effects)
    _refuse_changes(dataset, before)
    journal.write(PublishBegun("exchange", str(dataset), before["./"].inode, built.entries["./"].inode))
    swap_unless_changed(dataset, run.stage, before, effects)
    journal.write(Exchanged())
    effects.rename(run.stage, run.snapshot)
    effects.sync_folder(run.path)
    journal.write(Published(len(hashes)))
    return Publication("exchange", tuple(hashes), left_out, built.copied, built.copied_bytes, built.entries)


def _by_replace(
    dataset: Path, run: RunFolder, before: Listing, receipts: Sequence[Receipt], journal: Journal, effects: Effects
) -> Publication:
    hashes = {receipt.path: receipt.hash for receipt in receipts}
    left_out, base = side_files(before, hashes), base_of(dataset, before)
    copied = _save_old_files(base, run, (*left_out, *hashes), effects)
    staged = listing(run.stage)
    after = {path: staged[path] if path in hashes else entry for path, entry in before.items() if path not in left_out}
    entries = with_hashes(after, hashes)
    _write_listings(run, before, entries, effects)
    _refuse_changes(dataset, before)
    journal.write(PublishBegun("replace", str(dataset), 0, 0))
    for path in left_out:
        _refuse_change(base, path, before)
        journal.write(Removing(path, before[path].inode))
        effects.unlink(base / path)
        effects.sync_folder((base / path).parent)
    for path in hashes:
        _refuse_change(base, path, before)
        journal.write(Replacing(path, before[path].inode, entries[path].inode))
        effects.replace(run.staged(path), base / path)
        effects.sync_folder((base / path).parent)
    discard(run.stage, effects)
    journal.write(Published(len(hashes)))
    return Publication("replace", tuple(hashes), left_out, len(copied), sum(before[path].size for path in copied), entries)


def _save_old_files(base: Path, run: RunFolder, paths: Sequence[str], effects: Effects) -> list[str]:
    """The old files in the snapshot, durable; names those that had to be copied."""
    make_folders(run.snapshot, effects)
    copied: list[str] = []
    for path in paths:
        saved = run.snapshot / path
        make_folders(saved.parent, effects)
        if not link_or_copy(base / path, saved, effects):
            copied.append(path)
    for folder in sorted({parent_of(path) for path in paths}):
        effects.sync_folder(run.snapshot / folder)
    return copied


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
    known = os.stat(base / path, follow_symlinks=False)
    if (known.st_size, known.st_mtime_ns, known.st_ino) != before[path][:3]:
        raise RunError(
            f"{path} changed in the moment of publishing",
            hint="What had been published was taken back. Let the dataset's writers finish, then repeat the command.",
            where=Where(file=path),
        )
