"""`instar gc`: what old files really cost, what goes and what stays, kills in between, and what the other verbs then say."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author, said
from killing import Killed, Quick, dying
from support import Answer, tree

from instar.formats.errors import RunError, UsageError
from instar.transforms.gc import gc
from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.retention import moment
from instar.transforms.run.collect import keepings
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.footprint import footprint, freed
from instar.transforms.run.journal import Collected, Collecting
from instar.transforms.run.lock import locked, this_owner
from instar.transforms.run.state import State, list_runs, receipts_of
from instar.transforms.run.unit import Receipt


def write(path: Path, first: int, rows: int = 2000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(range(first, first + rows))
    pq.write_table(pa.table({"n": numbers, "note": [f"note {i * 7919 % 9973}" for i in numbers]}), path)


STEPS = ('op.rename("note", to="remark")', 'op.rename("remark", to="text")', 'op.rename("text", to="words")')


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose dataset has two files at version 1, and whose subject has four versions."""
    author = Author(tmp_path_factory.mktemp("gc") / "team", said)
    data = author.data("sales")
    for number in (1, 2):
        write(data / f"month={number}" / "a.parquet", number * 1000)
    (data / "README").write_text("of last year\n")
    author.adopt("sales")
    for step in STEPS:
        author.step("sales", step)
    return author.folder


@pytest.fixture
def sales(author: Author, team: Path) -> Path:
    """The dataset, in a project of its own."""
    shutil.copytree(team, author.folder, dirs_exist_ok=True)
    return author.data("sales")


@pytest.fixture
def runs(author: Author, sales: Path) -> list[str]:
    """Three runs, a version each."""
    return [author.do("upgrade", "sales", str(version))["run"] for version in (2, 3, 4)]


def state(author: Author) -> State:
    return State(author.folder / "data" / ".instar" / "sales")


def snapshots(author: Author) -> list[str]:
    return [path.parent.name for path in sorted(state(author).runs.glob("*/snapshot"))]


def bytes_used(folder: Path) -> int:
    """As `du -s`: each file counts once, whatever its names; asked of another program."""
    import subprocess

    said = subprocess.run(["du", "-s", "--block-size=1", str(folder)], capture_output=True, text=True, check=True).stdout
    return int(said.split()[0])


# ---- what it costs
def test_a_listing_writes_nothing_and_says_what_each_costs_and_what_goes_with_it(author: Author, runs: list[str]) -> None:
    before = tree(author.folder, times=True)
    report = author.do("gc", "sales")
    assert report["action"] == "list"
    assert [(k["run"], k["what"], k["verb"], k["target"]) for k in report["kept"]] == [
        (run, "snapshot", "upgrade", version) for run, version in zip(runs, (2, 3, 4), strict=True)
    ]
    assert all(k["files"] == 3 and not k["removed"] for k in report["kept"])
    assert [k["loses_rollback"] for k in report["kept"]] == [runs[:1], runs[:2], runs]
    assert [k["loses_verify"] for k in report["kept"]] == [runs[:1], runs[:2], runs[1:]]
    assert tree(author.folder, times=True) == before
    assert author.do("gc", "sales", "--keep", "1", "--dry-run")["action"] == "dry run"
    assert tree(author.folder, times=True) == before


@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_what_is_said_to_become_free_is_what_becomes_free(method: str, author: Author, sales: Path) -> None:
    """Files that were not rewritten have names in the dataset and in several snapshots: they cost nothing."""
    write(sales / "month=3" / "large.parquet", 0, 200_000)
    for version in (2, 3, 4):
        author.do("upgrade", "sales", str(version), "--method", method)
    os.link(sales / "month=3" / "large.parquet", author.folder / "a name elsewhere")
    asked = author.do("gc", "sales")
    before = bytes_used(author.folder)
    report = author.do("gc", "sales", "--keep", "1")
    # the journals have grown by a few lines, and an emptied folder gives its blocks back only when it goes itself
    assert before - bytes_used(author.folder) == pytest.approx(report["freed"], abs=16384)
    assert report["freed"] == asked["free_if_all"] > 30_000


def test_a_file_is_free_only_with_its_last_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    (one / "alone").write_bytes(b"x" * 10_000)
    (one / "shared").write_bytes(b"x" * 20_000)
    os.link(one / "shared", other / "shared")
    (one / "live").write_bytes(b"x" * 30_000)
    os.link(one / "live", tmp_path / "live")
    (one / "twice").write_bytes(b"x" * 50_000)
    os.link(one / "twice", one / "again")
    folders = footprint(one), footprint(other)
    blocks = {name: (one / name).stat().st_blocks * 512 for name in ("alone", "shared", "live", "twice")}
    own = [folder.stat().st_blocks * 512 for folder in (one, other)]
    assert freed(folders[:1]) == own[0] + blocks["alone"] + blocks["twice"]
    assert freed(folders[1:]) == own[1]
    assert freed(folders) == sum(own) + blocks["alone"] + blocks["twice"] + blocks["shared"]
    assert (folders[0].files, folders[0].bytes) == (5, 10_000 + 20_000 + 30_000 + 2 * 50_000)


# ---- what goes, what stays
OPTIONS: tuple[tuple[str, list[int]], ...] = (
    ("--keep 1", [2]),
    ("--keep 0", [2]),
    ("--keep 0 --last", []),
    ("--keep 7", [0, 1, 2]),
    ("--older-than 30d", [0, 1, 2]),
    ("--older-than 0h", [2]),
    ("--older-than 2200-01-01 --last", []),
    ("--keep 2 --older-than 0d", [1, 2]),
    ("--keep 0 --last --older-than 1w", [0, 1, 2]),
    ("--keep 2", [1, 2]),
)


def test_what_any_option_keeps_stays(author: Author, runs: list[str]) -> None:
    data = tree(author.data("sales"), times=True)
    shown: Any = None
    for options, stay in OPTIONS:
        shown = author.do("gc", "sales", *options.split(), "--dry-run")
        assert [k["run"] for k in shown["kept"] if not k["removed"]] == [runs[number] for number in stay], options
        assert snapshots(author) == runs
    report = author.do("gc", "sales", "--keep", "2")
    assert snapshots(author) == runs[1:]
    assert report == {**shown, "action": "removed"}
    assert [k["run"] for k in author.do("gc", "sales")["kept"]] == runs[1:]
    assert tree(author.data("sales"), times=True) == data


def test_ages_and_dates() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert moment("30d", now) == now - timedelta(days=30)
    assert moment("12h", now) == now - timedelta(hours=12)
    assert moment("2w", now) == now - timedelta(weeks=2)
    assert moment("999999w", now) == datetime.min.replace(tzinfo=UTC)
    assert moment("2026-01-01", now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert moment("2026-01-01T10:00+02:00", now) == datetime(2026, 1, 1, 8, tzinfo=UTC)
    for wrong in ("", "30", "d", "-3d", "1.5d", "yesterday", "2026-13-01"):
        with pytest.raises(UsageError):
            moment(wrong, now)


def test_options_that_say_nothing_are_refused(author: Author, runs: list[str]) -> None:
    assert "--keep" in author.refused("gc", "sales", "--last", code=2)["message"]
    assert "--quarantined" in author.refused("gc", "sales", "--quarantined", code=2)["message"]
    author.refused("gc", "sales", "--keep", "-1", code=2)
    author.refused("gc", "sales", "--older-than", "tomorrow", code=2)
    job = open_project(author.folder).dataset("sales")
    with pytest.raises(UsageError, match="zone"):
        job.gc(older_than=datetime(2026, 1, 1))
    with pytest.raises(UsageError):
        job.gc(keep=-1)
    assert len(snapshots(author)) == 3


def test_a_snapshot_that_quarantined_records_came_from_stays(
    author: Author, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instar.transforms.retention.quarantined", lambda run: 3 if run.id == runs[0] else 0)
    report = author.do("gc", "sales", "--keep", "1")
    assert snapshots(author) == [runs[0], runs[2]]
    assert "3 quarantined records" in report["kept"][0]["why"]
    author.do("gc", "sales", "--keep", "1", "--quarantined")
    assert snapshots(author) == [runs[2]]


def test_what_a_writer_left_in_a_snapshot_keeps_it(author: Author, runs: list[str]) -> None:
    """A program that had the old directory open wrote there after the exchange: its file is nowhere else."""
    late = state(author).run(runs[0]).snapshot / "month=1" / "late.parquet"
    write(late, 9)
    report = author.do("gc", "sales", "--keep", "1")
    assert "month=1/late.parquet" in report["kept"][0]["why"]
    assert late.exists()
    os.link(late, author.folder / "moved.parquet")  # it has another name now
    author.do("gc", "sales", "--keep", "1")
    assert not late.exists()


def test_folders_that_hold_what_is_not_the_runs_are_listed_and_never_removed(author: Author, sales: Path) -> None:
    run = author.do("upgrade", "sales", "2")["run"]
    author.do("rollback", "sales")
    left = next(entry for entry in list_runs(state(author)) if entry.id == run).run.path / "stage"
    if not left.exists():
        left.mkdir()
    (left / "somebody's.txt").write_text("mine")
    author.do("upgrade", "sales", "2")
    report = author.do("gc", "sales", "--keep", "0", "--last")
    found = next(k for k in report["kept"] if k["path"] == str(left))
    assert (found["what"], found["removed"]) == ("remainder", False)
    assert (left / "somebody's.txt").read_text() == "mine"


def test_what_an_interrupted_run_staged_goes_only_when_told(author: Author, sales: Path) -> None:
    job = open_project(author.folder).dataset("sales").job()
    points, staged = itertools.count(20), list[Receipt]()
    while not staged:
        with pytest.raises(Killed):
            migrate(job, 2, Options(), verb="upgrade", effects=dying(next(points)))
        staged = receipts_of(list_runs(state(author))[-1])  # one or two, as far as the last write came
    kept = author.do("gc", "sales", "--keep", "0", "--last")["kept"]
    assert [(k["what"], k["removed"]) for k in kept] == [("stage", False)]
    assert kept[0]["frees"] > 0
    assert author.do("plan", "sales", "--to", "2")["resumes"]["reused"] == len(staged)
    report = author.do("gc", "sales", "--interrupted")
    assert [(k["what"], k["removed"], k["frees"] > 0) for k in report["kept"]] == [("stage", True, True)]
    assert author.do("gc", "sales")["kept"] == []
    assert author.do("status", "sales")["interrupted"] == []
    assert author.do("upgrade", "sales", "2")["files"]["rewritten"] == 2


def test_a_rollback_keeps_what_it_replaced_and_the_runs_before_it_can_still_go_back(author: Author, runs: list[str]) -> None:
    undone = author.do("rollback", "sales")["run"]
    report = author.do("gc", "sales")
    assert [k["run"] for k in report["kept"]] == [*runs, undone]
    assert [k["loses_rollback"] for k in report["kept"]] == [runs[:1], runs[:2], [], [undone]]
    shown = author.do("gc", "sales", "--keep", "0", "--dry-run")
    assert [(k["run"], k["removed"]) for k in shown["kept"]] == [
        (runs[0], True),
        (runs[1], False),
        (runs[2], True),
        (undone, False),
    ]
    author.do("gc", "sales", "--keep", "0")
    before = tree(author.data("sales"))
    author.do("rollback", "sales", undone)
    assert "removed by" in author.refused("rollback", "sales")["message"]  # which would take back the run that is undone no more
    again = author.do("runs", "sales")["runs"]
    assert [r["way_back"][:16] for r in again if r["run"] == runs[2]] == ["snapshot removed"]
    assert tree(author.data("sales")) != before


def test_what_was_rolled_out_in_batches_counts_as_one(author: Author, sales: Path) -> None:
    author.do("upgrade", "sales", "2")
    first = author.do("upgrade", "sales", "3", "--batch-files", "1")["runs"]
    author.do("upgrade", "sales", "4")
    assert len(first) == 2
    assert [k["run"] for k in author.do("gc", "sales", "--keep", "2")["kept"] if not k["removed"]] == snapshots(author)
    assert snapshots(author)[:-1] == first
    author.do("rollback", "sales")
    author.do("gc", "sales", "--keep", "0")
    assert snapshots(author)[:-1] == first  # `rollback` needs them, the last is that of the rollback
    author.do("rollback", "sales")
    assert author.do("status", "sales")["versions"][0]["version"] == 2


def test_a_second_tree_has_snapshots_of_its_own(author: Author, sales: Path) -> None:
    shadow, nas = author.folder / "data" / "second", author.folder / "nas"
    nas.mkdir()
    first = author.do("upgrade", "sales", "2", "--shadow", str(shadow))["run"]
    second = author.do("upgrade", "sales", "3", "--shadow", str(shadow))["run"]
    old = tree(state(author).folder.parent / "second" / "runs" / second / "snapshot")
    assert author.do("gc", "sales")["kept"] == []
    assert [k["run"] for k in author.do("gc", "sales", "--shadow", str(shadow))["kept"]] == [first, second]
    now = tree(shadow, times=True)
    author.refused("gc", "sales", "--shadow", str(shadow), "--backup", str(sales), code=2)
    author.do("gc", "sales", "--shadow", str(shadow), "--keep", "0", "--last", "--backup", str(nas))
    assert author.do("gc", "sales", "--shadow", str(shadow))["kept"] == []
    assert tree(nas / "second" / second / "snapshot") == old
    assert tree(shadow, times=True) == now
    assert author.do("verify", "sales", "--shadow", str(shadow))["verdict"] == "proved"  # from the first


def test_a_run_at_work_refuses_a_removal_and_is_named_by_a_listing(author: Author, runs: list[str]) -> None:
    with locked(state(author).lock, this_owner(command="instar upgrade sales")):
        assert "instar upgrade sales" in author.refused("gc", "sales", "--keep", "1", code=3)["message"]
        assert "instar upgrade sales" in author.do("gc", "sales")["warnings"][0]
    assert len(snapshots(author)) == 3


def test_a_dataset_without_runs(author: Author, sales: Path, instar: Callable[..., Answer]) -> None:
    assert author.do("gc", "sales")["kept"] == []
    assert author.do("gc", "sales", "--keep", "1")["freed"] == 0
    assert "no run keeps anything" in instar("gc", "sales", at=author.folder).out


# ---- what the others say then
def test_the_other_verbs_say_that_a_snapshot_was_removed_and_what_to_do(author: Author, runs: list[str]) -> None:
    author.do("gc", "sales", "--keep", "1")
    for number in (0, 1):
        error = author.refused("verify", "sales", runs[number])
        assert "removed by `instar gc`" in error["message"]
    assert author.do("verify", "sales")["verdict"] == "proved"
    ways = {r["run"]: r["way_back"] for r in author.do("runs", "sales")["runs"]}
    assert [ways[run][:16] for run in runs] == ["snapshot removed", "snapshot removed", "instar rollback "]
    author.do("gc", "sales", "--keep", "0", "--last")
    before, tree_before = tree(author.data("sales"), times=True), tree(author.data("sales"))
    error = author.refused("rollback", "sales")
    assert runs[2] in error["message"]
    assert "downgrade" in error["hint"]
    assert tree(author.data("sales"), times=True) == before
    assert author.do("downgrade", "sales", "1")["to"] == 1
    author.do("rollback", "sales")
    assert tree(author.data("sales")) == tree_before


def test_a_proof_that_needs_the_snapshot_of_a_later_run_says_that_it_is_gone(author: Author, sales: Path) -> None:
    first = author.do("upgrade", "sales", "2")["run"]
    write(sales / "month=9" / "late.parquet", 5)
    second = author.do("upgrade", "sales", "3")["run"]
    shutil.rmtree(state(author).run(second).snapshot)
    answer = author.run("verify", "sales", first)
    assert answer.code == 1
    assert {p["path"] for p in answer.json["unproved"]} == {"month=1/a.parquet", "month=2/a.parquet"}
    assert all("later run" in p["problem"] for p in answer.json["unproved"])
    assert answer.json["problems"] == []


def test_a_reader_that_began_before_reads_on(author: Author, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even files that it could not hold open, and whose old form is gone: what stands in their place holds the same records."""
    monkeypatch.setattr("instar.transforms.pinned._MOST_HANDLES", 1)
    dataset = open_project(author.folder).dataset("sales")
    reader = dataset.scan(version=4)
    for version in (2, 3, 4):
        author.do("upgrade", "sales", str(version))
    author.do("gc", "sales", "--keep", "0", "--last")
    assert reader.read_all().equals(dataset.scan(version=4).read_all())


def test_people_read_it_as_a_table(author: Author, runs: list[str], instar: Callable[..., Answer]) -> None:
    listed = instar("gc", "sales", at=author.folder).out
    assert "rollback of it and 2 before" in listed
    assert "would be free" in listed
    assert "would go" in instar("gc", "sales", "--keep", "1", "--dry-run", at=author.folder).out
    removed = instar("gc", "sales", "--keep", "1", at=author.folder).out
    assert f"no more  rollback of {runs[0]}, {runs[1]}" in removed
    assert "stays: --keep 1" in removed
    assert "Nothing was removed." in instar("gc", "sales", "--keep", "1", at=author.folder).out


# ---- cut off
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_effect_a_removal_is_gone_on_with_and_never_half_used(every: int, author: Author, runs: list[str]) -> None:
    job, data = open_project(author.folder).dataset("sales").job(), tree(author.data("sales"), times=True)
    original = author.folder / "saved"
    shutil.copytree(state(author).folder, original)
    wanted = gc(job, keep=0, last=True, dry_run=True)
    at, torn = 1, 0
    while True:
        try:
            gc(job, keep=0, last=True, effects=dying(at))
            break
        except Killed:
            pass
        for run in list_runs(state(author)):
            begun = run.last(Collecting) is not None and run.last(Collected) is None
            if begun and run.run.snapshot.exists():
                torn += 1
                assert "removed by" in author.refused("verify", "sales", run.id)["message"]
                assert any(run.id in warning for warning in author.do("status", "sales")["warnings"])
                if run.id == runs[2]:
                    assert "removed by" in author.refused("rollback", "sales")["message"]
        report = gc(job, keep=0, last=True, effects=Quick())
        assert not snapshots(author)
        assert {k.run for k in report.kept} <= {k.run for k in wanted.kept}
        assert all(run.last(Collected) for run in list_runs(state(author)))
        assert tree(author.data("sales"), times=True) == data
        shutil.rmtree(state(author).folder)
        shutil.copytree(original, state(author).folder)
        at += every
    assert torn > 10 // every
    assert at > 20


def test_a_removal_that_the_disk_refuses_is_told_and_can_be_repeated(author: Author, runs: list[str]) -> None:
    class Refusing(PosixEffects):
        def unlink(self, path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

    job = open_project(author.folder).dataset("sales").job()
    with pytest.raises(RunError, match=f"the snapshot of run {runs[0]} could not be removed whole"):
        gc(job, keep=1, effects=Refusing())
    assert keepings(state(author))[0].begun
    assert author.do("upgrade", "sales")["status"] == "nothing to do"
    author.do("gc", "sales", "--keep", "1")
    assert snapshots(author) == runs[2:]
