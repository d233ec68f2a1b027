"""The other verbs that write: `rollback` (the old files, exactly) and `stamp` (a person's answer, in the manifest)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from instar.formats.dataset import stamp_files
from instar.formats.manifest import Manifest
from instar.transforms.execution import Stopwatch, holding
from instar.transforms.job import Job, inventory_of
from instar.transforms.progress import Progress, Silent
from instar.transforms.provenance import provenance
from instar.transforms.remember import receipts_of, remember_rolled_back, save_manifest
from instar.transforms.report import RunReport, StampReport
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.journal import Planned
from instar.transforms.run.rollback import rollback


def restore(job: Job, *, progress: Progress | None = None, effects: Effects | None = None) -> RunReport:
    """Take the last published run back: every file as it was, byte for byte. `effects`: None is the real file system.

    Raises:
        RunError: files were added, changed or removed since; all are named. UsageError: there is no run to roll back.
    """
    effects, watch, origin = effects or PosixEffects(), Stopwatch(progress or Silent()), provenance(job.project, "rollback")
    with holding(job, "rollback", effects) as effects, watch.step("rollback"):
        facts = {key: value for key, value in asdict(origin).items() if key != "versions"}
        run = rollback(job.state, effects, facts=facts)
        remember_rolled_back(job, run, effects)
    planned = run.last(Planned)
    receipts = receipts_of(run)
    return RunReport(
        verb="rollback",
        status="done",
        run=run.id,
        dataset=job.name,
        subject=job.subject,
        origin={str(planned.facts["to"]): len(receipts)} if planned else {},
        target=None,
        files={"restored": len(receipts)},
        rows_in=sum(r.rows_out for r in receipts),
        rows_out=sum(r.rows_in for r in receipts),
        bytes_in=sum(r.size for r in receipts),
        bytes_out=sum(r.source_size for r in receipts),
        bytes_planned=sum(r.source_size for r in receipts),
        seconds=watch.seconds,
        proof=None,
        method=planned.method if planned else "",
        snapshot=None,
        provenance=origin,
    )


def stamp(job: Job, version: int, files: tuple[str, ...]) -> StampReport:
    """Record that files are at a version; refuses one that does not fit it.

    Raises:
        DatasetError: a file does not fit. UsageError: no such version or file.
    """
    job.version(version, at=None)
    effects = PosixEffects()
    with holding(job, "stamp", effects) as effects:
        inventory = inventory_of(job)
        manifest = Manifest.load(job.state.folder)
        stamped = stamp_files(inventory, job.registry, version, files, manifest=manifest)
        save_manifest(stamped, job.state.folder, effects)
    named = tuple(str(Path(f)) for f in files) or tuple(f.path for f in inventory.files)
    return StampReport(job.name, version, named)
