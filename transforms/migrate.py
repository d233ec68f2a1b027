"""The story of a migration: inventory → plan → stage → prove → publish → report.

Each step takes the noun the step before it made. Data travels one way; until `publish` the dataset is only read. What refuses a
plan is in `planning`, what a run holds and works with in `execution`, the nouns and the report in `outcome`, how files are staged
and published in `run`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from instar.formats.errors import Collected, InstarError, RunError, UnreadableError, is_unreadable
from instar.formats.inventory import SKIPPING
from instar.transforms.batches import after, in_batches, named, together
from instar.transforms.events import Quarantined, Warned
from instar.transforms.execution import Pool, Run, Stopwatch, begin, holding, units_of, write_report
from instar.transforms.job import Job, Options, inventory_of, with_options
from instar.transforms.latecomers import ROUNDS, News, give_up, given_up, is_overtaken, left_late, news, next_round
from instar.transforms.outcome import (
    ProvedRun,
    PublishedRun,
    StagedRun,
    abandoned_on_failure,
    nothing_to_do,
    profiled,
    report,
    report_of,
    standing,
)
from instar.transforms.pick_up import PickedUp, picking_up
from instar.transforms.plan import WRITING, Plan, refuse_changed
from instar.transforms.planning import Work, plan_of, suited
from instar.transforms.progress import Progress, Silent
from instar.transforms.proof.standing import prove_unless_changed
from instar.transforms.provenance import asking
from instar.transforms.remember import remember_versions
from instar.transforms.report import FileProblem, Proof, RunReport, proved_event, published_event, quarantined_by_file
from instar.transforms.run.changes import ChangeSet, change_set
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.executors import in_order
from instar.transforms.run.journal import Proved
from instar.transforms.run.listing import Listing, changed_since, listing, read_listing
from instar.transforms.run.publication import Note, Publication
from instar.transforms.run.publish import publish as publish_files
from instar.transforms.run.quarantine import earlier_in_series, gather, refuse_too_many
from instar.transforms.run.settle import Settled, abandon
from instar.transforms.run.shadow import copy_rest, known_tree
from instar.transforms.run.stage import stage as stage_units
from instar.transforms.run.state import list_runs, receipts_of, run_state
from instar.transforms.run.unit import FileProof, Unit
from instar.transforms.tolerance import tolerated


def migrate(
    job: Job,
    to: int | str | None,
    options: Options,
    *,
    verb: str,
    saved: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    effects: Effects | None = None,
) -> RunReport:
    """Bring every file of the dataset to a version, up or down.

    Every change of the file system goes through `effects`, the workers' too, which get it pickled; None is the real file system.

    Raises:
        InstarError: as the steps below tell. The dataset is unchanged then, but for earlier batches; what was staged is discarded,
            or kept for the next command where it is worth something.
    """
    progress, effects = progress or Silent(), effects or PosixEffects()
    watch, options = Stopwatch(progress), with_options(options, job.settings)
    said: list[Settled] = []
    if to is None or not str(to).strip().startswith(("+", "-")):
        job.version(to, at=None)
    with (
        asking(job.project, verb) as answer,
        holding(job, verb, effects, said.append) as effects,
        picking_up(job, progress, effects, planned=saved is not None) as picked,
        Pool() as pool,
    ):
        for settled in said:
            progress.event(Warned(str(settled)))
        first, plan = planned(job, to, options, verb, watch, pool)
        if saved is not None:
            refuse_changed(plan, saved)
        for warning in plan.warnings:
            progress.event(Warned(warning))
        origin = answer()
        if not plan.rewrites:
            return telling(nothing_to_do(job, plan, verb, origin, watch), said, picked)
        if job.gated or options.queries:
            from instar.transforms.gates import ready

            ready(job, plan, options)
        work = [Work(plan.files[action.path], plan.chains[action.version], action.way) for action in plan.rewrites]
        options = suited(job, work, options)
        done: list[RunReport] = []
        with pool.executor(options) as executor:
            for batch in in_batches(plan, options, list_runs(job.state)):
                before = as_planned(batch.plan, first, listing(job.location)) if done else first
                facts = named(batch, next((made.run for made in done if made.run), None))
                with after(done):
                    run = begin(
                        job, batch.plan, before, options, executor, origin, progress, watch, effects,
                        facts=facts, later=batch.later, waits=batch.waits,
                    )  # fmt: skip
                    done.append(migrated(run, rounds=ROUNDS if saved is None else 0))  # a saved plan is what was reviewed
    if options.stage_only:
        from instar.transforms.held_back import refuse_held_back

        refuse_held_back(done[-1])
    return telling(together(done), said, picked)


def as_planned(plan: Plan, first: Listing, now: Listing) -> Listing:
    """What a later batch begins with, its own files as they were when it was planned: one that is another now shows by that."""
    return {**now, **{action.path: first[action.path] for action in plan.rewrites if action.path in first}}


def telling(made: RunReport, said: Sequence[Settled], picked: PickedUp) -> RunReport:
    """The report, with what came before the run."""
    notes, warnings = (*made.notes, *map(str, said), *picked.notes), (*made.warnings, *picked.warnings)
    return replace(made, notes=notes, warnings=warnings)


def planned(job: Job, to: int | str | None, options: Options, verb: str, watch: Stopwatch, pool: Pool) -> tuple[Listing, Plan]:
    """What the dataset held, and the plan; made again where it could not be because files went or changed meanwhile. The pool is
    told what to expect.

    Raises:
        InstarError: as `inventory_of` and `plan_of`.
    """
    left = ROUNDS
    while True:
        with watch.step("inventory"):
            before = listing(job.location)
            inventory = inventory_of(job, passing_broken=options.quarantining)
        try:
            with watch.step("plan"):  # staging names all that cannot be converted
                return before, plan_of(job, inventory, to, options, verb=verb, judging=False, expecting=pool.expect)
        except (InstarError, FileNotFoundError):
            if not left or not changed_since(before, listing(job.location)):
                raise
        left -= 1


def migrated(run: Run, rounds: int = ROUNDS) -> RunReport:
    """One run, from its first byte to its report. `rounds`: so often what came meanwhile is staged, too."""
    with abandoned_on_failure(run):
        proved = caught_up(prove(stage(run)), rounds)
        if proved.staged.receipts:
            return ended(profiled(gated(proved)))
        abandon(run.folder, run.journal, run.effects, UnreadableError("none of the files that were to be rewritten can be read"))
        run = proved.staged.run
        return nothing_to_do(run.job, run.plan, run.provenance.command, run.provenance, run.watch, proved.staged.skipped, run.late)


def caught_up(proved: ProvedRun, rounds: int) -> ProvedRun:
    """What came or changed while the run worked is staged and proved, too, in a few more rounds. What changes even then is left as
    it is: a writer who never stops must not keep the others waiting.

    Raises:
        RunError: the disk says no, or a worker died. ProofError: as `prove`.
    """
    for _ in range(rounds):
        run, staged = proved.staged.run, {receipt.path: receipt for receipt in proved.staged.receipts}
        found = news(run, {*staged, *(file.path for file in proved.staged.skipped)})
        if found is None:
            break
        run, further = next_round(run, found, staged)
        proved = with_round(proved, run, found, prove(stage(further)) if further.plan.rewrites else None)
    return proved


def with_round(proved: ProvedRun, run: Run, found: News, further: ProvedRun | None) -> ProvedRun:
    """What was proved before and is still as it was, together with a further round; `run` is both."""
    staged = proved.staged
    still = staged.only({unit.path for unit in staged.units} - found.other)
    proofs = [file for file in proved.proof.files if file.path not in found.other]
    skipped = tuple(file for file in staged.skipped if file.path not in found.other)
    if further is None:
        return ProvedRun(replace(still, run=run, skipped=skipped), Proof.of(proofs))
    new = further.staged
    run, skipped = replace(run, late=new.run.late), (*skipped, *new.skipped)
    whole = StagedRun(run, (*still.units, *new.units), (*still.receipts, *new.receipts), skipped)
    return ProvedRun(whole, Proof.of([*proofs, *further.proof.files]))


def stage(run: Run) -> StagedRun:
    """New files beside the data, in parallel, made durable before they count.

    Raises:
        DataError, FileError, RunError, or Collected of several: every file's own, or more records left out than may be. (With
            `skip_unreadable` a file that cannot be read is none of them.)
    """
    units, staged = units_of(run), run.resumed.receipts if run.resumed else {}
    left = tuple(unit for unit in units if unit.path not in staged)
    size = run.plan.bytes_in - sum(receipt.source_size for receipt in staged.values())
    with run.watch.step("stage", files=len(left), size=size):
        skipped: list[FileProblem] = []
        late: dict[str, str] = {}
        passed_over = partial(_passed_over, run, skipped, late)
        made = stage_units(left, run.executor, run.journal, run.effects, run.progress, passed_over=passed_over)
        receipts = {**staged, **{receipt.path: receipt for receipt in made}}
        if run.earlier is None:
            most = run.options.most_errors
            published = earlier_in_series(run.job.state, run.folder) if most else ()
            refuse_too_many(most, units, tuple(receipts.values()), published)
        late |= given_up(run, tuple(receipts.values()))
    run = left_late(run, late)
    whole = tuple(unit for unit in units if unit.path in receipts and unit.path not in late)
    return StagedRun(run, whole, tuple(receipts[unit.path] for unit in whole), tuple(skipped))


def _passed_over(run: Run, skipped: list[FileProblem], late: dict[str, str], unit: Unit, error: InstarError) -> bool:
    """Is the error none of the run's? One that has changed is looked at again; a late one that cannot be migrated is left as it is,
    as is one that cannot be read, where such are skipped. Notes both."""
    if is_overtaken(run, unit):
        return True
    if run.earlier is not None and not isinstance(error, RunError):
        late[unit.path] = error.in_file
        return True
    if run.options.skip_unreadable and is_unreadable(error):
        first = next(each for each in (error.errors if isinstance(error, Collected) else (error,)) if is_unreadable(each))
        skipped.append(FileProblem(unit.path, first.in_file, first.hint, unreadable=True))
        return True
    if is_unreadable(error):
        error.hint = f"{error.hint} {SKIPPING}"
    return False


def prove(staged: StagedRun) -> ProvedRun:
    """DuckDB recomputes from the old files what the new ones must hold, and compares. A file that has changed since it was staged
    and no longer fits is left out: it is looked at again. So is one that the proof's own readers refuse, where such are skipped.

    Raises:
        ProofError: they differ; names each file and column. Nothing was published.
    """
    run = staged.run
    receipts = {r.path: r for r in staged.receipts}
    proofs: list[FileProof] = []
    skipped = list(staged.skipped)
    with run.watch.step("prove", files=len(staged.units), size=run.plan.bytes_in):
        work = partial(prove_unless_changed, level=run.options.proof, examples=run.options.examples)
        items = ((unit, receipts[unit.path]) for unit in staged.units)
        for found in in_order(run.executor, work, items, keeping=len(staged.units) > 1):
            if found is None:
                continue
            if found.unread and run.options.skip_unreadable:
                skipped.append(FileProblem(found.path, found.unread, "Restore it, or write it again.", unreadable=True))
                continue
            proofs.append(tolerated(found, run.job.settings.allow))
            run.progress.event(proved_event(proofs[-1], receipts[found.path]))
            run.progress.advance(files=1, rows=receipts[found.path].rows_out, size=receipts[found.path].source_size)
    proof = Proof.of(proofs)
    if proof.verdict == "failed":
        raise proof.error()
    if proofs:
        run.journal.write(Proved(proof.verdict, len(proofs)))
    whole = {file.path for file in proofs}
    give_up(run, [receipt for receipt in staged.receipts if receipt.path not in whole])
    return ProvedRun(replace(staged.only(whole), skipped=tuple(skipped)), proof)


def gated(proved: ProvedRun) -> ProvedRun:
    """What the project itself asks of the staged files: its checks, its test command. As it is where it asks nothing.

    Raises:
        GateError, or Collected of several: one says no. Nothing was published.
    """
    if not (proved.staged.run.job.gated or proved.staged.run.options.queries):
        return proved
    from instar.transforms.gates import gated as asked

    try:
        return asked(proved)
    except InstarError as error:
        error.report = {"proof": proved.proof.as_json(), **error.report}
        raise


def ended(proved: ProvedRun) -> RunReport:
    """Publish, or stop before that as somebody wished.

    Raises:
        RunError: as `publish`.
    """
    if not proved.staged.run.options.stage_only:
        return report(publish(proved))
    from instar.transforms.held_back import hold_back

    return hold_back(proved)


def publish(proved: ProvedRun) -> PublishedRun:
    """The new files take the place of the old ones, which stay as the snapshot. What is to be said of the run is written first, so
    that it is there however the publish comes to its end.

    Raises:
        RunError: the disk says no. The dataset is as it was. (What changed in it since the plan was made stays as it is.)
    """
    staged, run = proved.staged, proved.staged.run
    with run.watch.step("publish", files=len(staged.units)):
        gather(run.folder, staged.receipts, run.effects)
        changes = change_set(run.before, staged.receipts)
        write_report(run, report_of(proved, changes).as_json())

        def note() -> None:
            counted = {receipt.path for receipt in receipts_of(run_state(run.folder))}
            made = tuple(receipt for receipt in staged.receipts if receipt.path in counted)
            remember_versions(run.job, run.plan, made, read_listing(run.folder.after), run.effects)

        if run.job.shadow is not None:
            published = _publish_beside(run, run.job.shadow, changes, note)
        else:
            published = publish_files(run.job.location, run.folder, run.method, run.before, changes, run.journal, run.effects, note)
        if published.late:
            write_report(run, report(PublishedRun(proved, published)).as_json())
    made = standing(staged.receipts, published.changes)
    run.progress.event(published_event(run.folder.id, made))
    for file, records in quarantined_by_file(made).items():
        run.progress.event(Quarantined(file, records))
    return PublishedRun(proved, published)


def _publish_beside(run: Run, shadow: Path, changes: ChangeSet, note: Note) -> Publication:
    """The whole new tree in a second directory. `changes` is of the dataset."""
    location, journal, effects = run.job.location, run.journal, run.effects
    try:
        unfinished = {path for path, change in run.late.items() if change.why == WRITING}
        rest = copy_rest(location, run.before, run.folder.stage, changes, unfinished, effects)
    except OSError as error:
        raise disk_error("what the shadow takes over could not be copied", error) from error
    known = known_tree(shadow, run.job.state)
    model = location, rest.planned
    published = publish_files(shadow, run.folder, "shadow", known, rest.changes, journal, effects, note, model=model)
    late = {change.path: change for change in (*published.late, *rest.late.values())}
    return replace(published, late=tuple(late.values()))
