"""A scan reads the tree that it began with, whatever is published meanwhile: it never mixes, and never fails."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import instar
from instar.formats.errors import UsageError
from instar.transforms import pinned
from instar.transforms.job import Options

pytestmark = pytest.mark.usefixtures("three_months")
METHODS = ("exchange", "replace")


def upgraded(found: Any, method: Any) -> None:
    try:
        found.upgrade(options=Options(method=method))
    except UsageError as error:
        if method == "exchange" and "cannot be published by exchange" in error.message:
            pytest.skip(error.message)
        raise


@pytest.fixture(params=["handles", "snapshot", "names"])
def opening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are found that were not opened yet: held open, in the pinned tree or a snapshot, or (elsewhere) by their names."""
    if request.param == "snapshot":
        monkeypatch.setattr(pinned, "_most_handles", lambda: 0)
    if request.param == "names":
        monkeypatch.setattr(pinned, "_handles_have_paths", lambda: False)
    elif not pinned._handles_have_paths():
        pytest.skip("only Linux gives handles a path")
    return request.param


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", ["weather"])
def test_what_began_before_an_upgrade_reads_the_old_tree(project: Path, dataset: str, method: str, opening: str) -> None:
    """The way back from version 3 does not restore the nulls that it filled: the old tree's records are told from the new one's."""
    found = instar.open(project).dataset(dataset)
    before = found.scan(1).read_all()
    reader = found.scan(1)
    first = reader.read_next_batch()
    upgraded(found, method)
    rest = list(reader)
    assert len(rest) > 1
    table = pa.Table.from_batches([first, *rest])
    again = found.scan(1).read_all()
    assert not again.equals(before)
    if opening == "names":  # the files are the new ones then, each whole and at version 1
        assert table.num_rows == before.num_rows
        assert pa.Table.from_batches(rest[-1:]).equals(again.slice(again.num_rows - rest[-1].num_rows))
    else:
        assert table.equals(before)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", ["events"])
def test_what_began_before_a_rollback_reads_to_the_end(project: Path, dataset: str, method: str, opening: str) -> None:
    """The new tree is removed by a rollback: only what is held open is left of it; the rest is read from the old files."""
    found = instar.open(project).dataset(dataset)
    upgraded(found, method)
    before = found.scan(3).read_all()
    reader = found.scan(3)
    first = reader.read_next_batch()
    found.rollback()
    assert pa.Table.from_batches([first, *reader]).equals(before)


def test_handles_are_closed_whether_a_scan_is_read_or_not(project: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("only Linux lists a process's handles")
    found = instar.open(project).dataset("flights")
    found.scan(1).read_all()

    def count() -> int:
        return len(list(folder.iterdir()))

    before = count()
    found.scan(1).read_all()
    assert count() == before
    reader = found.scan(1)
    reader.read_next_batch()
    assert count() > before
    del reader
    assert count() == before
    reader = found.scan(1)
    del reader
    assert count() == before
    with pytest.raises(UsageError):
        found.scan(1, columns=["nothing"])
    assert count() == before


def test_a_file_that_is_gone_for_good_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "_most_handles", lambda: 0)
    found = instar.open(project).dataset("flights")
    reader = found.scan(1)
    reader.read_next_batch()
    (project / "data" / "flights" / "month=03" / "part-0.parquet").unlink()
    with pytest.raises(instar.InstarError, match=r"month=03/part-0\.parquet.*removed"):
        reader.read_all()


ALL = [(dataset, method) for dataset in ("flights", "events") for method in METHODS]
BOTH = [("flights", "exchange"), ("events", "replace")]  # each way and each kind of scan; the other two ways round are slow


@pytest.mark.parametrize(
    ("dataset", "method"), [pytest.param(*each, marks=pytest.mark.slow if each not in BOTH else ()) for each in ALL]
)
def test_scans_never_mix_and_never_fail_while_runs_publish(project: Path, dataset: str, method: str) -> None:
    found = instar.open(project).dataset(dataset)
    expected = found.scan(3).read_all()
    stop, scans, failures = threading.Event(), [0, 0], list[BaseException]()

    def scanning(number: int) -> None:
        mine = instar.open(project).dataset(dataset)
        try:
            while not stop.is_set():
                reader = mine.scan(3)
                batches = []
                for batch in reader:
                    batches.append(batch)
                    time.sleep(0.01)  # so that publishing falls into the midst of it
                assert pa.Table.from_batches(batches).equals(expected)
                scans[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=scanning, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            upgraded(found, method)
            found.rollback()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
    assert min(scans) > 0
