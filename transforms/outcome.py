"""What a run has come to after each of its steps, and what is told of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from instar.formats.errors import Collected, InstarError
from instar.transforms.execution import Run, Stopwatch, write_report
from instar.transforms.in_full import in_full
from instar.transforms.job import Job
from instar.transforms.plan import WRITING, Plan, by_version
from instar.transforms.provenance import Provenance
from instar.transforms.report import FileProblem, Proof, RunReport, loss_text, quarantined_by_file
from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.journal import read_journal
from instar.transforms.run.listing import Change
from instar.transforms.run.publication import Publication
from instar.transforms.run.settle import abandon
from instar.transforms.run.state import run_state
from instar.transforms.run.timeline import timeline
from instar.transforms.run.unit import Receipt, Unit

if TYPE_CHECKING:
    from instar.transforms.gate_result import GateResult


@dataclass(frozen=True)
class StagedRun:
    """New files stand beside the data, durable; nothing of the dataset has changed.

    `units` are those that have receipts; `skipped` the files that turned out to be unreadable and were passed over.
    """

    run: Run
    units: tuple[Unit, ...]
    receipts: tuple[Receipt, ...]
    skipped: tuple[FileProblem, ...] = ()

    def only(self, paths: Collection[str]) -> StagedRun:
        """The same without the other files."""
        whole = [(u, r) for u, r in zip(self.units, self.receipts, strict=True) if u.path in paths]
        return replace(self, units=tuple(unit for unit, _ in whole), receipts=tuple(receipt for _, receipt in whole))


@dataclass(frozen=True)
class ProvedRun:
    """The staged files hold what the migration says. `gates`: what the project's own checks and its test command say of them;
    `schema`, `profile` and `audit` as in the report."""

    staged: StagedRun
    proof: Proof
    gates: tuple[GateResult, ...] = ()
    schema: tuple[Mapping[str, Any], ...] | None = None
    profile: Mapping[str, Any] | None = None
    audit: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PublishedRun:
    """The new files stand in the dataset's place; the old ones are the snapshot."""

    proved: ProvedRun
    publication: Publication


def report(published: PublishedRun) -> RunReport:
    """What was done."""
    made = report_of(published.proved, published.publication.changes)
    late = {change.path: change for change in made.late}
    late |= {change.path: change for change in published.publication.late if change.why or change.path not in late}
    return replace(made, late=tuple(late.values()))


def standing(receipts: tuple[Receipt, ...], changes: ChangeSet) -> tuple[Receipt, ...]:
    """Of what was staged, that which is published: the rest was overtaken by a writer."""
    return tuple(receipt for receipt in receipts if receipt.new_path in changes.written)


def report_of(proved: ProvedRun, changes: ChangeSet) -> RunReport:
    """What a run does, and how long its steps took so far; the same before its publish as after."""
    run = proved.staged.run
    receipts, plan = standing(proved.staged.receipts, changes), run.plan
    rewritten, skipped = {receipt.path for receipt in receipts}, skipped_by(plan, proved.staged.skipped)
    losses = {loss_text(loss) for version, chain in plan.chains.items() if plan.target < version for loss in chain.losses}
    return RunReport(
        verb=run.provenance.command,
        status="done",
        run=run.folder.id,
        dataset=run.job.name,
        subject=run.job.subject,
        origin=by_version(tuple(action for action in plan.rewrites if action.path in rewritten)),
        target=plan.target,
        files={
            "rewritten": len(receipts),
            "kept": len(plan.kept),
            "carried_over": plan.carried_over,
            "skipped": len(skipped),
        },
        rows_in=sum(r.rows_in for r in receipts),
        rows_out=sum(r.rows_out for r in receipts),
        quarantined=quarantined_by_file(receipts),
        quarantine=(str(run.folder.quarantine),) if any(r.quarantined for r in receipts) else (),
        bytes_in=sum(r.source_size for r in receipts),
        bytes_out=sum(r.size for r in receipts),
        bytes_planned=plan.bytes_out,
        seconds=dict(run.watch.seconds),
        proof=proved.proof,
        method=run.method,
        snapshot=str(run.folder.snapshot),
        provenance=run.provenance,
        losses=tuple(sorted(losses)),
        left_behind=plan.left_behind(),
        dropped=tuple(path for path in changes.removed if path not in rewritten),
        renamed={r.path: r.new_path for r in receipts if r.renamed},
        notes=(
            *(f"{r.path}: {note}" for r in receipts for note in r.notes),
            *in_full(((r.path, r.why) for r in receipts), done=True),
            *proved.proof.allowances,
        ),
        warnings=plan.warnings,
        skipped=skipped,
        late=tuple(change for _, change in sorted(run.late.items())),
        rounds=run.rounds,
        resumed=run.resumed,
        gates=proved.gates,
        audit=proved.audit,
        shadow=str(run.job.shadow) if run.job.shadow else None,
        written=receipts,
        timeline=timeline(read_journal(run.folder.journal)),
        schema=proved.schema,
        profile=proved.profile,
    )


def profiled(proved: ProvedRun) -> ProvedRun:
    """The same with what is to be reported of computed columns; itself where every value was copied, which costs nothing then.

    Raises:
        InstarError: a file cannot be read any more.
    """
    staged, run = proved.staged, proved.staged.run
    if all(len(chain.mapping.untouched()) == chain.mapping.leaf_count() for chain in run.plan.chains.values()):
        return proved
    from instar.transforms.aligned import aligned
    from instar.transforms.profile import computed, profile

    proved = replace(proved, schema=aligned(run.plan.chains))
    if not any(computed(chain.mapping) for chain in run.plan.chains.values()):
        return proved
    receipts = {receipt.path: receipt for receipt in staged.receipts}
    with run.watch.step("profile", files=len(staged.units)):
        return replace(proved, profile=profile(staged.units, receipts, run.executor))


@contextmanager
def abandoned_on_failure(run: Run) -> Iterator[None]:
    """Whatever ends the run early is written into its journal; what it staged is kept or discarded, as `abandon` says. A run that
    has failed leaves its report all the same."""
    try:
        yield
    except BaseException as error:
        abandon(run.folder, run.journal, run.effects, error)
        try:
            if run_state(run.folder).status == "failed":
                write_report(run, failed(run, error))
        except (OSError, InstarError) as also:
            error.add_note(f"The report of the run could not be written ({also}).")
        raise


def failed(run: Run, error: BaseException) -> dict[str, Any]:
    """What is kept as `report.json` of a run that ended with an error and published nothing: what was planned, and what stood in
    its way, with what the error knows of it."""
    from instar.transforms.aligned import aligned

    plan = run.plan
    told = RunReport(
        verb=run.provenance.command, status="failed", run=run.folder.id, dataset=run.job.name, subject=run.job.subject,
        origin=by_version(plan.rewrites), target=plan.target,
        files={"rewritten": 0, "kept": len(plan.kept), "carried_over": plan.carried_over, "skipped": len(plan.skipped)},
        rows_in=plan.rows, rows_out=None, bytes_in=plan.bytes_in, bytes_out=0, bytes_planned=plan.bytes_out,
        seconds=dict(run.watch.seconds), proof=None, method=run.method, snapshot=None, provenance=run.provenance,
        notes=plan.notes, warnings=plan.warnings, skipped=skipped_by(plan, ()), resumed=run.resumed, rounds=run.rounds,
        shadow=str(run.job.shadow) if run.job.shadow else None,
        timeline=timeline(read_journal(run.folder.journal)), error=_error(error), schema=aligned(plan.chains),
    )  # fmt: skip
    return {**told.as_json(), **(error.report if isinstance(error, InstarError) else {})}


def _error(error: BaseException) -> dict[str, Any]:
    """An error as its report has it, several collected ones under `errors`."""
    told: dict[str, Any] = {"kind": type(error).__name__, "message": str(error), "hint": getattr(error, "hint", "")}
    return {**told, "errors": [_error(each) for each in error.errors] if isinstance(error, Collected) else []}


def skipped_by(plan: Plan, staging: tuple[FileProblem, ...]) -> tuple[FileProblem, ...]:
    """The files that were passed over: those that the inventory could not read, and those that staging could not."""
    before = (FileProblem(remark.path, remark.message, remark.hint, unreadable=True) for remark in plan.skipped)
    return tuple(sorted((*before, *staging), key=lambda problem: problem.path))


def nothing_to_do(
    job: Job,
    plan: Plan,
    verb: str,
    origin: Provenance,
    watch: Stopwatch,
    staging: tuple[FileProblem, ...] = (),
    late: Mapping[str, Change] | None = None,
) -> RunReport:
    """All files that can be read are at the target; nothing was written."""
    skipped = skipped_by(plan, staging)
    late = {path: Change(path, "changed", WRITING) for path in plan.arriving} if late is None else late
    return RunReport(
        verb=verb, status="nothing to do", run=None, dataset=job.name, subject=job.subject, origin={}, target=plan.target,
        files={"rewritten": 0, "kept": len(plan.kept), "carried_over": plan.carried_over, "skipped": len(skipped)},
        rows_in=0, rows_out=0, bytes_in=0, bytes_out=0, bytes_planned=0, seconds=watch.seconds, proof=None,
        method=plan.method, snapshot=None, provenance=origin, warnings=plan.warnings, skipped=skipped,
        late=tuple(change for _, change in sorted(late.items())),
    )  # fmt: skip
