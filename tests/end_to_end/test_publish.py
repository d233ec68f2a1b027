"""Publishing as people meet it: both methods, reviewed plans, writers that come between, interruptions, and ways back refused."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from filling import fill, make_room, small_disk
from stepwise import begun
from support import tree

from instar.formats.errors import InstarError
from instar.transforms.job import Job, Options
from instar.transforms.migrate import Run, abandoned_on_failure, prove, publish, report, stage
from instar.transforms.report import RunReport

METHODS: tuple[Literal["exchange", "replace"], ...] = ("exchange", "replace")
SLOW = "list_sum(list_transform(range(300), lambda i: i * n))::BIGINT"


def write(path: Path, first: int = 0, rows: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": list(range(first, first + rows)), "note": [f"note {i}" for i in range(rows)]}), path)


def make_sales(author: Author, *, files: int = 3, rows: int = 10, step: str = 'op.rename("note", to="remark")') -> Path:
    data = author.data("sales")
    for i in range(files):
        write(data / f"month={i}" / "a.parquet", i * 1000, rows)
    (data / "_SUCCESS").touch()
    author.adopt("sales")
    author.step("sales", step)
    return data


@pytest.fixture
def sales(author: Author) -> Path:
    return make_sales(author)


# ---- methods
def test_both_methods_publish_the_same_and_roll_back_exactly(author: Author, sales: Path) -> None:
    before, times = tree(sales), tree(sales, times=True)
    published = {}
    for method in METHODS:
        report = author.do("upgrade", "sales", "--method", method)
        assert report["method"] == method
        published[method] = tree(sales)
        author.do("rollback", "sales")
        assert tree(sales) == before
    assert published["exchange"] == published["replace"] != before
    assert {path: entry[3] for path, entry in tree(sales, times=True).items()} == {path: entry[3] for path, entry in times.items()}


def test_a_file_at_the_target_already_keeps_its_inode(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales")
    write(sales / "month=9" / "late.parquet")
    for method in METHODS:
        kept = {p: e for p, e in tree(sales, times=True).items() if p.endswith("a.parquet")}
        assert author.do("upgrade", "sales", "--method", method)["files"] == {
            "rewritten": 1,
            "kept": 3,
            "carried_over": 1,
            "skipped": 0,
        }
        assert {p: e for p, e in tree(sales, times=True).items() if p.endswith("a.parquet")} == kept
        author.do("rollback", "sales")


# ---- reviewed plans
def test_a_saved_plan_is_carried_out(author: Author, sales: Path) -> None:
    before = tree(author.folder)
    plan = author.do("plan", "sales", "--out", "plan.json")
    assert json.loads((author.folder / "plan.json").read_text()) == plan
    assert {k: v for k, v in tree(author.folder).items() if k != "plan.json"} == before
    assert author.do("upgrade", "sales", "--plan", "plan.json")["to"] == 2


@pytest.mark.parametrize("change", ["a file changed", "a file added", "a file removed", "the script changed", "another version"])
def test_a_saved_plan_is_refused_when_anything_changed(change: str, author: Author, sales: Path) -> None:
    author.do("plan", "sales", "--out", "plan.json")
    named = "month=1/a.parquet"
    match change:
        case "a file changed":
            write(sales / named, 5)
        case "a file added":
            named = "month=1/b.parquet"
            write(sales / named)
        case "a file removed":
            (sales / named).unlink()
        case "the script changed":
            named = "chains"
            script = next((author.folder / "migrations" / "sales").glob("*.py"))
            script.write_text(script.read_text().replace('to="remark")', 'to="x"), op.rename("x", to="remark")'))
        case _:
            named = "target"
            author.step("sales", 'op.rename("n", to="number")')
    before = tree(sales)
    more = ["3"] if change == "another version" else []
    error = author.refused("upgrade", "sales", *more, "--plan", "plan.json", code=2)
    assert named in error["message"]
    assert "plan" in error["hint"]
    assert tree(sales) == before


def test_what_is_not_a_plan_is_refused(author: Author, sales: Path) -> None:
    (author.folder / "plan.json").write_text('{"not": "a plan"}')
    author.refused("upgrade", "sales", "--plan", "plan.json", code=2)
    (author.folder / "plan.json").write_text("no JSON")
    author.refused("upgrade", "sales", "--plan", "plan.json", code=2)
    author.refused("upgrade", "sales", "--plan", "nowhere.json", code=2)


# ---- writers that come between
def between(author: Author, method: Literal["exchange", "replace"], *, after: str, change: Callable[[Job, Run], None]) -> RunReport:
    """One upgrade, step by step, with a change after one of the steps."""
    with begun(author.folder, "sales", Options(method=method)) as run, abandoned_on_failure(run):
        if after == "begin":
            change(run.job, run)
        staged = stage(run)
        if after == "stage":
            change(run.job, run)
        proved = prove(staged)
        if after == "prove":
            change(run.job, run)
        return report(publish(proved))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", ["added", "changed", "removed", "other added"])
def test_what_a_writer_does_while_a_run_works_stays_and_is_told(
    method: Literal["exchange", "replace"], what: str, author: Author, sales: Path
) -> None:
    named = {"added": "month=1/new.parquet", "other added": "_STARTED"}.get(what, "month=1/a.parquet")

    def change(job: Job, run: Run) -> None:
        if what == "added":
            write(sales / named, 77)
        elif what == "changed":
            write(sales / named, 78)
        elif what == "removed":
            (sales / named).unlink()
        else:
            (sales / named).touch()

    files = len(list(sales.rglob("*.parquet")))
    made = between(author, method, after="prove", change=change)
    assert [(late.path, late.what) for late in made.late] == [(named, what.removeprefix("other "))]
    assert made.files["rewritten"] == files - (what in ("changed", "removed"))
    kept = json.loads((sales.parent / ".instar" / "sales" / "runs" / str(made.run) / "report.json").read_text())
    assert kept["late"] == [{"path": named, "what": what.removeprefix("other "), "why": ""}]
    assert (sales / named).exists() == (what != "removed")
    if what in ("added", "changed"):
        assert pq.read_schema(sales / named).names == ["n", "note"]
        assert author.do("upgrade", "sales")["files"]["rewritten"] == 1  # the next run takes it
        assert pq.read_schema(sales / named).names != ["n", "note"]
    else:
        assert author.do("upgrade", "sales")["status"] == "nothing to do"


def test_what_was_made_of_a_source_that_changes_after_it_was_read_is_never_published(author: Author, sales: Path) -> None:
    path = sales / "month=1" / "a.parquet"
    made = between(author, "exchange", after="stage", change=lambda job, run: write(path, 500))
    assert [str(late) for late in made.late] == ["month=1/a.parquet was changed"]
    assert pq.ParquetFile(path).read().column("n").to_pylist()[0] == 500
    assert pq.read_schema(path).names == ["n", "note"] != pq.read_schema(sales / "month=0" / "a.parquet").names


def test_a_source_that_changes_before_it_is_read_is_left_to_the_next_run(author: Author, sales: Path) -> None:
    path = sales / "month=1" / "a.parquet"
    made = between(author, "exchange", after="begin", change=lambda job, run: write(path, 500))
    assert [str(late) for late in made.late] == ["month=1/a.parquet was changed"]
    assert pq.ParquetFile(path).read().column("n").to_pylist()[0] == 500
    assert author.do("upgrade", "sales")["files"]["rewritten"] == 1


# ---- interruptions of a real process
@pytest.fixture
def slow(author: Author) -> Path:
    """Files whose rewriting takes a moment each."""
    return make_sales(author, files=4, rows=20_000, step=f'op.derive("slow", "int64", sql={SLOW!r}), op.drop("note")')


def started(author: Author, *more: str) -> subprocess.Popen[str]:
    """`instar upgrade` in a process group of its own, stopped in thought once it has staged its first file."""
    process = subprocess.Popen(
        [sys.executable, "-m", "instar", "-C", str(author.folder), "upgrade", "sales", "--json", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list((author.folder / "data" / ".instar").glob("sales/runs/*/stage/**/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing was staged in a minute"
        time.sleep(0.005)
    return process


def nobody_left(process: subprocess.Popen[str]) -> bool:
    """No worker outlives its coordinator."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("number", "code", "workers"), [(signal.SIGINT, 130, "2"), (signal.SIGTERM, 143, "1")])
def test_ctrl_c_and_sigterm_change_nothing_and_the_next_run_works(
    number: signal.Signals, code: int, workers: str, author: Author, slow: Path
) -> None:
    before = tree(slow)
    process = started(author, "--workers", workers)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    error = json.loads(out)["error"]
    assert error["exit"] == code
    assert not err.strip()
    assert nobody_left(process)
    assert tree(slow) == before
    (run,) = author.do("runs", "sales")["runs"]
    assert run["status"] == "interrupted"
    assert author.do("plan", "sales")["resumes"]["run"] == run["run"]
    report = author.do("upgrade", "sales")
    assert report["proof"]["verdict"] == "proved"
    assert report["run"] == report["resumed"]["run"] == run["run"]
    assert error["hint"] == f"Run the same command again: {report['resumed']['reused']} of 4 files are staged already."
    assert author.do("status", "sales")["interrupted"] == []
    author.do("rollback", "sales")
    assert tree(slow) == before


def test_a_killed_run_leaves_nothing_half_done_and_the_next_run_works(author: Author, slow: Path) -> None:
    before = tree(slow)
    process = started(author, "--workers", "2")
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert nobody_left(process)
    assert tree(slow) == before
    status = author.do("status", "sales")
    assert len(status["interrupted"]) == 1
    assert status["problems"] == []
    assert author.do("upgrade", "sales")["to"] == 2
    assert author.do("status", "sales")["interrupted"] == []
    assert [r["status"] for r in author.do("runs", "sales")["runs"]] == ["finished"]
    author.do("rollback", "sales")
    assert tree(slow) == before


def test_one_run_at_a_time(author: Author, slow: Path) -> None:
    process = started(author, "--workers", "1")
    process.send_signal(signal.SIGSTOP)  # however quick it is, it is at work while the others ask
    try:
        for verb in (["upgrade", "sales"], ["downgrade", "sales", "1"], ["rollback", "sales"], ["stamp", "sales", "1"]):
            error = author.refused(*verb, code=3)
            assert str(process.pid) in error["message"]
        assert author.do("plan", "sales")["to"] == 2
        assert any(str(process.pid) in warning for warning in author.do("status", "sales")["warnings"])
    finally:
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert author.do("upgrade", "sales")["status"] == "nothing to do"


# ---- ways back
def test_a_downgrade_that_cannot_recover_a_value_is_refused_before_it_starts(author: Author) -> None:
    """`rollback` can still do it, from the snapshot."""
    data = author.data("sales")
    schema = pa.schema([pa.field("n", pa.int64(), False), pa.field("note", pa.string())])
    pq.write_table(pa.table({"n": [1, 2], "note": ["x", "y"]}, schema), data / "a.parquet")
    before = tree(data)
    author.adopt("sales")
    author.step("sales", 'op.drop("n"), op.add("source", "string", default="x")')
    author.step("sales", 'op.drop("note")', '{"note": "source"}')
    assert author.do("upgrade", "sales")["to"] == 3
    now = tree(data)
    error = author.refused("downgrade", "sales", "1", code=2)
    assert "n (" in error["message"]
    assert "rollback" in error["hint"]
    assert tree(data) == now
    author.do("downgrade", "sales", "2")
    assert pq.ParquetFile(data / "a.parquet").read().to_pylist() == [{"note": "x", "source": "x"}] * 2
    author.do("rollback", "sales")
    author.do("rollback", "sales")
    assert tree(data) == before


def test_runs_are_taken_back_one_after_the_other(author: Author, sales: Path) -> None:
    author.step("sales", 'op.rename("n", to="number")')
    trees = [tree(sales)]
    for version in ("2", "3"):
        author.do("upgrade", "sales", version)
        trees.append(tree(sales))
    author.do("downgrade", "sales", "1")
    for expected in reversed(trees):
        author.do("rollback", "sales")
        assert tree(sales) == expected
    author.refused("rollback", "sales", code=2)
    assert [r["status"] for r in author.do("runs", "sales")["runs"]] == ["rolled back"] * 3 + ["finished"] * 3


# ---- disk and permissions
@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    with small_disk(tmp_path / "disk", "3m") as folder:
        yield folder


def move_to(disk: Path, author: Author) -> Path:
    """The dataset on the small disk; instar.toml says so."""
    shutil.move(author.folder / "data" / "sales", disk / "sales")
    settings = author.folder / "instar.toml"
    settings.write_text(settings.read_text().replace('"data/sales"', json.dumps(str(disk / "sales"))))
    return disk / "sales"


def test_too_little_disk_is_said_before_anything_is_staged(author: Author, disk: Path) -> None:
    make_sales(author, files=3, rows=20_000)
    data = move_to(disk, author)
    fill(disk, leave=100_000)
    before = tree(data)
    plan = author.do("plan", "sales")
    assert plan["disk"]["needed"] > plan["disk"]["free"]
    error = author.refused("upgrade", "sales")
    assert "free" in error["message"]
    assert tree(data) == before
    make_room(disk)
    author.do("upgrade", "sales")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_fills_while_a_run_works_changes_nothing(author: Author, disk: Path, workers: int) -> None:
    make_sales(author, files=3, rows=20_000)
    data = move_to(disk, author)
    before = tree(data)
    with begun(author.folder, "sales", Options(workers=workers)) as run:
        fill(disk, leave=100_000)
        with pytest.raises(InstarError) as caught, abandoned_on_failure(run):
            stage(run)
    every = [caught.value, *getattr(caught.value, "errors", ())]
    assert caught.value.exit_code == 1
    assert any("No space left" in str(e) for e in every), every
    assert any("space" in e.hint for e in every)
    assert tree(data) == before
    make_room(disk)
    assert author.do("upgrade", "sales")["to"] == 2


def without_override() -> None:
    """root that permissions bind: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH go at the next exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            os._exit(99)


def as_bound_user(author: Author, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "instar", "-C", str(author.folder), *arguments, "--json"],
        capture_output=True, text=True, preexec_fn=without_override if os.geteuid() == 0 else None,
    )  # fmt: skip
    if done.returncode == 99:
        pytest.skip("root's capabilities cannot be dropped here")
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("place", "mode", "named"),
    [("month=1/a.parquet", 0, "month=1/a.parquet"), ("month=1", 0, "month=1"), (".", 0o555, ""), ("..", 0o555, "")],
)
def test_no_permission_is_named_and_changes_nothing(place: str, mode: int, named: str, author: Author, sales: Path) -> None:
    before = tree(sales)
    path = sales / place
    old = path.stat().st_mode
    path.chmod(mode)
    try:
        code, answer = as_bound_user(author, "upgrade", "sales")
    finally:
        path.chmod(old)
    assert code == 1, answer
    assert answer["error"]["hint"]
    assert named in answer["error"]["message"]
    assert tree(sales) == before
    assert author.do("upgrade", "sales")["to"] == 2


def test_a_read_only_dataset_can_still_be_looked_at(author: Author, sales: Path) -> None:
    for path in (sales, sales.parent):
        path.chmod(0o555)
    try:
        assert as_bound_user(author, "status", "sales")[0] == 0
        assert as_bound_user(author, "plan", "sales")[0] == 0
        assert as_bound_user(author, "runs", "sales")[0] == 0
    finally:
        for path in (sales.parent, sales):
            path.chmod(0o755)
