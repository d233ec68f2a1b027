"""What an earlier run left behind is brought to its end before a new one begins: no dirty state, nothing to force."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instar.formats.errors import InstarError, RunError
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import (
    Clock,
    Discarded,
    Failed,
    Journal,
    PublishBegun,
    Published,
    RolledBack,
    Undone,
    system_clock,
)
from instar.transforms.run.listing import changed_since, listing, read_listing
from instar.transforms.run.snapshot import discard, inode, put_back, tree_with
from instar.transforms.run.state import RunFolder, RunState, State, list_runs, run_state


@dataclass(frozen=True)
class Settled:
    """What became of an interrupted run.

    "discarded": it had published nothing. "undone": its half publish was taken back. "rolled back": its half rollback was finished.
    "finished": its new tree stood already and somebody has changed files in it since, which taking back would have hidden.
    `kept`: a folder of the run in which files were found that are not the run's, left there for a person to look at.
    """

    run: str
    what: Literal["discarded", "undone", "rolled back", "finished"]
    kept: Path | None = None


def settle(state: State, effects: Effects, clock: Clock = system_clock) -> tuple[Settled, ...]:
    """Settle every run of the dataset that is not; the caller holds the lock. Writes nothing where all are.

    Raises:
        RunError: the dataset or the snapshot is not what the run left (names the places), or the disk says no.
    """
    unsettled = [run for run in list_runs(state) if not run.settled]
    try:
        return tuple(_settled(run, run.run.open_journal(effects, clock), effects) for run in unsettled)
    except OSError as error:
        raise disk_error("an interrupted run could not be settled", error) from error


def _settled(run: RunState, journal: Journal, effects: Effects) -> Settled:
    if run.status != "half-published":
        kept = discard_new_files(run.run, journal, effects, "interrupted" if run.status == "interrupted" else run.status)
        return Settled(run.id, "discarded", kept)
    if _stands_and_changed(run):
        _finish(run, journal, effects)
        return Settled(run.id, "finished")
    put_back(run, effects)
    rolling = run.last(Published) is not None
    journal.write(RolledBack() if rolling else Undone("the run was interrupted"))
    kept = discard_new_files(run.run, journal, effects, "rolled back" if rolling else "undone")
    return Settled(run.id, "rolled back" if rolling else "undone", kept)


def _stands_and_changed(run: RunState) -> bool:
    """The new tree stands in the dataset's place, and its files are not all as the run made them."""
    begun = run.last(PublishBegun)
    if begun is None or begun.method != "exchange" or inode(Path(begun.dataset)) != begun.new_inode:
        return False
    return bool(changed_since(read_listing(run.run.after), listing(Path(begun.dataset))))


def _finish(run: RunState, journal: Journal, effects: Effects) -> None:
    begun = run.last(PublishBegun)
    if begun is not None and tree_with(begun.old_inode, run.run) == run.run.stage:
        effects.rename(run.run.stage, run.run.snapshot)
        effects.sync_folder(run.run.path)
    journal.write(Published(len(read_listing(run.run.after))))


def abandon(run: RunFolder, journal: Journal, effects: Effects, error: BaseException) -> None:
    """Record that a run failed, and discard what it staged; for the coordinator, when a step has raised `error`.

    A run that is still half-published stays so, for `settle`. Raises nothing of its own: what it could not discard, `settle` does.
    """
    hint = error.hint if isinstance(error, InstarError) else ""
    try:
        journal.write(Failed(type(error).__name__, str(error), hint))
        if run_state(run).status == "failed":
            discard_new_files(run, journal, effects, str(error))
    except (OSError, RunError) as also:
        error.add_note(f"The run's stage could not be discarded ({also}); the next command on this dataset does it.")


def discard_new_files(run: RunFolder, journal: Journal, effects: Effects, reason: str) -> Path | None:
    """Remove the stage and the snapshot, none of which is the dataset's only copy of anything. Answers with what was kept."""
    kept = next((path for path in (run.stage, run.snapshot) if _holds_foreign(run, path)), None)
    for path in (run.stage, run.snapshot):
        if path != kept:
            discard(path, effects)
    effects.sync_folder(run.path)
    journal.write(Discarded(reason if kept is None else f"{reason}; kept {kept.name}, which holds files that are not the run's"))
    return kept


def _holds_foreign(run: RunFolder, tree: Path) -> bool:
    """A writer's file got into the run's own new tree while that stood in the dataset's place."""
    begun = run_state(run).last(PublishBegun)
    if begun is None or begun.method != "exchange" or not os.path.isdir(tree) or inode(tree) != begun.new_inode:
        return False
    return any(change.what != "removed" for change in changed_since(read_listing(run.after), listing(tree)))
