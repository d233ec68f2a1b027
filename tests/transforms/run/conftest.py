"""A dataset with everything a directory may hold besides data, and what a run needs around it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from killing import Dying, Killed, Quick

from instar.formats.manifest import content_hash
from instar.transforms.run.changes import change_set
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Journal, Method, Planned
from instar.transforms.run.listing import listing
from instar.transforms.run.publication import Publication
from instar.transforms.run.publish import publish
from instar.transforms.run.state import RunFolder, State, begin_run
from instar.transforms.run.unit import Receipt

DATA = ("month=1/a.parquet", "month=1/deep/odd name, 'quoted' 🦋.parquet", "month=2/b.parquet")
OTHERS = (
    "month=2/already new.parquet",
    "_SUCCESS",
    "README",
    ".hidden",
    "_metadata",
    "month=1/_common_metadata",
    "month=1/.a.parquet.crc",
    "month=2/.already new.parquet.crc",
)
SIDE = {"_metadata", "month=1/_common_metadata", "month=1/.a.parquet.crc"}


def facts_of(root: Path) -> dict[str, tuple[Any, ...]]:
    """All that a rollback must bring back: bytes, modes, owners, attributes, times; folders included."""
    paths = [root, *sorted(root.rglob("*"))] if root.is_dir() else [root]
    return {path.relative_to(root).as_posix(): _facts(path) for path in paths}


def _facts(path: Path) -> tuple[Any, ...]:
    known = os.stat(path)
    contents = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)} if hasattr(os, "listxattr") else {}
    return contents, stat.S_IMODE(known.st_mode), known.st_uid, known.st_gid, known.st_mtime_ns, tuple(sorted(attributes.items()))


@dataclass(frozen=True)
class Lake:
    """A dataset, its state, and the steps up to a publish."""

    dataset: Path
    state: State
    paths: tuple[str, ...]

    def staged(
        self, effects: Any, id: str = "20261121-210500-0001", method: Method = "exchange"
    ) -> tuple[RunFolder, Journal, list[Receipt]]:
        run = begin_run(self.state, id, Planned(str(self.dataset), method, {}), b"{}", effects)
        base = self.dataset if self.dataset.is_dir() else self.dataset.parent
        receipts = [self._stage(run, base, path) for path in self.paths]
        return run, run.open_journal(effects), receipts

    def _stage(self, run: RunFolder, base: Path, path: str) -> Receipt:
        staged, known = run.staged(path), os.stat(base / path)
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(b"new " + (base / path).read_bytes())
        PosixEffects().dress(staged, base / path)
        new = content_hash(staged)
        return Receipt(path, known.st_size, known.st_mtime_ns, "", "chain", (), 1, 1, staged.stat().st_size, new, 0.1)

    def publish(self, effects: Any, id: str = "20261121-210500-0001", method: Method = "exchange") -> tuple[RunFolder, Publication]:
        before = listing(self.dataset)
        run, journal, receipts = self.staged(effects, id, method)
        return run, publish(self.dataset, run, method, before, change_set(before, receipts), journal, effects)


def make_lake(parent: Path) -> Lake:
    dataset = parent / "flights"
    for number, path in enumerate((*DATA, *OTHERS)):
        (dataset / path).parent.mkdir(parents=True, exist_ok=True)
        (dataset / path).write_bytes(f"old {number}".encode() * 100)
    (dataset / "empty" / "below").mkdir(parents=True)
    (dataset / DATA[0]).chmod(0o640)
    (dataset / "month=2").chmod(0o2750)
    if hasattr(os, "setxattr"):
        os.setxattr(dataset / DATA[0], "user.origin", b"somewhere")
        os.setxattr(dataset / "month=1", "user.origin", b"folder")
    for number, path in enumerate(sorted([dataset, *dataset.rglob("*")], reverse=True)):
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))
    return Lake(dataset, State.beside(dataset), DATA)


def make_file(parent: Path) -> Lake:
    dataset = parent / "one.parquet"
    dataset.write_bytes(b"old")
    dataset.chmod(0o600)
    os.utime(dataset, ns=(10**18, 10**18))
    return Lake(dataset, State.beside(dataset), ("one.parquet",))


@pytest.fixture
def quick() -> Quick:
    return Quick()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make_lake(tmp_path)


@pytest.fixture
def single(tmp_path: Path) -> Lake:
    return make_file(tmp_path)


@pytest.fixture
def facts() -> Callable[[Path], dict[str, tuple[Any, ...]]]:
    return facts_of


@pytest.fixture
def new_lake(tmp_path: Path) -> Callable[[str], Lake]:
    """A further lake, in a folder of this name."""

    def make(name: str) -> Lake:
        (tmp_path / name).mkdir()
        return make_lake(tmp_path / name)

    return make


@pytest.fixture
def dying() -> type[Dying]:
    return Dying


@pytest.fixture
def killed() -> type[Killed]:
    return Killed


@pytest.fixture
def side() -> set[str]:
    return SIDE
