"""Rollback where somebody has moved, renamed or replaced more than a file's contents since."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

METHODS = ("exchange", "replace")


def write(path: Path, first: int = 0, column: str = "note") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": list(range(first, first + 3)), column: [f"text {i}" for i in range(3)]}), path)


def rows(path: Path) -> list[dict[str, object]]:
    return pq.ParquetFile(path).read().to_pylist()


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for month in range(3):
        write(data / f"month={month}" / "a.parquet", month * 100)
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    author.step("sales", 'op.drop("remark")', '{"remark": "\'lost\'"}')
    return data


@pytest.mark.parametrize("method", METHODS)
def test_what_arrived_between_runs_is_as_it_came_and_what_came_after_them_goes_all_the_way_back(
    author: Author, sales: Path, method: str
) -> None:
    before = tree(sales)
    write(sales / "late.parquet", 500)
    first = author.do("upgrade", "sales", "2", "--method", method)["run"]
    author.do("rollback", "sales")
    (sales / "late.parquet").unlink()
    assert tree(sales) == before
    author.do("upgrade", "sales", "2", "--method", method)
    write(sales / "month=1" / "b.parquet", 700, "remark")
    author.do("upgrade", "sales", "3", "--method", method)
    pq.write_table(pa.table({"n": [9]}), sales / "month=1" / "c.parquet")
    report = author.do("rollback", "sales", "--to", first)
    arrived = {"month=1/b.parquet", "month=1/c.parquet"}
    assert {path: entry for path, entry in tree(sales).items() if path not in arrived} == before
    assert rows(sales / "month=1" / "b.parquet") == [{"n": 700 + i, "remark": f"text {i}"} for i in range(3)]
    assert any("month=1/b.parquet had come between the runs, at version 2" in note for note in report["notes"])
    assert rows(sales / "month=1" / "c.parquet") == [{"n": 9, "note": "lost"}]
    assert report["to"] is None
    assert "files are at version 1 or 2 again, as they were" in report["notes"]
    forth = tree(sales)
    back = author.do("rollback", "sales", report["run"])
    assert back["files"]["converted"] == 0
    assert rows(sales / "month=1" / "b.parquet") == [{"n": 700 + i} for i in range(3)]
    author.do("rollback", "sales", "--to", first)
    assert tree(sales) == forth


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_was_renamed_since_is_not_there_twice(author: Author, sales: Path, method: str) -> None:
    old = (sales / "month=1" / "a.parquet").read_bytes()
    author.do("upgrade", "sales", "--method", method)
    os.rename(sales / "month=1" / "a.parquet", sales / "month=1" / "renamed.parquet")
    report = author.do("rollback", "sales")
    assert not (sales / "month=1" / "a.parquet").exists()
    assert (sales / "month=1" / "renamed.parquet").read_bytes() == old
    assert any("month=1/renamed.parquet" in note for note in report["notes"])


@pytest.mark.parametrize("method", METHODS)
def test_a_folder_in_a_files_place_is_refused_and_nothing_changes(author: Author, sales: Path, method: str) -> None:
    author.do("upgrade", "sales", "2", "--method", method)
    (sales / "month=1" / "a.parquet").unlink()
    write(sales / "month=1" / "a.parquet" / "part-0.parquet", 5, "remark")
    shutil.rmtree(sales / "month=2")
    (sales / "month=2").write_text("a file now")
    now = tree(sales)
    error = author.refused("rollback", "sales")
    assert "month=1/a.parquet" in error["message"]
    assert tree(sales) == now
    assert author.do("status", "sales")["interrupted"] == []
    shutil.rmtree(sales / "month=1" / "a.parquet")
    assert "month=2" in author.refused("rollback", "sales")["message"]
    (sales / "month=2").unlink()
    author.do("rollback", "sales")


@pytest.mark.parametrize("method", METHODS)
def test_a_folder_that_comes_back_is_closed_as_it_was(author: Author, sales: Path, method: str) -> None:
    (sales / "month=2").chmod(0o700)
    os.utime(sales / "month=2", ns=(10**18, 10**18))
    author.do("upgrade", "sales", "--method", method)
    shutil.rmtree(sales / "month=2")
    author.do("rollback", "sales", "--method", method)
    assert stat.S_IMODE(os.stat(sales / "month=2").st_mode) == 0o700


def test_a_directory_in_the_place_of_a_dataset_of_one_file_is_refused(author: Author) -> None:
    data = author.data(".") / "one.parquet"
    write(data)
    author.adopt("one.parquet", "--name", "one")
    author.step("one", 'op.rename("note", to="remark")')
    author.do("upgrade", "one")
    data.unlink()
    write(data / "part-0.parquet", 7, "remark")
    now = tree(data)
    error = author.refused("rollback", "one")
    assert "one.parquet" in error["message"]
    assert tree(data) == now


@pytest.mark.parametrize("method", METHODS)
def test_a_restored_file_whose_time_alone_is_another_can_be_restored_again(author: Author, sales: Path, method: str) -> None:
    before = tree(sales)
    author.do("upgrade", "sales", "--method", method)
    back = author.do("rollback", "sales")["run"]
    os.utime(sales / "month=1" / "a.parquet")
    author.do("rollback", "sales", back)
    author.do("rollback", "sales")
    assert tree(sales) == before
