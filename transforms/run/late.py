"""What writers did to old trees after their runs were published: files that landed there, and old files that grew. Reads only.

A writer who has the old directory open, or an old file, goes on in it after the publish. The snapshot of a published run is
therefore held against its listing, by size, time and inode. A file that stands in the dataset, too, by the same inode, is the
dataset's own: what is written to it is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from instar.transforms.run.journal import Carried, PublishBegun, Published, Resumed, Staged, Withdrawn
from instar.transforms.run.listing import Entry, Listing, is_folder, listing, read_listing
from instar.transforms.run.removed import has_snapshot
from instar.transforms.run.state import RunState, renamed_by
from instar.transforms.run.tree import folders_above

What = Literal["landed", "grown", "replaced", "changed"]


@dataclass(frozen=True)
class Late:
    """A file of an old tree that is not as it was when its run published: it is `entry` now, and was `known` (None: not there).

    "landed": it was not there; "grown": there is more of it; "replaced": another file has its name; "changed": anything else.
    `stands`: under which name the dataset has it all the same; `over`: the name of the file there whose place it takes ("" none),
    which is `made`.
    `left`: why the dataset cannot take it in ("" it can). `makers`: the later runs that had a part in making the file whose place
    it takes, each with the name that it had found; `same`: other snapshots that hold this very file, with its name there.
    """

    run: RunState
    path: str
    what: What
    entry: Entry
    known: Entry | None = None
    stands: str = ""
    over: str = ""
    made: Entry | None = None
    left: str = ""
    makers: tuple[tuple[RunState, str], ...] = ()
    same: tuple[tuple[RunState, str], ...] = ()

    @property
    def file(self) -> Path:
        return self.run.run.snapshot / self.path

    @property
    def from_byte(self) -> int:
        """Where begins what was added; it ends before `to_byte`."""
        return self.known.size if self.known and self.what == "grown" else 0

    @property
    def to_byte(self) -> int:
        return self.entry.size

    def __str__(self) -> str:
        what = {
            "landed": "it landed in the old tree",
            "grown": f"bytes {self.from_byte:,}–{self.to_byte:,} were appended to the old file",
            "replaced": "it was replaced in the old tree",
            "changed": "the old file was changed",
        }[self.what]
        return f"{self.path}: {what} after run {self.run.id} published"


@dataclass(frozen=True)
class OldTree:
    """The snapshot of a published run: as it was when the run was done with it, and as it is."""

    run: RunState
    before: Listing
    now: Listing

    @cached_property
    def changed(self) -> dict[str, Entry]:
        """Its files that are others now. A copy with the same size and time is the same."""
        return {
            path: entry
            for path, entry in self.now.items()
            if not is_folder(path) and (path not in self.before or self.before[path][:2] != entry[:2])
        }

    @property
    def open(self) -> dict[str, Entry]:
        """The same, and its files that were taken in of late, which is not recorded to the end."""
        return {**self.changed, **{path: self.now[path] for path in self.begun if path in self.now}}

    @cached_property
    def begun(self) -> frozenset[str]:
        """What was about to be taken in, and is not recorded (`intake`); whether it was done, the dataset tells."""
        found = set[str]()
        for event in self.run.since(Published):
            if isinstance(event, Carried) and (event.what == "changed" or event.path not in self.before):
                found.add(event.path)
            elif isinstance(event, Withdrawn):
                found.discard(event.path)
        return frozenset(found)


def old_trees(runs: Sequence[RunState]) -> tuple[OldTree, ...]:
    """Those that the runs of a dataset left by exchange or replace, oldest first. `runs`: all, oldest first.

    Raises:
        RunError: a folder, or a record of a run, cannot be read.
    """
    return tuple(
        OldTree(run, read_listing(run.run.before), listing(run.run.snapshot))
        for run in runs
        if _published(run) and has_snapshot(run) and _method(run) in ("exchange", "replace")
    )


def late_files(runs: Sequence[RunState], trees: Sequence[OldTree], there: Listing) -> tuple[Late, ...]:
    """What is late in the old trees, the newest tree's first, each file once. `there` is the dataset as it is.

    Of a file that several trees hold, the newest knows how it was last.
    """
    look = _Look(runs, trees, there)
    found: dict[int, Late | None] = {}
    for tree in reversed(trees):
        for path, entry in sorted(tree.open.items()):
            if entry.inode not in found:
                found[entry.inode] = look.late(tree, path, entry)
            elif first := found[entry.inode]:
                found[entry.inode] = replace(first, same=(*first.same, (tree.run, path)))
        found |= {entry.inode: None for path, entry in tree.now.items() if not is_folder(path) and entry.inode not in found}
    return tuple(late for late in found.values() if late)


@dataclass(frozen=True)
class _Look:
    runs: Sequence[RunState]
    trees: Sequence[OldTree]
    there: Listing

    @cached_property
    def by_id(self) -> Mapping[str, RunState]:
        return {run.id: run for run in self.runs}

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Inode → name in the dataset."""
        return {entry.inode: path for path, entry in self.there.items() if not is_folder(path)}

    @cached_property
    def found(self) -> Mapping[tuple[int, int, int], str]:
        """What the runs had found, by size, time and inode."""
        return {entry[:3]: path for tree in self.trees for path, entry in tree.before.items() if not is_folder(path)}

    @cached_property
    def listings(self) -> Callable[[str], tuple[Listing, Listing]]:
        """A run's, before and after it."""
        return cache(lambda id: (read_listing(self.by_id[id].run.before), read_listing(self.by_id[id].run.after)))

    def late(self, tree: OldTree, path: str, entry: Entry) -> Late | None:
        """None: it is the dataset's own."""
        known = tree.before.get(path)
        late = Late(tree.run, path, _what(known, entry), entry, known)
        stands = self.names.get(entry.inode, "")
        if path in tree.begun and not stands and path in self.there and self.there[path][:2] == entry[:2]:
            stands = path  # a copy, where there are no links
        if stands and (path in tree.begun or _was_renamed(tree, stands, late)):
            return replace(late, stands=stands, left=self.in_the_way(path) if stands != path else "")
        if stands:
            return None
        if late.what == "changed" or (late.what != "grown" and _method(tree.run) == "replace"):
            return replace(late, left="only what lands in an old tree or is appended to an old file can be taken in")
        return self.landed(late) if late.what == "landed" else self.in_its_place(late)

    def landed(self, late: Late) -> Late:
        old = self.found.get(late.entry[:3])
        return replace(late, left=f"it is {old}, renamed there since" if old else self.in_the_way(late.path))

    def in_its_place(self, late: Late) -> Late:
        """It takes the place of the file that runs have made of it."""
        made = self.made_of(late.run, late.path)
        if made is None or made[0] not in self.there:
            return replace(late, left="the dataset has no file any more that was made of it")
        name, entry, makers = made
        if self.there[name][:3] != entry[:3]:
            return replace(late, left=changed_too(name))
        return replace(late, over=name, made=entry, makers=makers, left=self.in_the_way(late.path) if late.path != name else "")

    def in_the_way(self, path: str) -> str:
        """Why the dataset has no place under a name, "" where it has."""
        if path in self.there or f"{path}/" in self.there:
            return f"the dataset has {'a file' if path in self.there else 'a folder'} of that name"
        folder = next((folder for folder in folders_above(path) if folder in self.there), None)
        return f"{folder} is a file in the dataset" if folder else ""

    def made_of(self, run: RunState, path: str) -> tuple[str, Entry, tuple[tuple[RunState, str], ...]] | None:
        """What became of an old file in its run and the later ones: name, how it was left, who had a part in it."""
        name = renamed_by(run).get(path, path)
        entry, makers = self.listings(run.id)[1].get(name), list[tuple[RunState, str]]()
        for later in (each for each in self.runs if each.id > run.id and _published(each)):
            before, after = self.listings(later.id)
            if entry is None or name not in before or before[name].inode != entry.inode:
                return None
            new = self.renamed(later, name)
            if new != name or new not in after or after[new].inode != entry.inode:
                makers.append((later, name))
            name, entry = new, after.get(new)
        return None if entry is None else (name, entry, tuple(makers))

    def renamed(self, run: RunState, name: str) -> str:
        """The name that a file has after a run; a rollback gives old ones back."""
        for undone in run.undoes:
            name = {new: old for old, new in renamed_by(self.by_id[undone]).items()}.get(name, name)
        return renamed_by(run).get(name, name)


def changed_too(name: str) -> str:
    """Why a file does not take the place of another."""
    return f"{name} in the dataset was changed, too"


def _published(run: RunState) -> bool:
    return run.status in ("finished", "rolled back")


def _method(run: RunState) -> str:
    begun = run.last(PublishBegun)
    return begun.method if begun else ""


def _what(known: Entry | None, entry: Entry) -> What:
    if known is None:
        return "landed"
    if known.inode != entry.inode:
        return "replaced"
    return "grown" if entry.size > known.size else "changed"


def _was_renamed(tree: OldTree, stands: str, late: Late) -> bool:
    """The dataset has it under the name that it had in the old tree, too, until somebody renamed it there."""
    known = tree.before.get(stands) if late.what == "landed" and stands not in tree.now else None
    return known is not None and known.inode == late.entry.inode


# ---- what was in it before
_CHUNK = 1 << 20


def hashes_of_first(file: Path, *sizes: int) -> tuple[str, ...]:
    """The content hashes (xxh3-128, hex) of a file's first so many bytes, ascending; all of it where there are not so many."""
    import xxhash

    digest, at, found = xxhash.xxh3_128(), 0, list[str]()
    with open(file, "rb") as stream:
        for size in sizes:
            while chunk := stream.read(min(_CHUNK, size - at)):
                digest.update(chunk)
                at += len(chunk)
            found.append(digest.hexdigest())
    return tuple(found)


def hash_before(late: Late) -> str:
    """What the hash of an old file was, "" where no run had computed it."""
    if late.known is None:
        return ""
    staged = (event.receipt for event in reversed(late.run.since(Resumed)) if isinstance(event, Staged))
    return late.known.hash or next((receipt.source_hash for receipt in staged if receipt.path == late.path), "")
