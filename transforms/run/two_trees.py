"""The dataset before a run and after it, as lists of files: nothing is copied or linked, each file is where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from instar.formats.format import FileFacts
from instar.formats.inventory import DataFile
from instar.formats.schema import Schema
from instar.transforms.run.unit import Receipt


@dataclass(frozen=True)
class TreeFile:
    """A data file of one side. `path` is its name in that side's tree, `file` (absolute) where its contents are.

    `schema`: its own, where the file carries one and it was looked at; None: that of its version. `layout`: as in `FileFacts`, of
    JSON; `bom`: it begins with a byte order mark, which DuckDB's reader refuses.
    """

    path: str
    file: Path
    version: int
    schema: Schema | None = None
    layout: str = ""
    bom: bool = False


@dataclass(frozen=True)
class TwoTrees:
    """The data files of both sides, by path. Each holds the same records, save for what the run leaves out.

    A file that a run leaves as it is and that is at the target is in both. One that it leaves at another version is in neither: it
    cannot be read, changed meanwhile, or waits for a later batch.
    """

    old: tuple[TreeFile, ...]
    new: tuple[TreeFile, ...]
    target: int

    @property
    def versions(self) -> tuple[int, ...]:
        """Of the old side, ascending."""
        return tuple(sorted({file.version for file in self.old}))


def two_trees(
    base: Path,
    files: Mapping[str, DataFile],
    receipts: Iterable[Receipt],
    staged: Callable[[str], Path],
    target: int,
    earlier: Iterable[Receipt] = (),
) -> TwoTrees:
    """Both sides of a run that has staged its files, and published none of them.

    `base`: what paths are relative to. `files`: the data files as they were found; what `earlier` batches have published since is
    on both sides. `staged`: where a new file is, by its name.
    """
    made, done = {receipt.path: receipt for receipt in receipts}, {receipt.path: receipt for receipt in earlier}
    old, new = list[TreeFile](), list[TreeFile]()
    for path, found in files.items():
        assert found.version is not None, "a plan has only files of known versions"
        before = tree_file(path, base / path, found.version, found.facts)
        if path in made:
            name = made[path].new_path
            after = replace(before, path=name, file=staged(name), version=target, schema=None)
        elif path in done:
            name = done[path].new_path
            before = after = replace(before, path=name, file=base / name, version=target, schema=None)
        elif found.version == target:
            after = before
        else:
            continue
        old.append(before)
        new.append(after)
    return TwoTrees(tuple(sorted(old, key=_path)), tuple(sorted(new, key=_path)), target)


def tree_file(path: str, file: Path, version: int, facts: FileFacts | None) -> TreeFile:
    """A file that was looked at."""
    if facts is None:
        return TreeFile(path, file, version)
    return TreeFile(path, file, version, facts.schema, facts.layout, bool(facts.physical.get("bom")))


def _path(file: TreeFile) -> str:
    return file.path
