"""What a rollback brings back: for every path of a dataset, where its contents come from once runs are undone. Reads only.

A rollback is a run of its own: it stages what this says, publishes it as any run does, and can itself be rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from instar.formats.errors import RunError, UsageError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.changes import changes_between
from instar.transforms.run.journal import Planned, Restored, Resumed
from instar.transforms.run.listing import Entry, Listing, is_folder, read_listing
from instar.transforms.run.removed import require_snapshot
from instar.transforms.run.snapshot import base_of
from instar.transforms.run.state import RunState, State, list_runs, receipts_of


class Origin(NamedTuple):
    """Where the contents of a path are: a file, what is known of it (its hash, where somebody had computed it), and the schema
    version it is at where a run had found or made it; `was` is the file's path then, where somebody has renamed it since."""

    file: Path
    entry: Entry
    version: int | None = None
    was: str = ""


Tree = Mapping[str, Origin]
"""Path relative to the dataset → origin, of files only."""


# ---- which runs
_LISTS = "`instar runs` lists the runs of a dataset and what became of them."


def runs_to_undo(state: State, run: str | None = None, to: str | None = None) -> tuple[RunState, ...]:
    """The runs that a rollback takes back, newest first: the last one that changed the data (with all of its series, where it was
    published in batches), `run`, or all `to` (after) a run.

    A rollback is not counted among the runs that changed the data: undone again is one only by its own id.

    Raises:
        UsageError: there is no such run, or none. RunError: it is not published, or others came after it.
    """
    runs = list_runs(state)
    for id in (run, to):
        if id is not None:
            state.run(id)
    changed = [each for each in runs if each.status == "finished" and not each.undoes]
    if to is not None:
        return tuple(each for each in reversed(changed) if each.id > to) or _nothing_after(to)
    if run is None:
        if not changed:
            raise UsageError("there is no run to roll back", hint=_no_run(runs))
        return tuple(each for each in reversed(changed) if each.series == changed[-1].series)
    asked = next(each for each in runs if each.id == run)
    if asked.status != "finished":
        last = f"The last published run is {changed[-1].id}." if changed else "No run is published."
        raise RunError(f"the run {run} cannot be rolled back: it is {asked.status}", hint=last)
    later = [each for each in (runs if asked.undoes else changed) if each.status == "finished" and each.id > run]
    if later:
        raise RunError(
            f"the run {run} is not the last one: {later[-1].id} came after it",
            hint=f"Roll back {later[-1].id} first, or all that came after a run with --to RUN.",
        )
    return (asked,)


def _no_run(runs: Sequence[RunState]) -> str:
    """A rollback is taken back by its own id only, so that `rollback` twice never ends where it began."""
    if runs and runs[-1].undoes and runs[-1].status == "finished":
        return f"To take back the last rollback, name it: `instar rollback DATASET {runs[-1].id}`."
    return _LISTS


def require_snapshots(runs: Iterable[RunState]) -> None:
    """Raises RunError where the snapshot of a run that is to be taken back was removed."""
    for run in runs:
        require_snapshot(run, f"the run {run.id} cannot be rolled back")


def _nothing_after(to: str) -> tuple[RunState, ...]:
    raise UsageError(f"no run changed the dataset after {to}", hint=_LISTS)


# ---- what they had changed
def tree_of(dataset: Path, entries: Listing) -> dict[str, Origin]:
    """The dataset's files as they are."""
    base = base_of(dataset, entries)
    return {path: Origin(base / path, entry) for path, entry in entries.items() if not is_folder(path)}


def undone(tree: Tree, run: RunState) -> dict[str, Origin]:
    """The tree without what the run had changed.

    What the run had replaced or removed comes back out of its snapshot, what it had added goes. A file that somebody has put in
    the place of one of the run's since is nothing of the run's: it stays, and the old one does not come back beside it. One of the
    run's that somebody has renamed since has its old contents under the new name, so that its records are not there twice.

    Raises:
        RunError: the run's records cannot be read; somebody has put a file where one belongs that the run had renamed.
    """
    before, after = read_listing(run.run.before), read_listing(run.run.after)
    changes, receipts = changes_between(before, after), receipts_of(run)
    if shadowing(run):  # its receipts and its plan speak of another tree than the one that it changed
        versions, hashes, renamed = dict[str, int](), {path: entry.hash for path, entry in before.items()}, dict[str, str]()
    else:
        versions, hashes = versions_before(run), {receipt.path: receipt.source_hash for receipt in receipts}
        renamed = {receipt.path: receipt.new_path for receipt in receipts if receipt.renamed}
    made, moved = dict(tree), _moved(tree, before, after)
    for path in changes.paths:
        stands = renamed.get(path, path)
        now = tree.get(stands)
        if now is not None and not (stands in after and _is(now, after[stands])):
            continue
        if path in renamed and path in tree:
            raise _occupied(path, stands)
        if path in before:
            entry = before[path]._replace(hash=before[path].hash or hashes.get(path, ""))  # what grew since has another one
            origin = Origin(run.run.snapshot / path, entry, versions.get(path))
            if path in moved:
                made[moved[path]] = origin._replace(was=path)
            else:
                made[path] = origin
        else:
            made.pop(path, None)
    return made


def _moved(tree: Tree, before: Listing, after: Listing) -> dict[str, str]:
    """Of files that the run wrote in their old place and that are not there now: where they are, by inode, size and time."""
    came = {origin.entry[:3]: path for path, origin in tree.items() if path not in before and path not in after}
    gone = [path for path, entry in after.items() if entry.hash and path in before and path not in tree]
    return {path: came[after[path][:3]] for path in gone if after[path][:3] in came}


def _occupied(path: str, stands: str) -> RunError:
    return RunError(
        f"there is a file {path}, where the old form of {stands} belongs",
        hint="Move one of them aside, then roll back.",
        where=Where(file=path),
    )


def _is(now: Origin, made: Entry) -> bool:
    """Is it the file that the run made? A copy with the same bytes is as good."""
    if now.entry[:3] == made[:3]:
        return True
    return now.entry.size == made.size and bool(made.hash) and content_hash(now.file) == made.hash


def versions_before(run: RunState) -> dict[str, int]:
    """The version at which the run found each file that it rewrote, restored or removed."""
    plan = json.loads(run.run.plan.read_text(encoding="utf-8"))
    files = plan["identity"]["files"]
    return {path: file["version"] for path, file in files.items() if file["action"] in ("rewrite", "restore", "remove")}


def shadowing(run: RunState) -> bool:
    """Did it build a second tree?"""
    planned = run.last(Planned)
    return planned is not None and planned.method == "shadow"


def rows_by_hash(runs: Iterable[RunState]) -> dict[str, int]:
    """How many records the contents with a hash hold, of all that runs had read or written."""
    known = dict[str, int]()
    for receipt in (receipt for run in runs for receipt in receipts_of(run)):
        known[receipt.source_hash], known[receipt.hash] = receipt.rows_in, receipt.rows_out
    return known


def hash_made(runs: Iterable[RunState], paths: Iterable[str]) -> dict[str, str]:
    """The hash of what runs, newest first, had left at paths; "" where none of them had written there."""
    listings = [read_listing(run.run.after) for run in runs]
    return {path: next((made[path].hash for made in listings if path in made and made[path].hash), "") for path in paths}


def rows_in_all(hashes: Iterable[str], known: Mapping[str, int]) -> int | None:
    """The records of several contents together; None where those of one are not known."""
    counts = [known.get(hash) for hash in hashes]
    return None if None in counts else sum(count for count in counts if count is not None)


def restored_files(run: RunState) -> tuple[Restored, ...]:
    """What a rollback had brought back out of snapshots."""
    return tuple(event for event in run.since(Resumed) if isinstance(event, Restored))
