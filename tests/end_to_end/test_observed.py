"""What a listener is told of a verb, by runs of the library: one by one, in order, and the end whatever the end is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

import instar
from instar.formats.errors import Collected, DataError, FileError, LockedError, RunError, UsageError, Where
from instar.transforms.events import (
    Begun,
    Ended,
    Errored,
    Event,
    FileConverted,
    FileProved,
    FileSlow,
    FileStaged,
    Resumed,
    RunBegun,
    RunPublished,
    StepBegun,
    StepEnded,
    Warned,
)
from instar.transforms.execution import holding
from instar.transforms.observed import TOLD_ERRORS, observed
from instar.transforms.progress import Silent
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Journal, Published

E = TypeVar("E", bound=Event)


class Told(Silent):
    """Keeps all it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def step(self, name: str, *, files: int, size: int) -> None:
        self.events.append(StepBegun(name, files, size))

    def event(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ended(self) -> Ended:
        last = self.events[-1]
        assert isinstance(last, Ended)
        assert self.of(Ended) == [last]
        return last


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for part, rows in enumerate((3, 5)):
        (data / f"part={part}").mkdir()
        pq.write_table(pa.table({"n": list(range(rows)), "note": ["x"] * rows}), data / f"part={part}" / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    return data


def dataset(author: Author) -> instar.Dataset:
    return instar.open(author.folder).dataset("sales")


# ---- runs
def test_an_upgrade_tells_of_its_steps_its_files_and_its_end(author: Author, sales: Path) -> None:
    told = Told()
    sizes = {path.relative_to(sales).as_posix(): path.stat().st_size for path in sales.rglob("*.parquet")}
    plan = dataset(author).plan()
    report = dataset(author).upgrade(progress=told)
    assert told.events[0] == Begun("upgrade", "sales", "sales")
    (begun,) = told.of(RunBegun)
    assert (begun.run, begun.from_, begun.to, begun.method) == (report.run, {"1": 2}, 2, report.method)
    assert (begun.files, begun.rows, begun.bytes, begun.workers) == (2, 8, sum(sizes.values()), 1)
    assert begun.plan == plan.hash
    assert (begun.user, begun.host, begun.instar) == (report.provenance.user, report.provenance.host, instar.__version__)
    assert begun.facts()["from"] == {"1": 2}

    steps = [event.step for event in told.of(StepBegun)]
    assert steps == [event.step for event in told.of(StepEnded)] == ["inventory", "plan", "stage", "prove", "publish"]
    assert told.of(StepBegun)[2] == StepBegun("stage", 2, sum(sizes.values()))
    staged = {event.file: event for event in told.of(FileStaged)}
    proved = {event.file: event for event in told.of(FileProved)}
    assert set(staged) == set(proved) == set(sizes)
    assert {file: event.bytes_in for file, event in staged.items()} == sizes
    assert sorted(event.rows_out for event in staged.values()) == [3, 5]
    assert sum(event.bytes_out for event in staged.values()) == report.bytes_out
    assert all(event.verdict == "proved" and sum(event.ways.values()) == 2 for event in proved.values())
    assert not [event for event in told.events if event.level != "info"]

    (published,) = told.of(RunPublished)
    assert published == RunPublished(begun.run, 2, 8, 8, sum(sizes.values()), report.bytes_out)

    ended = told.ended
    assert (ended.status, ended.exit, ended.run, ended.proof) == ("done", 0, report.run, "proved")
    assert (ended.files, ended.rows_in, ended.rows_out) == (report.files, 8, 8)
    assert (ended.bytes_in, ended.bytes_out, ended.errors, ended.slow) == (report.bytes_in, report.bytes_out, 0, 0)
    assert ended.steps == report.seconds
    assert ended.seconds >= sum(ended.steps.values())


def test_where_there_is_nothing_to_do_there_is_no_run(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales")
    told = Told()
    dataset(author).upgrade(progress=told)
    assert told.of(RunBegun) == []
    assert (told.ended.status, told.ended.exit, told.ended.run, told.ended.files["kept"]) == ("nothing to do", 0, None, 2)


def test_the_way_back_verify_and_convert_are_told_of_too(author: Author, sales: Path, tmp_path: Path) -> None:
    up, check, out, down, back = Told(), Told(), Told(), Told(), Told()
    run = dataset(author).upgrade(progress=up).run
    dataset(author).verify(progress=check)
    assert check.events[0] == Begun("verify", "sales", "sales")
    assert {event.verdict for event in check.of(FileProved)} == {"proved"}
    assert (check.ended.status, check.ended.run, check.ended.files, check.ended.proof) == ("done", run, {"verified": 2}, "proved")
    assert check.ended.rows_in == 8

    instar.open(author.folder).convert("sales", tmp_path / "out", "ndjson", progress=out)
    assert out.events[0] == Begun("convert", "sales", "sales")
    assert sorted((event.target, event.rows) for event in out.of(FileConverted)) == [
        ("part=0/a.ndjson", 3),
        ("part=1/a.ndjson", 5),
    ]
    assert (out.ended.files, out.ended.rows_out) == ({"converted": 2}, 8)
    assert out.ended.bytes_out == sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.ndjson"))

    dataset(author).downgrade(1, progress=down)
    assert (down.of(RunBegun)[0].to, down.ended.status) == (1, "done")
    dataset(author).rollback(progress=back)
    assert back.events[0] == Begun("rollback", "sales", "sales")
    assert (back.ended.status, back.ended.exit) == ("done", 0)
    assert (back.of(RunBegun)[0].files, back.of(RunBegun)[0].run) == (2, back.ended.run)


# ---- ends that are no success
def test_every_file_that_cannot_be_migrated_is_an_error_of_its_own(author: Author, sales: Path) -> None:
    author.step("sales", 'op.cast("remark", "int64")')
    told = Told()
    with pytest.raises(instar.InstarError):
        dataset(author).upgrade(progress=told)
    errors = told.of(Errored)
    assert {error.file for error in errors} == {"part=0/a.parquet", "part=1/a.parquet"}
    assert {(error.kind, error.path) for error in errors} == {("DataError", "remark")}
    assert all(error.hint and error.row is not None for error in errors)
    assert (told.ended.status, told.ended.exit, told.ended.errors) == ("failed", 1, len(errors))
    assert told.ended.run == told.of(RunBegun)[0].run
    assert set(told.ended.steps) == {"inventory", "plan", "stage"}


def test_a_verify_that_does_not_hold_names_the_files(author: Author, sales: Path) -> None:
    dataset(author).upgrade()
    pq.write_table(pa.table({"n": [9], "remark": ["changed"]}), sales / "part=0" / "a.parquet")
    told = Told()
    assert not dataset(author).verify(progress=told).ok
    assert {event.file for event in told.of(FileProved) if event.verdict == "failed"} == {"part=0/a.parquet"}
    assert {error.file for error in told.of(Errored)} == {"part=0/a.parquet"}
    assert (told.ended.status, told.ended.exit, told.ended.proof) == ("failed", 1, "failed")


def test_a_dataset_that_another_run_holds_is_locked(author: Author, sales: Path) -> None:
    told = Told()
    with holding(dataset(author).job(), "upgrade", PosixEffects()), pytest.raises(LockedError):
        dataset(author).upgrade(progress=told)
    assert [error.kind for error in told.of(Errored)] == ["LockedError"]
    assert (told.ended.status, told.ended.exit) == ("locked", 3)


def test_wrong_use_and_interruptions_are_ends_too(author: Author, sales: Path) -> None:
    told = Told()
    with pytest.raises(UsageError):
        dataset(author).upgrade(7, progress=told)
    assert (told.ended.status, told.ended.exit, told.ended.run) == ("failed", 2, None)

    class Stop(Told):
        def event(self, event: Event) -> None:
            super().event(event)
            if isinstance(event, FileStaged):
                raise KeyboardInterrupt

    stopped = Stop()
    with pytest.raises(KeyboardInterrupt):
        dataset(author).upgrade(progress=stopped)
    assert (stopped.ended.status, stopped.ended.exit, stopped.of(Errored)) == ("interrupted", 130, [])
    assert (stopped.ended.run, stopped.ended.resumable) == (stopped.of(RunBegun)[0].run, True)

    again = Told()
    dataset(author).upgrade(progress=again)
    (resumed,) = again.of(Resumed)
    assert resumed.run == again.of(RunBegun)[0].run == stopped.ended.run
    assert resumed.again == {}
    assert len(again.of(FileStaged)) == 2 - resumed.reused
    assert again.ended.files["reused"] == resumed.reused


def test_a_publish_that_was_cut_off_is_told_of_when_it_is_settled(
    author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = Journal.write, False

    def cut_off(self: Journal, *events: Any) -> None:
        nonlocal full
        full = full or any(isinstance(event, Published) for event in events)
        if full:
            raise RunError("the journal cannot be written: No space left on device")
        write(self, *events)

    monkeypatch.setattr(Journal, "write", cut_off)
    cut = Told()
    with pytest.raises(RunError):
        dataset(author).upgrade(progress=cut)
    assert (cut.ended.status, cut.ended.exit, cut.ended.resumable) == ("failed", 1, True)
    monkeypatch.undo()
    told = Told()
    dataset(author).upgrade(progress=told)
    assert ["was cut off while it published" in event.message for event in told.of(Warned)] == [True]


def test_a_warning_of_the_plan_is_told(author: Author, sales: Path) -> None:
    author.do("revision", "sales", "-m", "not yet registered")
    told = Told()
    report = dataset(author).upgrade(progress=told)
    (warning,) = told.of(Warned)
    assert "0003_not_yet_registered.py" in warning.message
    assert report.warnings == (warning.message,)


# ---- what is gathered
def test_many_errors_are_told_up_to_a_hundred_and_counted() -> None:
    told = Told()
    errors = [FileError(f"bad {number}", where=Where(file=f"{number}")) for number in range(TOLD_ERRORS + 7)]
    with pytest.raises(Collected), observed(told, "upgrade", "sales", "sales"):
        raise Collected("107 files", hint="Mend them.", errors=errors)
    assert len(told.of(Errored)) == TOLD_ERRORS + 1
    assert "7 more" in told.of(Errored)[-1].message
    assert {error.hint for error in told.of(Errored)} == {"Mend them."}
    assert told.of(Errored)[3].file == "3"


def test_a_signal_during_a_query_is_an_interruption() -> None:
    """DuckDB makes an error of its own of it."""
    told = Told()
    with pytest.raises(duckdb.Error), observed(told, "upgrade", "sales", "sales"):
        raise duckdb.InterruptException("Query interrupted")
    assert (told.ended.status, told.of(Errored)) == ("interrupted", [])


def test_what_is_no_error_of_ours_has_no_exit_code() -> None:
    told = Told()
    with pytest.raises(ZeroDivisionError), observed(told, "upgrade", "sales", "sales"):
        raise ZeroDivisionError("division by zero")
    (error,) = told.of(Errored)
    assert (error.kind, error.message) == ("ZeroDivisionError", "division by zero")
    assert "test_observed.py" in (error.traceback or "")
    assert (told.ended.status, told.ended.exit) == ("failed", None)


def test_each_batch_is_a_run_that_is_told_of(author: Author, sales: Path) -> None:
    told = Told()
    report = dataset(author).upgrade(options=instar.Options(batch_files=1, method="replace"), progress=told)
    assert [(event.batch, event.batches, event.files) for event in told.of(RunBegun)] == [(1, 2, 1), (2, 2, 1)]
    assert [event.run for event in told.of(RunPublished)] == [event.run for event in told.of(RunBegun)] == list(report.runs)
    assert (told.ended.run, told.ended.files["rewritten"], told.ended.rows_out) == (report.run, 2, 8)


def test_batches_that_were_published_before_an_error_count() -> None:
    told = Told()
    with observed(told, "upgrade", "sales", "sales") as seen:
        for run in ("a", "b"):
            seen.event(RunPublished(run, 2, 10, 9, 100, 90))
        seen.failed(DataError("no"))
    assert (told.ended.status, told.ended.files) == ("failed", {"rewritten": 4})
    assert (told.ended.rows_in, told.ended.rows_out, told.ended.bytes_in, told.ended.bytes_out) == (20, 18, 200, 180)


def test_slow_files_are_told_and_counted() -> None:
    told = Told()
    with observed(told, "upgrade", "sales", "sales") as seen:
        for number in range(9):
            seen.event(FileStaged(f"{number}", 1, 1, 1 << 24, 1, 1.0 if number < 8 else 60.0))
        seen.failed(DataError("no"))
    assert [(event.step, event.file, event.times) for event in told.of(FileSlow)] == [("stage", "8", 60.0)]
    assert told.ended.slow == 1
