"""One execution of a plan: the dataset's lock, the run's folder and journal, and who does its work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from instar.formats.errors import RunError, UsageError
from instar.formats.format import Stamp
from instar.transforms.events import Resumed, RunBegun, StepEnded
from instar.transforms.job import Job, Options
from instar.transforms.plan import WRITING, Plan, by_version
from instar.transforms.progress import Progress, Silent
from instar.transforms.provenance import Provenance
from instar.transforms.remember import recall
from instar.transforms.renaming import refuse_method
from instar.transforms.report import json_text
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.executors import InlineExecutor
from instar.transforms.run.fence import Fenced
from instar.transforms.run.journal import Journal, Method, Planned, new_run_id, system_clock
from instar.transforms.run.listing import Change, Listing
from instar.transforms.run.lock import locked, this_owner
from instar.transforms.run.preflight import bytes_copied, preflight, probe, probe_shadow
from instar.transforms.run.renewal import renew
from instar.transforms.run.resume import Resumption, resume, resumption, sound
from instar.transforms.run.settle import Settled, settle
from instar.transforms.run.state import RunFolder, RunState, begin_run, interrupted_run, make_folders, run_folders
from instar.transforms.run.threads import ThreadExecutor
from instar.transforms.run.unit import BadRecords, Receipt, Unit

if TYPE_CHECKING:
    from instar.transforms.run.processes import SubprocessExecutor

    LocalExecutor = InlineExecutor | ThreadExecutor | SubprocessExecutor


LOADED = ("instar.transforms.run.stage_file", "instar.transforms.evaluate.arrow")
"""What every worker process needs for its first file, and takes a third of a second to load."""


@dataclass
class Stopwatch:
    """Wall seconds by step; tells the progress when one begins and ends."""

    progress: Progress = field(default_factory=Silent)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, *, files: int = 0, size: int = 0) -> Iterator[None]:
        """A step over so many files of so many source bytes, 0 where that is not known yet."""
        started = time.perf_counter()
        self.progress.step(name, files=files, size=size)
        try:
            yield
        finally:
            took = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            self.progress.event(StepEnded(name, took))


@dataclass(frozen=True)
class Undoing:
    """What a run does besides its plan, when it is a rollback: files that it brings back (`paths`), and what to record of it."""

    paths: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run: where its state lives and with what it works. `before` is the listing of the dataset that it was planned by, `resumed`
    what it goes on from, if it was interrupted.

    Of what comes or changes while it works: `waits` tells whether a later batch will see to a file; `late` are files that are left
    as they are, by path; `rounds` counts the further rounds, which have a `before` of their own (`began` is the first). In one of
    these, `earlier` is what was staged before it.
    """

    job: Job
    plan: Plan
    options: Options
    folder: RunFolder
    journal: Journal
    effects: Effects
    executor: LocalExecutor
    method: Method
    before: Listing
    provenance: Provenance
    progress: Progress
    watch: Stopwatch
    resumed: Resumption | None = None
    undoing: Undoing = Undoing()
    waits: Callable[[str], bool] = lambda path: False
    late: Mapping[str, Change] = field(default_factory=dict)
    began: Listing = field(default_factory=dict)
    rounds: int = 0
    earlier: tuple[Receipt, ...] | None = None


@contextmanager
def holding(job: Job, verb: str, effects: Effects, said: Callable[[Settled], None] = lambda settled: None) -> Iterator[Effects]:
    """The dataset's lock, a publish that was cut off settled (`said` is told how). What changes the dataset from here on goes
    through the effects that this gives: they refuse once the lock is lost.

    Raises:
        LockedError: another run holds it. RunError: the disk says no.
    """
    with held(job, verb, effects) as fenced:
        note = partial(recall, job, fenced)
        for settled in settle(job.state, fenced, note=note):
            said(settled)
        try:
            note()
        except OSError as error:
            raise disk_error("the versions that an interrupted run had made could not be recorded", error) from error
        yield fenced


@contextmanager
def held(job: Job, verb: str, effects: Effects) -> Iterator[Effects]:
    """The dataset's lock alone. A state folder that was made for it and holds nothing else goes with it.

    Raises:
        LockedError: another run holds it.
    """
    with _held_first(job, verb), _held_place(job, verb, effects) as fenced:
        yield fenced


@contextmanager
def _held_first(job: Job, verb: str) -> Iterator[None]:
    """The lock of the dataset that a shadow is made of, where other runs on it would take one: nothing is made for it."""
    lock = job.own_state.lock
    if job.shadow is None or not os.access(lock, os.W_OK):
        yield
        return
    with locked(lock, this_owner(command=f"instar {verb} {job.name}"), prepare=lambda: None):
        yield


@contextmanager
def _held_place(job: Job, verb: str, effects: Effects) -> Iterator[Effects]:
    folder = job.state.folder
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    owner = this_owner(command=f"instar {verb} {job.name}")
    with locked(job.state.lock, owner, prepare=partial(make_folders, folder, effects)) as hold:
        try:
            yield Fenced(effects, hold.refuse_if_lost)
        finally:
            if missing and os.listdir(folder) == [job.state.lock.name]:
                with suppress(OSError):  # somebody else waits in it already
                    hold.remove()
                    for path in missing:
                        effects.remove_folder(path)


def executor_for(options: Options) -> LocalExecutor:
    """In this process for one worker, in as many threads as it may have, else worker processes."""
    if options.workers > 1:
        from instar.transforms.run.processes import SubprocessExecutor

        return SubprocessExecutor(options.workers)
    return ThreadExecutor(options.threads) if options.threads > 1 else InlineExecutor()


class Pool:
    """Who does the work of a run. Worker processes are started as soon as they are expected, and load what they need while the plan
    is still made; those that nobody asks for are ended."""

    def __init__(self) -> None:
        self._early: SubprocessExecutor | None = None

    def expect(self, options: Options) -> None:
        """A run with these options is likely."""
        if options.workers > 1 and self._early is None:
            from instar.transforms.run.processes import SubprocessExecutor

            with suppress(RunError):  # why none can be started is said when they are asked for
                self._early = SubprocessExecutor(options.workers, LOADED)

    def executor(self, options: Options) -> LocalExecutor:
        """As `executor_for`; the caller's to end."""
        if self._early is not None and self._early.workers == options.workers:
            return self._early
        if self._early is not None:
            self._early.kill()
        return executor_for(options)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._early is not None:
            self._early.kill()


def begin(
    job: Job,
    plan: Plan,
    before: Listing,
    options: Options,
    executor: LocalExecutor,
    origin: Provenance,
    progress: Progress,
    watch: Stopwatch,
    effects: Effects,
    *,
    undoing: Undoing | None = None,
    facts: Mapping[str, Any] | None = None,
    later: int = 0,
    waits: Callable[[str], bool] = lambda path: False,
) -> Run:
    """Preflight, then the run's folder with the plan in it; that of an interrupted run, if there is one, with what of its stage
    still counts. `before` was listed before the inventory was taken; `facts` are further ones for the journal; `later` is the disk
    (bytes) that runs after this one will need, `waits` as in Run.

    Raises:
        RunError: too little disk, a permission, another file system: before the first byte of the dataset.
    """
    undoing = undoing or Undoing()
    probed = probe(job.location, job.state, effects) if job.shadow is None else probe_shadow(job.shadow, job.state, effects)
    method = options.method or probed.method
    if method == "exchange" and probed.method != "exchange":
        raise UsageError(
            f"this dataset cannot be published by exchange: {probed.reason}", hint="Leave --method out, or say replace."
        )
    if not undoing.facts:
        refuse_method(plan.renamed, method, probed.reason)
    changed = (*(a.path for a in plan.rewrites), *undoing.paths)
    last = interrupted_run(job.state)
    found = sound(resumption(last, plan.wanted()), last.run, executor, options.quarantining) if last else None
    needed = plan.disk_needed + later + (0 if probed.links else bytes_copied(before, set(changed), method))
    needed -= sum(receipt.size for receipt in found.receipts.values()) if found else 0
    preflight(job.location, job.state, before, tuple(p for p in changed if p in before), method, needed, options.workers)
    said = {"verb": origin.command, "from": by_version(plan.rewrites), "to": plan.target, "plan": plan.hash, "user": origin.user,
             "host": origin.host, "git": origin.git, "subject": job.subject, "files": len(changed), **undoing.facts,
             **(facts or {})}  # fmt: skip
    folder = _folder(job, method, said, plan_text(plan, undoing), last, found, effects)
    journal = folder.open_journal(effects)
    progress.event(_begun(folder.id, plan, options, method, said, origin))
    if found:
        progress.event(Resumed(folder.id, len(found.receipts), dict(found.again)))
    late = {path: Change(path, "changed", WRITING) for path in plan.arriving}
    return Run(
        job, plan, options, folder, journal, effects, executor, method, before, origin, progress, watch, found, undoing, waits,
        late, before,
    )  # fmt: skip


def plan_text(plan: Plan, undoing: Undoing) -> bytes:
    """The plan as it is kept in the run's folder."""
    return json_text({**plan.as_json(), **undoing.plan}).encode()


def _folder(
    job: Job,
    method: Method,
    facts: dict[str, Any],
    plan: bytes,
    last: RunState | None,
    found: Resumption | None,
    effects: Effects,
) -> RunFolder:
    if last is not None and found is not None:
        try:
            base = job.location if job.location.is_dir() else job.location.parent
            resume(last.run, found, facts, plan, base, last.run.open_journal(effects), effects)
        except OSError as error:
            raise disk_error(f"the interrupted run {last.id} could not be resumed", error) from error
        return last.run
    id = new_run_id(system_clock(), (known.id for known in run_folders(job.state)))
    return begin_run(job.state, id, Planned(str(job.place), method, facts), plan, effects)


def _begun(run: str, plan: Plan, options: Options, method: Method, facts: Mapping[str, Any], origin: Provenance) -> RunBegun:
    batch = facts.get("batch", {})
    return RunBegun(
        run=run,
        from_=facts["from"],
        to=plan.target,
        method=method,
        plan=plan.hash,
        files=facts["files"],
        rows=plan.rows,
        bytes=plan.bytes_in,
        workers=options.workers,
        user=origin.user,
        host=origin.host,
        instar=dict(origin.versions)["instar"],
        batch=batch.get("number"),
        batches=batch.get("of"),
    )


def write_report(run: Run, told: Mapping[str, Any]) -> None:
    """Keep a report, as JSON has it, as `report.json` in the run's folder, durable but for its name, which the listings' flush
    takes along.

    Raises:
        RunError: the disk says no.
    """
    try:
        text = json_text(told).encode()
        if run.folder.report.exists():
            renew(run.folder.report, text, run.effects)
        else:
            run.effects.create(run.folder.report, text)
    except OSError as error:
        raise disk_error(f"the report of run {run.folder.id} could not be written", error) from error


def units_of(run: Run) -> tuple[Unit, ...]:
    """The work, largest file first, so that the last one to finish is a small one."""
    stamp = Stamp(run.job.subject, run.plan.target)
    root = run.job.location if run.job.location.is_dir() else run.job.location.parent
    units = []
    most = run.options.most_errors.count if run.options.most_errors else None
    total = sum(action.size for action in run.plan.rewrites)
    for action in sorted(run.plan.rewrites, key=lambda a: -a.size):
        file, chain = run.plan.files[action.path], run.plan.chains[action.version]
        assert file.facts is not None
        units.append(
            Unit(
                path=action.path,
                source=str(root / action.path),
                staged=str(run.folder.staged(action.new_path)),
                format=run.job.settings.format,
                mapping=chain.mapping,
                schema=file.facts.schema,
                stamp=stamp,
                chain=chain.hash,
                memory=run.options.unit_memory,
                target=action.target,
                bad=BadRecords(run.options.on_error or "fail", str(run.folder.part(action.path)), most),
                threads=run.options.threads_for(action.size / total if total else 0.0),
            )
        )
    return tuple(units)
