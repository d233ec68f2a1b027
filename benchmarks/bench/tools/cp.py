"""`cp`: what copying the bytes takes, the least that a new file can cost."""

from __future__ import annotations

import subprocess

from benchmarks.bench.task import Task


def work(task: Task) -> None:
    subprocess.run(["cp", *task.sources, task.target], check=True)
