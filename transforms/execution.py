"""One execution of a plan: the dataset's lock, the run's folder and journal, and who does its work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from instar.formats.errors import UsageError
from instar.formats.format import Stamp
from instar.transforms.events import RunBegun, StepEnded
from instar.transforms.job import Job, Options
from instar.transforms.plan import Plan, by_version
from instar.transforms.progress import Progress, Silent
from instar.transforms.provenance import Provenance
from instar.transforms.remember import recall
from instar.transforms.report import json_text
from instar.transforms.run.effects import Effects
from instar.transforms.run.executors import InlineExecutor, SubprocessExecutor
from instar.transforms.run.fence import Fenced
from instar.transforms.run.journal import Journal, Method, Planned, new_run_id, system_clock
from instar.transforms.run.listing import Listing
from instar.transforms.run.lock import locked, this_owner
from instar.transforms.run.preflight import bytes_copied, preflight, probe
from instar.transforms.run.settle import abandon, settle
from instar.transforms.run.state import RunFolder, begin_run, make_folders, run_folders
from instar.transforms.run.unit import Unit


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
class Run:
    """A run: where its state lives and with what it works. `before` is the listing of the dataset that it was planned by."""

    job: Job
    plan: Plan
    options: Options
    folder: RunFolder
    journal: Journal
    effects: Effects
    executor: InlineExecutor | SubprocessExecutor
    method: Method
    before: Listing
    provenance: Provenance
    progress: Progress
    watch: Stopwatch


@contextmanager
def holding(job: Job, verb: str, effects: Effects) -> Iterator[Effects]:
    """The dataset's lock, an earlier interrupted run settled. What changes the dataset from here on goes through the effects that
    this gives: they refuse once the lock is lost.

    Raises:
        LockedError: another run holds it.
    """
    with held(job, verb, effects) as fenced:
        settle(job.state, fenced)
        recall(job, fenced)
        yield fenced


@contextmanager
def held(job: Job, verb: str, effects: Effects) -> Iterator[Effects]:
    """The dataset's lock alone. A state folder that was made for it and holds nothing else goes with it.

    Raises:
        LockedError: another run holds it.
    """
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


def executor_for(options: Options) -> InlineExecutor | SubprocessExecutor:
    """In this process for one worker, else worker processes."""
    return SubprocessExecutor(options.workers) if options.workers > 1 else InlineExecutor()


def begin(
    job: Job,
    plan: Plan,
    before: Listing,
    options: Options,
    executor: InlineExecutor | SubprocessExecutor,
    origin: Provenance,
    progress: Progress,
    watch: Stopwatch,
    effects: Effects,
) -> Run:
    """Preflight, then the run's folder with the plan in it. `before` was listed before the inventory was taken.

    Raises:
        RunError: too little disk, a permission, another file system: before the first byte of the dataset.
    """
    probed = probe(job.location, job.state, effects)
    method = options.method or probed.method
    if method == "exchange" and probed.method != "exchange":
        raise UsageError(
            f"this dataset cannot be published by exchange: {probed.reason}", hint="Leave --method out, or say replace."
        )
    rewritten = tuple(a.path for a in plan.rewrites)
    needed = plan.disk_needed + (0 if probed.links else bytes_copied(before, set(rewritten), method))
    preflight(job.location, job.state, before, rewritten, method, needed, options.workers)
    facts = {"verb": origin.command, "from": by_version(plan.rewrites), "to": plan.target, "plan": plan.hash, "user": origin.user,
             "host": origin.host, "git": origin.git, "subject": job.subject, "files": len(plan.rewrites)}  # fmt: skip
    text = json_text(plan.as_json()).encode()
    id = new_run_id(system_clock(), (known.id for known in run_folders(job.state)))
    folder = begin_run(job.state, id, Planned(str(job.location), method, facts), text, effects)
    journal = folder.open_journal(effects)
    progress.event(_begun(id, plan, options, method, origin))
    return Run(job, plan, options, folder, journal, effects, executor, method, before, origin, progress, watch)


def _begun(run: str, plan: Plan, options: Options, method: Method, origin: Provenance) -> RunBegun:
    return RunBegun(
        run=run,
        from_=by_version(plan.rewrites),
        to=plan.target,
        method=method,
        plan=plan.hash,
        files=len(plan.rewrites),
        rows=plan.rows,
        bytes=plan.bytes_in,
        workers=options.workers,
        user=origin.user,
        host=origin.host,
        instar=dict(origin.versions)["instar"],
    )


@contextmanager
def abandoned_on_failure(run: Run) -> Iterator[None]:
    """Whatever ends the run early is written into its journal, and what it staged is discarded."""
    try:
        yield
    except BaseException as error:
        abandon(run.folder, run.journal, run.effects, error)
        raise


def units_of(run: Run) -> tuple[Unit, ...]:
    """The work, largest file first, so that the last one to finish is a small one."""
    stamp = Stamp(run.job.subject, run.plan.target)
    root = run.job.location if run.job.location.is_dir() else run.job.location.parent
    units = []
    for action in sorted(run.plan.rewrites, key=lambda a: -a.size):
        file, chain = run.plan.files[action.path], run.plan.chains[action.version]
        assert file.facts is not None
        units.append(
            Unit(
                path=action.path,
                source=str(root / action.path),
                staged=str(run.folder.staged(action.path)),
                format=run.job.settings.format,
                mapping=chain.mapping,
                schema=file.facts.schema,
                stamp=stamp,
                chain=chain.hash,
                memory=run.options.unit_memory,
            )
        )
    return tuple(units)
