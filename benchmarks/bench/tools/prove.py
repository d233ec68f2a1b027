"""The proof of staged files, as a worker of a run makes it, at the `level` of the options. Staging is the set-up, not measured."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench.task import Task
from benchmarks.bench.tools.stage import staged
from instar.transforms.proof.database import Database
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import Receipt, Unit
from instar.transforms.run.worker import COLLECTED


def prepared(task: Task) -> Callable[[], object]:
    gc.set_threshold(*COLLECTED)
    level: Any = task.options["level"]
    if task.warm_up:
        with TemporaryDirectory(prefix="warm-up-", dir=Path(task.target).parent) as folder:
            proved(list(staged(replace(task, sources=[task.warm_up], target=folder))), level)
    files = list(staged(task))
    return lambda: proved(files, level)


def proved(files: Sequence[tuple[Unit, Receipt]], level: Any) -> None:
    """
    Raises:
        RuntimeError: a file is not proved.
    """
    with closing(Database()) as database:
        for unit, receipt in files:
            found = prove_file(unit, receipt, level=level, database=database)
            if found.verdict != "proved":
                raise RuntimeError(f"{unit.path} is {found.verdict}: {found.unread or found.fidelity or found.columns}")
