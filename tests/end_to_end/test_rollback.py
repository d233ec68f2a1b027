"""Rollback: old files byte for byte, arrivals converted, runs undone one by one, together, and again; damage refused by name."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

METHODS = ("exchange", "replace")


def write(path: Path, first: int = 0, column: str = "note") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": list(range(first, first + 5)), column: [f"text {i}" for i in range(5)]}), path)


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for month in range(3):
        write(data / f"month={month}" / "a.parquet", month * 100)
    (data / "_SUCCESS").touch()
    (data / "month=0" / ".a.parquet.crc").write_bytes(b"crc of the old bytes")
    for number, path in enumerate(sorted([data, *data.rglob("*")], reverse=True)):
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    author.step("sales", 'op.drop("n")', '{"n": "-1"}')
    return data


def rows(path: Path) -> list[dict[str, object]]:
    return pq.ParquetFile(path).read().to_pylist()


def inodes(data: Path) -> dict[str, int]:
    return {path.relative_to(data).as_posix(): os.stat(path).st_ino for path in data.rglob("*") if path.is_file()}


def mtimes(data: Path) -> dict[str, int]:
    return {path.relative_to(data).as_posix(): os.stat(path).st_mtime_ns for path in [data, *data.rglob("*")]}


@pytest.mark.parametrize("method", METHODS)
def test_everything_is_as_it_was_the_very_files_and_all_times(author: Author, sales: Path, method: str) -> None:
    before, times, files = tree(sales), mtimes(sales), inodes(sales)
    done = author.do("upgrade", "sales", "--method", method)
    assert not (sales / "month=0" / ".a.parquet.crc").exists()
    report = author.do("rollback", "sales", "--method", method)
    assert (tree(sales), mtimes(sales), inodes(sales)) == (before, times, files)
    assert report["undoes"] == [done["run"]]
    assert (report["to"], report["from"]) == (1, {"3": 3})
    assert report["files"] == {"restored": 4, "converted": 0, "removed": 0}
    assert (report["rows_in"], report["rows_out"]) == (15, 15)
    assert report["dropped"] == []
    assert [(r["verb"], r["status"]) for r in author.do("runs", "sales")["runs"]] == [
        ("upgrade", "rolled back"),
        ("rollback", "finished"),
    ]


def test_what_was_at_several_versions_is_not_said_to_be_at_one(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales", "2")
    write(sales / "month=3" / "a.parquet", 300)
    before = tree(sales)
    run = author.do("upgrade", "sales")["run"]
    refused = author.refused("rollback", "sales", "20200101-000000-000000", code=2)
    assert refused["hint"] == f"`instar runs` lists them; the last one is {run}."
    report = author.do("rollback", "sales")
    assert tree(sales) == before
    assert report["to"] is None
    assert "files are at version 1 or 2 again, as they were" in report["notes"]


@pytest.mark.parametrize("method", METHODS)
def test_what_arrived_since_is_converted_down_and_not_lost(author: Author, sales: Path, method: str) -> None:
    """A column dropped, published, a file of the new version added, rolled back."""
    before = tree(sales)
    author.do("upgrade", "sales", "--method", method)
    pq.write_table(pa.table({"remark": ["new", "newer"]}), sales / "month=1" / "b.parquet")
    (sales / "README").write_text("somebody's")
    report = author.do("rollback", "sales", "--method", method)
    arrived = {"month=1/b.parquet", "README"}
    assert {path: entry for path, entry in tree(sales).items() if path not in arrived} == before
    assert (sales / "README").read_text() == "somebody's"
    assert rows(sales / "month=1" / "b.parquet") == [{"n": -1, "note": "new"}, {"n": -1, "note": "newer"}]
    assert report["files"]["converted"] == 1
    assert report["proof"]["verdict"] == "proved"
    assert any("month=1/b.parquet had come since" in note for note in report["notes"])
    assert [(v["version"], v["files"]) for v in author.do("status", "sales")["versions"]] == [(1, 4)]


@pytest.mark.parametrize("method", METHODS)
def test_what_somebody_wrote_in_a_files_place_since_is_converted_and_the_old_one_stays_in_the_snapshot(
    author: Author, sales: Path, method: str
) -> None:
    old = (sales / "month=1" / "a.parquet").read_bytes()
    done = author.do("upgrade", "sales", "--method", method)
    pq.write_table(pa.table({"remark": ["rewritten"]}), sales / "month=1" / "a.parquet")
    author.do("rollback", "sales", "--method", method)
    assert rows(sales / "month=1" / "a.parquet") == [{"n": -1, "note": "rewritten"}]
    assert (Path(done["snapshot"]) / "month=1" / "a.parquet").read_bytes() == old


@pytest.mark.parametrize("method", METHODS)
def test_what_was_removed_since_is_there_again_and_said(author: Author, sales: Path, method: str) -> None:
    before = tree(sales)
    author.do("upgrade", "sales", "--method", method)
    shutil.rmtree(sales / "month=2")
    report = author.do("rollback", "sales", "--method", method)
    assert tree(sales) == before
    assert any("month=2/a.parquet is there again" in note for note in report["notes"])


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_with_the_same_bytes_is_the_runs_own_file(author: Author, sales: Path, method: str) -> None:
    before = tree(sales)
    author.do("upgrade", "sales", "--method", method)
    copy = sales / "copy"
    shutil.copyfile(sales / "month=1" / "a.parquet", copy)
    os.replace(copy, sales / "month=1" / "a.parquet")
    assert author.do("rollback", "sales")["files"]["converted"] == 0
    assert tree(sales) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_snapshot_is_refused_by_name_and_nothing_changes(author: Author, sales: Path, method: str) -> None:
    done = author.do("upgrade", "sales", "--method", method)
    snapshot = Path(done["snapshot"])
    for path, damage in (("month=1/a.parquet", "changed"), ("month=2/a.parquet", "No such file")):
        saved = snapshot / path
        good, times = saved.read_bytes(), os.stat(saved)
        saved.unlink()
        if damage == "changed":
            saved.write_bytes(good[:-1] + b"!")
            os.utime(saved, ns=(times.st_atime_ns, times.st_mtime_ns))
        now = tree(sales)
        error = author.refused("rollback", "sales")
        assert path in error["message"]
        assert damage in error["message"]
        assert "backup" in error["hint"]
        assert tree(sales) == now
        saved.write_bytes(good)
        os.utime(saved, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("method", METHODS)
def test_to_a_run_takes_back_all_that_came_after_it_in_one_publish(author: Author, sales: Path, method: str) -> None:
    first = author.do("upgrade", "sales", "2", "--method", method)["run"]
    second = tree(sales)
    later = [author.do("upgrade", "sales", "3", "--method", method)["run"], author.do("downgrade", "sales", "1")["run"]]
    report = author.do("rollback", "sales", "--to", first)
    assert tree(sales) == second
    assert report["undoes"] == later[::-1]
    assert "came after" not in author.do("runs", "sales")["runs"][0]["way_back"]
    error = author.refused("rollback", "sales", "--to", first, code=2)
    assert "no run changed" in error["message"]


def test_only_the_last_run_can_be_named_and_a_rollback_can_be_taken_back_by_its_id(author: Author, sales: Path) -> None:
    one = tree(sales)
    first = author.do("upgrade", "sales", "2")["run"]
    two = tree(sales)
    second = author.do("upgrade", "sales", "3")["run"]
    three = tree(sales)
    assert second in author.refused("rollback", "sales", first)["message"]
    back = author.do("rollback", "sales", second)["run"]
    assert tree(sales) == two
    assert "rolled back" in author.refused("rollback", "sales", second)["message"]
    assert author.do("rollback", "sales", back)["rows_out"] == 15
    assert tree(sales) == three
    assert [r["status"] for r in author.do("runs", "sales")["runs"]] == ["finished", "finished", "rolled back", "finished"]
    author.do("rollback", "sales")
    author.do("rollback", "sales")
    assert tree(sales) == one
    error = author.refused("rollback", "sales", code=2)
    runs = author.do("runs", "sales")["runs"]
    assert "no run" in error["message"]
    assert runs[-1]["run"] in error["hint"]  # how to take the rollback itself back
    ways = [run["way_back"] for run in runs if run["verb"] == "rollback" and run["status"] == "finished"]
    assert ways == ["none: other runs came after it", "none: other runs came after it", f"instar rollback sales {runs[-1]['run']}"]
    assert "no run 'x'" in author.refused("rollback", "sales", "x", code=2)["message"]


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_arrived_between_two_runs_is_brought_back_with_them(author: Author, sales: Path, method: str) -> None:
    first = author.do("upgrade", "sales", "2", "--method", method)["run"]
    write(sales / "month=7" / "b.parquet", 700, "remark")
    author.do("upgrade", "sales", "3", "--method", method)
    author.do("rollback", "sales")
    assert rows(sales / "month=7" / "b.parquet")[0] == {"n": 700, "remark": "text 0"}
    author.do("rollback", "sales", first)
    assert rows(sales / "month=7" / "b.parquet")[0] == {"n": 700, "note": "text 0"}


def test_a_dataset_of_json_files_knows_its_versions_after_every_way_back(author: Author) -> None:
    data = author.data("notes")
    for name in "ab":
        (data / f"{name}.ndjson").write_text('{"n": 1, "note": "x"}\n{"n": 2, "note": "y"}\n')
    author.adopt("notes")
    author.step("notes", 'op.map_values("note", {"x": "X", "y": "Y"}), op.set_doc("note", "in capitals")')
    before = tree(data)
    author.do("upgrade", "notes")
    back = author.do("rollback", "notes")["run"]
    assert tree(data) == before
    assert [(v["version"], v["files"]) for v in author.do("status", "notes")["versions"]] == [(1, 2)]
    author.do("rollback", "notes", back)
    assert [(v["version"], v["files"]) for v in author.do("status", "notes")["versions"]] == [(2, 2)]


def test_an_interrupted_run_is_discarded_and_the_one_before_stays(
    author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from instar.transforms import migrate

    author.do("upgrade", "sales", "2")
    two = tree(sales)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(migrate, "prove", interrupted)
        assert author.run("upgrade", "sales", "3").code == 130
    run = author.do("runs", "sales")["runs"][-1]
    assert run["status"] == "interrupted"
    stage = sales.parent / ".instar" / "sales" / "runs" / run["run"] / "stage"
    assert any(stage.rglob("*.parquet"))
    report = author.do("rollback", "sales")
    assert (report["status"], report["run"]) == ("discarded", run["run"])
    assert not stage.exists()
    assert tree(sales) == two
    assert [r["status"] for r in author.do("runs", "sales")["runs"]] == ["finished", "interrupted"]
    assert author.do("upgrade", "sales", "3")["status"] == "done"


def test_a_drive_that_refuses_to_discard_is_said(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from instar.transforms import migrate
    from instar.transforms.run.effects import PosixEffects

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as stopped:
        stopped.setattr(migrate, "prove", interrupted)
        assert author.run("upgrade", "sales").code == 130
    with monkeypatch.context() as worn:
        worn.setattr(PosixEffects, "unlink", broken)
        assert "could not be removed whole" in author.refused("rollback", "sales")["message"]
    assert author.do("rollback", "sales")["status"] == "discarded"


def test_what_a_rollback_took_away_is_held_against_its_hash_when_it_comes_back(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales")
    back = author.do("rollback", "sales")
    saved = Path(back["snapshot"]) / "month=1" / "a.parquet"
    good, times = saved.read_bytes(), os.stat(saved)
    saved.unlink()
    saved.write_bytes(good[:-1] + b"!")
    os.utime(saved, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "month=1/a.parquet was changed" in author.refused("rollback", "sales", back["run"])["message"]
