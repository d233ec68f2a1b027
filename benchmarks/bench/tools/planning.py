"""Inventory and plan of a dataset, as library calls: what `instar plan` does once it has started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import instar
from benchmarks.bench.task import Task
from benchmarks.bench.tools.upgrade import of_the_checkout, project


def prepared(task: Task) -> Callable[[], object]:
    small, whole = Path(task.target) / "small", Path(task.target) / "whole"
    for folder, sources in ((small, task.sources[:3]), (whole, task.share)):
        folder.mkdir()
        project(Task(**{**task.__dict__, "sources": sources}), folder, of_the_checkout())
    instar.open(small).dataset("data").plan()

    def work() -> dict[str, int]:
        plan = instar.open(whole).dataset("data").plan()
        return {"files": len(plan.rewrites)}

    return work
