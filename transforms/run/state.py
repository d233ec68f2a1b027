"""Where the runs of a dataset keep their state, and what became of each.

    <parent>/.instar/<dataset's name>/   lock
        runs/<id>/                       plan.json  journal.jsonl  before.json  after.json  report.json  stage/  snapshot/

It lies beside the dataset on the same file system, never inside it, and is the same for every project that uses the dataset.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from instar.formats.discover import state_folder
from instar.formats.errors import RunError, UsageError
from instar.transforms.run.disk import no_space
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import (
    Clock,
    Discarded,
    Event,
    Failed,
    HeldBack,
    Journal,
    Line,
    Planned,
    PublishBegun,
    Published,
    Replanned,
    Resumed,
    Staged,
    Undone,
    Withdrawn,
    read_journal,
    system_clock,
)
from instar.transforms.run.unit import Receipt

Status = Literal["finished", "failed", "interrupted", "staged", "discarded", "half-published", "rolled back"]
"""staged: it ended before its publish as somebody wished, and can be gone on with. discarded: such a one whose stage is gone."""
_E = TypeVar("_E")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; its name is the run's id."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def stage(self) -> Path:
        """New files under their names in the dataset; for `exchange` it becomes the whole new tree."""
        return self.path / "stage"

    @property
    def snapshot(self) -> Path:
        """The old tree (`exchange`), or the replaced and removed files of it (`replace`)."""
        return self.path / "snapshot"

    @property
    def fetched(self) -> Path:
        """What `rollback --from` fetches out of a copy of the snapshot; it becomes `snapshot`."""
        return self.path / "fetched"

    @property
    def before(self) -> Path:
        """The listing of the dataset before the publish."""
        return self.path / "before.json"

    @property
    def after(self) -> Path:
        """The listing of the dataset as the publish makes it."""
        return self.path / "after.json"

    @property
    def quarantine(self) -> Path:
        """The records that were left out, with file, position, path, value and reason."""
        return self.path / "quarantine.ndjson"

    @property
    def parts(self) -> Path:
        """The folder of those of each file."""
        return self.path / "quarantine"

    def part(self, path: str) -> Path:
        """Where those of the file `path` (relative to the dataset) are written first: under a name of bounded length."""
        return self.parts / f"{hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()}.ndjson"

    @property
    def preview(self) -> Path:
        """The dataset as it would be, in symbolic links, while a test command looks at it."""
        return self.path / "preview"

    @property
    def test_log(self) -> Path:
        """What the test command said."""
        return self.path / "test.log"

    @property
    def spare(self) -> Path:
        """A name that a file has on its way into the place of another."""
        return self.path / "newest"

    def staged(self, path: str) -> Path:
        """Where the new file for `path` (relative to the dataset) is staged."""
        return self.stage / path

    def open_journal(self, effects: Effects, clock: Clock = system_clock) -> Journal:
        return Journal(self.journal, effects, clock)


@dataclass(frozen=True)
class State:
    """The state folder of one dataset."""

    folder: Path

    @classmethod
    def beside(cls, dataset: Path) -> State:
        """The default place for a dataset's state; `dataset` is resolved already."""
        return cls(state_folder(dataset))

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def run(self, id: str) -> RunFolder:
        """The folder of a run that exists.

        Raises:
            UsageError: there is no such run.
        """
        if not (self.runs / id).is_dir() or Path(id).name != id:
            known = [run.id for run in run_folders(self)]
            raise UsageError(f"there is no run {id!r}", hint=known_runs(known))
        return RunFolder(self.runs / id)


def known_runs(ids: Sequence[str]) -> str:
    """What to say to somebody who named a run that is none. Ids are too much alike to guess which was meant."""
    return f"`instar runs` lists them; the last one is {max(ids)}." if ids else "This dataset has no runs yet."


def begin_run(state: State, id: str, planned: Planned, plan: bytes, effects: Effects, clock: Clock = system_clock) -> RunFolder:
    """A new run's folder with its plan, an empty stage and the first line of its journal, all durable.

    Raises:
        RunError: the disk says no.
    """
    run = RunFolder(state.runs / id)
    try:
        make_folders(run.path, effects)
        effects.create(run.plan, plan)
        effects.make_folder(run.stage)
        run.open_journal(effects, clock).write(planned)  # and with it the names of what is in the folder
    except OSError as error:
        raise RunError(
            f"the state folder {state.folder} cannot be written: {error.strerror}",
            hint=no_space(error.errno) or 'Make its parent writable, or set state = "…" to a folder on the dataset\'s file system.',
        ) from error
    return run


def make_folders(path: Path, effects: Effects) -> None:
    """`path` and the folders above it that are missing, their names durable.

    Raises:
        RunError: the disk says no.
    """
    if path.is_dir():
        return
    make_folders(path.parent, effects)
    try:
        effects.make_folder(path)
        effects.sync_folder(path.parent)
    except FileExistsError as error:
        if not path.is_dir():  # else somebody else was quicker
            raise _unwritable(path, error) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"the state folder {path} cannot be made: {error.strerror}",
        hint=no_space(error.errno)
        or f'Make {path.parent} writable, or set state = "…" in instar.toml to a writable folder on the dataset\'s file system.',
    )


@dataclass(frozen=True)
class RunState:
    """What became of a run. `settled`: nothing of it is left to be undone or discarded."""

    run: RunFolder
    status: Status
    settled: bool
    lines: tuple[Line, ...]

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def begun(self) -> str:
        """When it began (ISO 8601), "" where it died before it could say so."""
        return self.lines[0].at if self.lines else ""

    @property
    def facts(self) -> dict[str, Any]:
        """What its plan was made of, as it was made last. Empty where it died before it could say so."""
        said = [line.event for line in self.lines if isinstance(line.event, (Planned, Resumed, Replanned))]
        return said[-1].facts if said else {}

    @property
    def series(self) -> str:
        """The first of the runs that were published in batches by one command; itself where it is alone."""
        return (self.facts.get("batch") or {}).get("series") or self.id

    @property
    def undoes(self) -> tuple[str, ...]:
        """The runs that it takes back, if it is a rollback."""
        return tuple(self.facts.get("undoes", ()))

    def since(self, kind: type[Any]) -> tuple[Event, ...]:
        """The events after the last of a kind, all where there was none."""
        events = [line.event for line in self.lines]
        begun = max((number for number, event in enumerate(events) if isinstance(event, kind)), default=-1)
        return tuple(events[begun + 1 :])

    def last(self, kind: type[_E]) -> _E | None:
        """The last event of a kind, None where there was none."""
        return next((line.event for line in reversed(self.lines) if isinstance(line.event, kind)), None)


def run_folders(state: State) -> tuple[RunFolder, ...]:
    """The folders of all runs, oldest first."""
    if not state.runs.is_dir():
        return ()
    return tuple(RunFolder(path) for path in sorted(state.runs.iterdir()) if path.is_dir())


def list_runs(state: State) -> tuple[RunState, ...]:
    """All runs, oldest first. A run that is at work just now looks interrupted: the lock tells them apart (`lock.holder`)."""
    runs = [run_state(run) for run in run_folders(state)]
    undone: set[str] = set()
    for at in reversed(range(len(runs))):  # a rollback that was itself rolled back undoes nothing
        if runs[at].status == "finished" and runs[at].id in undone:
            runs[at] = replace(runs[at], status="rolled back")
        elif runs[at].status == "finished":
            undone.update(runs[at].undoes)
    return tuple(runs)


def run_state(run: RunFolder) -> RunState:
    """What the run's journal says became of it; whether a later run undid it, only `list_runs` can tell."""
    lines = read_journal(run.journal)
    status, settled = _status([line.event for line in lines])
    return RunState(run, status, settled, lines)


def _status(events: list[Event]) -> tuple[Status, bool]:
    kinds = [type(event) for event in events]
    if Published in kinds:
        return "finished", True
    if kinds.count(PublishBegun) > kinds.count(Undone):
        return "half-published", False
    settled = Discarded in kinds
    if Failed in kinds:
        return "failed", settled
    gone_on = max((at for at, kind in enumerate(kinds) if kind in (Resumed, Replanned)), default=-1)
    if HeldBack in kinds[gone_on + 1 :]:
        return ("discarded" if settled else "staged"), settled
    return "interrupted", settled


def interrupted_run(state: State) -> RunState | None:
    """The last run, if it stopped before it published (interrupted, or as somebody wished) and its stage is still there: the one
    that can be resumed."""
    runs = run_folders(state)
    last = run_state(runs[-1]) if runs else None
    return last if last and last.status in ("interrupted", "staged") and not last.settled else None


def receipts_of(run: RunState) -> list[Receipt]:
    """What the run staged, as far as it counts: since it was last resumed, the last of a path, and not withdrawn after that."""
    staged: dict[str, Receipt] = {}
    for event in run.since(Resumed):
        if isinstance(event, Staged):
            staged[event.receipt.path] = event.receipt
        elif isinstance(event, Withdrawn):
            staged.pop(event.path, None)
    return list(staged.values())


def renamed_by(run: RunState) -> dict[str, str]:
    """Old name → new name of the files that the run stages under another one, those that were withdrawn included."""
    receipts = [event.receipt for event in run.since(Resumed) if isinstance(event, Staged)]
    return {receipt.path: receipt.new_path for receipt in receipts if receipt.renamed}
