"""A roll-out in batches: each staged, proved and published before the next; taken back together; gone on with after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

from instar.transforms import migrate


def write(path: Path, values: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": values}), path)


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for month in range(5):
        write(data / f"month={month}" / "a.parquet", [str(month), "7"])
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "int64")')
    return data


def versions(author: Author) -> dict[int, int]:
    return {v["version"]: v["files"] for v in author.do("status", "sales")["versions"]}


def test_the_result_is_that_of_one_run_and_goes_back_as_one(author: Author, sales: Path) -> None:
    before = tree(sales)
    author.do("upgrade", "sales", "--method", "replace")
    whole = tree(sales)
    author.do("rollback", "sales")
    assert author.do("plan", "sales", "--batch-files", "2")["batches"] == 3
    report = author.do("upgrade", "sales", "--batch-files", "2")
    assert len(report["written"]) == report["files"]["rewritten"] == len(report["proof"]["checks"])
    assert [moment["what"] for moment in report["timeline"]].count("published") == 3
    assert tree(sales) == whole
    assert (report["method"], report["files"]["rewritten"], report["rows_out"]) == ("replace", 5, 10)
    assert len(report["proof"]["checks"]) == 5
    runs = author.do("runs", "sales")["runs"][2:]
    assert [r["batch"] for r in runs] == ["1 of 3", "2 of 3", "3 of 3"]
    assert [r["run"] for r in runs] == report["runs"]
    assert [r["files"] for r in runs] == [2, 2, 1]
    back = author.do("rollback", "sales")
    assert back["undoes"] == report["runs"][::-1]
    assert tree(sales) == before


def test_by_bytes_each_batch_has_at_least_one_file(author: Author, sales: Path) -> None:
    size = (sales / "month=0" / "a.parquet").stat().st_size
    assert author.do("plan", "sales", "--batch-bytes", str(2 * size))["batches"] == 3
    assert author.do("plan", "sales", "--batch-bytes", "1")["batches"] == 5
    assert len(author.do("upgrade", "sales", "--batch-bytes", str(2 * size), "--batch-files", "1")["runs"]) == 5


def test_bad_data_in_a_later_batch_leave_the_earlier_ones_published_and_say_so(author: Author, sales: Path) -> None:
    before = tree(sales)
    write(sales / "month=3" / "a.parquet", ["none", "7"])
    error = author.refused("upgrade", "sales", "--batch-files", "2")
    assert "month=3/a.parquet" in error["message"]
    assert "1 batch is published (2 files)" in error["hint"]
    assert versions(author) == {1: 3, 2: 2}
    write(sales / "month=3" / "a.parquet", ["3", "7"])
    author.do("upgrade", "sales", "--batch-files", "2")
    assert versions(author) == {2: 5}
    runs = [r for r in author.do("runs", "sales")["runs"] if r["status"] == "finished"]
    assert [r["batch"] for r in runs] == ["1 of 3", "2 of 3", "3 of 3"]
    author.do("rollback", "sales")
    assert tree(sales) == before


def test_a_batch_that_was_interrupted_is_gone_on_with(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, calls = tree(sales), list[int]()
    proved = migrate.prove

    def prove(staged: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return proved(staged)

    with monkeypatch.context() as stopped:
        stopped.setattr(migrate, "prove", prove)
        assert author.run("upgrade", "sales", "--batch-files", "2").code == 130
    assert versions(author) == {1: 3, 2: 2}
    interrupted = author.do("runs", "sales")["runs"][-1]
    report = author.do("upgrade", "sales", "--batch-files", "2")
    assert report["resumed"] == {"run": interrupted["run"], "reused": 2, "again": {}}
    assert versions(author) == {2: 5}
    assert [(r["batch"], r["status"]) for r in author.do("runs", "sales")["runs"]] == [
        (f"{number} of 3", "finished") for number in (1, 2, 3)
    ]
    author.do("rollback", "sales")
    assert tree(sales) == before


def test_one_step_for_all_files_and_batches_exclude_each_other(author: Author, sales: Path) -> None:
    error = author.refused("upgrade", "sales", "--batch-files", "2", "--method", "exchange", code=2)
    assert "batches" in error["message"]


@pytest.mark.parametrize("reviewed", [False, True])
def test_a_file_of_a_later_batch_that_is_another_by_then_is_not_converted_as_the_old_one(
    author: Author, monkeypatch: pytest.MonkeyPatch, reviewed: bool
) -> None:
    """Here the other one is at the new version already: it would be converted twice, which no proof could tell."""
    data = author.data("sales")
    for month in range(3):
        write(data / f"month={month}" / "a.parquet", [str(month)])
    author.adopt("sales")
    author.step("sales", """op.derive("n", "string", sql="n || '!'", replace=True), op.set_doc("n", "loud")""")
    author.do("plan", "sales", "--batch-files", "1", "--out", str(author.folder / "plan.json"))
    published, new = migrate.publish, data / "month=0" / ".a"

    def publish(proved: Any) -> Any:
        made = published(proved)
        if not new.exists():
            new.write_bytes((data / "month=0" / "a.parquet").read_bytes())
            new.replace(data / "month=2" / "a.parquet")
            new.touch()
        return made

    monkeypatch.setattr(migrate, "publish", publish)
    saved = ("--plan", str(author.folder / "plan.json")) if reviewed else ()
    report = author.do("upgrade", "sales", "--batch-files", "1", *saved)
    assert {str(path.parent.name): pq.read_table(path)["n"].to_pylist() for path in data.rglob("a.parquet")} == {
        "month=0": ["0!"], "month=1": ["1!"], "month=2": ["0!"],
    }  # fmt: skip
    assert [change["path"] for change in report["late"]] == (["month=2/a.parquet"] if reviewed else [])
    assert versions(author) == {2: 3}
