"""`stamp`: a person's word on which version files are at, recorded in the manifest. No data file is written."""

from __future__ import annotations

from pathlib import Path

from instar.formats.dataset import stamp_files
from instar.formats.manifest import Manifest
from instar.transforms.answers import StampReport
from instar.transforms.execution import holding
from instar.transforms.job import Job, inventory_of
from instar.transforms.remember import save_manifest
from instar.transforms.run.effects import PosixEffects


def stamp(job: Job, version: int, files: tuple[str, ...]) -> StampReport:
    """Record that files are at a version; refuses one that does not fit it.

    Raises:
        DatasetError: a file does not fit. UsageError: no such version or file.
    """
    job.version(version, at=None)
    with holding(job, "stamp", PosixEffects()) as effects:
        inventory = inventory_of(job)
        manifest = Manifest.load(job.state.folder)
        stamped = stamp_files(inventory, job.registry, version, files, manifest=manifest)
        save_manifest(stamped, job.state.folder, effects)
    named = tuple(str(Path(f)) for f in files) or tuple(f.path for f in inventory.files)
    return StampReport(job.name, version, named)
