"""Workers: what they send back, how they die, and that none outlives its coordinator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import pytest

from instar.formats.errors import Collected, DataError, RunError, Where
from instar.transforms.run.executors import InlineExecutor, Reporting, in_order
from instar.transforms.run.processes import SubprocessExecutor
from instar.transforms.run.threads import ThreadExecutor

# Work must be importable in the worker; these are from the standard library or written into a module by the fixture.
WORK = """
import os, signal, sys, threading, time
from dataclasses import dataclass
from instar.formats.errors import Collected, DataError, Where

@dataclass(frozen=True)
class Item:
    path: str
    number: int = 0
    here: int = 0

def double(item): return item.number * 2
def pid(): return os.getpid()
def loud(item):
    print("to stdout"); print("to stderr", file=sys.stderr); os.write(1, b"raw"); return sys.stdin.read()
def die(item): print("last words", file=sys.stderr); sys.stderr.flush(); os.kill(os.getpid(), signal.SIGKILL)
def leave(item): os._exit(7)
def refuse(item):
    errors = [DataError("bad", hint="mend", where=Where(file=item.path, row=n, path="a.b")) for n in range(2)]
    raise Collected("two are bad", hint="mend", errors=errors)
def fault(item): return {}["missing"]
class Odd(Exception):
    def __init__(self, a, b): super().__init__(a)
def odd(item): raise Odd("one", "two")
def unsendable(item): return lambda: None
def counting(item, tell):
    for _ in range(5): tell(10, 100); time.sleep(0.06)
    return item.number
def sleep(item): time.sleep(60)
class Marks:
    def __init__(self): self.items = []
    def close(self): self.items.append("closed")
def marking(item, kept):
    marks = kept.one(Marks)
    marks.items.append((threading.get_ident(), item.number))
    return marks.items if os.getpid() == item.here else list(marks.items)
def spin(item):
    while True: pass
def paths(): return sys.path, sys.modules["__main__"].__dict__.get("marker"), dict(os.environ)
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "worker_jobs.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "worker_jobs", raising=False)
    import worker_jobs  # type: ignore[import-not-found]

    yield worker_jobs
    sys.modules.pop("worker_jobs", None)


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_work_is_shared_out_and_comes_back(work):
    with SubprocessExecutor(2) as executor:
        futures = [executor.submit(work.double, work.Item("x", n)) for n in range(50)]
        assert [future.result() for future in futures] == [2 * n for n in range(50)]
        pids = {executor.submit(work.pid).result() for _ in range(10)}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert all(gone(pid) for pid in pids)


def test_prints_disturb_nothing(work):
    with SubprocessExecutor(1) as executor:
        assert executor.submit(work.loud, work.Item("x")).result() == ""
        assert executor.submit(work.double, work.Item("x", 4)).result() == 8


@pytest.mark.parametrize(
    ("how", "said"),
    [("die", "killed by signal 9 while it worked on month=1/a.parquet; it said: last words"), ("leave", "exit code 7")],
)
def test_a_dead_worker_fails_its_file_by_name_and_is_replaced(work, how, said):
    with SubprocessExecutor(1) as executor:
        with pytest.raises(RunError) as caught:
            executor.submit(getattr(work, how), work.Item("month=1/a.parquet")).result()
        assert said in str(caught.value)
        assert caught.value.where == Where(file="month=1/a.parquet")
        assert executor.submit(work.double, work.Item("x", 3)).result() == 6


def test_a_worker_that_is_killed_between_two_tasks_is_replaced(work):
    with SubprocessExecutor(1) as executor:
        pid = executor.submit(work.pid).result()
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        time.sleep(0.2)  # its other threads
        assert executor.submit(work.pid).result() != pid


def test_errors_travel_intact(work):
    with SubprocessExecutor(1) as executor:
        error = executor.submit(work.refuse, work.Item("f")).exception()
        assert isinstance(error, Collected)
        assert error.hint == "mend"
        assert error.errors[1].where == Where(file="f", row=1, path="a.b")
        assert isinstance(error.errors[1], DataError)
        fault = executor.submit(work.fault, work.Item("f")).exception()
        assert isinstance(fault, KeyError)
        assert "worker_jobs.py" in fault.__notes__[0]
        assert "Odd: one" in str(executor.submit(work.odd, work.Item("f")).exception())
        assert executor.submit(work.unsendable, work.Item("f")).exception() is not None
        assert executor.submit(lambda: None).exception() is not None
        assert executor.submit(work.double, work.Item("x", 3)).result() == 6


@pytest.mark.parametrize("make", [InlineExecutor, lambda: ThreadExecutor(2), lambda: SubprocessExecutor(2)])
def test_progress_arrives_whole_before_the_result(work, make):
    with make() as executor:
        assert isinstance(executor, Reporting)
        told: list[tuple[int, int]] = []
        future = executor.submit_reporting(work.counting, work.Item("x", 7), lambda rows, size: told.append((rows, size)))
        assert future.result() == 7
        assert (sum(rows for rows, _ in told), sum(size for _, size in told)) == (50, 500)
        assert len(told) > 1


@pytest.mark.parametrize("make", [InlineExecutor, lambda: ThreadExecutor(2), lambda: SubprocessExecutor(2)])
def test_what_work_keeps_is_there_for_the_next_work_in_the_same_thread(work, make):
    with make() as executor:
        found = list(in_order(executor, work.marking, ((work.Item("x", n, os.getpid()),) for n in range(40)), keeping=True))
    if isinstance(executor, SubprocessExecutor):
        assert max(len(items) for items in found) > 1
    else:
        assert all(items[-1] == "closed" for items in found)
        seen = {id(items): items[:-1] for items in found}
        assert sum(map(len, seen.values())) == 40
    assert all(
        len({thread for thread, _ in items if items}) == 1 for items in ([i for i in items if i != "closed"] for items in found)
    )


def test_an_executor_that_keeps_nothing_does_the_work_all_the_same():
    with ThreadPoolExecutor(1) as executor:
        assert list(in_order(executor, int, (("7",), ("8",)), keeping=True)) == [7, 8]


def test_a_worker_sees_the_same_modules_and_not_the_main_module(work, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    with SubprocessExecutor(1) as executor:
        paths, marker, environment = executor.submit(work.paths).result()
    assert paths == [os.path.abspath(path) for path in sys.path]
    assert marker is None
    assert environment["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", "1")
    assert environment["MALLOC_ARENA_MAX"] == "7"


def test_an_exception_ends_the_workers_at_once(work):
    began, futures = time.monotonic(), []
    with pytest.raises(KeyboardInterrupt), SubprocessExecutor(2) as executor:  # noqa: PT012
        futures = [executor.submit(work.sleep, work.Item(f"{n}")) for n in range(6)]
        while not all(future.running() for future in futures[:2]):
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 10
    assert isinstance(futures[0].exception(), RunError)
    with pytest.raises(CancelledError):
        futures[5].result()


def test_nothing_is_taken_after_the_end(work):
    executor = SubprocessExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(work.pid)


@dataclass(frozen=True)
class Local:
    path: str


def test_inline_raises_into_the_future():
    with InlineExecutor() as executor:
        assert isinstance(executor.submit(lambda item: {}[item], Local("x")).exception(), KeyError)
        assert executor.submit(lambda item: item.path, Local("x")).result() == "x"


def test_an_exception_drops_what_threads_have_not_begun(work):
    futures = []
    with pytest.raises(KeyboardInterrupt), ThreadExecutor(1) as executor:  # noqa: PT012
        tell = lambda rows, size: None  # noqa: E731
        futures = [executor.submit_reporting(work.counting, work.Item(f"{n}", n), tell) for n in range(6)]
        while not futures[0].running():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert futures[0].result() == 0
    assert futures[5].cancelled()


COORDINATOR = """
import sys, time
sys.path.insert(0, sys.argv[1])
import worker_jobs
from instar.transforms.run.processes import SubprocessExecutor
executor = SubprocessExecutor(3)
pids = set()
while len(pids) < 3:
    pids |= {future.result() for future in [executor.submit(worker_jobs.pid) for _ in range(12)]}
for name in ("sleep", "spin"):
    executor.submit(getattr(worker_jobs, name), worker_jobs.Item("x"))
time.sleep(0.3)
print(*pids, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_workers_die_with_a_coordinator_that_is_killed(tmp_path, work):
    """An idle one, one that sleeps, one that is busy; the script has no main guard."""
    coordinator = subprocess.Popen([sys.executable, "-c", COORDINATOR, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert coordinator.stdout is not None
    pids = [int(pid) for pid in coordinator.stdout.readline().split()]
    assert len(pids) == 3
    coordinator.kill()
    killed = time.monotonic()
    coordinator.communicate()
    assert [pid for pid in pids if not gone(pid)] == []
    if sys.platform == "linux":  # elsewhere one that holds the interpreter hears of it later
        assert time.monotonic() - killed < 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
def test_workers_leave_signals_of_the_whole_group_to_the_coordinator(work):
    with SubprocessExecutor(1) as executor:
        worker = executor.submit(work.pid).result()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker, number)
        assert executor.submit(work.pid).result() == worker
