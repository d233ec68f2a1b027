"""Writers who do not stop for a run: what they do meanwhile is staged and proved in further rounds, or left as it is and named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

from instar.formats.arriving import is_arriving
from instar.transforms.job import Options
from instar.transforms.latecomers import ROUNDS
from instar.transforms.migrate import migrate
from instar.transforms.progress import Silent
from instar.transforms.project import open_project
from instar.transforms.report import RunReport
from instar.transforms.restore import restore

AVRO = {"type": "record", "name": "sale", "fields": [{"name": "n", "type": "long"}, {"name": "note", "type": "string"}]}
Deed = Callable[[], Any]


def write(path: Path, first: int, rows: int = 5, **more: Any) -> None:
    """Records n, n + 1 … in a file of version 1 that stands there at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, records = path.with_name(".part"), [{"n": first + i, "note": f"note {first + i}", **more} for i in range(rows)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), part)
    elif path.suffix == ".avro":
        with part.open("wb") as file:
            fastavro.writer(file, AVRO, records)
    else:
        part.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.replace(part, path)


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".avro":
        with path.open("rb") as file:
            return [dict(record) for record in fastavro.reader(file)]  # type: ignore[call-overload]
    return [json.loads(line) for line in path.read_text().splitlines()]


def held(data: Path, suffix: str = ".ndjson") -> dict[str, list[int]]:
    """The numbers of the records, by file and, in its name, the field that tells the version."""
    found: dict[str, list[int]] = {}
    for path in sorted(data.rglob(f"*{suffix}")):
        records = read(path)
        named = {"remark" if "remark" in record else "note" for record in records}
        found[f"{path.relative_to(data).as_posix()}: {', '.join(sorted(named))}"] = [record["n"] for record in records]
    return found


class Writer(Silent):
    """Does something each time that a step begins: `deeds` by the step's name and which time it is, from 1."""

    def __init__(self, deeds: Mapping[tuple[str, int], Deed]) -> None:
        self.deeds, self.seen = deeds, list[str]()

    def step(self, name: str, *, files: int, size: int) -> None:
        self.seen.append(name)
        if (deed := self.deeds.get((name, self.seen.count(name)))) is not None:
            deed()


def sales(author: Author, suffix: str = ".ndjson", step: str = 'op.rename("note", to="remark")') -> Path:
    data = author.data("sales")
    for number in range(3):
        write(data / f"month=1/{'abc'[number]}{suffix}", number * 10)
    (data / "README").write_text("read me\n")
    author.adopt("sales")
    author.step("sales", step)
    return data


def notes(path: Path, first: int, *, bad: int) -> None:
    """Five records, some of which cannot be cast."""
    path.write_text("".join(json.dumps({"n": first + i, "note": "no" if i < bad else "7"}) + "\n" for i in range(5)))


def cast(author: Author, bad: int = 1) -> Path:
    data = author.data("sales")
    for number in range(2):
        notes(data / f"{'ab'[number]}.ndjson", number * 10, bad=bad)
    author.adopt("sales")
    author.step("sales", 'op.cast("note", "int64")')
    return data


def upgrade(
    author: Author, deeds: Mapping[tuple[str, int], Deed], *, verb: str = "upgrade", to: Any = None, **more: Any
) -> RunReport:
    job = open_project(author.folder).dataset("sales").job()
    return migrate(job, to, Options(**more), verb=verb, progress=Writer(deeds))


def late(report: RunReport) -> dict[str, str]:
    return {change.path: change.why for change in report.late}


def what_is_odd(author: Author) -> list[Any]:
    return author.do("status", "sales")["problems"]


# ---- rounds
@pytest.mark.parametrize(("suffix", "method"), [(".ndjson", "replace"), (".avro", "exchange"), (".parquet", "exchange")])
def test_what_comes_changes_or_goes_while_a_run_works_is_in_what_it_publishes(author: Author, suffix: str, method: Any) -> None:
    data = sales(author, suffix)

    def deeds() -> None:
        write(data / f"month=2/d{suffix}", 30)
        write(data / f"month=1/b{suffix}", 40)
        (data / f"month=1/c{suffix}").unlink()
        (data / "NOTES").write_text("come too")
        (data / "README").unlink()

    report = upgrade(author, {("prove", 1): deeds}, method=method)
    whole = {
        f"month=1/a{suffix}: remark": [0, 1, 2, 3, 4],
        f"month=1/b{suffix}: remark": [40, 41, 42, 43, 44],
        f"month=2/d{suffix}: remark": [30, 31, 32, 33, 34],
    }
    assert held(data, suffix) == whole
    assert {path.name for path in data.iterdir()} == {"month=1", "month=2", "NOTES"}
    assert report.files == {"rewritten": 3, "kept": 0, "carried_over": 1, "skipped": 0}
    assert (report.rows_in, report.rows_out, report.rounds, report.late) == (15, 15, 1, ())
    assert report.proof is not None
    assert sorted(file.path for file in report.proof.files) == [name.split(":")[0] for name in whole]
    (known,) = author.do("runs", "sales")["runs"]
    assert known["files"] == 3
    author.do("rollback", "sales")
    assert held(data, suffix) == {name.replace("remark", "note"): rows for name, rows in whole.items()}
    assert what_is_odd(author) == []


@pytest.mark.slow
def test_further_rounds_are_staged_and_proved_by_several_workers_just_so(author: Author) -> None:
    data = sales(author)
    report = upgrade(author, {("prove", 1): lambda: [write(data / f"d{i}.ndjson", 100 * i) for i in range(3)]}, workers=2)
    assert len(held(data)) == report.files["rewritten"] == 6
    assert report.rounds == 1


def test_a_file_that_is_at_the_target_already_when_it_comes_is_kept(author: Author) -> None:
    data = sales(author)

    def deed() -> None:
        (data / "d.ndjson").write_text(json.dumps({"n": 30, "remark": "new"}) + "\n")

    report = upgrade(author, {("prove", 1): deed})
    assert held(data)["d.ndjson: remark"] == [30]
    assert (report.files["rewritten"], report.files["kept"], report.late) == (3, 1, ())


@pytest.mark.parametrize("method", ["replace", pytest.param("exchange", marks=pytest.mark.slow)])
def test_who_adds_a_file_in_every_round_is_not_waited_for(author: Author, method: Any) -> None:
    data = sales(author)
    deeds = {("prove", i): lambda i=i: write(data / f"d{i}.ndjson", 100 * i) for i in range(1, 9)}
    report = upgrade(author, deeds, method=method)
    assert report.rounds == ROUNDS
    there = held(data)
    assert [name for name in there if "d" in name.split(":")[0].split(".")[0]] == [
        "d1.ndjson: remark", "d2.ndjson: remark", "d3.ndjson: remark", f"d{ROUNDS + 1}.ndjson: note",
    ]  # fmt: skip
    assert list(late(report)) == [f"d{ROUNDS + 1}.ndjson"]
    assert author.do("upgrade", "sales")["files"]["rewritten"] == 1
    assert {name.split(": ")[1] for name in held(data)} == {"remark"}


@pytest.mark.parametrize("method", ["exchange", pytest.param("replace", marks=pytest.mark.slow)])
def test_a_file_that_changes_in_every_round_is_left_as_it_is(author: Author, method: Any) -> None:
    data = sales(author)

    def append() -> None:
        with (data / "month=1/a.ndjson").open("a") as file:
            file.write(json.dumps({"n": 99, "note": "more"}) + "\n")

    report = upgrade(author, {("prove", i): append for i in range(1, 9)}, method=method)
    there = held(data)
    assert there["month=1/a.ndjson: note"] == [0, 1, 2, 3, 4, *[99] * (ROUNDS + 1)]
    assert [str(change) for change in report.late] == ["month=1/a.ndjson was changed"]
    assert report.files["rewritten"] == 2
    assert author.do("upgrade", "sales")["rows_in"] == 9
    assert held(data)["month=1/a.ndjson: remark"] == there["month=1/a.ndjson: note"]


def test_a_dataset_that_is_one_file_is_looked_at_again(author: Author) -> None:
    path = author.folder / "data" / "sales.ndjson"
    write(path, 0)
    author.adopt("sales.ndjson", "--subject", "sales")
    author.step("sales", 'op.rename("note", to="remark")')
    report = upgrade(author, {("prove", 1): lambda: write(path, 10, 7)})
    assert read(path) == [{"n": n, "remark": f"note {n}"} for n in range(10, 17)]
    assert (report.rounds, report.late, report.rows_in) == (1, (), 7)


def test_where_all_files_go_nothing_is_published(author: Author) -> None:
    data = sales(author)
    report = upgrade(author, {("prove", 1): lambda: [path.unlink() for path in data.rglob("*.ndjson")]})
    assert (report.status, report.run) == ("nothing to do", None)
    assert held(data) == {}
    assert {run["status"] for run in author.do("runs", "sales")["runs"]} == {"failed"}


def test_a_plan_that_failed_because_a_file_went_meanwhile_is_made_again(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sales(author)
    (data / "odd.ndjson").write_text('{"n": "of no version"}\n')
    report = upgrade(author, {("plan", 1): lambda: (data / "odd.ndjson").unlink()})
    assert report.files["rewritten"] == 3


def test_a_saved_plan_is_carried_out_as_it_was_reviewed(author: Author) -> None:
    data = sales(author)
    saved = author.do("plan", "sales")
    job = open_project(author.folder).dataset("sales").job()
    deeds = {("prove", 1): lambda: write(data / "d.ndjson", 30)}
    report = migrate(job, None, Options(), verb="upgrade", saved=saved, progress=Writer(deeds))
    assert (report.rounds, list(late(report))) == (0, ["d.ndjson"])
    assert held(data)["d.ndjson: note"] == [30, 31, 32, 33, 34]


def test_a_downgrade_goes_round_for_what_comes_as_well(author: Author) -> None:
    data = sales(author)
    author.do("upgrade", "sales")

    def deed() -> None:
        (data / "d.ndjson").write_text(json.dumps({"n": 30, "remark": "new"}) + "\n")
        write(data / "e.ndjson", 40)

    report = upgrade(author, {("prove", 1): deed}, verb="downgrade", to=1)
    assert {name.split(": ")[1] for name in held(data)} == {"note"}
    assert (report.files["rewritten"], report.files["kept"]) == (4, 1)


@pytest.mark.parametrize("at", ["stage", "prove"])
def test_a_rollback_leaves_what_changes_and_comes_meanwhile_as_it_is(author: Author, at: str) -> None:
    data = sales(author)
    author.do("upgrade", "sales")

    def newest(name: str, *numbers: int) -> None:
        (data / name).write_text("".join(json.dumps({"n": n, "remark": f"note {n}"}) + "\n" for n in numbers))

    newest("d.ndjson", 30)
    newest("e.ndjson", 40)
    job = open_project(author.folder).dataset("sales").job()
    deed = Writer({(at, 1): lambda: (newest("d.ndjson", 30, 31), newest("f.ndjson", 50))})
    report = restore(job, progress=deed)
    assert {change.path: change.what for change in report.late} == {"d.ndjson": "changed", "f.ndjson": "added"}
    there = held(data)
    assert {name: there[name] for name in there if "month" not in name} == {
        "d.ndjson: remark": [30, 31],
        "e.ndjson: note": [40],
        "f.ndjson: remark": [50],
    }
    assert (report.files["converted"], report.files["restored"], report.rows_out) == (1, 3, 16)
    (kept,) = (author.folder / "data/.instar/sales/runs" / str(report.run)).glob("report.json")
    assert [change["path"] for change in json.loads(kept.read_text())["late"]] == ["d.ndjson", "f.ndjson"]
    author.do("downgrade", "sales", "1")
    assert {name.split(": ")[1] for name in held(data)} == {"note"}


# ---- what makes no sense yet
needs_leases = pytest.mark.skipif(not hasattr(__import__("fcntl"), "F_SETLEASE"), reason="only Linux tells who writes a file")


@needs_leases
@pytest.mark.parametrize(("method", "leaving_out"), [("exchange", False), ("replace", False), ("exchange", True)])
def test_a_file_that_is_being_written_is_left_to_its_writer(author: Author, method: Any, leaving_out: bool) -> None:
    data = sales(author)
    with (data / "d.ndjson").open("w") as file:
        if leaving_out:  # by the records before, its version could be told
            file.write('{"n": 29, "note": "whole"}\n')
        file.write('{"n": 30, "note": "half a ')
        file.flush()
        assert is_arriving(data / "d.ndjson", file.tell(), os.stat(data / "d.ndjson").st_mtime_ns)
        status = author.do("status", "sales")
        assert (status["problems"], status["warnings"]) == ([], ["d.ndjson: it is still being written"])
        assert author.do("plan", "sales")["warnings"] == ["d.ndjson: it is still being written, and is left as it is"]
        report = upgrade(author, {}, method=method, on_error="quarantine" if leaving_out else "fail")
        file.write('record"}\n')
    assert late(report) == {"d.ndjson": "it is still being written"}
    assert held(data)["d.ndjson: note"][-1] == 30
    assert author.do("upgrade", "sales")["files"]["rewritten"] == 1
    assert {name.split(": ")[1] for name in held(data)} == {"remark"}


@needs_leases
def test_a_file_that_was_being_written_when_the_plan_was_made_and_is_whole_in_the_end_is_migrated(author: Author) -> None:
    data = sales(author, ".parquet")
    write(data / "whole.parquet", 30)
    whole = (data / "whole.parquet").read_bytes()
    (data / "whole.parquet").unlink()
    with (data / "d.parquet").open("wb") as file:
        file.write(whole[:100])
        file.flush()
        report = upgrade(author, {("prove", 1): lambda: (file.write(whole[100:]), file.close())})
    assert (report.late, report.warnings, report.rounds) == ((), (), 1)
    assert held(data, ".parquet")["d.parquet: remark"] == [30, 31, 32, 33, 34]


@needs_leases
def test_a_damaged_file_that_nobody_writes_refuses_as_ever(author: Author) -> None:
    data = sales(author)
    (data / "d.ndjson").write_text('{"n": 30, "note": "half a ')
    assert "d.ndjson" in author.refused("upgrade", "sales")["message"]


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_comes_late_and_makes_no_sense_is_left_as_it_is(author: Author, old: bool) -> None:
    data = sales(author)

    def deed() -> None:
        (data / "d.ndjson").write_text('{"n": 30, "note": "half a ')
        (data / "e.ndjson").write_text('{"of": "no version"}\n')
        if old:
            os.utime(data / "d.ndjson", (1_600_000_000, 1_600_000_000))

    report = upgrade(author, {("prove", 1): deed})
    assert report.files["rewritten"] == 3
    said = late(report)
    assert (said["d.ndjson"] == "it is still being written") is not old
    assert "version" in said["e.ndjson"]
    assert [change.what for change in report.late] == ["added", "added"]
    assert {problem["path"] for problem in what_is_odd(author)} == {"d.ndjson", "e.ndjson"}


def test_what_cannot_be_migrated_and_comes_late_fails_the_next_run_not_this_one(author: Author) -> None:
    data = cast(author, bad=0)
    report = upgrade(author, {("prove", 1): lambda: notes(data / "d.ndjson", 30, bad=2)})
    assert report.files["rewritten"] == 2
    assert "record 0" in late(report)["d.ndjson"]
    assert len(held(data)["d.ndjson: note"]) == 5
    assert "d.ndjson" in author.refused("upgrade", "sales")["message"]


def test_a_name_that_is_taken_leaves_the_file_that_would_have_it(author: Author) -> None:
    data = sales(author)
    with (author.folder / "instar.toml").open("a") as file:
        file.write('name = "{stem}.v{version}{suffix}"\n')

    def deed() -> None:
        write(data / "d.ndjson", 30)
        (data / "d.v2.ndjson").write_text(json.dumps({"n": 50, "remark": "somebody's"}) + "\n")
        write(data / "e.ndjson", 60)

    report = upgrade(author, {("prove", 1): deed}, method="exchange")
    assert late(report) == {"d.ndjson": "the name d.v2.ndjson, which it would have, is taken"}
    assert {name for name in held(data) if "month" not in name} == {
        "d.ndjson: note",
        "d.v2.ndjson: remark",
        "e.v2.ndjson: remark",
    }


def test_a_file_that_becomes_readable_is_no_longer_skipped(author: Author) -> None:
    data = sales(author)
    (data / "d.ndjson").write_text("damaged")
    report = upgrade(author, {("prove", 1): lambda: write(data / "d.ndjson", 30)}, skip_unreadable=True)
    assert (report.files["rewritten"], report.skipped, report.late) == (4, (), ())


# ---- with what else a run may be
def test_batches_see_to_files_in_their_turn_and_to_those_that_come(author: Author) -> None:
    data = sales(author)

    def deed() -> None:
        write(data / "month=1/c.ndjson", 40)  # of the last batch
        write(data / "d.ndjson", 30)

    runs: list[int] = []
    report = upgrade(author, {("prove", 1): deed, ("prove", 3): lambda: runs.append(len(held(data)))}, batch_files=1)
    assert {name.split(": ")[1] for name in held(data)} == {"remark"}
    assert held(data)["month=1/c.ndjson: remark"] == [40, 41, 42, 43, 44]
    assert (len(report.runs), report.files["rewritten"], report.rounds, report.late) == (3, 4, 2, ())
    assert [run["files"] for run in author.do("runs", "sales")["runs"]] == [2, 1, 1]
    author.do("rollback", "sales")
    assert {name.split(": ")[1] for name in held(data)} == {"note"}


def test_a_file_of_an_earlier_batch_that_is_written_again_is_migrated_again(author: Author) -> None:
    data = sales(author)
    deeds = {("prove", 2): lambda: write(data / "month=1/a.ndjson", 40)}
    report = upgrade(author, deeds, batch_files=1)
    assert held(data)["month=1/a.ndjson: remark"] == [40, 41, 42, 43, 44]
    assert report.late == ()


@pytest.mark.parametrize("at", [("stage", 2), ("prove", 2), ("publish", 1)])
def test_a_run_that_is_stopped_in_a_further_round_goes_on_with_all_that_is_staged(author: Author, at: tuple[str, int]) -> None:
    data = sales(author)

    def stop() -> None:
        raise KeyboardInterrupt

    def deed() -> None:
        write(data / "month=1/b.ndjson", 40)
        write(data / "d.ndjson", 30)

    with pytest.raises(KeyboardInterrupt):
        upgrade(author, {("prove", 1): deed, at: stop})
    reused = 2 if at == ("stage", 2) else 4
    resumes = author.do("plan", "sales")["resumes"]
    assert (resumes["reused"], resumes["again"]) == (reused, {})
    report = upgrade(author, {("prove", 1): lambda: write(data / "e.ndjson", 50)})
    assert report.resumed is not None
    assert len(report.resumed.receipts) == reused
    assert held(data) == {
        "d.ndjson: remark": [30, 31, 32, 33, 34],
        "e.ndjson: remark": [50, 51, 52, 53, 54],
        "month=1/a.ndjson: remark": [0, 1, 2, 3, 4],
        "month=1/b.ndjson: remark": [40, 41, 42, 43, 44],
        "month=1/c.ndjson: remark": [20, 21, 22, 23, 24],
    }
    assert [run["status"] for run in author.do("runs", "sales")["runs"]] == ["finished"]


def test_records_that_are_left_out_are_those_of_the_files_that_are_published(author: Author) -> None:
    data = cast(author)

    def deed() -> None:
        notes(data / "b.ndjson", 20, bad=0)
        notes(data / "c.ndjson", 30, bad=2)

    report = upgrade(author, {("prove", 1): deed}, on_error="quarantine")
    assert report.quarantined == {"a.ndjson": 1, "c.ndjson": 2}
    assert (report.rows_in, report.rows_out, report.late) == (15, 12, ())
    entries = [json.loads(line) for line in Path(report.quarantine[0]).read_text().splitlines()]
    assert [(entry["file"], entry["position"]) for entry in entries] == [("a.ndjson", 0), ("c.ndjson", 0), ("c.ndjson", 1)]
    assert held(data) == {"a.ndjson: note": [1, 2, 3, 4], "b.ndjson: note": [20, 21, 22, 23, 24], "c.ndjson: note": [32, 33, 34]}


@pytest.mark.parametrize("most", [3, "20%"])
def test_files_that_come_late_and_would_leave_out_too_many_records_are_left_as_they_are(author: Author, most: Any) -> None:
    data = cast(author)

    def deed() -> None:
        notes(data / "c.ndjson", 30, bad=3)
        notes(data / "d.ndjson", 40, bad=0)

    report = upgrade(author, {("prove", 1): deed}, on_error="quarantine", max_errors=most)
    assert report.quarantined == {"a.ndjson": 1, "b.ndjson": 1}
    assert (report.rows_in, report.rows_out, report.files["rewritten"]) == (15, 13, 3)
    assert "may be left out" in late(report)["c.ndjson"]
    assert len(held(data)["c.ndjson: note"]) == 5
