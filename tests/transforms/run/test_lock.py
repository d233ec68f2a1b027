"""One run at a time: within a process, between processes, after a death, and between hosts by the heartbeat."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from instar.formats.errors import LockedError, RunError
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.fence import Fenced, unfenced
from instar.transforms.run.lock import BEAT, FRESH, holder, locked, this_owner

NOW = datetime(2026, 11, 21, 21, 5, tzinfo=UTC)
HOLD = """
import sys, time
from pathlib import Path
from instar.transforms.run.lock import locked, this_owner
with locked(Path(sys.argv[1]), this_owner(command="instar upgrade flights")):
    print("held", flush=True)
    sys.stdin.read()
"""


def no_pause(seconds: float) -> None:
    """As if that time had passed."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def other(path):
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_where_and_since_when(path, other):
    with pytest.raises(LockedError) as caught, locked(path, this_owner()):
        pass
    owner = holder(path)
    assert owner is not None
    assert owner.pid == other.pid
    assert caught.value.exit_code == 3
    for part in (owner.user, owner.host, str(other.pid), owner.started, "instar upgrade flights"):
        assert part in str(caught.value)


def test_a_killed_owner_holds_nothing(path, other):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert json.loads(path.read_bytes())["pid"] == other.pid
    assert holder(path) is None
    with locked(path, this_owner()):
        owner = holder(path)
        assert owner is not None
        assert owner.pid == os.getpid()


def test_an_owner_that_ended_well_leaves_no_name(path, other):
    other.communicate(b"")
    assert path.read_bytes() == b""
    assert holder(path) is None


def test_within_one_process_too_and_again_after_an_error(path):
    with pytest.raises(KeyError), locked(path, this_owner()):  # noqa: PT012
        with pytest.raises(LockedError), locked(path, this_owner()):
            pass
        raise KeyError
    with locked(path, this_owner()):
        pass


@pytest.mark.parametrize(("age", "live"), [(timedelta(0), True), (FRESH / 2, True), (FRESH * 2, False)])
def test_another_host_is_live_while_its_heartbeat_is_fresh(path, age, live):
    owner = replace(this_owner(lambda: NOW - age), host="elsewhere")
    path.write_text(json.dumps(asdict(owner)))
    assert (holder(path, lambda: NOW) == owner) is live
    if live:
        with pytest.raises(LockedError, match="elsewhere"), locked(path, this_owner(lambda: NOW), lambda: NOW):
            pass
    else:
        with locked(path, this_owner(lambda: NOW), lambda: NOW, pause=no_pause):
            assert json.loads(path.read_bytes())["host"] != "elsewhere"


def test_a_torn_line_is_somebody_while_it_is_new_and_nobody_once_it_is_old(path):
    path.write_bytes(b'{"user": "ann", "ho')
    assert str(holder(path)).startswith("somebody")
    with pytest.raises(LockedError, match="somebody"), locked(path, this_owner(), pause=no_pause):
        pass
    os.utime(path, (1, 1))
    assert holder(path) is None
    with locked(path, this_owner()):
        assert holder(path) is not None


@pytest.mark.parametrize(
    "line", ["[]", '{"user": 1}', "null", "\0" * 200, json.dumps({**asdict(this_owner()), "heartbeat": "soon"})]
)
def test_a_line_that_says_no_owner_is_torn(path, line):
    path.write_text(line)
    os.utime(path, (1, 1))
    assert holder(path) is None


@pytest.mark.parametrize("alive", [True, False])
def test_a_heartbeat_from_the_future_is_watched(path, alive):
    """One of the clocks is wrong: only whether it changes tells whether its owner lives."""
    owner = replace(this_owner(lambda: NOW + 100 * FRESH), host="elsewhere")
    path.write_text(json.dumps(asdict(owner)))
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if alive and len(waited) == 3:
            path.write_text(json.dumps(asdict(replace(owner, heartbeat=(NOW + 101 * FRESH).isoformat()))))

    if alive:
        with pytest.raises(LockedError, match="elsewhere"), locked(path, this_owner(lambda: NOW), lambda: NOW, pause=pause):
            pass
    else:
        with locked(path, this_owner(lambda: NOW), lambda: NOW, pause=pause):
            assert json.loads(path.read_bytes())["host"] != "elsewhere"
        assert sum(waited) > 2 * BEAT.total_seconds()


def test_an_owner_that_wakes_while_it_is_taken_over_keeps_the_dataset(path):
    owner = replace(this_owner(lambda: NOW - 2 * FRESH), host="elsewhere")
    path.write_text(json.dumps(asdict(owner)))

    def awake(seconds: float) -> None:
        path.write_text(json.dumps(asdict(owner)))

    with (
        pytest.raises(LockedError, match=r"taken over by .*elsewhere"),
        locked(path, this_owner(lambda: NOW), lambda: NOW, pause=awake),
    ):
        pass
    assert json.loads(path.read_bytes())["host"] == "elsewhere"


# ---- the lock is lost
def taken_over(path):
    """As an owner on another host does, who does not see this one's lock."""
    path.write_text(json.dumps(asdict(replace(this_owner(), host="elsewhere"))) + "\n")


def released(path):
    taken_over(path)
    path.write_bytes(b"")


def removed(path):
    path.unlink()


def replaced(path):
    line = path.read_bytes()
    path.unlink()
    path.write_bytes(line)


@pytest.mark.parametrize("lose", [taken_over, released, removed, replaced])
def test_who_has_lost_the_dataset_is_told_and_leaves_the_file_alone(path, lose):
    with locked(path, this_owner()) as hold:
        hold.beat()
        hold.refuse_if_lost()
        lose(path)
        left = path.read_bytes() if path.exists() else None
        hold.beat()
        with pytest.raises(LockedError, match="has lost the dataset") as caught:
            hold.refuse_if_lost()
        assert caught.value.exit_code == 3
        hold.remove()
    assert (path.read_bytes() if path.exists() else None) == left


def test_a_heartbeat_does_not_go_back_with_the_clock(path):
    now = NOW
    with locked(path, this_owner(lambda: now), lambda: now) as hold:
        hold.beat()
        now = NOW - timedelta(days=1)
        hold.beat()
        assert json.loads(path.read_bytes())["heartbeat"] >= NOW.isoformat()
        now = NOW + timedelta(days=1)
        hold.beat()
        assert json.loads(path.read_bytes())["heartbeat"] == now.isoformat()


def test_steps_are_fenced_and_workers_get_the_bare_effects(path, tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    with locked(path, this_owner()) as hold:
        effects = Fenced(PosixEffects(), hold.refuse_if_lost)
        effects.append(tmp_path / "journal", b"line")
        taken_over(path)
        steps = [
            lambda: effects.append(tmp_path / "journal", b"line"),
            lambda: effects.truncate(tmp_path / "journal", 0),
            lambda: effects.rename(tmp_path / "old", tmp_path / "new"),
            lambda: effects.replace(tmp_path / "journal", tmp_path / "old"),
            lambda: effects.exchange(tmp_path, tmp_path),
            lambda: effects.unlink(tmp_path / "old"),
            lambda: effects.remove_folder(tmp_path / "none"),
        ]
        for step in steps:
            with pytest.raises(LockedError):
                step()
        assert isinstance(pickle.loads(pickle.dumps(unfenced(effects))), PosixEffects)
    assert (tmp_path / "old").read_bytes() == b"old"
    assert (tmp_path / "journal").read_bytes() == b"line"


# ---- between threads and processes
def test_looking_who_holds_it_never_stands_in_the_way(path):
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            holder(path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(30):
            with locked(path, this_owner()):
                pass
    finally:
        ended.set()
        for looker in lookers:
            looker.join()


def test_a_lock_that_its_last_owner_removes_is_never_held_twice(tmp_path):
    """Owners that come and go, each removing file and folder behind it while the others wait for them."""
    folder, inside, most, turns = tmp_path / "state", [0], [0], [0]

    def work() -> None:
        for _ in range(40):
            with (
                suppress(LockedError, RunError),  # the folder was gone at every try
                locked(
                    folder / "lock", this_owner(), prepare=lambda: folder.mkdir(exist_ok=True), pause=lambda s: time.sleep(s / 20)
                ) as hold,
            ):
                inside[0] += 1
                most[0], turns[0] = max(most[0], inside[0]), turns[0] + 1
                time.sleep(0.0005)
                inside[0] -= 1
                hold.remove()
                with suppress(OSError):
                    folder.rmdir()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1]
    assert turns[0] > 10


def test_no_folder_is_a_run_error(tmp_path):
    with pytest.raises(RunError, match="cannot be opened"), locked(tmp_path / "none" / "lock", this_owner()):
        pass
    assert holder(tmp_path / "none" / "lock") is None
