"""What an earlier run left behind is brought to its end before a new one begins: no dirty state, nothing to force."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instar.formats.errors import InstarError, LockedError, RunError
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Clock, Discarded, Failed, Journal, Planned, PublishBegun, Stopped, system_clock
from instar.transforms.run.listing import changed_since, is_folder, listing, read_listing
from instar.transforms.run.publish import complete, take_back
from instar.transforms.run.renewal import beside
from instar.transforms.run.snapshot import discard, inode, tree_at
from instar.transforms.run.state import RunFolder, RunState, State, list_runs, receipts_of, run_state

FOREIGN = "holds files that are not the run's: look at them"
"""What is said of a folder that is therefore kept."""


@dataclass(frozen=True)
class Settled:
    """What became of a run that had not come to its end.

    "finished": its publish had begun, and was completed. "undone": it was taken back, since the dataset has changed meanwhile; what
    is staged stays. "discarded": it had failed, or not begun to stage, and what there was of it is gone.
    `kept`: a folder of the run in which files were found that are not the run's, left there for a person to look at.
    """

    run: str
    what: Literal["finished", "undone", "discarded"]
    kept: Path | None = None

    def __str__(self) -> str:
        became = {
            "finished": "was cut off while it published, and is completed now",
            "undone": "was cut off while it published, and is taken back: the dataset has changed meanwhile",
            "discarded": "had failed or hardly begun, and what there was of it is gone now",
        }[self.what]
        return f"run {self.run} {became}" + (f"; {self.kept} {FOREIGN}" if self.kept else "")


def settle(
    state: State, effects: Effects, clock: Clock = system_clock, *, note: Callable[[], None] = lambda: None
) -> tuple[Settled, ...]:
    """Settle every run of the dataset that is not; the caller holds the lock. Writes nothing where all are. `note` as in `publish`.

    An interrupted run which has published nothing stays as it is: what it has staged can be used (`resume`).

    Raises:
        RunError: the dataset or the snapshot is not what the run left (names the places), or the disk says no.
    """
    unsettled = [run for run in list_runs(state) if not run.settled and not _can_go_on(run)]
    try:
        return tuple(_settled(run, run.run.open_journal(effects, clock), effects, note) for run in unsettled)
    except OSError as error:
        raise disk_error("an interrupted run could not be settled", error) from error


def _can_go_on(run: RunState) -> bool:
    """Interrupted or held back, not before its journal could say what it was to do, and with nothing but its own in the stage."""
    return run.status in ("interrupted", "staged") and run.last(Planned) is not None and not _holds_foreign(run.run, run.run.stage)


def _settled(run: RunState, journal: Journal, effects: Effects, note: Callable[[], None]) -> Settled:
    if run.status != "half-published":
        return Settled(run.id, "discarded", discard_new_files(run.run, journal, effects, run.status))
    if complete(run, journal, effects, note):
        return Settled(run.id, "finished")
    take_back(run, journal, effects, "the dataset changed after the run was interrupted")
    return Settled(run.id, "undone", _kept_apart(run.run, journal, effects))


def abandon(run: RunFolder, journal: Journal, effects: Effects, error: BaseException) -> None:
    """Record that a run ended early; for the coordinator, when a step has raised `error`.

    What an interruption, the disk or a worker stopped keeps its stage: the next command goes on with it. Where the data, a file or
    the proof said no, what was staged is discarded. A run that is still half-published stays so, for `settle`. Raises nothing of
    its own: what it could not discard, `settle` does.
    """
    hint = error.hint if isinstance(error, InstarError) else ""
    ended = Stopped if resumable(error) else Failed
    in_a_query = isinstance(error, Exception) and is_interruption(error)
    kind, said = ("Interrupted", "") if in_a_query else (type(error).__name__, str(error))
    try:
        journal.write(ended(kind, said, hint))
        state = run_state(run)
        if state.status == "failed":
            discard_new_files(run, journal, effects, str(error))
        elif state.status == "interrupted":
            kept = _kept_apart(run, journal, effects)
            error.add_note(_how_to_go_on(state) if kept is None else f"{kept} {FOREIGN}")
    except (OSError, InstarError) as also:
        error.add_note(f"What became of the run could not be recorded ({also}); the next command on this dataset settles it.")


def _how_to_go_on(run: RunState) -> str:
    return f"Run the same command again: {len(receipts_of(run))} of {run.facts.get('files', 0)} files are staged already."


def _kept_apart(run: RunFolder, journal: Journal, effects: Effects) -> Path | None:
    """A stage into which somebody wrote while it stood in the dataset's place is not gone on with: that must not be lost."""
    return discard_new_files(run, journal, effects, "not to be resumed") if _holds_foreign(run, run.stage) else None


def resumable(error: BaseException) -> bool:
    """Does what stopped a run leave what it had staged worth keeping?"""
    return isinstance(error, (RunError, LockedError, OSError)) or is_interruption(error)


def is_interruption(error: BaseException) -> bool:
    """Did a signal stop it? DuckDB answers one during a query with an error of its own, "Query interrupted"."""
    if not isinstance(error, Exception):
        return True
    own = type(error).__name__ == "InterruptException" or str(error).startswith(("INTERRUPT", "Query interrupted"))
    return own and not isinstance(error, (InstarError, OSError))


def discard_new_files(run: RunFolder, journal: Journal, effects: Effects, reason: str) -> Path | None:
    """Remove the stage and what there is of a snapshot, none of which is the dataset's only copy of anything. Answers with what
    was kept."""
    kept = next((path for path in (run.stage, run.snapshot) if _holds_foreign(run, path)), None)
    for path in (run.stage, run.snapshot, run.preview):
        if path != kept:
            discard(path, effects)
    discard(run.parts, effects)
    discard_records(run, effects)
    effects.sync_folder(run.path)
    journal.write(Discarded(reason if kept is None else f"{reason}; kept {kept.name}, which holds files that are not the run's"))
    return kept


def discard_records(run: RunFolder, effects: Effects) -> None:
    """What is written down for a publish, and is not true where there is none."""
    made = (run.before, run.after, run.report)
    for path in (*made, *map(beside, made), run.quarantine, run.spare):
        if path.exists():
            effects.unlink(path)


def _holds_foreign(run: RunFolder, tree: Path) -> bool:
    """A writer's file got into the run's own new tree while that stood in the dataset's place."""
    begun = run_state(run).last(PublishBegun)
    if begun is None or begun.method == "replace" or not os.path.isdir(tree) or inode(tree) != begun.new_inode:
        return False
    if not run.after.is_file():  # the run was resumed since, and has not published again
        return False
    found = listing(tree)
    came = [change.path for change in changed_since(read_listing(run.after), found) if change.what != "removed"]
    there = tree_at(Path(begun.dataset)) if came else {}
    inodes = {entry.inode for entry in there.values()}  # what the dataset has, too, need not be kept here
    return any(
        path not in there or not (is_folder(path) or found[path][:2] == there[path][:2])
        for path in came
        if found[path].inode not in inodes
    )
