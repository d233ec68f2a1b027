"""The new tree of a dataset, built beside the old one for a publish by exchange."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from instar.formats.errors import RunError, Where
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.listing import Entry, Listing, is_folder, listing


@dataclass(frozen=True)
class Built:
    """The new tree as listed; files that could not be linked were copied (a reflink counts as a copy)."""

    entries: dict[str, Entry]
    copied: int
    copied_bytes: int


def side_files(entries: Listing, rewritten: Collection[str]) -> tuple[str, ...]:
    """Files that describe bytes which change: the checksum `.NAME.crc` of a rewritten file (Hadoop), and `_metadata` and
    `_common_metadata` (Parquet's summaries) in a folder which holds a rewritten file at any depth."""
    crcs = {str(PurePosixPath(path).with_name(f".{PurePosixPath(path).name}.crc")) for path in rewritten}
    above = {str(folder) for path in rewritten for folder in PurePosixPath(path).parents}
    summaries = {str(PurePosixPath(folder) / name) for folder in above for name in ("_metadata", "_common_metadata")}
    return tuple(path for path in entries if path in crcs | summaries)


def build_tree(
    dataset: Path, stage: Path, before: Listing, rewritten: Mapping[str, str], left_out: Collection[str], effects: Effects
) -> Built:
    """Complete `stage`, which holds the rewritten files (path → hash), to the whole new tree, durable when this returns.

    Every other file is linked in (copied where links cannot be), folders are made, empty ones too. Folders have mode, owner
    and attributes of the old ones, and their times, save those in which a file was rewritten or left out: caches go by these.

    Raises:
        RunError: the stage does not hold just the rewritten files.
        OSError: the disk says no.
    """
    _check_stage(stage, rewritten)
    folders = [path for path in before if is_folder(path)]
    for path in folders:
        if not (stage / path).is_dir():
            effects.make_folder(stage / path)
    copied = [
        path
        for path in before
        if not is_folder(path)
        and path not in rewritten
        and path not in left_out
        and not link_or_copy(dataset / path, stage / path, effects)
    ]
    touched = {parent_of(path) for path in (*rewritten, *left_out)}
    for path in sorted(folders, reverse=True):
        _finish_folder(stage / path, dataset / path, path in touched, effects)
    effects.sync_folder(stage.parent)
    entries = with_hashes(listing(stage), rewritten)
    return Built(entries, len(copied), sum(before[path].size for path in copied))


def _check_stage(stage: Path, rewritten: Collection[str]) -> None:
    found = {path for path in listing(stage) if not is_folder(path)}
    for path in sorted(found.symmetric_difference(rewritten)):
        raise RunError(
            f"the stage {'lacks' if path in rewritten else 'holds more than was staged:'} {path}",
            hint=f"Something else changed {stage}. Repeat the command: it stages anew.",
            where=Where(file=path),
        )


def link_or_copy(source: Path, target: Path, effects: Effects) -> bool:
    """A second name for the file, else a copy of it. True: linked. Names in the target's folder are not yet durable."""
    try:
        effects.link(source, target)
        return True
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    effects.copy(source, target)
    return False


def _finish_folder(new: Path, old: Path, touched: bool, effects: Effects) -> None:
    effects.dress(new, old)
    if not touched:
        known = os.stat(old)
        effects.set_times(new, known.st_atime_ns, known.st_mtime_ns)
    effects.sync_folder(new)


def parent_of(path: str) -> str:
    """The listing's name of the folder that holds a file."""
    head, _, _ = path.rpartition("/")
    return head + "/" if head else "./"


def with_hashes(entries: Listing, hashes: Mapping[str, str]) -> dict[str, Entry]:
    """The listing with the hashes that are known."""
    return {path: entry._replace(hash=hashes.get(path, "")) for path, entry in entries.items()}
