"""One run at a time: within a process, between processes, after a death, and between hosts by the heartbeat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from instar.formats.errors import LockedError, RunError
from instar.transforms.run.lock import FRESH, holder, locked, this_owner

NOW = datetime(2026, 11, 21, 21, 5, tzinfo=UTC)
HOLD = """
import sys, time
from pathlib import Path
from instar.transforms.run.lock import locked, this_owner
with locked(Path(sys.argv[1]), this_owner(command="instar upgrade flights")):
    print("held", flush=True)
    sys.stdin.read()
"""


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
        with locked(path, this_owner(lambda: NOW), lambda: NOW):
            assert json.loads(path.read_bytes())["host"] != "elsewhere"


def test_garbage_in_the_file_is_nobody(path):
    path.write_bytes(b"{torn")
    assert holder(path) is None
    with locked(path, this_owner()):
        pass


def test_no_folder_is_a_run_error(tmp_path):
    with pytest.raises(RunError, match="cannot be opened"), locked(tmp_path / "none" / "lock", this_owner()):
        pass
    assert holder(tmp_path / "none" / "lock") is None
