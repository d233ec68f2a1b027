"""Going on after an interruption: what was staged and still counts is used, the rest is staged again, and `plan` says which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import Answer, tree

from instar.transforms import migrate
from instar.transforms.run import resume

SOURCE, SCRIPTS, VERSIONS, LOST = resume.SOURCE, resume.SCRIPTS, resume.VERSIONS, resume.LOST


def write(path: Path, first: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": [first, first + 1], "note": ["x", "y"]}), path)


@pytest.fixture
def sales(author: Author) -> Path:
    data = author.data("sales")
    for month in range(4):
        write(data / f"month={month}" / "a.parquet", month)
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark")')
    author.step("sales", 'op.rename("n", to="number")')
    return data


@contextmanager
def before(monkeypatch: pytest.MonkeyPatch, step: str) -> Iterator[None]:
    """The command is interrupted when it comes to this step of the story."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(migrate, step, interrupted)
        yield


@pytest.fixture
def interrupted(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """An upgrade that stops when everything is staged; its run."""

    def upgrade(*arguments: str) -> str:
        with before(monkeypatch, "prove"):
            assert author.run("upgrade", "sales", *arguments).code == 130
        return author.do("runs", "sales")["runs"][-1]["run"]

    return upgrade


def staged_inodes(sales: Path, run: str) -> dict[str, int]:
    stage = sales.parent / ".instar" / "sales" / "runs" / run / "stage"
    return {path.relative_to(stage).as_posix(): os.stat(path).st_ino for path in stage.rglob("*.parquet")}


def test_nothing_is_staged_twice_and_the_end_is_the_same(author: Author, sales: Path, interrupted: Callable[..., str]) -> None:
    author.do("upgrade", "sales")
    whole = tree(sales)
    author.do("rollback", "sales")
    run = interrupted()
    staged = staged_inodes(sales, run)
    assert len(staged) == 4
    assert author.do("plan", "sales")["resumes"] == {"run": run, "reused": 4, "again": {}}
    report = author.do("upgrade", "sales")
    assert report["resumed"] == {"run": run, "reused": 4, "again": {}}
    assert report["proof"]["verdict"] == "proved"
    assert tree(sales) == whole
    assert {path: os.stat(sales / path).st_ino for path in staged} == staged
    assert author.do("runs", "sales")["runs"][-1]["status"] == "finished"
    assert author.do("verify", "sales")["verdict"] == "proved"


def test_a_second_interruption_and_another_resumption(author: Author, sales: Path, interrupted: Callable[..., str]) -> None:
    run = interrupted()
    staged = staged_inodes(sales, run)
    assert interrupted() == run
    assert staged_inodes(sales, run) == staged
    assert author.do("upgrade", "sales")["resumed"]["reused"] == 4


def test_what_no_longer_matches_is_staged_again_and_the_plan_says_why(
    author: Author, sales: Path, interrupted: Callable[..., str]
) -> None:
    run = interrupted()
    stage = sales.parent / ".instar" / "sales" / "runs" / run / "stage"
    write(sales / "month=0" / "a.parquet", 100)
    (stage / "month=1" / "a.parquet").unlink()
    (sales / "month=2" / "a.parquet").unlink()
    (stage / "month=3" / "a.parquet.part").write_bytes(b"half")
    write(sales / "month=9" / "new.parquet", 9)
    expected = {"run": run, "reused": 1, "again": {SOURCE: 1, LOST: 1}}
    assert author.do("plan", "sales")["resumes"] == expected
    report = author.do("upgrade", "sales")
    assert report["resumed"] == expected
    assert pq.ParquetFile(sales / "month=0" / "a.parquet").read().column("number").to_pylist() == [100, 101]
    assert not (sales / "month=2" / "a.parquet").exists()
    assert pq.ParquetFile(sales / "month=9" / "new.parquet").read().column("number").to_pylist() == [9, 10]
    assert author.do("verify", "sales")["files"] == 4


def test_a_mode_that_was_changed_meanwhile_stays(author: Author, sales: Path, interrupted: Callable[..., str]) -> None:
    interrupted()
    (sales / "month=1" / "a.parquet").chmod(0o600)
    assert author.do("upgrade", "sales")["resumed"]["reused"] == 4
    assert os.stat(sales / "month=1" / "a.parquet").st_mode & 0o777 == 0o600


def test_a_staged_file_of_the_same_size_and_other_bytes_is_found(
    author: Author, sales: Path, interrupted: Callable[..., str]
) -> None:
    run = interrupted()
    path = sales.parent / ".instar" / "sales" / "runs" / run / "stage" / "month=1" / "a.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-20] + bytes(8) + good[-12:])
    assert author.do("plan", "sales")["resumes"]["reused"] == 4  # a plan reads no data
    assert author.do("upgrade", "sales")["resumed"] == {"run": run, "reused": 3, "again": {LOST: 1}}
    assert (sales / "month=1" / "a.parquet").read_bytes() == good


def test_another_target(author: Author, sales: Path, interrupted: Callable[..., str]) -> None:
    run = interrupted("3")
    assert author.do("plan", "sales", "--to", "2")["resumes"] == {"run": run, "reused": 0, "again": {SCRIPTS: 4}}
    report = author.do("upgrade", "sales", "2")
    assert (report["to"], report["run"], report["resumed"]["reused"]) == (2, run, 0)
    assert pq.read_schema(sales / "month=0" / "a.parquet").names == ["n", "remark"]
    runs = author.do("runs", "sales")["runs"]
    assert [(r["target"], r["status"]) for r in runs] == [(2, "finished")]


def test_an_edited_script(author: Author, sales: Path, interrupted: Callable[..., str]) -> None:
    run = interrupted("2")
    script = next((author.folder / "migrations" / "sales").glob("0002*.py"))
    script.write_text(
        script.read_text().replace('op.rename("note", to="remark")', 'op.rename("note", to="x"), op.rename("x", to="remark")')
    )
    assert author.do("plan", "sales", "--to", "2")["resumes"] == {"run": run, "reused": 0, "again": {SCRIPTS: 4}}
    assert author.do("upgrade", "sales", "2")["resumed"]["again"] == {SCRIPTS: 4}


def test_another_version_of_instar(
    author: Author, sales: Path, interrupted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = interrupted()
    monkeypatch.setattr(resume, "library_versions", lambda: (("instar", "9.9"),))
    assert author.do("plan", "sales")["resumes"] == {"run": run, "reused": 0, "again": {VERSIONS: 4}}
    assert author.do("upgrade", "sales")["resumed"]["again"] == {VERSIONS: 4}


def test_after_an_undone_publish_what_was_not_published_is_used(
    author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tree is built already; what was linked into it for the exchange does not disturb the next one."""
    from instar.transforms.run import publish

    def refused(*_: Any) -> None:
        raise KeyboardInterrupt

    (sales / "_SUCCESS").touch()
    with monkeypatch.context() as stopped:
        stopped.setattr(publish, "swap", refused)
        assert author.run("upgrade", "sales").code == 130
    assert pq.read_schema(sales / "month=0" / "a.parquet").names == ["n", "note"]
    assert author.do("upgrade", "sales")["resumed"]["reused"] == 4
    assert pq.read_schema(sales / "month=0" / "a.parquet").names == ["number", "remark"]
    assert (sales / "_SUCCESS").exists()


def test_data_that_say_no_leave_nothing_to_resume(author: Author, sales: Path) -> None:
    author.step("sales", 'op.cast("remark", "int64")')
    author.refused("upgrade", "sales")
    run = author.do("runs", "sales")["runs"][-1]
    assert run["status"] == "failed"
    assert not (sales.parent / ".instar" / "sales" / "runs" / run["run"] / "stage").exists()
    assert author.do("plan", "sales", "--to", "3")["resumes"] is None
    assert author.do("upgrade", "sales", "3")["resumed"] is None


def test_people_are_told(author: Author, sales: Path, interrupted: Callable[..., str], instar: Callable[..., Answer]) -> None:
    run = interrupted()
    assert f"resumes  4 files of run {run} had been staged already" in instar("plan", "sales", at=author.folder).out
    for verb in ("runs", "status"):
        assert "the same command goes on with it" in " ".join(instar(verb, "sales", at=author.folder).out.split())
    assert author.do("status", "sales")["interrupted"] == [
        f"{run}, upgrade to 3: the same command goes on with it; instar rollback sales discards it"
    ]
    assert "resumed  4 files" in instar("upgrade", "sales", at=author.folder).out
