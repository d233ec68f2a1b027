"""Two runs at one dataset, as processes: who is refused and what he is told, what an owner's death or sleep leaves, other hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

from instar.formats.discover import state_folder
from instar.formats.errors import LockedError
from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.project import open_project
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.lock import FRESH, Owner, locked, this_owner

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")
SLOW = "list_sum(list_transform(range(300), lambda i: i * n))::BIGINT"


@pytest.fixture
def sales(author: Author) -> Path:
    """Files whose rewriting takes a moment each."""
    data = author.data("sales")
    for i in range(3):
        pq.write_table(pa.table({"n": list(range(i, i + 8_000))}), data / f"{i}.parquet")
    author.adopt("sales")
    author.step("sales", f'op.derive("slow", "int64", sql={SLOW!r})')
    return data


@pytest.fixture
def quick(author: Author) -> Path:
    data = author.data("sales")
    pq.write_table(pa.table({"n": [1, 2]}), data / "a.parquet")
    author.adopt("sales")
    author.step("sales", 'op.rename("n", to="m")')
    return data


def lock_of(data: Path) -> Path:
    return state_folder(data) / "lock"


def start(author: Author, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "instar", "-C", str(author.folder), *arguments, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def at_work(author: Author, data: Path) -> subprocess.Popen[str]:
    """An upgrade that has begun to stage."""
    process, until = start(author, "upgrade", "sales"), time.monotonic() + 60
    while not list(state_folder(data).glob("runs/*/stage/*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing was staged in a minute"
        time.sleep(0.005)
    return process


def answer(process: subprocess.Popen[str]) -> tuple[int, Any]:
    out, err = process.communicate(timeout=60)
    assert not err, err
    return process.returncode, json.loads(out)


def elsewhere(data: Path, age: timedelta) -> Owner:
    """The line of an owner on another host, whose lock cannot be seen here."""
    owner = replace(this_owner(lambda: datetime.now(UTC) - age, "instar upgrade sales"), host="another-host", pid=4711)
    lock_of(data).parent.mkdir(parents=True, exist_ok=True)
    lock_of(data).write_text(json.dumps(asdict(owner)) + "\n")
    return owner


def test_of_two_runs_started_together_one_proceeds_and_the_other_exits_with_3(author: Author, sales: Path) -> None:
    both = [start(author, "upgrade", "sales") for _ in range(2)]
    answers = dict(answer(process) for process in both)
    assert answers.keys() == {0, 3}
    assert answers[0]["proof"]["verdict"] == "proved"
    winner = next(process for process in both if process.returncode == 0)
    message = answers[3]["error"]["message"]
    assert answers[3]["error"]["exit"] == 3
    assert str(winner.pid) in message or "has not said yet" in message
    assert [run["status"] for run in author.do("runs", "sales")["runs"]] == ["finished"]


def test_whoever_comes_second_is_told_and_whoever_only_looks_may(author: Author, sales: Path) -> None:
    process = at_work(author, sales)
    process.send_signal(signal.SIGSTOP)  # so that it does not end before all have asked
    try:
        verbs = ("upgrade sales", "downgrade sales 1", "rollback sales", "stamp sales 1", "gc sales --keep 0 --last")
        for verb in map(str.split, verbs):
            said = author.refused(*verb, code=3)["message"]
            assert f"process {process.pid}" in said
            assert "instar upgrade sales" in said
            assert "since 20" in said
        assert any(f"process {process.pid}" in warning for warning in author.do("status", "sales")["warnings"])
        plan = author.do("plan", "sales")
        assert any(f"process {process.pid}" in warning for warning in plan["warnings"])
        assert plan["resumes"] is None  # what the other has staged is the other's
        assert [run["status"] for run in author.do("runs", "sales")["runs"]] == ["running"]
    finally:
        process.kill()
        process.communicate()
    assert author.do("upgrade", "sales")["proof"]["verdict"] == "proved"  # at once: the lock ended with its owner


def test_an_owner_on_another_host_is_respected_while_its_heartbeat_is_fresh(author: Author, quick: Path) -> None:
    author.do("upgrade", "sales")
    after = tree(quick)
    owner = elsewhere(quick, FRESH / 2)
    for verb in (["upgrade", "sales"], ["rollback", "sales"], ["stamp", "sales", "2"]):
        assert str(owner) in author.refused(*verb, code=3)["message"]
    assert any("another-host" in warning for warning in author.do("status", "sales")["warnings"])
    assert json.loads(lock_of(quick).read_text()) == asdict(owner)
    assert tree(quick) == after
    elsewhere(quick, FRESH * 2)
    author.do("rollback", "sales")
    assert lock_of(quick).read_bytes() == b""
    assert tree(quick) != after


def test_a_sleeper_that_was_taken_over_meanwhile_changes_nothing_more(author: Author, sales: Path) -> None:
    before = tree(sales)
    process = at_work(author, sales)
    process.send_signal(signal.SIGSTOP)
    owner = elsewhere(sales, timedelta(0))
    process.send_signal(signal.SIGCONT)
    code, said = answer(process)
    assert code == 3, said
    assert "has lost the dataset" in said["error"]["message"]
    assert "another-host" in said["error"]["message"]
    assert tree(sales) == before
    assert json.loads(lock_of(sales).read_text()) == asdict(owner)


@pytest.mark.parametrize("moment", ["before.json", "PublishBegun"])
def test_who_loses_the_dataset_at_the_last_moment_does_not_publish(moment: str, author: Author, quick: Path) -> None:
    """Between the proof and the exchange, or the announcement and the exchange."""

    class Taken(PosixEffects):
        def create(self, path: Path, data: bytes) -> None:
            super().create(path, data)
            if path.name == moment:
                elsewhere(quick, timedelta(0))

        def append(self, path: Path, data: bytes) -> None:
            super().append(path, data)
            if moment.encode() in data:
                elsewhere(quick, timedelta(0))

    before = tree(quick)
    job = open_project(author.folder).dataset("sales").job()
    with pytest.raises(LockedError, match="has lost the dataset"):
        migrate(job, None, Options(workers=1), verb="upgrade", effects=Taken())
    assert tree(quick) == before
    lock_of(quick).write_bytes(b"")
    author.do("upgrade", "sales")
    assert [v["version"] for v in author.do("status", "sales")["versions"]] == [2]


def test_a_run_does_not_start_while_a_dataset_is_adopted_elsewhere(author: Author) -> None:
    data = author.data("events")
    (data / "a.json").write_text('{"n": 1}\n')
    lock = lock_of(data)
    with locked(lock, this_owner(), prepare=lambda: lock.parent.mkdir(parents=True)):
        error = author.refused("init", "--from", "data/events", code=3)
    assert str(os.getpid()) in error["message"]
    assert not (author.folder / "instar.toml").exists()
    author.adopt("events")
    assert lock.with_name("manifest.json").exists()


@pytest.mark.parametrize(
    "wrong", [["upgrade", "sales", "99"], ["stamp", "sales", "99"], ["rollback", "sales"], ["downgrade", "sales", "2"]]
)
def test_wrong_use_leaves_no_trace(wrong: list[str], author: Author, quick: Path) -> None:
    before = tree(author.folder)
    assert author.refused(*wrong, code=2)
    assert tree(author.folder) == before
