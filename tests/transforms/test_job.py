"""What a job makes of versions and budgets that people say."""

from __future__ import annotations

from pathlib import Path

import pytest

from instar.formats.errors import UsageError
from instar.transforms.job import INTERPRETER, Options
from instar.transforms.project import open_project

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "project"


@pytest.mark.parametrize("word", ["--1", "+-1", "\u00b2", "three", "", "1.0"])
def test_what_is_not_a_version_is_refused_as_such(word: str) -> None:
    with pytest.raises(UsageError, match="is not a version"):
        open_project(SAMPLES).dataset("flights").job().version(word, at=1)


def test_versions_are_counted_from_where_the_files_are() -> None:
    job = open_project(SAMPLES).dataset("flights").job()
    assert [job.version(word, at=2) for word in (None, 1, "3", "+1", "-1")] == [3, 1, 3, 3, 1]


def test_a_file_has_the_cores_of_workers_that_have_none() -> None:
    options = Options(workers=4).for_files(2)
    assert (options.workers, options.threads_for(0.9), options.threads_for(0.1)) == (2, 4, 1)
    assert Options().for_files(1).threads_for(1.0) == 1


def test_processes_that_nobody_asked_for_are_started_where_they_are_worth_it() -> None:
    asked, free = Options(workers=4), Options(workers=4, at_most=True)
    assert [asked.for_work(20, seconds).workers for seconds in (0.1, 100)] == [4, 4]
    assert [free.for_work(20, seconds).workers for seconds in (0.0, 1.0, 1.3, 100)] == [1, 1, 2, 4]
    assert free.for_work(2, 100).workers == 2


def test_copying_that_is_worth_no_processes_is_done_in_threads() -> None:
    free = Options(workers=4, at_most=True)
    made = [free.for_work(files, seconds, copied=True) for files, seconds in ((20, 0.5), (3, 0.5), (1, 0.5), (20, 100))]
    assert [(options.workers, options.threads) for options in made] == [(1, 4), (1, 3), (1, 1), (4, 1)]
    assert free.for_work(20, 0.5).threads == Options(workers=4).for_work(20, 0.5, copied=True).threads == 1
    assert made[0].unit_memory <= free.for_work(20, 0.5).unit_memory / 4


@pytest.mark.parametrize(
    ("workers", "files", "memory"), [(64, 1000, 0), (64, 1000, 10**9), (8, 3, 10**9), (2, 9, 10**8), (4, 9, 4 * 10**9)]
)
def test_all_processes_together_stay_within_the_budget(workers: int, files: int, memory: int) -> None:
    options = Options(workers=workers, memory=memory).for_files(files)
    assert 1 <= options.workers <= min(workers, files)
    if options.workers > 1:
        total = INTERPRETER + options.workers * (INTERPRETER + options.unit_memory)
        assert total <= (memory or 10**9)
