"""What writers did to a tree that was leaving the dataset's place is done to the one that takes it: nothing of theirs is lost.

A writer may have the old directory open, or come in the moment of an exchange. Afterwards the tree that left is held against its
listing: a file that landed there gets its name in the tree that stands now, if that name is free; of a file that changed there the
newest contents stand; what was removed goes. It works on what is on disk, so that it can be done again where it was cut off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Carried, Journal, Withdrawn
from instar.transforms.run.listing import (
    Change,
    Entry,
    Listing,
    changed_since,
    is_folder,
    is_same,
    listing,
    with_hashes_of,
)
from instar.transforms.run.renewal import beside
from instar.transforms.run.state import RunFolder, renamed_by, run_state
from instar.transforms.run.tree import link_or_copy

CARRIED = {
    "added": "it came while the run published",
    "changed": "it was changed while the run published; what was written last stands, not converted",
    "removed": "it was removed while the run published",
}
"""What is said of a file that was carried over, by what had become of it."""


@dataclass(frozen=True)
class Moved:
    """What had been done to a tree since it was listed, and how it is now; `also`: what goes with it under a new name."""

    changes: tuple[Change, ...]
    left: Listing
    also: tuple[Change, ...] = ()

    @cached_property
    def touched(self) -> frozenset[str]:
        return frozenset(change.path for change in (*self.changes, *self.also))

    def carried(self, there: Listing) -> dict[str, Entry]:
        """The standing tree as listed, without what has the name of something late and is another: somebody put it there."""
        return {path: entry for path, entry in there.items() if path not in self.touched or self._is_left(path, entry)}

    def _is_left(self, path: str, entry: Entry) -> bool:
        left = self.left.get(path)
        return left is not None and (is_folder(path) or left.inode == entry.inode or left[:2] == entry[:2])


def follow(
    dataset: Path, run: RunFolder, before: Listing, changes: ChangeSet, journal: Journal, effects: Effects
) -> tuple[Moved, ChangeSet]:
    """The last look before a publish: what the dataset holds now, and the changes without those of files that are others by now.

    Raises:
        OSError: the disk says no. RunError: as `listing`.
    """
    now, renamed = with_hashes_of(before, listing(dataset)), renamed_by(run_state(run))
    found = changed_since(before, now)
    rest = changes.without({change.path for change in found}, renamed)
    old_names = {new: old for old, new in renamed.items()}
    whats = {change.path: change.what for change in found}
    dropped = {new: old_names.get(new, new) for new in changes.written if new not in rest.written}
    why = {old: CARRIED[whats.get(old) or whats[new]] for new, old in dropped.items()}
    drop_staged(why, dropped, run, journal, effects)
    return Moved(found, now), rest


def drop_staged(why: Mapping[str, str], staged: Iterable[str], run: RunFolder, journal: Journal, effects: Effects) -> None:
    """What was staged under these names goes; recorded before, under the names that the files had (`why`: the reason of each).

    Raises:
        OSError: the disk says no.
    """
    if why:
        journal.write(*(Withdrawn(path, reason) for path, reason in why.items()))
    for path in staged:
        if os.path.lexists(run.staged(path)):
            effects.unlink(run.staged(path))


def carry_over(
    left: Path,
    known: Listing,
    standing: Path,
    stood: Listing,
    run: RunFolder,
    journal: Journal,
    effects: Effects,
    *,
    back: bool = False,
) -> Moved:
    """Do to `standing` what was done to the tree at `left` since it was listed as `known`; answers with what that was.

    `stood` is how the standing tree was listed; a file of it that is another now is somebody's newer one, and stays. What was
    staged for a path and does not stand there any more is withdrawn. Each change is journaled before it is made. `back`: it is the
    run's new tree that leaves, for the old one.

    Raises:
        OSError: the disk says no. RunError: as `listing`.
    """
    clear_spares(run, effects)
    found, there, renamed = listing(left), listing(standing), renamed_by(run_state(run))
    old_names = {new: old for old, new in renamed.items()}
    renamed = old_names if back else renamed
    changes = changed_since(known, found)
    if not changes:
        return Moved((), found)
    also = tuple(Change(renamed[change.path], "removed") for change in changes if change.path in renamed)
    steps = _steps((*changes, *also), found, there, stood)
    if steps:
        withdrawn = (
            Withdrawn(old_names.get(c.path, c.path), CARRIED[c.what]) for c in steps if c.path in stood and stood[c.path].hash
        )
        journal.write(*(Carried(change.path, change.what) for change in steps), *withdrawn)
    for change in steps:
        if not is_folder(change.path) and not is_same(standing / change.path, there.get(change.path)):
            continue  # the writer was quicker
        with suppress(FileNotFoundError, FileExistsError):  # or is
            _STEPS[change.what](left / change.path, standing / change.path, run, effects)
            effects.sync_folder((standing / change.path).parent)
    return Moved(changes, found, also)


def arrived(moved: Moved, known: Listing, there: Listing) -> dict[str, Entry]:
    """How the tree that left is known from now on: as it is, save what has not found its way into the one that stands (its name
    was taken there). That is still to be told of."""
    inodes = {entry.inode for entry in there.values()}
    entries = dict(known)
    for change in moved.changes:
        entry = moved.left.get(change.path)
        if entry is None:
            del entries[change.path]
        elif is_folder(change.path) or entry.inode in inodes or (change.path in there and there[change.path][:2] == entry[:2]):
            entries[change.path] = entry
    return entries


def clear_spares(run: RunFolder, effects: Effects) -> None:
    """What a step that was cut off may have left in the run's folder."""
    for path in (run.spare, beside(run.before), beside(run.after), beside(run.report)):
        if os.path.lexists(path):
            effects.unlink(path)


def renewed(stood: Listing, now: Listing, touched: Collection[str]) -> dict[str, Entry]:
    """The listing of a tree in which these paths were touched: there it is as it is now, and nothing of the run's."""
    kept = {path: entry for path, entry in stood.items() if path not in touched}
    return {**kept, **{path: now[path] for path in touched if path in now}}


# ---- what is to be done
def _steps(changes: Iterable[Change], found: Listing, there: Listing, stood: Listing) -> list[Change]:
    """Those of the changes that are still to be made, in order: folders come first and go last, and what was renamed has its new
    name before it loses the old one."""
    going = {c.path for c in changes if c.what == "removed" and _is_as_it_was(c.path, there, stood)}
    inodes = {entry.inode for path, entry in there.items() if path not in going and not is_folder(path)}
    steps = [change for change in changes if _is_open(change, going, inodes, found, there, stood)]  # by path, as a listing is
    return [*(step for step in steps if step.what != "removed"), *reversed([step for step in steps if step.what == "removed"])]


def _is_open(change: Change, going: set[str], inodes: set[int], found: Listing, there: Listing, stood: Listing) -> bool:
    path = change.path
    if change.what == "removed":
        return path in going
    if is_folder(path):
        return path not in there
    if found[path].inode in inodes or (path in there and found[path][:2] == there[path][:2]):  # linked, or copied, already
        return False
    return path not in there or (change.what == "changed" and _is_as_it_was(path, there, stood))


def _is_as_it_was(path: str, there: Listing, stood: Listing) -> bool:
    return path in there and path in stood and (is_folder(path) or there[path][:3] == stood[path][:3])


# ---- doing it
def _add(old: Path, new: Path, run: RunFolder, effects: Effects) -> None:
    if old.is_dir():
        effects.make_folder(new)
        effects.dress(new, old)
    else:
        link_or_copy(old, new, effects)


def put_newest(old: Path, new: Path, run: RunFolder, effects: Effects) -> None:
    """Let the file `old` stand at `new`, in the place of another: whoever opens it gets one or the other."""
    if os.path.lexists(run.spare):
        effects.unlink(run.spare)
    if not link_or_copy(old, run.spare, effects):
        effects.sync_folder(run.path)
    effects.replace(run.spare, new)


def _change(old: Path, new: Path, run: RunFolder, effects: Effects) -> None:
    (put_newest if os.path.lexists(new) else _add)(old, new, run, effects)


def _remove(old: Path, new: Path, run: RunFolder, effects: Effects) -> None:
    if not new.is_dir():
        effects.unlink(new)
    elif not any(new.iterdir()):
        effects.remove_folder(new)


_STEPS: dict[str, Callable[[Path, Path, RunFolder, Effects], None]] = {"added": _add, "changed": _change, "removed": _remove}
