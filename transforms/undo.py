"""What a rollback brings about, worked out before anything is done: which file comes from where, what goes, what is converted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.formats.inventory import Inventory
from instar.transforms.job import Job
from instar.transforms.run.changes import side_files
from instar.transforms.run.listing import Listing, is_folder, is_whole, read_listing, with_hashes_of
from instar.transforms.run.rollback import Origin, Tree, shadowing, tree_of, undone
from instar.transforms.run.snapshot import tree_at
from instar.transforms.run.state import RunState, renamed_by
from instar.transforms.run.tree import folders_above, parent_of


@dataclass(frozen=True)
class Undo:
    """What a rollback brings about: the tree as it will be, in terms of where every file's contents are now.

    `back` are the files that come out of snapshots, `gone` those that a run had added, `arrived` the data files that came
    since, at a version that is taken back: they are converted to `target`. `replaced` are the data files of now that go.
    `withdraws`: there was nothing at all, a shadow's place was free; `like`: an earlier shadow stood there, and the tree
    becomes as that was. `oldest` lists the tree before all the runs.
    """

    runs: tuple[RunState, ...]
    back: Tree
    gone: tuple[str, ...]
    arrived: tuple[str, ...]
    target: int
    folder_times: Mapping[str, int]
    replaced: frozenset[str]
    oldest: Listing
    withdraws: bool = False
    like: tuple[Path, Listing] | None = None


def with_known_hashes(entries: Listing, runs: Sequence[RunState]) -> Listing:
    """The listing with the hashes of the files that the runs had made and that are still there: a rollback that is taken back
    itself holds them against these."""
    made = {path: entry for run in reversed(runs) for path, entry in read_listing(run.run.after).items() if entry.hash}
    return with_hashes_of(made, entries)


def undo_of(job: Job, runs: Sequence[RunState], before: Listing, inventory: Inventory) -> Undo:
    """Pure but for reading the runs' records. `runs`: newest first."""
    now = tree_of(job.location, before)
    tree: Mapping[str, Origin] = now
    for run in runs:
        tree = undone(tree, run)
    back = {path: origin for path, origin in tree.items() if now.get(path) != origin}
    oldest = read_listing(runs[-1].run.before)
    _refuse_another_form(tree, back, oldest, before)
    shadows = all(map(shadowing, runs))
    if (shadows or not oldest) and (came := sorted(tree.keys() - back.keys())):
        raise RunError(
            f"taking the shadow away would take away what came into it: {', '.join(came[:5])}",
            hint="Move it elsewhere, then roll back.",
            where=Where(file=came[0]),
        )
    targets = {int(to) for run in runs if (to := run.facts.get("to")) is not None}
    old = [origin.version for path, origin in back.items() if origin.version is not None and path in oldest]
    target = max(old, default=min(targets, default=job.newest))
    arrived = tuple(
        file.path
        for file in inventory.files
        if file.path in tree
        and file.path not in back
        and file.version in targets - {target}
        and (file.path not in oldest or oldest[file.path][:3] != before[file.path][:3])
    )
    gone = {path for path in now if path not in tree}
    describing = set(side_files([path for path in tree if path not in back], {*back, *arrived}))
    away = (*sorted(gone), *sorted(describing))
    replaced = frozenset(file.path for file in inventory.files if file.path in gone or file.path in back)
    if shadows or not oldest:
        snapshot = runs[-1].run.snapshot
        times = {path: entry.mtime_ns for path, entry in oldest.items() if is_folder(path)}
        return Undo(tuple(runs), back, away, (), target, times, replaced, oldest, not oldest, (snapshot, tree_at(snapshot)))
    return Undo(tuple(runs), back, away, arrived, target, _folder_times(tree, oldest, before), replaced, oldest)


def removed_since(undo: Undo, before: Listing) -> list[str]:
    """Of the files that come back, those that somebody removed since: not what a run renamed, or left out because it described
    bytes that changed, and not what a rollback had taken away."""
    by_rollbacks = {
        path for run in undo.runs if run.undoes for path in read_listing(run.run.before).keys() - read_listing(run.run.after).keys()
    }
    names = [renamed_by(run) for run in reversed(undo.runs)]
    removed = []
    for path in undo.back.keys() - set(side_files(undo.back, undo.back)):
        name = path
        for renamed in names:
            name = renamed.get(name, name)
        if path not in before and name not in before and path not in by_rollbacks:
            removed.append(path)
    return sorted(removed)


def _refuse_another_form(tree: Tree, back: Tree, oldest: Listing, before: Listing) -> None:
    """A folder that stands where a file belongs, or a file where a folder does, is somebody's: it is not for us to move it."""
    if oldest and before and is_whole(oldest) != is_whole(before):
        was, now = ("a folder", "one file") if is_whole(oldest) else ("one file", "a folder")
        raise _in_the_way(f"the dataset was {was} then, and is {now} now: {min(path for path in (*back, *before) if path != './')}")
    for path in back:
        if f"{path}/" in before:
            raise _in_the_way(f"{path} was a file then, and is a folder now", path)
        for folder in folders_above(path):
            if folder in tree:
                raise _in_the_way(f"{folder} was a folder then, with {path} in it, and is a file now", folder)


def _in_the_way(message: str, path: str | None = None) -> RunError:
    where = Where(file=path) if path else None
    return RunError(message, hint="Nothing was changed. Move it elsewhere, then roll back.", where=where)


def _folder_times(tree: Tree, oldest: Listing, before: Listing) -> dict[str, int]:
    """Of the folders that will hold just what they held then: their times then."""
    folders = {path: entry for path, entry in before.items() if is_folder(path)}
    then, will = _children(oldest), _children({**folders, **{path: origin.entry for path, origin in tree.items()}})
    return {folder: oldest[folder].mtime_ns for folder in folders if folder in oldest and then.get(folder) == will.get(folder)}


def _children(entries: Listing) -> dict[str, dict[str, tuple[int, int]]]:
    """What each folder holds: files with size and mtime, folders by name."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for path, entry in entries.items():
        if path != "./":
            found.setdefault(parent_of(path.rstrip("/")), {})[path] = (0, 0) if is_folder(path) else entry[:2]
    return found
