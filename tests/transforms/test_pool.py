"""Worker processes that are started before it is sure that they are needed."""

from __future__ import annotations

import threading

import psutil
import pytest

from instar.formats.errors import RunError
from instar.transforms.execution import LOADED, Pool
from instar.transforms.job import Options
from instar.transforms.run.executors import InlineExecutor
from instar.transforms.run.processes import SubprocessExecutor


def workers_alive() -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def test_workers_that_were_expected_do_the_work_and_have_loaded_what_it_needs() -> None:
    with Pool() as pool:
        pool.expect(Options(workers=2))
        early = pool._early
        with pool.executor(Options(workers=2)) as executor:
            assert executor is early
            assert set(LOADED) <= set(executor.submit(eval, "list(__import__('sys').modules)").result())
    assert not workers_alive()


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_of_another_number_are_ended(workers: int) -> None:
    with Pool() as pool:
        pool.expect(Options(workers=2))
        with pool.executor(Options(workers=workers)) as executor:
            assert isinstance(executor, InlineExecutor if workers == 1 else SubprocessExecutor)
            assert getattr(executor, "workers", None) == workers
            assert len(workers_alive()) <= workers * (workers > 1)
    assert not workers_alive()


def test_workers_that_nobody_asks_for_are_ended_with_the_plan_that_fails() -> None:
    with pytest.raises(KeyboardInterrupt), Pool() as pool:  # noqa: PT012
        pool.expect(Options(workers=2))
        pool.expect(Options(workers=2))  # the plan is made again
        raise KeyboardInterrupt
    assert not workers_alive()


def test_workers_that_were_asked_for_and_not_yet_taken_over_are_ended() -> None:
    with pytest.raises(KeyboardInterrupt), Pool() as pool:  # noqa: PT012
        pool.expect(Options(workers=2))
        pool.executor(Options(workers=2))
        raise KeyboardInterrupt
    assert not workers_alive()


def test_where_the_second_worker_cannot_be_started_the_first_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def failing(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", failing)
    with pytest.raises(RuntimeError, match="new thread"):
        SubprocessExecutor(2)
    assert not started[0].is_alive()
    assert not workers_alive()


def test_why_no_worker_can_be_started_is_said_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")
    with Pool() as pool:
        pool.expect(Options(workers=2))
        with pytest.raises(RunError, match="its own executable"):
            pool.executor(Options(workers=2))


def test_one_worker_is_no_process() -> None:
    with Pool() as pool:
        pool.expect(Options(workers=1))
        assert not workers_alive()
