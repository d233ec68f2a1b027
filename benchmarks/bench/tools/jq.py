"""jq: one filter a line."""

from __future__ import annotations

import subprocess

from benchmarks.bench.task import Task
from benchmarks.bench.tools.by_hand import JQ


def work(task: Task) -> None:
    for source, target in task.pairs:
        with target.open("wb") as new:
            subprocess.run(["jq", "-c", JQ[task.change.name], str(source)], stdout=new, check=True)
