"""Copies of snapshots elsewhere: on another disk, another machine's share, whatever file system that has.

    <DIR>/<dataset's folder name>/<run's id>/
        snapshot/   plan.json  journal.jsonl  before.json  after.json  report.json   backup.json  README.txt

A copy is made under `<run's id>.partial` and gets its name as the last step, so that what bears the name is whole: every file was
written, flushed, and read again from the disk to be compared with the snapshot and with the hashes that the run had recorded. One
that was cut off is gone on with. Modes, owners and times are kept where the file system there has them; `backup.json` says them.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instar.formats.errors import RunError, UsageError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.collect import Keeping
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.journal import BroughtBack
from instar.transforms.run.listing import is_folder, listing
from instar.transforms.run.rollback import shadowing
from instar.transforms.run.snapshot import discard
from instar.transforms.run.state import RunFolder, RunState, receipts_of

MANIFEST = "backup.json"
_FORMAT = 1
_CHUNK = 16 << 20
Told = Callable[[int, int], None]
"""So many more files and bytes are copied."""

README = """\
The old files of a data set, as they were before a migration by Instar: run {run} of {dataset}.

    snapshot/      the files themselves, under their names; they need no Instar to be read
    backup.json    what they are: sizes, hashes (xxh3-128), modes, owners, times
    the others     the run's records

To roll the run back from here (DIR is the folder that `instar gc --backup` was given, DATASET its name in instar.toml):

    instar rollback DATASET --from DIR

or by hand: copy snapshot/ back into the run's folder, with all attributes, and roll back:

    cp -a snapshot {state}/runs/{run}/
    instar rollback DATASET
"""


@dataclass(frozen=True)
class Copy:
    """A checked copy of a snapshot. `bytes` as the files' sizes; `fresh`: it was made now, not found there already."""

    run: str
    path: Path
    files: int
    bytes: int
    fresh: bool


# ---- before the first byte
def check_place(place: Path, dataset: Path, state: Path) -> Path:
    """The folder for copies, resolved.

    Raises:
        UsageError: it is not there, or lies where it would be taken for data or be removed with what it is a copy of.
    """
    found = place.resolve()
    if not found.is_dir():
        raise UsageError(
            f"there is no folder {place} to copy to",
            hint=f"Make it first: mkdir -p {place}. (If it is a disk of its own, is that mounted?)",
        )
    for inside, what in ((dataset, "the dataset"), (state, "the state folder")):
        if found.is_relative_to(inside) or (found / dataset.name).is_relative_to(inside):
            hint = "Name a folder elsewhere, on another disk."
            raise UsageError(f"copies in {place} would lie inside {what} {inside}", hint=hint)
    return found


def check_room(place: Path, keepings: Sequence[Keeping], folder: str) -> None:
    """Raises RunError where the copies that are still to be made do not fit."""
    needed = sum(_missing(keeping, _final(place, folder, keeping.id)) for keeping in keepings)
    free = shutil.disk_usage(place).free
    if free < needed:
        raise RunError(
            f"the copies need {needed:,} bytes in {place}, and {free:,} are free", hint="Free some space there, or copy elsewhere."
        )


def _missing(keeping: Keeping, final: Path) -> int:
    if final.exists():
        return 0
    there = listing(_partial(final)) if _partial(final).is_dir() else {}
    files = {f"snapshot/{path}": entry.size for path, entry in listing(keeping.path).items() if not is_folder(path)}
    return sum(size for path, size in files.items() if path not in there or there[path].size != size)


def _final(place: Path, folder: str, run: str) -> Path:
    return place / folder / run


def _partial(final: Path) -> Path:
    return final.with_name(final.name + ".partial")


# ---- one snapshot
def back_up(keeping: Keeping, place: Path, folder: str, facts: Mapping[str, Any], effects: Effects, told: Told) -> Copy:
    """Copy a snapshot with its run's records to `place`/`folder`, or hold what is there already against it.

    Raises:
        RunError: the snapshot is no longer what the run recorded; there is a copy that differs; the disk says no. Names the file.
    """
    run, final = keeping.run.run, _final(place, folder, keeping.id)
    try:
        hashes = _checked_source(keeping)
        if final.exists():
            _check_copy(final / "snapshot", hashes, keeping.path)
            effects.sync_folder(final.parent)  # who was killed right after the rename had not come to it
            return Copy(run.id, final, keeping.footprint.files, keeping.footprint.bytes, fresh=False)
        partial = _partial(final)
        _make_folders(partial, effects)
        _copy_tree(keeping.path, partial / "snapshot", hashes, effects, told)
        _check_copy(partial / "snapshot", hashes, keeping.path)
        _write_records(run, partial, _manifest(keeping, folder, hashes, facts), effects)
        effects.rename(partial, final)
        effects.sync_folder(final.parent)
    except OSError as error:
        raise disk_error(f"the snapshot of run {run.id} could not be copied to {final}", error) from error
    return Copy(run.id, final, keeping.footprint.files, keeping.footprint.bytes, fresh=True)


def _checked_source(keeping: Keeping) -> dict[str, str]:
    """The hash of every file in the snapshot, held against those which the run had recorded."""
    hashes = {path: content_hash(keeping.path / path) for path in listing(keeping.path) if not is_folder(path)}
    for path, hash in recorded_hashes(keeping.run).items():
        if hashes.get(path) != hash:
            raise RunError(
                f"{path} in the snapshot of run {keeping.id} is no longer what the run had found",
                hint=f"Something wrote into {keeping.path / path}. Put it back as it was, if it is anywhere else; "
                "or remove this snapshot without --backup. Nothing was removed.",
                where=Where(file=path),
            )
    return hashes


def recorded_hashes(run: RunState) -> dict[str, str]:
    """The hashes of the old files that the run rewrote, as it had found them; none where it built a second tree of another one."""
    return {} if shadowing(run) else {receipt.path: receipt.source_hash for receipt in receipts_of(run)}


def _copy_tree(source: Path, target: Path, hashes: Mapping[str, str], effects: Effects, told: Told) -> None:
    """Everything in `source`, as far as it is not in `target` already, durable; and nothing else in `target`."""
    entries = listing(source)
    _make_folders(target, effects)
    for path in sorted(listing(target).keys() - entries.keys(), reverse=True):  # of another state of the snapshot
        discard(target / path, effects) if is_folder(path) else effects.unlink(target / path)
    for path, entry in entries.items():
        new = target / path
        if is_folder(path):
            _make_folders(new, effects)
        elif new.is_file() and content_hash(new) == hashes[path]:
            _finish(new, source / path, effects)
        else:
            if os.path.lexists(new):
                effects.unlink(new)
            _copy_file(source / path, new, effects)
        told(0 if is_folder(path) else 1, entry.size)
    for path in sorted((path for path in entries if is_folder(path)), reverse=True):
        _dress(target / path, source / path, effects)
        effects.sync_folder(target / path)


def _copy_file(source: Path, target: Path, effects: Effects) -> None:
    """With all attributes; where the file system there has not all of them, the bytes and as much as it takes."""
    try:
        effects.copy(source, target)
        return
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    effects.create(target, b"")
    with open(source, "rb") as old:
        while chunk := old.read(_CHUNK):
            effects.append(target, chunk)
    _finish(target, source, effects)


def _finish(target: Path, source: Path, effects: Effects) -> None:
    """All but the bytes, which are there; a killed copy may have left them undressed, and not yet on the disk."""
    _dress(target, source, effects)
    effects.sync_file(target)


def _dress(target: Path, source: Path, effects: Effects) -> None:
    known = os.stat(source)
    for effect in (
        lambda: effects.dress(target, source),
        lambda: effects.set_times(target, known.st_atime_ns, known.st_mtime_ns),
    ):
        try:
            effect()
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise


def _check_copy(copy: Path, hashes: Mapping[str, str], source: Path) -> None:
    """Read again what was written, from the disk, and compare."""
    found = {path for path in listing(copy) if not is_folder(path)} if copy.is_dir() else set[str]()
    for path in sorted(found | hashes.keys()):
        if path not in found:
            problem = "is missing there"
        elif path not in hashes:
            problem = "is there, and not in the snapshot"
        elif _hash_on_disk(copy / path) != hashes[path]:
            problem = "is another there"
        else:
            continue
        raise RunError(
            f"the copy {copy} is not the snapshot {source}: {path} {problem}",
            hint="Nothing was removed. Move that copy away, or copy to another folder.",
            where=Where(file=path),
        )


def _hash_on_disk(path: Path) -> str:
    """The content's, the system having been asked to forget what it holds of the file in memory."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return content_hash(path)


# ---- and back
def bring_back(run: RunState, place: Path, dataset: Path, effects: Effects) -> None:
    """Put the copy of a snapshot that was removed back into the run's folder, every file checked and with the times it had.

    Modes and owners that the copy's file system did not keep are taken from the dataset's own file of that name, where it has them.

    Raises:
        UsageError: there is no copy of it in `place`. RunError: it is not what the run had recorded, or the disk says no.
    """
    copy, fetched = _final(place, dataset.name, run.id), run.run.fetched
    try:
        files = _read_manifest(copy, run)
        hashes = {path: facts["hash"] for path, facts in files.items() if not is_folder(path)}
        _copy_tree(copy / "snapshot", fetched, hashes, effects, lambda files, size: None)
        _check_copy(fetched, hashes, copy / "snapshot")
        for path in sorted(files, reverse=True):  # a folder after what is in it, which changes its time
            _as_recorded(fetched / path, files[path], dataset / path, effects)
        effects.rename(fetched, run.run.snapshot)
        effects.sync_folder(run.run.path)
    except OSError as error:
        raise disk_error(f"the snapshot of run {run.id} could not be brought back from {copy}", error) from error
    run.run.open_journal(effects).write(BroughtBack(str(copy)))


def _read_manifest(copy: Path, run: RunState) -> dict[str, dict[str, Any]]:
    try:
        files: dict[str, dict[str, Any]] = json.loads((copy / MANIFEST).read_bytes())["files"]
    except FileNotFoundError:
        raise UsageError(
            f"there is no copy of the snapshot of run {run.id} in {copy.parent}",
            hint="Name the folder that `instar gc --backup` was given; `instar gc` lists where copies were made.",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{copy / MANIFEST} cannot be understood: {error}", hint="Take another copy.") from error
    for path, hash in recorded_hashes(run).items():
        if files.get(path, {}).get("hash") != hash:
            raise RunError(
                f"the copy {copy} is not of the snapshot of run {run.id}: {path} is another there",
                hint="Take another copy. Nothing was changed.",
                where=Where(file=path),
            )
    return files


def _as_recorded(path: Path, facts: Mapping[str, Any], live: Path, effects: Effects) -> None:
    wanted = {key: facts[key] for key in ("mode", "uid", "gid")}
    if _owner(path) != wanted and live.exists() and _owner(live) == wanted:
        effects.dress(path, live)
    effects.set_times(path, os.stat(path).st_atime_ns, facts["mtime_ns"])
    effects.sync_folder(path) if path.is_dir() else effects.sync_file(path)


# ---- what lies beside the files
def _manifest(keeping: Keeping, folder: str, hashes: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    entries = listing(keeping.path)
    files = {
        path: {"size": entry.size, "hash": hashes.get(path, ""), "mtime_ns": entry.mtime_ns, **_owner(keeping.path / path)}
        for path, entry in entries.items()
    }
    state = str(keeping.run.run.path.parent.parent)
    return {"format": _FORMAT, "dataset": folder, "run": keeping.id, "state": state, **facts, "files": files}


def _owner(path: Path) -> dict[str, Any]:
    known = os.stat(path)
    return {"mode": oct(stat.S_IMODE(known.st_mode)), "uid": known.st_uid, "gid": known.st_gid}


def _write_records(run: RunFolder, target: Path, manifest: Mapping[str, Any], effects: Effects) -> None:
    kept = (run.plan, run.journal, run.before, run.after, run.report)
    texts = {path.name: path.read_bytes() for path in kept if path.is_file()}
    texts[MANIFEST] = json.dumps(manifest, indent=1).encode("ascii")
    readme = README.format(**{key: manifest[key] for key in ("run", "dataset", "state")})
    texts["README.txt"] = readme.encode("utf-8", "backslashreplace")
    for name, data in texts.items():
        if (target / name).exists():
            effects.unlink(target / name)
        effects.create(target / name, data)
    effects.sync_folder(target)


def _make_folders(path: Path, effects: Effects) -> None:
    if path.is_dir():
        return
    _make_folders(path.parent, effects)
    effects.make_folder(path)
    effects.sync_folder(path.parent)
