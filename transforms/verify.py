"""`verify`: the proof of a finished run, again, or of one that is staged. Reads only.

Old side: the run's snapshot. New side: the files as the run published them, which are the dataset's, or, where a later run rewrote
them, that run's snapshot. Of a staged run: the dataset and the stage. Both are held against the hashes in the run's receipts, and
proved by the code that proves a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instar.formats.errors import InstarError, RunError, UsageError
from instar.formats.format import Stamp, format_named
from instar.formats.manifest import content_hash
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.events import FileProved
from instar.transforms.execution import Stopwatch, executor_for
from instar.transforms.job import Job, Options, with_options
from instar.transforms.progress import Progress, Silent
from instar.transforms.proof.database import Database
from instar.transforms.proof.integrity import prove_file
from instar.transforms.report import FileProblem, Proof, VerifyReport, proved_event
from instar.transforms.run.executors import in_order
from instar.transforms.run.journal import PublishBegun
from instar.transforms.run.kept import Kept
from instar.transforms.run.lock import holder
from instar.transforms.run.removed import has_snapshot, removal, require_snapshot
from instar.transforms.run.rollback import shadowing, versions_before
from instar.transforms.run.state import RunState, list_runs, receipts_of
from instar.transforms.run.unit import BadRecords, FileProof, Receipt, Unit
from instar.transforms.tolerance import refuse_codes, tolerated

if TYPE_CHECKING:
    from instar.transforms.gate_result import GateResult

CHANGED = "changed since the run published it"
GONE = "no longer there"
OLD_CHANGED = "its old form in the snapshot is no longer what the run found"
NEW_GONE = "its new form went with the snapshot of the later run that rewrote it, so it cannot be proved"
STAGE_CHANGED = "what was staged of it was changed since"
OLD_OTHER = "the dataset's own file was changed since it was staged: the next upgrade stages it anew"
FIRST_CHANGED = "the dataset's own file was changed since the shadow was made of it, so it cannot be proved"
OLD_GONE = "its old form is no longer in the snapshot, so it cannot be proved"


@dataclass(frozen=True)
class Verified:
    """One file: what is wrong with it (`problems`), and its proof, or why there is none (`unproved`)."""

    path: str
    problems: tuple[str, ...] = ()
    unproved: str = ""
    proof: FileProof | None = None


def verify(job: Job, run: str | None, options: Options, progress: Progress | None = None) -> VerifyReport:
    """Prove a finished or staged run again; `run` None: the last one. What does not hold is in the report, not an error.

    Raises:
        UsageError: there is no such run. RunError: it is not finished, was rolled back, or the dataset changed meanwhile.
        MigrationError: its scripts are gone. InstarError: as the registry tells.
    """
    refuse_codes(job)
    runs = list_runs(job.state)
    state = finished(job, runs, run)
    staged = state.status == "staged"
    if removal(state) and not shadowing(state):  # which is proved from the first tree
        require_snapshot(state, f"the run {state.id} cannot be verified any more")
    later = [r for r in runs if r.id > state.id and r.status == "finished" and not r.undoes]  # what was undone cancels out
    progress = progress or Silent()
    watch = Stopwatch(progress)
    receipts = {r.path: r for r in receipts_of(state)}
    options = with_options(options, job.settings).for_files(len(receipts))
    units = units_of(job, state, later, receipts, options)
    gone = [r.run.snapshot for r in later if not has_snapshot(r)]
    lost = {unit.path for unit in units if any(Path(unit.staged).is_relative_to(snapshot) for snapshot in gone)}
    found = [Verified(path, unproved=NEW_GONE) for path in sorted(lost)]
    size = sum(r.source_size for r in receipts.values())
    with watch.step("prove", files=len(units), size=size), executor_for(options) as executor:
        for file in found:
            progress.event(_verified_event(file, receipts[file.path]))
        first = OLD_OTHER if staged else FIRST_CHANGED if shadowing(state) else ""
        level, most, allow = options.proof, options.examples, job.settings.allow
        work = partial(verify_file, level=level, examples=most, allow=allow, first=first, staged=staged)
        items = ((unit, receipts[unit.path]) for unit in units if unit.path not in lost)
        for file in in_order(executor, work, items, keeping=len(units) > 1):
            found.append(file)
            progress.event(_verified_event(file, receipts[file.path]))
            progress.advance(files=1, rows=receipts[file.path].rows_out, size=receipts[file.path].source_size)
    gates: tuple[GateResult, ...] = ()
    if job.checks:
        from instar.transforms.verified_checks import checks_of_run

        with watch.step("checks"):
            gates = checks_of_run(job, state, units, _rewriters(later), _base(job), options)
    report = _report(job, state, found, units, later, watch.seconds, gates)
    if not report.ok:
        _refuse_moved_on(job, runs)
    return report


def finished(job: Job, runs: Sequence[RunState], id: str | None) -> RunState:
    """The run that is asked for, or the last finished or staged one.

    Raises:
        UsageError: there is no such run. RunError: it did not finish, was rolled back, or one was cut off while it published.
    """
    known = [r for r in runs if (r.status == "finished" and not r.undoes) or r.status == "staged"]
    if id is None and not known:
        raise UsageError(f"{job.name} has no finished run to look at", hint=f"`instar runs {job.name}` lists what was done to it.")
    if id is not None:
        job.state.run(id)
    busy = holder(job.state.lock) is not None
    for r in runs:
        if r.status == "half-published" and not busy:
            raise RunError(
                f"the run {r.id} was cut off while it published",
                hint="The next command that writes settles it (repeat it, or `instar rollback`); then verify.",
            )
    state = known[-1] if id is None else next(r for r in runs if r.id == id)
    if state.undoes:
        raise RunError(
            f"the run {state.id} is a rollback: it brought files back whose hashes were compared, and migrated none",
            hint="A run that migrated can be verified.",
        )
    if state.status == "finished" or (state.status == "staged" and not busy):
        return state
    if state.status == "rolled back":
        by = next(r for r in reversed(runs) if state.id in r.undoes and r.status == "finished")
        raise RunError(
            f"the run {state.id} was rolled back by {by.id} ({by.begun[:19].replace('T', ' ')}): there is nothing to verify",
            hint="The dataset is as it was before that run.",
        )
    what = "still at work" if busy and not state.settled else state.status
    raise RunError(
        f"the run {state.id} cannot be verified: it is {what}",
        hint="Only what a run has published, or staged with --stage-only, can be.",
    )


def units_of(
    job: Job, state: RunState, later: Sequence[RunState], receipts: dict[str, Receipt], options: Options
) -> tuple[Unit, ...]:
    """What the run did, largest file first; `staged` is where its new file stands now."""
    facts = state.facts
    staged = state.status == "staged"
    if "to" not in facts or (state.last(PublishBegun) is None and not staged):
        raise RunError(f"the journal of run {state.id} does not say what it did", hint="Restore the state folder.")
    if facts.get("subject", job.subject) != job.subject:
        raise UsageError(
            f"the run {state.id} was one of the subject {facts['subject']}, and {job.name} is of {job.subject} now",
            hint="Verify it with the instar.toml it was run with.",
        )
    target, versions = int(facts["to"]), versions_before(state)
    chains = {version: job.chain(version, target) for version in sorted({versions[path] for path in receipts})}
    base = _base(job)
    old = base_folder(job.location) if shadowing(state) or staged else state.run.snapshot
    rewriters = _rewriters(later)
    return tuple(
        Unit(
            path=receipt.path,
            source=str(old / receipt.path),
            staged=str(state.run.staged(receipt.new_path) if staged else rewriters.get(receipt.new_path, base) / receipt.new_path),
            format=job.settings.format,
            mapping=chains[versions[receipt.path]].mapping,
            schema=None,
            stamp=Stamp(job.subject, target),
            chain=chains[versions[receipt.path]].hash,
            memory=options.unit_memory,
            target=receipt.target,
            bad=BadRecords("fail", str(state.run.part(receipt.path))),
        )
        for receipt in sorted(receipts.values(), key=lambda r: -r.source_size)
    )


def _base(job: Job) -> Path:
    """What the paths of the tree that runs publish are relative to."""
    return job.place if job.shadow else base_folder(job.place)


def base_folder(place: Path) -> Path:
    """A dataset's folder; where it is one file, the one that this is in."""
    return place if place.is_dir() else place.parent


def _rewriters(later: Sequence[RunState]) -> dict[str, Path]:
    """Of files that later runs rewrote, the snapshot of the first that did: there stands what was published before."""
    return {receipt.path: run.run.snapshot for run in reversed(later) for receipt in receipts_of(run)}


# ---- one file, in a worker
def verify_file(
    unit: Unit,
    receipt: Receipt,
    kept: Kept | None = None,
    *,
    level: Literal["auto", "full"],
    examples: int,
    allow: Sequence[str],
    first: str = "",
    staged: bool = False,
) -> Verified:
    """Both forms of a file against the receipt's hashes, and the proof of one against the other. `first`: the old one is not kept
    in a snapshot, but stands in a dataset where it may change; what to say then. `staged`: the new one is not published yet."""
    problems: list[str] = []
    try:
        old, new = _hash(unit.source), _hash(unit.staged)
        problems += [
            text
            for text, wrong in ((STAGE_CHANGED if staged else CHANGED, new not in ("", receipt.hash)), (GONE, not new))
            if wrong
        ]
        if first and old not in ("", receipt.source_hash):
            return Verified(unit.path, tuple(problems), first)
        problems += [OLD_CHANGED] if old not in ("", receipt.source_hash) else []
        if not old:
            return Verified(unit.path, tuple(problems), OLD_GONE)
        if not new:
            return Verified(unit.path, tuple(problems))
        facts = format_named(unit.format).inspect(Path(unit.source))
        database = kept.one(Database) if kept else None
        proof = prove_file(replace(unit, schema=facts.schema), receipt, level=level, examples=examples, database=database)
        return Verified(unit.path, tuple(problems), proof=tolerated(proof, allow))
    except InstarError as error:
        return Verified(unit.path, (*problems, Hidden(unit.mapping).error(error).message))
    except OSError as error:
        return Verified(unit.path, unproved=f"cannot be read: {error.strerror}")


def _verified_event(file: Verified, receipt: Receipt) -> FileProved:
    if file.proof is None or file.problems:
        verdict = "failed" if file.problems else "unproved"
        return FileProved(file.path, verdict, {}, receipt.rows_out, receipt.source_size, file.proof.seconds if file.proof else 0.0)
    return proved_event(file.proof, receipt)


def _hash(path: str) -> str:
    """The content's; "" where there is no such file."""
    return content_hash(Path(path)) if os.path.isfile(path) else ""


# ---- all files
def _report(
    job: Job,
    state: RunState,
    found: Sequence[Verified],
    units: Sequence[Unit],
    later: Sequence[RunState],
    seconds: dict[str, float],
    gates: tuple[GateResult, ...],
) -> VerifyReport:
    proof = Proof.of(file.proof for file in found if file.proof)
    problems = [FileProblem(file.path, text) for file in found for text in file.problems]
    problems += [FileProblem(f.path, text, examples=shown) for f in proof.files for text, shown in f.differences]
    ordered = sorted(problems, key=lambda problem: problem.path)
    unproved = sorted((FileProblem(file.path, file.unproved) for file in found if file.unproved), key=lambda p: p.path)
    return VerifyReport(
        dataset=job.name,
        run=state.id,
        verb=str(state.facts.get("verb", "")),
        origin=dict(state.facts.get("from", {})),
        target=int(state.facts["to"]),
        started=state.begun,
        files=len(found),
        proof=proof,
        problems=tuple(ordered),
        unproved=tuple(unproved),
        notes=(*_notes(state, units, later), *proof.allowances),
        seconds=seconds,
        gates=gates,
    )


def _notes(state: RunState, units: Sequence[Unit], later: Sequence[RunState]) -> Iterator[str]:
    for run in later:
        count = sum(Path(unit.staged).is_relative_to(run.run.path) for unit in units)
        if count:
            files = "1 file was" if count == 1 else f"{count:,} files were"
            yield f"{files} rewritten by the later run {run.id}, and compared as that run found them"
    receipts = {r.path: r for r in receipts_of(state)}
    others = sorted({unit.path for unit in units if unit.chain != receipts[unit.path].chain})
    if others:
        yield "scripts were changed since the run; the proof goes by what they say now"


def _refuse_moved_on(job: Job, before: Sequence[RunState]) -> None:
    """A run that publishes meanwhile moves files away, and its reader must not be told that they are lost."""
    if [(r.id, r.status) for r in list_runs(job.state) if r.status == "finished"] != [
        (r.id, r.status) for r in before if r.status == "finished"
    ]:
        raise RunError("files were published or rolled back while the run was verified", hint="Repeat the command.")
