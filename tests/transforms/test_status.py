"""What `runs` says of a run that is at work, was killed, or stopped half-way through publishing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from instar.transforms.job import Job
from instar.transforms.project import open_project
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.journal import Planned, PublishBegun
from instar.transforms.run.lock import locked, this_owner
from instar.transforms.run.state import begin_run
from instar.transforms.status import runs_of

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "project"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    shutil.copytree(SAMPLES, tmp_path / "project", ignore=shutil.ignore_patterns(".instar"))
    return open_project(tmp_path / "project").dataset("weather").job()


def test_a_run_is_running_while_its_lock_is_held(job: Job) -> None:
    effects = PosixEffects()
    planned = Planned(str(job.location), "exchange", {"verb": "upgrade", "to": 3})
    run = begin_run(job.state, "20261121-210500-000001", planned, b"{}", effects)
    with locked(job.state.lock, this_owner()):
        assert [(r.status, r.way_back) for r in runs_of(job).runs] == [("running", "not before it ends")]
    (found,) = runs_of(job).runs
    assert found.status == "interrupted"
    assert "goes on with it" in found.way_back
    run.open_journal(effects).write(PublishBegun("exchange", str(job.location), 1, 2))
    (found,) = runs_of(job).runs
    assert found.status == "half-published"
    assert "next command" in found.way_back
