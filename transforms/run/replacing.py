"""Publishing by `replace`: file by file, each by one rename that is announced before and durable after. See `publish`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from instar.transforms.run.carry import CARRIED, clear_spares, put_newest, renewed
from instar.transforms.run.changes import ChangeSet, changes_between, with_hashes
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Adding, Carried, Journal, PublishBegun, Published, Removing, Replacing, Withdrawn
from instar.transforms.run.listing import Change, Entry, Listing, is_same, listing, listing_bytes
from instar.transforms.run.publication import Note, Publication, write_listings
from instar.transforms.run.renewal import renew
from instar.transforms.run.snapshot import base_of, discard, inode, restore_times
from instar.transforms.run.state import RunFolder, make_folders
from instar.transforms.run.tree import brought, folders_above, parent_of


def by_replace(
    dataset: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects, note: Note
) -> Publication:
    """Publish file by file; `before` is the last listing. An error is for the caller to answer."""
    base = base_of(dataset, before)
    copied = _save_old_files(base, run, [path for path in changes.paths if path in before], effects)
    staged = listing(run.stage)
    kept = {path: entry for path, entry in before.items() if path not in changes.removed}
    entries = with_hashes({**kept, **{path: staged[path] for path in changes.written}}, changes.written)
    entries = {path: _at(entry, changes.folder_times.get(path)) for path, entry in entries.items()}
    write_listings(run, before, entries, effects)
    journal.write(PublishBegun("replace", str(dataset), 0, 0, dict(changes.folder_times)))
    late: list[Change] = []
    for path in changes.paths:
        if not _take_step(path, base, run, before, entries, journal, effects):
            late.append(_overtaken(path, base, journal))
    late += _put_newest(dataset, run, before, entries, journal, effects)
    entries = _with_late(dataset, run, entries, {change.path for change in late}, effects)
    changes = changes.without({change.path for change in late}, {})
    _finish_replace(base, run, before, changes, journal, effects, note)
    return Publication("replace", changes, len(copied), sum(before[path].size for path in copied), entries, tuple(late))


def complete_replace(
    begun: PublishBegun, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects, note: Note
) -> bool:
    """Take the steps that are left; False, with nothing changed, where what was staged for them is no longer there as it was."""
    base, between = base_of(Path(begun.dataset), before), changes_between(before, after)
    changes = ChangeSet(between.written, between.removed, begun.folder_times)
    open_steps = [path for path in changes.paths if not _taken(base / path, after.get(path))]
    left = [path for path in open_steps if path in after and _is_as_it_was(base, path, before)]
    if not all(is_same(run.staged(path), after[path]) for path in left):
        return False
    clear_spares(run, effects)
    late: list[Change] = []
    for path in changes.paths:
        if path in open_steps:
            if not _take_step(path, base, run, before, after, journal, effects):
                late.append(_overtaken(path, base, journal))
        else:  # it may have been taken and not have reached the disk
            effects.sync_folder((base / path).parent)
    late += _put_newest(Path(begun.dataset), run, before, after, journal, effects)
    _with_late(Path(begun.dataset), run, after, {change.path for change in late}, effects)
    _finish_replace(base, run, before, changes.without({change.path for change in late}, {}), journal, effects, note)
    return True


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
    effects.sync_folder(run.path)
    note()
    journal.write(Published(len(changes.written)))


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


def _take_step(path: str, base: Path, run: RunFolder, before: Listing, after: Listing, journal: Journal, effects: Effects) -> bool:
    """One file goes, comes, or is replaced; announced before, durable after. False: a writer was quicker, and it is left alone."""
    if not _is_as_it_was(base, path, before):
        return False
    if path in after and path not in before:
        make_folders((base / path).parent, effects)
    journal.write(_announced(path, before, after))
    if not _is_as_it_was(base, path, before):  # writing to disk takes its time
        return False
    if path not in after:
        effects.unlink(base / path)
    elif path in before:
        effects.replace(run.staged(path), base / path)
    else:
        effects.rename(run.staged(path), base / path)
    effects.sync_folder((base / path).parent)
    return True


def _announced(path: str, before: Listing, after: Listing) -> Replacing | Removing | Adding:
    if path not in after:
        return Removing(path, before[path].inode)
    return Replacing(path, before[path].inode, after[path].inode) if path in before else Adding(path, after[path].inode)


def _taken(path: Path, wanted: Entry | None) -> bool:
    return inode(path) == (wanted.inode if wanted else None)


def _is_as_it_was(base: Path, path: str, before: Listing) -> bool:
    return is_same(base / path, before.get(path))


def _at(entry: Entry, mtime_ns: int | None) -> Entry:
    return entry if mtime_ns is None else entry._replace(mtime_ns=mtime_ns)


# ---- what writers do meanwhile
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
    return inode(saved) == known.inode and not is_same(saved, known)


def _with_late(dataset: Path, run: RunFolder, after: Listing, late: Collection[str], effects: Effects) -> dict[str, Entry]:
    """The second listing as it is with what came late, written down."""
    if not late:
        return dict(after)
    after = renewed(after, listing(dataset), late)
    clear_spares(run, effects)
    renew(run.after, listing_bytes(after), effects)
    return after
