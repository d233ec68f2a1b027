"""Rollback: the old files come back exactly, by the snapshot of the run.

It is written into the journal of the run it takes back, as further events; the run stays in the history. The new files are
removed afterwards: they can be made again, byte for byte, by the same upgrade, and nothing else is in them (checked).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instar.formats.errors import RunError, UsageError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.collect import require_snapshot
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import (
    Clock,
    PublishBegun,
    Published,
    Removing,
    Replacing,
    RollbackBegun,
    RolledBack,
    system_clock,
)
from instar.transforms.run.listing import Change, Entry, Listing, changed_since, described, listing, read_listing
from instar.transforms.run.settle import discard_new_files
from instar.transforms.run.snapshot import base_of, put_back, swap_unless_changed
from instar.transforms.run.state import RunState, State, list_runs, run_state


def rollback_target(state: State, id: str | None = None) -> RunState:
    """The run that a rollback takes back: the last that is published, which is also the only one that can be.

    Raises:
        UsageError: no run is published, or there is no run `id`. RunError: `id` is not the last published run.
    """
    runs = list_runs(state)
    published = [run for run in runs if run.status == "finished"]
    if id is not None:
        state.run(id)
    if not published:
        raise UsageError("there is no run to roll back", hint="`instar runs` lists the runs of a dataset and what became of them.")
    last = published[-1]
    if id in (None, last.id):
        return last
    if id not in {run.id for run in published}:
        status = next(run.status for run in runs if run.id == id)
        raise RunError(f"the run {id} cannot be rolled back: it is {status}", hint=f"The last published run is {last.id}.")
    raise RunError(f"the run {id} is not the last one: {last.id} came after it", hint=f"Roll back {last.id} first.")


def rollback(
    state: State, effects: Effects, *, id: str | None = None, facts: dict[str, Any], clock: Clock = system_clock
) -> RunState:
    """Take the last published run back; the caller holds the lock and has settled. Answers with the run as it now is.

    Raises:
        UsageError: there is no such run. RunError: files were added, changed or removed since, or the snapshot is not what it was
            (all named), or the disk says no. The dataset is unchanged then.
    """
    run = rollback_target(state, id)
    require_snapshot(run, f"the run {run.id} cannot be rolled back")
    seen = refuse_changes(run)
    journal = run.run.open_journal(effects, clock)
    journal.write(RollbackBegun(facts))
    try:
        _put_back(run, seen, effects)
    except RunError:
        journal.write(Published(len(read_listing(run.run.after))))
        raise
    except OSError as error:
        raise disk_error("the rollback did not come to its end; the next command on this dataset goes on with it", error) from error
    journal.write(RolledBack())
    with contextlib.suppress(OSError):  # it is done; what cannot be removed now, the next command removes: the run is not settled
        discard_new_files(run.run, journal, effects, "rolled back")
    return run_state(run.run)


def _put_back(run: RunState, seen: Listing, effects: Effects) -> None:
    begun = _begun(run)
    if begun.method == "exchange":
        swap_unless_changed(Path(begun.dataset), run.run.snapshot, seen, effects)
    else:
        put_back(run, effects)


def refuse_changes(run: RunState) -> Listing:
    """Is the dataset as the run published it, and the snapshot as the run found it? Answers with the dataset as it was looked at.

    Raises:
        RunError: names what is not.
    """
    begun = _begun(run)
    now = listing(Path(begun.dataset))
    changes = tuple(_changes_since_publish(run, Path(begun.dataset), now))
    if changes:
        raise RunError(
            f"the dataset is no longer as run {run.id} left it: {described(changes)}",
            hint="A rollback would lose these changes. Move the added files aside and undo the others, then roll back; "
            "or use `downgrade`, which converts what is there.",
            where=Where(file=changes[0].path),
        )
    damage = tuple(_snapshot_changes(run, begun))
    if damage:
        raise RunError(
            f"the snapshot of run {run.id} is no longer what it was: {described(damage)}",
            hint=f"It is in {run.run.snapshot}. Restore it from a backup; `downgrade` needs no snapshot.",
            where=Where(file=damage[0].path),
        )
    return now


def _begun(run: RunState) -> PublishBegun:
    begun = run.last(PublishBegun)
    if begun is None:
        raise RunError(f"the journal of run {run.id} does not say how it was published", hint="Restore the state folder.")
    return begun


def _changes_since_publish(run: RunState, dataset: Path, now: Listing) -> Iterator[Change]:
    """As `changed_since`, but a file of another inode or time whose contents are the same has not changed."""
    after = read_listing(run.run.after)
    base = base_of(dataset, now)
    for change in changed_since(after, now):
        path = change.path
        if change.what != "changed" or not _same_bytes(after[path], now[path], base / path, run.run.snapshot / path):
            yield change


def _same_bytes(recorded: Entry, now: Entry, path: Path, saved: Path) -> bool:
    """By the recorded hash; else, for a file that was linked into the new tree, by the snapshot's, if it is not the very same."""
    if recorded.size != now.size:
        return False
    if recorded.hash:
        return content_hash(path) == recorded.hash
    return saved.is_file() and os.stat(saved).st_ino != now.inode and content_hash(path) == content_hash(saved)


def _snapshot_changes(run: RunState, begun: PublishBegun) -> tuple[Change, ...]:
    before = read_listing(run.run.before)
    snapshot = run.run.snapshot
    if begun.method == "exchange":
        return changed_since(before, listing(snapshot))
    steps = {line.event.path for line in run.lines if isinstance(line.event, (Replacing, Removing))}
    found = {path: entry for path, entry in listing(snapshot).items() if path in steps}
    return changed_since(_without_inodes({path: before[path] for path in steps}), _without_inodes(found))


def _without_inodes(entries: Listing) -> dict[str, Entry]:
    """Files that could not be linked were copied into the snapshot."""
    return {path: entry._replace(inode=0) for path, entry in entries.items()}
