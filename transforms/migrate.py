"""The story of a migration: inventory → plan → stage → prove → publish → report.

Each step takes the noun the step before it made. Data travels one way; until `publish` the dataset is only read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instar.formats.errors import Collected, ConfigurationError, ProofError, UsageError
from instar.formats.format import Stamp
from instar.formats.inventory import Inventory
from instar.transforms.estimate import Estimates, estimate_seconds
from instar.transforms.job import Job, Options, at_version, inventory_of, with_options
from instar.transforms.migration import Chain
from instar.transforms.partitions import refuse_partitions
from instar.transforms.plan import Plan, by_version, make_plan, refuse_changed
from instar.transforms.progress import Progress, Silent
from instar.transforms.proof.integrity import prove_file
from instar.transforms.provenance import Provenance, provenance
from instar.transforms.remember import remember_versions
from instar.transforms.report import Proof, RunReport, loss_text
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.executors import InlineExecutor, SubprocessExecutor
from instar.transforms.run.foresight import foreseen
from instar.transforms.run.journal import Journal, Method, Planned, Proved, new_run_id, system_clock
from instar.transforms.run.listing import Listing, listing
from instar.transforms.run.lock import locked, this_owner
from instar.transforms.run.preflight import preflight, probe
from instar.transforms.run.publish import Publication
from instar.transforms.run.publish import publish as publish_files
from instar.transforms.run.settle import abandon, settle
from instar.transforms.run.stage import stage as stage_units
from instar.transforms.run.state import RunFolder, begin_run, make_folders, run_folders
from instar.transforms.run.unit import FileProof, Receipt, Unit
from instar.transforms.tolerance import refuse_codes, refuse_unkeepable, tolerated


@dataclass
class Stopwatch:
    """Wall seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class Run:
    """One execution of a plan: where its state lives and with what it works."""

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


@dataclass(frozen=True)
class StagedRun:
    """New files stand beside the data, durable; nothing of the dataset has changed."""

    run: Run
    units: tuple[Unit, ...]
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True)
class ProvedRun:
    """The staged files hold what the migration says."""

    staged: StagedRun
    proof: Proof


@dataclass(frozen=True)
class PublishedRun:
    """The new files stand in the dataset's place; the old ones are the snapshot."""

    proved: ProvedRun
    publication: Publication


def migrate(
    job: Job,
    to: int | str | None,
    options: Options,
    *,
    verb: str,
    saved: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Bring every file of the dataset to a version, up or down.

    Raises:
        InstarError: as the steps below tell. The dataset is unchanged then; what was staged is discarded.
    """
    effects, watch, origin = PosixEffects(), Stopwatch(), provenance(job.project, verb)
    progress, options = progress or Silent(), with_options(options, job.settings)
    with holding(job, verb, effects):
        with watch.step("inventory"):
            before = listing(job.location)
            inventory = inventory_of(job)
        with watch.step("plan"):
            plan = plan_of(job, inventory, to, options, verb=verb)
        if saved is not None:
            refuse_changed(plan, saved)
        if not plan.rewrites:
            return nothing_to_do(job, plan, verb, origin, watch)
        options = options.for_files(len(plan.rewrites))
        with executor_for(options) as executor:
            run = begin(job, plan, before, options, executor, origin, progress, watch, effects)
            with abandoned_on_failure(run):
                return report(publish(prove(stage(run))))


@contextmanager
def abandoned_on_failure(run: Run) -> Iterator[None]:
    """Whatever ends the run early is written into its journal, and what it staged is discarded."""
    try:
        yield
    except BaseException as error:
        abandon(run.folder, run.journal, run.effects, error)
        raise


def executor_for(options: Options) -> InlineExecutor | SubprocessExecutor:
    """In this process for one worker, else worker processes."""
    return SubprocessExecutor(options.workers) if options.workers > 1 else InlineExecutor()


@contextmanager
def holding(job: Job, verb: str, effects: Effects) -> Iterator[None]:
    """The dataset's lock, an earlier interrupted run settled.

    Raises:
        LockedError: another run holds it.
    """
    make_folders(job.state.folder, effects)
    with locked(job.state.lock, this_owner(command=f"instar {verb} {job.name}")):
        settle(job.state, effects)
        yield


def plan_of(job: Job, inventory: Inventory, to: int | str | None, options: Options, *, verb: str = "upgrade") -> Plan:
    """What a run would do; reads only.

    Raises:
        DatasetError: the inventory has problems; all are named. UsageError: no such version, or it is in the other direction.
        MigrationError: a chain does not type-check. FileError: a file holds what a rewrite would lose.
    """
    import shutil

    refuse_unsupported(job)
    refuse_codes(job)
    inventory.require_sound()
    target = job.version(to, at=at_version(inventory, up=verb != "downgrade"))
    refuse_direction(inventory, target, verb)
    foresight = foreseen(job.location)
    plan = make_plan(
        inventory,
        dataset=job.name,
        target=target,
        chain=lambda version: checked_chain(job, inventory, version, target),
        estimate=Estimates(job.format, inventory),
        method=(options.method or foresight.method, "as asked" if options.method else foresight.reason),
        disk_free=shutil.disk_usage(job.location.parent).free,
        seconds=lambda size: estimate_seconds(job.settings.format, size, options.workers),
        foresee=lambda file, chain: job.format.foresee(
            inventory.root / file.path, reads=chain.mapping.reads(), memory=options.for_files(len(inventory.files)).unit_memory
        ),
    )
    refuse_unkeepable(job, inventory, plan)
    return plan


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
    needed = plan.disk_needed + (0 if probed.links else plan.bytes_in)
    preflight(job.location, job.state, before, rewritten, method, needed, options.workers)
    facts = {"verb": origin.command, "from": by_version(plan.rewrites), "to": plan.target, "plan": plan.hash, "user": origin.user,
             "host": origin.host, "git": origin.git, "subject": job.subject, "files": len(plan.rewrites)}  # fmt: skip
    text = json.dumps(plan.as_json(), indent=1, ensure_ascii=False).encode("utf-8", "surrogateescape")
    id = new_run_id(system_clock(), (known.id for known in run_folders(job.state)))
    folder = begin_run(job.state, id, Planned(str(job.location), method, facts), text, effects)
    journal = folder.open_journal(effects)
    return Run(job, plan, options, folder, journal, effects, executor, method, before, origin, progress, watch)


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


def stage(run: Run) -> StagedRun:
    """New files beside the data, in parallel, made durable before they count.

    Raises:
        DataError, FileError, RunError, or Collected of several: every file's own.
    """
    units = units_of(run)
    run.progress.step("stage", files=len(units), size=run.plan.bytes_in)
    with run.watch.step("stage"):
        receipts = stage_units(units, run.executor, run.journal, run.effects, run.progress)
    return StagedRun(run, units, receipts)


def prove(staged: StagedRun) -> ProvedRun:
    """DuckDB recomputes from the old files what the new ones must hold, and compares.

    Raises:
        ProofError: they differ; names each file and column. Nothing was published.
    """
    run = staged.run
    receipts = {r.path: r for r in staged.receipts}
    run.progress.step("prove", files=len(staged.units), size=run.plan.bytes_in)
    proofs: list[FileProof] = []
    with run.watch.step("prove"):
        tasks = {
            unit.path: run.executor.submit(prove_file, unit, receipts[unit.path], level=run.options.proof) for unit in staged.units
        }
        for path, task in tasks.items():
            proofs.append(tolerated(task.result(), run.job.settings.allow))
            run.progress.advance(files=1, rows=receipts[path].rows_out, size=receipts[path].source_size)
    proof = judged(sorted(proofs, key=lambda p: p.path))
    if proof.verdict == "failed":
        raise proof_failed(proof)
    run.journal.write(Proved(proof.verdict, len(proofs)))
    return ProvedRun(staged, proof)


def publish(proved: ProvedRun) -> PublishedRun:
    """The new files take the place of the old ones, which stay as the snapshot.

    Raises:
        RunError: the dataset changed since the plan was made, or the disk says no. The dataset is as it was.
    """
    staged, run = proved.staged, proved.staged.run
    run.progress.step("publish", files=len(staged.units), size=0)
    with run.watch.step("publish"):
        published = publish_files(run.job.location, run.folder, run.method, run.before, staged.receipts, run.journal, run.effects)
        remember_versions(run.job, run.plan, staged.receipts)
    return PublishedRun(proved, published)


def report(published: PublishedRun) -> RunReport:
    """What was done, kept as `report.json` in the run's folder."""
    proved, run = published.proved, published.proved.staged.run
    receipts, plan = proved.staged.receipts, run.plan
    losses = {loss_text(loss) for version, chain in plan.chains.items() if plan.target < version for loss in chain.losses}
    made = RunReport(
        verb=run.provenance.command,
        status="done",
        run=run.folder.id,
        dataset=run.job.name,
        subject=run.job.subject,
        origin=by_version(plan.rewrites),
        target=plan.target,
        files={"rewritten": len(receipts), "kept": len(plan.kept), "carried_over": plan.carried_over},
        rows_in=sum(r.rows_in for r in receipts),
        rows_out=sum(r.rows_out for r in receipts),
        bytes_in=sum(r.source_size for r in receipts),
        bytes_out=sum(r.size for r in receipts),
        bytes_planned=plan.bytes_out,
        seconds=run.watch.seconds,
        proof=proved.proof,
        method=published.publication.method,
        snapshot=str(run.folder.snapshot),
        provenance=run.provenance,
        losses=tuple(sorted(losses)),
        dropped=published.publication.left_out,
        notes=(*(f"{r.path}: {note}" for r in receipts for note in r.notes), *proved.proof.allowances),
        warnings=plan.warnings,
    )
    text = json.dumps(made.as_json(), indent=1, ensure_ascii=False) + "\n"
    run.effects.create(run.folder.report, text.encode("utf-8", "surrogateescape"))
    return made


def nothing_to_do(job: Job, plan: Plan, verb: str, origin: Provenance, watch: Stopwatch) -> RunReport:
    """All files are at the target; nothing was written."""
    return RunReport(
        verb=verb, status="nothing to do", run=None, dataset=job.name, subject=job.subject, origin={}, target=plan.target,
        files={"rewritten": 0, "kept": len(plan.kept), "carried_over": plan.carried_over}, rows_in=0, rows_out=0, bytes_in=0,
        bytes_out=0, bytes_planned=0, seconds=watch.seconds, proof=None, method=plan.method, snapshot=None, provenance=origin,
        warnings=plan.warnings,
    )  # fmt: skip


# ---- refusals
def checked_chain(job: Job, inventory: Inventory, version: int, target: int) -> Chain:
    """The chain, type-checked by DuckDB; no operation of it may name a partition key."""
    from instar.transforms.evaluate.sql import verify_types

    low, high = sorted((version, target))
    refuse_partitions([m for m in job.migrations if low < m.version <= high], job.schemas, inventory.partition_keys)
    chain = job.chain(version, target)
    verify_types(chain.mapping)
    return chain


def refuse_unsupported(job: Job) -> None:
    """A setting that is understood but not obeyed would be a lie."""
    for key, given in (("name", job.settings.file_name), ("test", job.settings.test)):
        if given:
            raise ConfigurationError(
                f"[datasets.{job.name}] {key} is not supported by this version of Instar", hint=f"Remove `{key}` from instar.toml."
            )


def refuse_direction(inventory: Inventory, target: int, verb: str) -> None:
    """`upgrade` never goes down and `downgrade` never up, for any file."""
    versions = {f.version for f in inventory.files if f.version is not None}
    wrong = [v for v in versions if (v > target if verb == "upgrade" else v < target)]
    if verb in ("upgrade", "downgrade") and wrong:
        other = "downgrade" if verb == "upgrade" else "upgrade"
        at = ", ".join(map(str, sorted(wrong)))
        raise UsageError(f"files are at version {at}: {verb} does not lead from there to {target}", hint=f"Use `instar {other}`.")


def judged(proofs: Sequence[FileProof]) -> Proof:
    verdicts = {p.verdict for p in proofs}
    verdict = "failed" if "failed" in verdicts else "repeated" if "repeated" in verdicts else "proved"
    return Proof(verdict, tuple(proofs))


def proof_failed(proof: Proof) -> ProofError | Collected:
    hint = "Nothing was published and the data is as it was. This is a fault of Instar's or of the disk: report it, please."
    lines = proof.failures
    if len(lines) == 1:
        return ProofError(f"the proof failed: {lines[0]}", hint=hint)
    return Collected(f"the proof failed in {len(lines)} places", hint=hint, errors=[ProofError(line) for line in lines])


def read_plan(path: Path) -> dict[str, Any]:
    """A plan file that `instar plan --out` wrote.

    Raises:
        UsageError: it is not one.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a plan: {error}", hint="Make one with: instar plan DATASET --out FILE") from error
    if not isinstance(saved, dict) or "identity" not in saved:
        raise UsageError(f"{path} is not a plan", hint="Make one with: instar plan DATASET --out FILE")
    return saved
