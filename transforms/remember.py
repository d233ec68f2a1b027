"""JSON files carry no header that says their version: the manifest remembers what a run made of them, and of which version."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from instar.formats.inventory import Inventory
from instar.formats.manifest import Entry, Manifest, entry
from instar.transforms.job import Job
from instar.transforms.plan import Plan
from instar.transforms.run.journal import Staged
from instar.transforms.run.state import RunState
from instar.transforms.run.unit import Receipt


def remember_versions(job: Job, plan: Plan, receipts: Sequence[Receipt]) -> None:
    """After a publish: the rewritten files are at the target, and those that were kept are where validation found them."""
    if job.settings.format != "json":
        return
    document = job.registry.fingerprint(job.subject, plan.target)
    root = _root(job)
    known = Manifest.load(job.state.folder)
    made = [_entry(root, r.path, r.size, r.hash, plan.target, "upgraded", document) for r in receipts]
    kept = [
        entry(root, a.path, version=a.version, how="validated", document=job.registry.fingerprint(job.subject, a.version))
        for a in plan.kept
        if plan.files[a.path].how == "validated"
    ]
    known.with_entries([*kept, *made]).save(job.state.folder)


def remember_adopted(job: Job, inventory: Inventory) -> None:
    """After `init --from`: the files that fit the adopted version."""
    if job.settings.format != "json":
        return
    entries = [
        entry(inventory.root, f.path, version=f.version, how="adopted", document=job.registry.fingerprint(job.subject, f.version))
        for f in inventory.files
        if f.version is not None
    ]
    if entries:
        Manifest.load(job.state.folder).with_entries(entries).save(job.state.folder)


def remember_rolled_back(job: Job, run: RunState) -> None:
    """After a rollback: the restored files are at the versions that the run had found them at."""
    if job.settings.format != "json":
        return
    plan = json.loads(run.run.plan.read_text(encoding="utf-8"))
    versions = {path: file["version"] for path, file in plan["identity"]["files"].items() if file["action"] == "rewrite"}
    receipts = [line.event.receipt for line in run.lines if isinstance(line.event, Staged)]
    root = _root(job)
    entries = [
        _entry(
            root,
            r.path,
            r.source_size,
            r.source_hash,
            versions[r.path],
            "upgraded",
            job.registry.fingerprint(job.subject, versions[r.path]),
        )
        for r in receipts
    ]
    Manifest.load(job.state.folder).with_entries(entries).save(job.state.folder)


def _root(job: Job) -> str:
    return str(job.location if job.location.is_dir() else job.location.parent)


def _entry(root: str, path: str, size: int, hash: str, version: int, how: str, document: str) -> Entry:
    return Entry(path, size, os.stat(os.path.join(root, path)).st_mtime_ns, hash, version, how, document)  # type: ignore[arg-type]
