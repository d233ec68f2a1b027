"""The process of one run: takes a task, imports and warms up, says that it is ready, waits, works, and tells what it took.

It speaks JSON lines: the task on stdin, "ready" on stdout, "go" on stdin, the figures on stdout.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.bench.task import Task


def main() -> None:
    task = Task.from_json(sys.stdin.readline())
    keep_to(task.cores)
    with tempfile.TemporaryDirectory(prefix="warm-up-", dir=Path(task.target).parent) as folder:
        work = ready(task, Path(folder))
    gc.collect()
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        return  # whoever asked for it has gone
    print(json.dumps(measured(work)), flush=True)


def keep_to(cores: Sequence[int]) -> None:
    """Only these processors, before any library counts them."""
    given = list(cores)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, given)
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(len(given))


def ready(task: Task, scratch: Path) -> Callable[[], object]:
    """The work, with everything imported that it needs: a tool without a set-up of its own does it once on a small file."""
    module = importlib.import_module(f"benchmarks.bench.tools.{task.tool}")
    if hasattr(module, "prepared"):
        return module.prepared(task)
    if task.warm_up:
        module.work(replace(task, sources=[task.warm_up], target=str(scratch)))
    return lambda: module.work(task)


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of wall time, seconds of processor time in user and system mode, children included, and peak memory in bytes."""
    before, started = usage(), time.perf_counter()
    told = work()
    wall, after = time.perf_counter() - started, usage()
    figures = {"wall": wall, "user": after[0] - before[0], "system": after[1] - before[1], "peak": peak()}
    return figures | (told if isinstance(told, dict) else {})


def usage() -> tuple[float, float]:
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime for u in each), sum(u.ru_stime for u in each)


def peak() -> float:
    """Of this process or the largest child. On Linux from /proc: ru_maxrss there begins with what the parent had."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    status = Path("/proc/self/status")
    if status.exists():
        own = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return max(own, children)


if __name__ == "__main__":
    main()
