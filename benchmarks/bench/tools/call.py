"""`upgrade` as ETL code calls it, in a process that has loaded Instar and worked with it before: without start-up and imports.

Worker processes start in each call, and what they load is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import instar
from benchmarks.bench.task import Task
from benchmarks.bench.tools.upgrade import of_the_checkout, project
from instar.transforms.job import Options


def prepared(task: Task) -> Callable[[], dict[str, Any]]:
    folder, options = Path(task.target), Options(workers=task.options["workers"])
    command = of_the_checkout(folder / "byte-code")
    project(task, folder, command)
    small = folder / "small"
    small.mkdir()
    project(replace(task, sources=[task.warm_up]), small, command)
    instar.open(small).dataset("data").upgrade(options=Options(workers=1))
    dataset = instar.open(folder).dataset("data")

    def work() -> dict[str, Any]:
        return {"verdict": dataset.upgrade(options=options).as_json()["proof"]["verdict"]}

    return work
