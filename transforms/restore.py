"""Rollback: the dataset as it was before a run, by the run's snapshot. A run of its own: stage → prove → publish → report.

Old files come back byte for byte, by a second name for the file in the snapshot, each held against the hash it had. Files that
arrived since are not lost: those at the version that is taken back are converted to the one before, and proved as in any run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from instar.formats.errors import FileError, UsageError
from instar.formats.inventory import Inventory
from instar.transforms.events import Quarantined, RunPublished, Warned
from instar.transforms.execution import Run, Stopwatch, Undoing, begin, executor_for, holding, write_report
from instar.transforms.job import Job, Options, inventory_of, with_options
from instar.transforms.migrate import prove, stage
from instar.transforms.outcome import ProvedRun, abandoned_on_failure
from instar.transforms.pick_up import pick_up
from instar.transforms.plan import Plan
from instar.transforms.planning import plan_of
from instar.transforms.progress import Progress, Silent
from instar.transforms.provenance import Provenance, provenance
from instar.transforms.remember import recall, remember_restored, remember_versions
from instar.transforms.renaming import refuse_names
from instar.transforms.report import RunReport, quarantined_by_file
from instar.transforms.run.backup import bring_back
from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.collect import collect, keepings
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.executors import in_order
from instar.transforms.run.journal import Restored, Withdrawn, read_journal
from instar.transforms.run.late import hashes_of_first
from instar.transforms.run.listing import Change, listing, read_listing
from instar.transforms.run.publish import publish as publish_files
from instar.transforms.run.publish import withdraw
from instar.transforms.run.quarantine import gather
from instar.transforms.run.removed import has_snapshot
from instar.transforms.run.rollback import Origin, Tree, hash_made, require_snapshots, rows_by_hash, rows_in_all, runs_to_undo
from instar.transforms.run.settle import FOREIGN, Settled, discard_new_files
from instar.transforms.run.state import RunState, interrupted_run, list_runs, make_folders, run_state
from instar.transforms.run.timeline import timeline
from instar.transforms.run.tree import folders_above, link_or_copy, parent_of
from instar.transforms.undo import Undo, removed_since, undo_of, with_known_hashes


def restore(
    job: Job,
    run: str | None = None,
    *,
    to: str | None = None,
    backup: Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    effects: Effects | None = None,
) -> RunReport:
    """Take the last run back, the run `run`, or all that came after the run `to`. `effects`: None is the real file system.

    `backup`: where copies of snapshots are that were removed; they are put back first. Where the last run was interrupted before it
    published, there is nothing to take back but what it had staged, which goes. Where it was this
    rollback itself, cut off while it published, bringing it to its end is all there is to do.

    Raises:
        UsageError: there is no such run. FileError: a snapshot is damaged. RunError: the disk says no, or a shadow changed.
        MigrationError: a file that arrived since cannot be converted. The dataset is unchanged then.
    """
    job = job.at_shadow()
    progress, effects, origin = progress or Silent(), effects or PosixEffects(), provenance(job.project, "rollback")
    watch, options = Stopwatch(progress), with_options(options or Options(), job.settings)
    said: list[Settled] = []
    with holding(job, "rollback", effects, said.append) as effects:
        for settled in said:
            progress.event(Warned(str(settled)))
        if (ended := _ended(job, said, run, to)) is not None:
            return _completed(job, ended, origin, said)
        last = interrupted_run(job.state)
        if last and run is None and to is None and last.facts.get("verb") != "rollback":
            return _discarded(job, last, origin, effects, said)
        with watch.step("plan"):
            runs = _to_undo(job, run, to, backup, effects)
            _refuse_nothing(job.location, job.name)
            picked = pick_up(job, progress, effects)
            runs = runs_to_undo(job.state, run, to)
            before = with_known_hashes(listing(job.location), runs)
            inventory = inventory_of(job, passing_broken=options.quarantining)
            undo = undo_of(job, runs, before, inventory)
            plan = plan_of(job, _only(inventory, undo.arrived), undo.target, options, verb="rollback", judging=False)
            refuse_names(plan.renamed, {*before, *undo.back} - set(undo.gone), job.settings)
        options = options.for_files(len(plan.rewrites))
        with executor_for(options) as executor:
            begun = begin(
                job, plan, before, options, executor, origin, progress, watch, effects, undoing=_undoing(undo, inventory, plan)
            )
            with abandoned_on_failure(begun):
                restored = stage_back(begun, undo)
                return _published(prove(stage(begun)), undo, restored, (*said, *picked.notes, *picked.warnings))


def _refuse_nothing(place: Path, name: str) -> None:
    """
    Raises:
        UsageError: the shadow whose runs are to be taken back is not there.
    """
    if not place.exists():
        raise UsageError(
            f"there is nothing at {place} to roll back", hint=f"`instar upgrade {name} --shadow {place}` makes it anew."
        )


# ---- what to do
def _to_undo(job: Job, run: str | None, to: str | None, backup: Path | None, effects: Effects) -> tuple[RunState, ...]:
    """The runs to take back, all their snapshots being there."""
    runs = runs_to_undo(job.state, run, to)
    missing = {each.id: each for each in runs if not has_snapshot(each)}
    if backup is not None and missing:
        half_gone = [each for each in keepings(job.state) if each.begun and each.id in missing]
        collect(half_gone, {"told": "rollback --from"}, effects)
        for each in missing.values():
            bring_back(each, backup, job.location, effects)
        runs = runs_to_undo(job.state, run, to)
    require_snapshots(runs)
    return runs


def _only(inventory: Inventory, paths: Collection[str]) -> Inventory:
    """The part of an inventory that is to be converted; what is odd about the rest is in nobody's way."""
    wanted = set(paths)
    return replace(inventory, files=tuple(f for f in inventory.files if f.path in wanted), problems=(), others=(), warnings=())


def _undoing(undo: Undo, inventory: Inventory, plan: Plan) -> Undoing:
    """What to record of a rollback, so that it can itself be taken back, and the versions of what it restores be known."""
    versions = {file.path: file.version for file in inventory.files}
    restores = {
        path: {"action": "restore", "version": versions.get(path), "size": origin.entry.size, "mtime_ns": origin.entry.mtime_ns}
        for path, origin in undo.back.items()
        if origin.version is not None
    }
    restores |= {
        path: {"action": "remove", "version": versions[path], "size": 0, "mtime_ns": 0} for path in undo.gone if path in versions
    }
    identity = plan.identity()
    ids = [run.id for run in undo.runs]
    files = {**identity["files"], **restores}
    record = {"undoes": ids, "removes": list(undo.gone), "identity": {**identity, "files": files}}
    origin = dict[str, int]()
    for version in filter(None, (versions.get(path) for path in restores)):
        origin[str(version)] = origin.get(str(version), 0) + 1
    return Undoing(tuple(undo.back), {"undoes": ids, "from": origin}, record)


# ---- doing it
def stage_back(run: Run, undo: Undo) -> tuple[Restored, ...]:
    """The old files in the stage, by a second name where the disk has such, durable; each is what it was.

    Raises:
        RunError: some are not, or are gone from the snapshot (all named); or the disk says no.
    """
    found = list(in_order(run.executor, checked, undo.back.items()))
    damage = [each.problem for each in found if each.problem]
    if damage:
        more = f" (and {len(damage) - 5} more)" if len(damage) > 5 else ""
        raise FileError(
            f"the snapshot is no longer what it was: {', '.join(damage[:5])}{more}",
            hint=f"It is in {undo.runs[0].run.snapshot}. Restore it from a backup; `downgrade` needs no snapshot.",
        )
    restored = [
        Restored(path, each.size, each.mtime_ns, each.hash, origin.version)
        for (path, origin), each in zip(undo.back.items(), found, strict=True)
    ]
    try:
        for path, origin in undo.back.items():
            make_folders((run.folder.stage / path).parent, run.effects)
            link_or_copy(origin.file, run.folder.stage / path, run.effects)
        models = _models(undo.back)
        for folder in sorted(models.keys() - run.before.keys(), reverse=True):
            run.effects.dress(run.folder.stage / folder, models[folder])
        for folder in sorted({parent_of(path) for path in undo.back}, reverse=True):
            run.effects.sync_folder(run.folder.stage / folder)
    except OSError as error:
        raise disk_error("the old files could not be staged", error) from error
    if restored:
        run.journal.write(*restored)
    return tuple(restored)


def _models(back: Tree) -> dict[str, Path]:
    """Of each folder that holds what comes back, the one in a snapshot that it is to be like."""
    models: dict[str, Path] = {}
    for path, origin in back.items():
        for folder, model in zip(folders_above(path), origin.file.parents, strict=False):
            models.setdefault(f"{folder}/", model)
    return models


class Checked(NamedTuple):
    """A file in a snapshot: the hash of its content, what is wrong with it ("" nothing), its size and time."""

    hash: str
    problem: str = ""
    size: int = 0
    mtime_ns: int = 0


def checked(path: str, origin: Origin) -> Checked:
    """Holds a file in a snapshot against what it was; to have grown, what was in it being the same, is not wrong. For a worker."""
    try:
        known = os.stat(origin.file, follow_symlinks=False)
        first, hash = hashes_of_first(origin.file, min(origin.entry.size, known.st_size), known.st_size)
    except OSError as error:
        return Checked("", f"{path}: {error.strerror}")
    seen = (known.st_size, known.st_mtime_ns) == origin.entry[:2]
    if first != origin.entry.hash if origin.entry.hash else not seen:  # a file that was restored once has its time in common
        return Checked(hash, f"{path} was changed")
    return Checked(hash, "", known.st_size, known.st_mtime_ns)


def _published(proved: ProvedRun, undo: Undo, restored: Sequence[Restored], said: Sequence[Settled | str]) -> RunReport:
    run, receipts = proved.staged.run, proved.staged.receipts
    written = {**{r.path: r.hash for r in restored}, **{r.new_path: r.hash for r in receipts}}
    changes = ChangeSet(written, (*undo.gone, *(r.path for r in receipts if r.renamed)), undo.folder_times)
    gather(run.folder, receipts, run.effects)
    write_report(run, _report(proved, undo, restored, said).as_json())

    def note() -> None:
        withdrawn = {line.event.path for line in run_state(run.folder).lines if isinstance(line.event, Withdrawn)}
        published = read_listing(run.folder.after)
        remember_restored(run.job, [file for file in restored if file.path not in withdrawn], published, run.effects)
        remember_versions(run.job, run.plan, tuple(r for r in receipts if r.path not in withdrawn), published, run.effects)
        recall(run.job, run.effects)

    late: tuple[Change, ...] = ()
    with run.watch.step("publish"):
        if undo.withdraws:
            withdraw(run.job.location, run.folder, run.before, run.journal, run.effects)
        else:
            published = partial(publish_files, model=undo.like) if undo.like else publish_files
            publication = published(run.job.location, run.folder, run.method, run.before, changes, run.journal, run.effects, note)
            stands, late = publication.changes.written, publication.late  # the rest was overtaken by a writer
            proved = replace(proved, staged=proved.staged.only({r.path for r in receipts if r.new_path in stands}))
            restored = [file for file in restored if file.path in stands]
        if late:
            write_report(run, replace(_report(proved, undo, restored, said), late=late).as_json())
    made = replace(_report(proved, undo, restored, said), late=late)
    files = len(restored) + len(proved.staged.receipts)
    run.progress.event(RunPublished(run.folder.id, files, made.rows_in, made.rows_out, made.bytes_in, made.bytes_out))
    for file, records in made.quarantined.items():
        run.progress.event(Quarantined(file, records))
    return made


def _report(proved: ProvedRun, undo: Undo, restored: Sequence[Restored], said: Sequence[Settled | str]) -> RunReport:
    run, receipts = proved.staged.run, proved.staged.receipts
    origin: dict[str, int] = run.undoing.facts.get("from", {})
    returned = {file.path for file in restored}
    rows_in, rows_out = _rows(run, undo, restored)
    shadow = str(run.job.location) if undo.withdraws or undo.like else None
    versions = sorted({r.version for r in restored if r.version is not None} | ({undo.target} if receipts else set()))
    mixed = len(versions) > 1
    return RunReport(
        verb="rollback",
        status="done",
        run=run.folder.id,
        dataset=run.job.name,
        subject=run.job.subject,
        origin=origin,
        target=None if undo.withdraws or mixed else undo.target,
        files={"restored": len(restored), "converted": len(receipts), "removed": len(undo.gone)},
        rows_in=None if rows_in is None else rows_in + sum(r.rows_in for r in receipts),
        rows_out=None if rows_out is None else rows_out + sum(r.rows_out for r in receipts),
        bytes_in=sum(run.before[path].size for path in {*undo.gone, *undo.back} if path in run.before)
        + sum(r.source_size for r in receipts),
        bytes_out=sum(r.size for r in (*restored, *receipts)),
        bytes_planned=sum(r.size for r in restored) + run.plan.bytes_out,
        seconds=dict(run.watch.seconds),
        proof=proved.proof if receipts else None,
        method=run.method,
        snapshot=str(run.folder.snapshot),
        provenance=run.provenance,
        dropped=() if shadow else tuple(path for path in undo.gone if path not in undo.replaced),
        shadow=shadow,
        notes=(
            *(
                (f"files are at version {', '.join(map(str, versions[:-1]))} or {versions[-1]} again, as they were",)
                if mixed
                else ()
            ),
            *(f"{path} is there again; it had been removed since" for path in removed_since(undo, run.before) if path in returned),
            *(
                f"{path} had come between the runs, at version {origin.version}: it is as it came"
                for path, origin in undo.back.items()
                if len(undo.runs) > 1 and origin.version not in (None, undo.target) and path not in undo.oldest
            ),
            *(f"{path} is {origin.was}, renamed since" for path, origin in undo.back.items() if origin.was),
            *(
                f"{r.path}: bytes {known:,}–{r.size:,} were appended to the old file since, and are there, too"
                for r in restored
                if (known := undo.back[r.path].entry.size) < r.size
            ),
            *(f"{r.path} had come since: converted to version {undo.target}" for r in receipts),
            *proved.proof.allowances,
            *map(str, said),
        ),
        undoes=tuple(each.id for each in undo.runs),
        quarantined=quarantined_by_file(receipts),
        quarantine=(str(run.folder.quarantine),) if any(r.quarantined for r in receipts) else (),
        written=receipts,
        timeline=timeline(read_journal(run.folder.journal)),
    )


def _rows(run: Run, undo: Undo, restored: Sequence[Restored]) -> tuple[int | None, int | None]:
    """The records of the data files that go and of those that come back, as earlier runs had counted them."""
    known, data = rows_by_hash(list_runs(run.job.state)), undo.replaced
    renamed = {origin.was: path for path, origin in undo.back.items() if origin.was}
    made = hash_made(undo.runs, [renamed.get(path, path) for path in data])
    back = [r.hash for r in restored if r.hash in known or r.version is not None or r.path in data]
    return rows_in_all(made.values(), known), rows_in_all(back, known)


def _ended(job: Job, said: Sequence[Settled], run: str | None, to: str | None) -> RunState | None:
    """The rollback that is asked for, where it was cut off while it published and has just been brought to its end: the same
    command again must not take back one more run."""
    ids = {settled.run for settled in said if settled.what == "finished"}
    runs = list_runs(job.state)
    ended = next((each for each in runs if each.id in ids and each.undoes), None)
    if ended is None or (run is not None and run not in ended.undoes):
        return None
    left = [each.id for each in runs if each.status == "finished" and not each.undoes and to is not None and each.id > to]
    return None if left else ended


def _completed(job: Job, ended: RunState, origin: Provenance, said: Sequence[Settled]) -> RunReport:
    """By the report that the rollback had written before its publish."""
    told = json.loads(ended.run.report.read_text(encoding="utf-8")) if ended.run.report.is_file() else {}
    return RunReport(
        verb="rollback", status="done", run=ended.id, dataset=job.name, subject=job.subject, origin=ended.facts.get("from", {}),
        target=ended.facts.get("to"), files=told.get("files", {}), rows_in=told.get("rows_in"), rows_out=told.get("rows_out"),
        bytes_in=told.get("bytes_in", 0), bytes_out=told.get("bytes_out", 0), bytes_planned=told.get("bytes_planned", 0),
        seconds={}, proof=None, method=told.get("method", ""), snapshot=str(ended.run.snapshot), provenance=origin,
        dropped=tuple(told.get("dropped", ())), undoes=ended.undoes, notes=(*told.get("notes", ()), *map(str, said)),
    )  # fmt: skip


def _discarded(job: Job, last: RunState, origin: Provenance, effects: Effects, said: Sequence[Settled]) -> RunReport:
    """An interrupted run had changed nothing: what it had staged goes."""
    try:
        kept = discard_new_files(last.run, last.run.open_journal(effects), effects, "rolled back")
    except OSError as error:
        raise disk_error(f"what the interrupted run {last.id} had staged could not be removed whole", error) from error
    return RunReport(
        verb="rollback", status="discarded", run=last.id, dataset=job.name, subject=job.subject, origin={}, target=None, files={},
        rows_in=0, rows_out=0, bytes_in=0, bytes_out=0, bytes_planned=0, seconds={}, proof=None, method="", snapshot=None,
        provenance=origin, undoes=(last.id,),
        notes=(*((f"{kept} {FOREIGN}",) if kept else ()), *map(str, said)),
    )  # fmt: skip
