"""Staging: files become other files, errors name file and record, the source is not to change, and all of it is journaled."""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from instar.formats.errors import Collected, DataError, FileError, RunError, Where
from instar.formats.format import Rewrite, Rewritten, Stamp
from instar.formats.manifest import content_hash
from instar.formats.schema import Field, String, schema
from instar.transforms.progress import Silent
from instar.transforms.provenance import library_versions
from instar.transforms.run import request
from instar.transforms.run import stage_file as module
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.executors import InlineExecutor
from instar.transforms.run.journal import Staged, read_journal
from instar.transforms.run.request import CountingRows
from instar.transforms.run.stage import stage
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Unit

SCHEMA = schema(Field("text", String()))


class Lines:
    """A records format of its own: one record a line, three to a batch."""

    shape = "records"

    def __init__(self) -> None:
        self.during = lambda request: None

    def values(self, source, target):
        return None

    def rewrite(self, request: Rewrite) -> Rewritten:
        lines = request.source.read_text().splitlines()
        with open(request.target, "x") as file:
            for start in range(0, len(lines), 3):
                batch = lines[start : start + 3]
                file.writelines(line + "\n" for line in request.convert(batch))
                request.progress(len(batch), sum(map(len, batch)))
        self.during(request)
        return Rewritten(len(lines), len(lines), ("a note",))


@dataclass(frozen=True)
class Upper:
    """Stands for a mapping: what `stage_file` asks of one."""

    source: Any = SCHEMA
    target: Any = SCHEMA
    based: list[Any] = field(default_factory=list)

    def rebased(self, file):
        self.based.append(file)
        return self

    def reads(self):
        return ("text",)

    def carried(self):
        return {}

    def touched(self):
        return frozenset()


def shout(batch: list[str]) -> list[str]:
    bad = [
        DataError("is not a word", hint="Correct it.", where=Where(row=n, path="text"))
        for n, line in enumerate(batch)
        if line == "!"
    ]
    if bad:
        raise bad[0] if len(bad) == 1 else Collected(f"{len(bad)} are no words", errors=bad)
    return [line.upper() for line in batch]


@pytest.fixture
def lines(monkeypatch):
    format = Lines()
    monkeypatch.setattr(module, "format_named", lambda name: format)
    monkeypatch.setattr(request, "_conversion", lambda format, mapping: shout)
    monkeypatch.setattr(request, "splice_of", lambda format, mapping: None)
    return format


@pytest.fixture
def data(tmp_path):
    """Makes a dataset of these files and units that stage them into the run's folder."""

    def make(**files: str) -> list[Unit]:
        units = []
        for name, text in files.items():
            path = f"part={name}/{name}.txt"
            source = tmp_path / "data" / path
            source.parent.mkdir(parents=True)
            source.write_text(text)
            source.chmod(0o640)
            units.append(
                Unit(
                    path,
                    str(source),
                    str(tmp_path / "run" / "stage" / path),
                    "json",
                    cast(Any, Upper()),
                    None,
                    Stamp("s", 2),
                    "chain",
                    1 << 20,
                )
            )
        return units

    return make


@pytest.fixture
def journal(tmp_path, quick):
    from instar.transforms.run.journal import Journal

    (tmp_path / "run").mkdir()
    return Journal(tmp_path / "run" / "journal.jsonl", quick)


class Noting(PosixEffects):
    """The real file system, and what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def make_folder(self, path: Path) -> None:
        self.asked.append(("make_folder", path.name))
        super().make_folder(path)

    def unlink(self, path: Path) -> None:
        self.asked.append(("unlink", path.name))
        super().unlink(path)

    def dress(self, path: Path, like: Path) -> None:
        self.asked.append(("dress", path.name))
        super().dress(path, like)

    def replace(self, source: Path, target: Path) -> None:
        self.asked.append(("replace", target.name))
        super().replace(source, target)


def test_all_but_the_contents_is_done_by_the_effects_of_the_run(lines, data, journal):
    units, effects = data(a="one\n", b="two\n"), Noting()
    stage(units[:1], InlineExecutor(), journal, effects)
    made = [("make_folder", "stage"), ("make_folder", "part=a")]
    (_, part) = effects.asked[2]
    assert part.startswith(".")  # no data file is called so
    assert effects.asked == [*made, ("dress", part), ("replace", "a.txt")]
    effects.asked.clear()
    os.rename(Path(units[0].staged), Path(units[0].staged).with_name(part))  # what a killed worker leaves behind
    stage(units, InlineExecutor(), journal, effects)
    assert effects.asked[:3] == [("unlink", part), ("dress", part), ("replace", "a.txt")]


def test_a_unit_becomes_a_file_and_a_receipt(lines, data):
    (unit,) = data(a="one\ntwo\nthree\nfour\n")
    told: list[tuple[int, int]] = []
    receipt = stage_file(unit, lambda rows, size: told.append((rows, size)))
    assert Path(unit.staged).read_text() == "ONE\nTWO\nTHREE\nFOUR\n"
    assert os.stat(unit.staged).st_mode == os.stat(unit.source).st_mode
    assert os.listdir(os.path.dirname(unit.staged)) == ["a.txt"]
    assert (receipt.path, receipt.rows_in, receipt.rows_out, receipt.notes) == (unit.path, 4, 4, ("a note",))
    assert (receipt.source_size, receipt.source_mtime_ns) == (19, os.stat(unit.source).st_mtime_ns)
    assert receipt.source_hash == content_hash(unit.source)  # type: ignore[arg-type]
    assert (receipt.size, receipt.hash) == (19, content_hash(unit.staged))  # type: ignore[arg-type]
    assert receipt.versions == library_versions()
    assert dict(receipt.versions).keys() >= {"instar", "pyarrow", "fastavro", "duckdb"}
    assert told == [(3, 11), (1, 4)]


def test_errors_count_records_from_the_files_first(lines, data):
    (unit,) = data(a="x\nx\nx\nx\n!\n!\n")
    with pytest.raises(Collected) as caught:
        stage_file(unit)
    assert [each.where for each in caught.value.errors] == [Where("part=a/a.txt", row, "text") for row in (4, 5)]
    assert caught.value.errors[0].hint == "Correct it."
    assert not os.path.exists(unit.staged)


def test_an_empty_batch_counts_nothing():
    def convert(batch):
        if batch == ["!"]:
            raise DataError("no", where=Where(row=0))
        return batch

    counting = CountingRows(convert)
    counting([])
    counting(["a", "b"])
    counting(SimpleNamespace(num_rows=5))
    with pytest.raises(DataError) as caught:
        counting(["!"])
    assert caught.value.where == Where(row=7)


def test_a_source_that_changes_while_it_is_read_is_refused(lines, data):
    (unit,) = data(a="one\n")
    lines.during = lambda request: os.utime(request.source, ns=(1, 1))
    with pytest.raises(RunError, match=r"part=a/a\.txt changed while it was read"):
        stage_file(unit)
    assert not os.path.exists(unit.staged)


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "permission"), (errno.EMFILE, "ulimit")]
)
def test_the_disks_no_is_a_run_error_with_advice(lines, data, number, advice):
    (unit,) = data(a="one\n")

    def fail(request):
        raise OSError(number, os.strerror(number), str(request.target))

    lines.during = fail
    with pytest.raises(RunError, match=os.strerror(number)) as caught:
        stage_file(unit)
    assert advice in caught.value.hint
    assert caught.value.where == Where(file="part=a/a.txt")


def test_a_variant_is_read_by_its_own_schema(lines, data):
    (unit,) = data(a="one\n")
    other = schema(Field("text", String(), extra={"storage": "large"}))
    stage_file(Unit(**{**unit.__dict__, "schema": other}))
    assert unit.mapping.based == [other]  # type: ignore[attr-defined]


class Counts(Silent):
    """A progress that adds up."""

    def __init__(self) -> None:
        self.files = self.rows = self.size = 0

    def step(self, name, *, files, size):
        raise AssertionError("the caller's business")

    def advance(self, *, files=0, rows=0, size=0):
        self.files, self.rows, self.size = self.files + files, self.rows + rows, self.size + size


@pytest.mark.parametrize("make", [InlineExecutor, lambda: ThreadPoolExecutor(3)])
def test_all_units_are_staged_and_journaled(lines, data, journal, quick, make):
    units = data(**{f"f{n}": "word\n" * n for n in range(1, 10)})
    progress = Counts()
    with make() as executor:
        receipts = stage(units, executor, journal, quick, progress)
    assert [receipt.path for receipt in receipts] == [unit.path for unit in units]
    journaled = [line.event for line in read_journal(journal.path)]
    assert {event.receipt for event in journaled if isinstance(event, Staged)} == set(receipts)
    assert (progress.files, progress.rows) == (9, 45)


def test_files_are_durable_before_their_receipts_count(lines, data, journal, quick):
    """Contents, then every folder up to the stage's own, then the journal."""
    done: list[tuple[str, str]] = []

    class Watching(type(quick)):
        def sync_file(self, path):
            done.append(("file", path.name))

        def sync_folder(self, path):
            done.append(("folder", path.name))

        def append(self, path, data):
            done.append(("journal", path.name))
            super().append(path, data)

    journal = type(journal)(journal.path, Watching())
    journal.path.touch()
    with InlineExecutor() as executor:
        stage(data(a="x\n", b="y\n"), executor, journal, Watching())
    assert done[:2] == [("file", "a.txt"), ("file", "b.txt")]
    assert done[2:-1] == [("folder", "part=b"), ("folder", "part=a"), ("folder", "stage")]
    assert done[-1] == ("journal", "journal.jsonl")


def test_the_errors_of_all_files_are_reported(lines, data, journal, quick):
    units = data(a="x\n!\n", b="fine\n", c="!\n!\n", d="x\n")
    with InlineExecutor() as executor, pytest.raises(Collected) as caught:
        stage(units, executor, journal, quick)
    assert [each.where for each in caught.value.errors] == [
        Where("part=a/a.txt", 1, "text"),
        Where("part=c/c.txt", 0, "text"),
        Where("part=c/c.txt", 1, "text"),
    ]
    assert "2 files cannot be migrated" in str(caught.value)


def test_one_files_error_stays_what_it_is(lines, data, journal, quick):
    lines.during = lambda request: (_ for _ in ()).throw(FileError("it is garbage", hint="Restore it."))
    with InlineExecutor() as executor, pytest.raises(FileError, match=r"part=a/a\.txt: it is garbage"):
        stage(data(a="x\n"), executor, journal, quick)


def test_after_a_full_disk_no_further_unit_is_begun(lines, data, journal, quick):
    begun: list[str] = []

    def full(request):
        begun.append(request.source.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    lines.during = full
    with InlineExecutor() as executor, pytest.raises(RunError, match="No space left"):
        stage(data(**{f"f{n}": "x\n" for n in range(9)}), executor, journal, quick)
    assert len(begun) == 1


def test_a_fault_of_ours_is_not_dressed_up(lines, data, journal, quick):
    lines.during = lambda request: {}["missing"]
    with InlineExecutor() as executor, pytest.raises(KeyError):
        stage(data(a="x\n"), executor, journal, quick)


def test_a_disk_that_cannot_flush_is_a_run_error(lines, data, journal, quick):
    class Broken(type(quick)):
        def sync_file(self, path):
            raise OSError(errno.EIO, "Input/output error", str(path))

    with InlineExecutor() as executor, pytest.raises(RunError, match="made durable: Input/output error") as caught:
        stage(data(a="x\n"), executor, journal, Broken())
    assert "drive" in caught.value.hint
    assert not any(isinstance(line.event, Staged) for line in read_journal(journal.path))


def test_nothing_is_under_way_when_the_stage_may_be_discarded(lines, data, journal, quick):
    slow = threading.Event()
    ended: list[str] = []

    def during(request):
        if request.source.name == "a.txt":
            slow.wait(5)
            raise OSError(errno.ENOSPC, "No space left on device")
        slow.set()
        time.sleep(0.3)
        ended.append(request.source.name)

    lines.during = during
    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(RunError, match="No space left"):
            stage(data(a="x\n", b="x\n"), executor, journal, quick)
        assert ended == ["b.txt"]
