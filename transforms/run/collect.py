"""What the runs of a dataset keep on disk, and removing it for good.

Order on disk: Collecting → the folder's files and folders, one by one → Collected. From the first of these on the snapshot is not
used any more, so that a half-removed one is never taken for a whole one; what was cut off in between is gone on with by the next
removal. Somebody may put a snapshot back afterwards, from a copy: it is then there again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.footprint import Footprint, Inode, footprint, freed
from instar.transforms.run.journal import Clock, Collected, Collecting, Discarded, Journal, Published, system_clock
from instar.transforms.run.listing import is_folder, listing, read_listing
from instar.transforms.run.removed import cut_off
from instar.transforms.run.settle import discard_new_files
from instar.transforms.run.snapshot import discard
from instar.transforms.run.state import RunState, State, list_runs

What = Literal["snapshot", "stage", "remainder", "fetched"]


@dataclass(frozen=True)
class Keeping:
    """A folder that a run keeps on disk.

    "snapshot": the old files of a published run. "stage": what an interrupted run had made so far. "remainder": a folder of a run
    that is settled, left there because files were found in it that were not the run's. `begun`: its removal was begun and cut off.
    """

    run: RunState
    what: What
    path: Path
    footprint: Footprint
    begun: bool = False

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def bytes(self) -> int:
        """What would be free on disk if this alone were removed."""
        return freed([self.footprint])


def keepings(state: State) -> tuple[Keeping, ...]:
    """What all runs keep, oldest first.

    Raises:
        RunError: a folder may not be read, or a journal cannot be understood.
    """
    try:
        return tuple(
            Keeping(run, what, path, footprint(path), begun=what == "snapshot" and cut_off(run))
            for run in list_runs(state)
            for what, path in _folders(run)
        )
    except OSError as error:
        raise disk_error("what the runs keep could not be looked at", error) from error


def _folders(run: RunState) -> Iterator[tuple[What, Path]]:
    if run.run.snapshot.is_dir() or cut_off(run):  # cut off after its last file: the end is still to be recorded
        yield "remainder" if run.last(Published) is None or run.last(Discarded) else "snapshot", run.run.snapshot
    if run.run.stage.is_dir():
        yield "remainder" if run.settled else "stage", run.run.stage
    if run.run.fetched.is_dir():
        yield "fetched", run.run.fetched


# ---- what would go with it
def names_in(found: Iterable[Keeping]) -> Counter[Inode]:
    """How many names each file has in what the runs keep."""
    names = Counter[Inode]()
    for each in found:
        names.update(each.footprint.names)
    return names


def strangers(keeping: Keeping, names: Mapping[Inode, int]) -> tuple[str, ...]:
    """Files in a snapshot that came or changed after its run was published, and that have no name but in what the runs keep
    (`names`): a writer's, who still had the old directory open, or the file. They would be lost with it."""
    if keeping.what != "snapshot" or keeping.begun:
        return ()
    before = read_listing(keeping.run.run.before)
    only_here = {inode[1] for inode, file in keeping.footprint.held.items() if names[inode] >= file.names}
    return tuple(
        path
        for path, entry in listing(keeping.path).items()
        if not is_folder(path)
        and entry.inode in only_here
        and (path not in before or (entry.size, entry.mtime_ns) != (before[path].size, before[path].mtime_ns))
    )


# ---- away with it
def collect(chosen: Collection[Keeping], facts: dict[str, Any], effects: Effects, clock: Clock = system_clock) -> int:
    """Remove snapshots, each recorded in its run's journal before and after, and stages; answers with the bytes that became free.

    The caller holds the lock and has settled.

    Raises:
        RunError: the disk says no. The snapshot that is named is not to be used any more; the next removal goes on with it.
    """
    total = 0
    for keeping in chosen:
        try:
            now = footprint(keeping.path)  # what an earlier one of these shared with it is free only with this one
            _remove(keeping, now, facts, keeping.run.run.open_journal(effects, clock), effects)
        except OSError as error:
            raise disk_error(f"the {keeping.what} of run {keeping.id} could not be removed whole", error) from error
        total += freed([now])
    return total


def _remove(keeping: Keeping, now: Footprint, facts: dict[str, Any], journal: Journal, effects: Effects) -> None:
    run = keeping.run.run
    if keeping.what == "stage":  # it may be cut off anywhere: whoever goes on with the run looks at every file
        discard_new_files(run, journal, effects, f"removed by gc {facts['told']}")
        return
    if keeping.what == "snapshot" and not keeping.begun:
        journal.write(Collecting(facts))
    discard(keeping.path, effects)
    effects.sync_folder(run.path)
    if keeping.what == "snapshot":
        journal.write(Collected(now.files, freed([now])))
