"""Files that are only copied are staged and proved in threads: the same tree, and the same care, as with one worker."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

from instar.formats.errors import InstarError
from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.report import RunReport
from instar.transforms.run.effects import Effects, PosixEffects

FILES = 12
THREADS = Options(workers=3, at_most=True)


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for i in range(FILES):
        pq.write_table(pa.table({"n": list(range(i, i + 500)), "m": ["x"] * 500}), data / f"{i}.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="number")')
    return data


def upgraded(author: Author, options: Options, effects: Effects | None = None) -> RunReport:
    return migrate(open_project(author.folder).dataset("sales").job(), None, options, verb="upgrade", effects=effects)


class Watched(PosixEffects):
    """Which threads staged, and what fails: the `broken`-th file that is put in its place."""

    def __init__(self, broken: int = 0) -> None:
        self.threads: set[int] = set()
        self.staged, self.broken, self._guard = 0, broken, threading.Lock()

    def dress(self, path: Path, like: Path) -> None:
        if path.suffix == ".part":
            self.threads.add(threading.get_ident())
        super().dress(path, like)

    def replace(self, source: Path, target: Path) -> None:
        with self._guard:
            self.staged += target.suffix == ".parquet"
            broken = self.broken and self.staged >= self.broken
        if broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        super().replace(source, target)


def contents(data: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(data.iterdir())}


def test_threads_give_the_tree_that_one_worker_gives(author: Author, sales: Path) -> None:
    effects = Watched()
    report = upgraded(author, THREADS, effects)
    assert effects.threads
    assert threading.get_ident() not in effects.threads
    assert report.proof is not None
    assert report.proof.verdict == "proved"
    made = contents(sales)
    author.do("rollback", "sales")
    upgraded(author, Options(workers=1))
    assert contents(sales) == made


def test_a_full_disk_under_threads_changes_nothing_and_the_same_command_goes_on(author: Author, sales: Path) -> None:
    before = tree(sales)
    with pytest.raises(InstarError, match="No space left"):
        upgraded(author, THREADS, Watched(broken=7))
    assert tree(sales) == before
    report = upgraded(author, THREADS)
    assert report.files["rewritten"] == FILES
    assert [v["version"] for v in author.do("status", "sales")["versions"]] == [2]


def test_what_stops_the_coordinator_waits_for_the_threads(author: Author, sales: Path) -> None:
    """So that nothing is written into a stage that is being discarded."""
    before, running = tree(sales), threading.active_count()

    class Interrupted(Watched):
        def append(self, path: Path, data: bytes) -> None:
            if b"Staged" in data:
                raise KeyboardInterrupt
            super().append(path, data)

    with pytest.raises(KeyboardInterrupt):
        upgraded(author, THREADS, Interrupted())
    assert threading.active_count() == running
    assert tree(sales) == before
    assert upgraded(author, THREADS).proof is not None
