"""Writers who go on in an old tree or an old file after a publish: `status` says it, the next run takes it in, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from authoring import Author, said
from killing import Killed, Quick, dying
from support import tree

from instar.transforms.job import Job, Options
from instar.transforms.migrate import migrate
from instar.transforms.pick_up import late_of, pick_up
from instar.transforms.progress import Silent
from instar.transforms.project import open_project

METHODS = ("exchange", "replace")
ONE = [pytest.param("exchange", marks=pytest.mark.slow), "replace"]
OTHER = ["exchange", pytest.param("replace", marks=pytest.mark.slow)]
TEMPLATE = '"{stem}.v{version}{suffix}"'


def records(first: int, count: int = 3, name: str = "note") -> str:
    return "".join(json.dumps({"n": n, name: f"text {n}"}) + "\n" for n in range(first, first + count))


def read(data: Path) -> dict[str, list[dict[str, Any]]]:
    """Every record there is, by file."""
    files = [path for path in sorted(data.rglob("*")) if path.is_file() and not path.name.startswith((".", "_"))]
    return {path.relative_to(data).as_posix(): list(map(json.loads, path.read_text().splitlines())) for path in files}


def numbers(data: Path, name: str) -> list[int]:
    """The numbers of all records, each of which has the field `name`."""
    found = [record for file in read(data).values() for record in file]
    assert all(name in record for record in found)
    return sorted(record["n"] for record in found)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose dataset has three files at version 1 of 2."""
    author = Author(tmp_path_factory.mktemp("template"), said)
    data = author.data("events")
    for day in range(3):
        (data / f"day={day}").mkdir()
        (data / f"day={day}" / "a.ndjson").write_text(records(day * 10))
    (data / "_SUCCESS").touch()
    author.adopt("events")
    author.step("events", 'op.rename("note", to="remark")')
    return author.folder


@pytest.fixture
def events(author: Author, template: Path) -> Path:
    """The dataset of a copy of the project."""
    shutil.copytree(template, author.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".instar"))
    return author.folder / "data" / "events"


@pytest.fixture
def writer(events: Path) -> Iterator[TextIO]:
    """Somebody who has a file open, and appends."""
    with (events / "day=1" / "a.ndjson").open("a", encoding="utf-8") as file:
        yield file


@pytest.fixture
def old(events: Path) -> Iterator[Path]:
    """The directory as somebody has it open, wherever it is."""
    handle = os.open(events, os.O_RDONLY)
    yield Path(f"/proc/self/fd/{handle}")
    os.close(handle)


def append(writer: TextIO, text: str) -> None:
    writer.write(text)
    writer.flush()


def job_of(author: Author) -> Job:
    return open_project(author.folder).dataset("events").job()


def state(author: Author) -> Path:
    return author.folder / "data" / ".instar" / "events"


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_grows_is_named_with_its_bytes_and_taken_in_by_the_next_run(
    author: Author, events: Path, writer: TextIO, method: str
) -> None:
    run = author.do("upgrade", "events", "--method", method)["run"]
    assert author.do("status", "events")["late"] == []
    size = len(records(10))
    append(writer, records(13))
    before = tree(author.folder)
    (late,) = author.do("status", "events")["late"]
    assert late["message"] == (
        f"day=1/a.ndjson: bytes {size}–{2 * size} were appended to the old file after run {run} published; "
        "`instar upgrade events` takes it in"
    )
    assert (late["path"], late["what"], late["run"], late["why"]) == ("day=1/a.ndjson", "grown", run, "")
    assert (late["from_byte"], late["to_byte"]) == (size, 2 * size)
    assert late["message"] in author.instar("status", "events", at=author.folder).out.replace("\n", " ")
    plan = author.do("plan", "events")
    assert [text for text in plan["warnings"] if "a run takes it in first" in text]
    assert tree(author.folder) == before

    report = author.do("upgrade", "events", "--method", method)
    assert report["files"]["rewritten"] == 1
    assert (report["rows_in"], report["rows_out"], report["proof"]["verdict"]) == (6, 6, "proved")
    assert [note for note in report["notes"] if "it is in the dataset now" in note]
    assert numbers(events, "remark") == [*range(3), *range(10, 16), *range(20, 23)]
    assert author.do("status", "events")["late"] == []
    assert author.do("verify", "events", run)["verdict"] == "proved"
    assert author.do("verify", "events")["verdict"] == "proved"

    append(writer, records(16))  # and on
    (late,) = author.do("status", "events")["late"]
    assert (late["run"], late["from_byte"], late["to_byte"]) == (report["run"], 2 * size, 3 * size)
    assert author.do("upgrade", "events", "--method", method)["rows_in"] == 9
    assert numbers(events, "remark") == [*range(3), *range(10, 19), *range(20, 23)]
    assert author.do("status", "events")["late"] == []


@pytest.mark.parametrize("method", OTHER)
def test_a_rollback_brings_the_file_as_it_has_grown(author: Author, events: Path, writer: TextIO, method: str) -> None:
    before = read(events)
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))
    report = author.do("rollback", "events", "--method", method)
    assert [note for note in report["notes"] if "day=1/a.ndjson" in note]
    assert read(events) == {**before, "day=1/a.ndjson": [*before["day=1/a.ndjson"], *map(json.loads, records(13).splitlines())]}
    append(writer, records(16))
    assert author.do("status", "events")["late"] == []
    assert numbers(events, "note") == [*range(3), *range(10, 19), *range(20, 23)]


@pytest.mark.parametrize("method", ONE)
def test_taken_in_converted_rolled_back_and_rolled_back_again(author: Author, events: Path, writer: TextIO, method: str) -> None:
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))
    author.do("upgrade", "events", "--method", method)
    author.do("rollback", "events", "--method", method)
    author.do("rollback", "events", "--method", method)
    assert numbers(events, "note") == [*range(3), *range(10, 16), *range(20, 23)]
    assert author.do("status", "events")["late"] == []
    assert author.do("upgrade", "events")["rows_out"] == 12


@pytest.mark.parametrize("method", OTHER)
def test_two_runs_later_the_grown_file_takes_the_place_of_what_both_made(
    author: Author, events: Path, writer: TextIO, method: str
) -> None:
    author.do("upgrade", "events", "--method", method)
    author.step("events", 'op.add("source", "string", default="web")')
    second = author.do("upgrade", "events", "--method", method)["run"]
    append(writer, records(13))
    assert author.do("upgrade", "events", "--method", method)["from"] == {"1": 1}
    assert numbers(events, "source") == [*range(3), *range(10, 16), *range(20, 23)]
    assert author.do("verify", "events", second)["verdict"] == "proved"
    author.do("rollback", "events", "--method", method)
    author.do("rollback", "events", "--method", method)
    author.do("rollback", "events", "--method", method)
    assert numbers(events, "note") == [*range(3), *range(10, 16), *range(20, 23)]


def test_what_lands_in_the_old_tree_is_taken_in(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / "day=1" / "late.ndjson").write_text(records(100))
    (old / "day=9").mkdir()
    (old / "day=9" / ".tmp").write_text(records(200))
    (old / "day=9" / ".tmp").rename(old / "day=9" / "b.ndjson")
    assert {(late["path"], late["what"]) for late in author.do("status", "events")["late"]} == {
        ("day=1/late.ndjson", "landed"),
        ("day=9/b.ndjson", "landed"),
    }
    report = author.do("upgrade", "events")
    assert (report["rows_in"], report["warnings"]) == (6, [])
    assert numbers(events, "remark") == [*range(3), *range(10, 13), *range(20, 23), *range(100, 103), *range(200, 203)]
    assert author.do("status", "events")["late"] == []
    (events / "day=1" / "late.ndjson").unlink()
    assert author.do("status", "events")["late"] == []
    assert author.do("upgrade", "events")["status"] == "nothing to do"
    assert not (events / "day=1" / "late.ndjson").exists()


def test_what_landed_comes_along_in_a_rollback(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / "late.ndjson").write_text(records(100))
    author.do("rollback", "events")
    assert numbers(events, "note") == [*range(3), *range(10, 13), *range(20, 23), *range(100, 103)]


def test_a_file_that_is_written_anew_in_the_old_tree_stands(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / "new").write_text(records(50))
    (old / "new").rename(old / "day=1" / "a.ndjson")
    (late,) = author.do("status", "events")["late"]
    assert late["what"] == "replaced"
    author.do("upgrade", "events")
    assert numbers(events, "remark") == [*range(3), *range(20, 23), *range(50, 53)]
    assert author.do("status", "events")["late"] == []


def test_a_file_that_is_renamed_in_the_old_tree_after_it_was_taken_in_is_renamed(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / ".writing").write_text(records(50))
    assert author.do("upgrade", "events")["status"] == "nothing to do"
    (old / ".writing").rename(old / "late.ndjson")
    (late,) = author.do("status", "events")["late"]
    assert late["path"] == "late.ndjson"
    author.do("upgrade", "events")
    assert not (events / ".writing").exists()
    assert numbers(events, "remark") == [*range(3), *range(10, 13), *range(20, 23), *range(50, 53)]


def test_an_old_file_that_is_renamed_in_the_old_tree_is_not_taken_for_another_one(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / "day=1" / "a.ndjson").rename(old / "day=1" / "b.ndjson")
    (late,) = author.do("status", "events")["late"]
    assert "it is day=1/a.ndjson, renamed there since" in late["message"]
    assert author.do("upgrade", "events")["status"] == "nothing to do"
    assert numbers(events, "remark") == [*range(3), *range(10, 13), *range(20, 23)]


def test_a_name_that_is_taken_keeps_both_and_says_where_the_other_one_is(author: Author, events: Path, old: Path) -> None:
    author.do("upgrade", "events")
    (old / "late.ndjson").write_text(records(50))
    (events / "late.ndjson").write_text(records(60, name="remark"))
    for _ in range(2):
        report = author.do("upgrade", "events")
        (warning,) = report["warnings"]
        assert "the dataset has a file of that name" in warning
        (late,) = author.do("status", "events")["late"]
        assert Path(late["file"]).read_text() == records(50)
    assert (events / "late.ndjson").read_text() == records(60, name="remark")
    answer = author.do("gc", "events", "--keep", "0", "--last")
    assert "late.ndjson" in answer["kept"][0]["why"]
    assert (old / "late.ndjson").read_text() == records(50)


@pytest.mark.parametrize("method", ONE)
def test_a_file_that_somebody_puts_there_while_the_grown_one_is_looked_at_stays(
    author: Author, events: Path, writer: TextIO, method: str
) -> None:
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))

    class Writer(Quick):
        def append(self, path: Path, data: bytes) -> None:
            (events / ".new").write_text(records(60, name="remark"))
            os.replace(events / ".new", events / "day=1" / "a.ndjson")
            super().append(path, data)

    picked = pick_up(job_of(author), Silent(), Writer())
    assert "day=1/a.ndjson in the dataset was changed, too" in picked.warnings[0]
    assert numbers(events, "remark") == [*range(3), *range(20, 23), *range(60, 63)]
    (late,) = author.do("status", "events")["late"]
    assert Path(late["file"]).read_text() == records(10, 6)


@pytest.mark.parametrize("method", ONE)
def test_where_somebody_wrote_to_the_new_file_too_both_stay(author: Author, events: Path, writer: TextIO, method: str) -> None:
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))
    with (events / "day=1" / "a.ndjson").open("a") as file:
        file.write(records(70, name="remark"))
    report = author.do("upgrade", "events", "--method", method)
    assert report["status"] == "nothing to do"
    assert "day=1/a.ndjson in the dataset was changed, too" in report["warnings"][0]
    assert numbers(events, "remark") == [*range(3), *range(10, 13), *range(20, 23), *range(70, 73)]


@pytest.mark.parametrize("method", ONE)
def test_a_file_somebody_removed_since_comes_back_as_it_has_grown_when_it_is_rolled_back(
    author: Author, events: Path, writer: TextIO, method: str
) -> None:
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))
    (events / "day=1" / "a.ndjson").unlink()
    report = author.do("rollback", "events", "--method", method)
    size = len(records(10))
    assert f"day=1/a.ndjson: bytes {size}–{2 * size} were appended to the old file since, and are there, too" in report["notes"]
    assert numbers(events, "note") == [*range(3), *range(10, 16), *range(20, 23)]


@pytest.mark.parametrize("method", ONE)
def test_what_was_there_before_is_changed_too_it_is_damage(author: Author, events: Path, method: str) -> None:
    with (events / "day=1" / "a.ndjson").open("r+") as file:
        author.do("upgrade", "events", "--method", method)
        file.write("X")
        file.seek(0, 2)
        file.write(records(13))
    report = author.do("upgrade", "events", "--method", method)
    assert "what was in it before was changed, too" in report["warnings"][0]
    (events / "day=1" / "a.ndjson").unlink()
    assert "day=1/a.ndjson was changed" in author.refused("rollback", "events", "--method", method)["message"]


def test_half_a_record_waits_until_it_is_whole(author: Author, events: Path, writer: TextIO) -> None:
    author.do("upgrade", "events")
    append(writer, records(13)[:-20])
    report = author.do("upgrade", "events")
    assert (report["status"], len(report["warnings"])) == ("nothing to do", 1)
    assert numbers(events, "remark") == [*range(3), *range(10, 13), *range(20, 23)]
    append(writer, records(13)[-20:])
    assert author.do("upgrade", "events")["rows_in"] == 6
    assert numbers(events, "remark") == [*range(3), *range(10, 16), *range(20, 23)]


def test_records_that_fit_both_versions_are_at_that_of_the_old_file(author: Author) -> None:
    data = author.data("events")
    (data / "a.ndjson").write_text(records(0))
    author.adopt("events")
    author.step("events", 'op.map_values("note", {"text 1": "one"}, otherwise="keep"), op.set_doc("note", "in words")')
    with (data / "a.ndjson").open("a") as file:
        author.do("upgrade", "events")
        file.write(records(1, 1))
    report = author.do("upgrade", "events")
    assert report["from"] == {"1": 1}
    assert [record["note"] for record in read(data)["a.ndjson"]] == ["text 0", "one", "text 2", "one"]


def test_versioned_names(author: Author, events: Path, writer: TextIO, old: Path) -> None:
    with (author.folder / "instar.toml").open("a") as file:
        file.write(f"name = {TEMPLATE}\n")
    author.do("upgrade", "events")
    append(writer, records(13))
    (old / "late.ndjson").write_text(records(100))
    author.do("upgrade", "events")
    assert set(read(events)) == {*(f"day={n}/a.v2.ndjson" for n in range(3)), "late.v2.ndjson"}
    assert numbers(events, "remark") == [*range(3), *range(10, 16), *range(20, 23), *range(100, 103)]
    author.do("rollback", "events")
    assert set(read(events)) == {"day=0/a.v2.ndjson", "day=1/a.ndjson", "day=2/a.v2.ndjson", "late.ndjson"}
    author.do("rollback", "events")
    assert set(read(events)) == {*(f"day={n}/a.ndjson" for n in range(3)), "late.ndjson"}
    assert numbers(events, "note") == [*range(3), *range(10, 16), *range(20, 23), *range(100, 103)]


def test_a_dataset_of_one_file(author: Author) -> None:
    file = author.folder / "data" / "events.ndjson"
    file.parent.mkdir()
    file.write_text(records(0))
    author.do("init", "--from", "data/events.ndjson")
    author.step("events", 'op.rename("note", to="remark")')
    with file.open("a") as writer:
        author.do("upgrade", "events")
        writer.write(records(3))
    assert author.do("upgrade", "events")["rows_in"] == 6
    assert [json.loads(line)["remark"] for line in file.read_text().splitlines()] == [f"text {n}" for n in range(6)]


def test_the_tree_that_a_rollback_left(author: Author, events: Path) -> None:
    author.do("upgrade", "events")
    new = os.open(events, os.O_RDONLY)
    writer = (events / "day=1" / "a.ndjson").open("a")
    rollback = author.do("rollback", "events")["run"]
    append(writer, records(13, name="remark"))
    writer.close()
    Path(f"/proc/self/fd/{new}/late.ndjson").write_text(records(100, name="remark"))
    os.close(new)
    assert {late["run"] for late in author.do("status", "events")["late"]} == {rollback}
    assert author.do("upgrade", "events")["from"] == {"1": 2}
    assert numbers(events, "remark") == [*range(3), *range(10, 16), *range(20, 23), *range(100, 103)]


def test_what_is_written_through_the_dataset_to_a_file_that_old_trees_share_is_not_late(author: Author, events: Path) -> None:
    (events / "new.ndjson").write_text(records(50, name="remark"))
    author.do("upgrade", "events")
    with (events / "new.ndjson").open("a") as file:
        file.write(records(53, name="remark"))
    assert author.do("status", "events")["late"] == []
    assert author.do("upgrade", "events")["status"] == "nothing to do"


def test_a_saved_plan_is_carried_out_as_it_is_and_what_is_late_waits(author: Author, events: Path, writer: TextIO) -> None:
    author.do("upgrade", "events")
    (events / "more.ndjson").write_text(records(60))
    append(writer, records(13))
    author.do("plan", "events", "--out", str(author.folder / "plan.json"))
    report = author.do("upgrade", "events", "--plan", str(author.folder / "plan.json"))
    assert report["rows_in"] == 3
    assert "the next run takes it in" in report["warnings"][-1]
    assert author.do("upgrade", "events")["rows_in"] == 6


def test_gc_removes_no_snapshot_that_something_late_is_in(author: Author, events: Path, writer: TextIO) -> None:
    author.do("upgrade", "events")
    append(writer, records(13))
    assert author.do("gc", "events", "--keep", "0", "--last")["freed"] == 0
    author.do("upgrade", "events")
    append(writer, records(16))  # the file is in two snapshots now
    author.do("gc", "events", "--keep", "0", "--last")
    author.do("upgrade", "events")
    assert numbers(events, "remark") == [*range(3), *range(10, 19), *range(20, 23)]


def test_a_wrong_version_changes_nothing(author: Author, events: Path, writer: TextIO) -> None:
    author.do("upgrade", "events")
    append(writer, records(13))
    before = tree(author.folder)
    author.refused("upgrade", "events", "--to", "7", code=2)
    author.do("rollback", "events")
    before = tree(author.folder)
    append(writer, records(16))
    author.refused("rollback", "events", "nonsense", code=2)
    assert tree(author.folder) != before  # the writer's


@pytest.mark.parametrize(
    ("method", "names"),
    [
        pytest.param("exchange", False, marks=pytest.mark.slow),
        ("exchange", True),
        pytest.param("replace", False, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_effect_the_next_command_takes_in_the_same(author: Author, events: Path, method: str, names: bool) -> None:
    if names:
        with (author.folder / "instar.toml").open("a") as file:
            file.write(f"name = {TEMPLATE}\n")
    handle, writer = os.open(events, os.O_RDONLY), (events / "day=1" / "a.ndjson").open("a")
    author.do("upgrade", "events", "--method", method)
    append(writer, records(13))
    writer.close()
    if method == "exchange":
        Path(f"/proc/self/fd/{handle}/day=9").mkdir()
        Path(f"/proc/self/fd/{handle}/day=9/late.ndjson").write_text(records(100))
    os.close(handle)
    kept, at = author.folder.parent / "kept", 0
    os.rename(author.folder / "data", kept)
    while at := at + 1:
        shutil.rmtree(author.folder / "data", ignore_errors=True)
        _copy_with_links(kept, author.folder / "data")
        try:
            pick_up(job_of(author), Silent(), dying(at))
        except Killed:
            pick_up(job_of(author), Silent(), Quick())
        else:
            break
        job = job_of(author)
        assert late_of(job) == ()
        late = {"day=9/late.ndjson"} if method == "exchange" else set()
        name = "a.v2" if names else "a"
        assert set(read(events)) == {f"day=0/{name}.ndjson", "day=1/a.ndjson", f"day=2/{name}.ndjson", *late}
        assert [r["n"] for r in read(events)["day=1/a.ndjson"]] == list(range(10, 16))
        assert {path.name for path in (state(author) / "runs").rglob("*")} & {"newest", "before.new", "after.new"} == set()
        if at % 8 == 0:
            assert migrate(job, 2, Options(), verb="upgrade", effects=Quick()).rows_in == 6 + 3 * len(late)
    assert at > 8


def _copy_with_links(source: Path, target: Path) -> None:
    """A tree with its hard links as they are; listings of the runs name the inodes that files had, and get those of the copies."""
    made: dict[int, Path] = {}
    numbers: dict[int, int] = {}
    for path in [source, *sorted(source.rglob("*"))]:
        copy, number = target / path.relative_to(source), path.stat().st_ino
        if path.is_dir():
            copy.mkdir()
        elif number in made:
            os.link(made[number], copy)
        else:
            shutil.copy2(path, copy)
            made[number] = copy
        numbers[number] = copy.stat().st_ino
    for path in target.glob(".instar/events/runs/*/*.json"):
        if path.name in ("before.json", "after.json"):
            entries = json.loads(path.read_text())
            path.write_text(json.dumps({p: [s, t, numbers.get(i, i), h] for p, (s, t, i, h) in entries.items()}))
