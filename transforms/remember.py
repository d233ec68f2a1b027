"""JSON files carry no header that says their version: the manifest remembers what a run made of them, and of which version."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from instar.formats.inventory import DataFile, Inventory
from instar.formats.manifest import NAME, Entry, Manifest, Origin, content_hash, entry
from instar.transforms.job import Job
from instar.transforms.plan import Action, Plan
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Restored
from instar.transforms.run.listing import Listing, read_listing
from instar.transforms.run.rollback import restored_files, shadowing, versions_before
from instar.transforms.run.state import RunState, list_runs, receipts_of
from instar.transforms.run.unit import Receipt


def remember_versions(job: Job, plan: Plan, receipts: Sequence[Receipt], published: Listing, effects: Effects) -> None:
    """After a publish: the rewritten files are at the target, and those that were kept are where validation found them.

    `published` is the tree as the publish made it: what writers did to it since is not what the run knows of.
    """
    if job.settings.format != "json":
        return
    document = job.registry.fingerprint(job.subject, plan.target)
    made = [_entry(r.new_path, r.hash, published, plan.target, document) for r in receipts if r.new_path in published]
    actions = (action for action in plan.kept if job.shadow is not None or plan.files[action.path].how == "validated")
    met = [_as_met(job, _root(job), action, action.version, "validated") for action in actions]
    kept = [entry for entry in met if entry is not None]
    save_manifest(Manifest.load(job.state.folder).with_entries([*kept, *made]), job.state.folder, effects)


def remember_adopted(job: Job, inventory: Inventory, effects: Effects) -> None:
    """After `init --from`: the files that fit the adopted version; the caller holds the lock."""
    if job.settings.format != "json":
        return
    root = str(inventory.root)
    met = [_as_met(job, root, f, f.version, "adopted") for f in inventory.files if f.version is not None]
    entries = [entry for entry in met if entry is not None]
    if entries:
        save_manifest(Manifest.load(job.state.folder).with_entries(entries), job.state.folder, effects)


def remember_restored(job: Job, restored: Sequence[Restored], published: Listing, effects: Effects) -> None:
    """After a rollback: the restored files are at the versions that they were found at. `published` as above."""
    if job.settings.format != "json":
        return
    entries = [
        _entry(r.path, r.hash, published, r.version, job.registry.fingerprint(job.subject, r.version))
        for r in restored
        if r.version is not None and r.path in published
    ]
    save_manifest(Manifest.load(job.state.folder).with_entries(entries), job.state.folder, effects)


def recall(job: Job, effects: Effects) -> None:
    """The entries that a killed run, or its rollback, did not come to write; the caller holds the lock and has settled. What such a
    run had half written goes."""
    if job.settings.format != "json":
        return
    if (made := recalled(job)) is not None:
        save_manifest(made, job.state.folder, effects)
    elif (part := _part(job.state.folder)).exists():
        effects.unlink(part)


def recalled(job: Job) -> Manifest | None:
    """The manifest with what the journals know beyond it, None where that is nothing; reads only.

    A journal says at which version each content was found and made. Whatever the manifest knows already stays.
    """
    root, manifest, runs = Path(_root(job)), Manifest.load(job.state.folder), list_runs(job.state)
    made = [receipt for run in runs for receipt in receipts_of(run)]
    paths = {r.path for r in made} | {r.new_path for r in made} | {each.path for run in runs for each in restored_files(run)}
    unknown = {path: content_hash(root / path) for path in sorted(paths) if not _is_known(manifest, root, path)}
    if not unknown:
        return None
    versions = {content: version for run in runs for content, version in _contents(run)}
    entries = [
        entry(root, path, version=version, how="upgraded", document=job.registry.fingerprint(job.subject, version))
        for path, hash in unknown.items()
        if (version := versions.get((path, hash))) in job.schemas and version is not None
    ]
    return manifest.with_entries(entries) if entries else None


def save_manifest(manifest: Manifest, folder: Path, effects: Effects) -> None:
    """Write it, in one step and durably; the caller holds the lock, so that the new file may have a fixed name.

    What a killed command left under that name goes first. An existing manifest's mode is kept.
    """
    path = folder / NAME
    part = _part(folder)
    if part.exists():
        effects.unlink(part)
    effects.create(part, manifest.as_text().encode("utf-8"))
    if path.exists():
        effects.dress(part, path)
        effects.sync_file(part)
    effects.replace(part, path)
    effects.sync_folder(folder)


def _part(folder: Path) -> Path:
    return folder / f".{NAME}.part"


def _is_known(manifest: Manifest, root: Path, path: str) -> bool:
    """Does the manifest speak of the file as it is, or is there none?"""
    if not (root / path).is_file():
        return True
    status = os.stat(root / path)
    return manifest.entry_for(root, path, status.st_size, status.st_mtime_ns) is not None


def _contents(run: RunState) -> list[tuple[tuple[str, str], int]]:
    """(path, content hash) → version of every file that a run found, and that a published one (or one that is being published)
    made; what stands last goes before the others."""
    target = run.facts.get("to")
    if target is None:
        return []
    before, receipts = versions_before(run), receipts_of(run)
    old = [((r.path, r.source_hash), before[r.path]) for r in receipts if r.path in before]
    new = [((r.new_path, r.hash), int(target)) for r in receipts]
    back = [((r.path, r.hash), r.version) for r in restored_files(run) if r.version is not None]
    if run.status not in ("finished", "half-published", "rolled back"):
        return old
    if shadowing(run):
        new += _copied(run)
    return [*new, *back, *old] if run.status == "rolled back" else [*old, *new, *back]


def _copied(run: RunState) -> list[tuple[tuple[str, str], int]]:
    """The same of files that were at the target already, and were copied into a shadow."""
    files = json.loads(run.run.plan.read_text(encoding="utf-8"))["identity"]["files"]
    after = read_listing(run.run.after)
    return [((p, after[p].hash), file["version"]) for p, file in files.items() if file["action"] == "keep" and p in after]


def _root(job: Job) -> str:
    """Of the tree that is published."""
    return str(job.place if job.place.is_dir() or job.shadow else job.place.parent)


def _entry(path: str, hash: str, published: Listing, version: int, document: str) -> Entry:
    """Of a file that the run has put there, as it put it."""
    known = published[path]
    return Entry(path, known.size, known.mtime_ns, hash, version, "upgraded", document)


def _as_met(job: Job, root: str, file: Action | DataFile, version: int, how: Origin) -> Entry | None:
    """Of a file that was left as it was; None where it is gone, or another by now than the one that was looked at."""
    document = job.registry.fingerprint(job.subject, version)
    try:
        found = entry(root, file.path, version=version, how=how, document=document)
        now = os.stat(os.path.join(root, file.path))
    except FileNotFoundError:
        return None
    same = (found.size, found.mtime_ns) == (now.st_size, now.st_mtime_ns) == (file.size, file.mtime_ns)
    return found if same else None
