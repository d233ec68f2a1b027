"""Running the tools of a case in turns, each run in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench.cases import Case, Tool
from benchmarks.bench.data.store import Data
from benchmarks.bench.task import Task

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """One run of one tool. Seconds; bytes. `told` is what the tool itself says."""

    wall: float
    user: float
    system: float
    peak: int
    written: int
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        return self.user + self.system

    def of(self, clock: str) -> float:
        return self.wall if clock == "wall" else self.cpu

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Runs = dict[str, list[Run | None]]
"""Tool → its run of each round; None in a round that it had no more time for."""


class Failed(Exception):
    """A tool could not do its work."""


def available(tool: Tool) -> bool:
    """Is the tool there? Programs may be missing; libraries are in the environment."""
    return tool.module != "jq" or shutil.which("jq") is not None


def task_of(case: Case, tool: Tool, data: Data, target: Path, cache: Path, files: int | None) -> Task:
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return Task(
        tool.module,
        case.format,
        case.codec,
        case.change,
        [str(file) for file in data.files[:files]],
        str(target),
        usable[-case.cores :],
        str(data.warm_up or ""),
        str(data.document or ""),
        str(cache.absolute()),
        {"row_group": data.row_group, "columns": str(data.columns or ""), **tool.options},
    )


def in_turns(
    case: Case,
    tools: Sequence[Tool],
    data: Data,
    scratch: Path,
    cache: Path,
    *,
    rounds: int,
    patience: float,
    files: int | None,
    run: Callable[[Task], dict[str, Any]],
    check: Callable[[Tool, list[Path]], None],
) -> Runs:
    """`rounds` rounds; in each, every tool works once, in an order that is another each time. A tool is left out of later rounds
    once it has had `patience` seconds. `check` is given every output of a tool that can be checked. `cache` stays when all is done.

    Raises:
        Failed: a tool broke, or `check` found an output wrong.
    """
    runs: Runs = {tool.name: [] for tool in tools}
    warm(data.files[:files])
    for number in range(rounds):
        turned = [tools[(number + i) % len(tools)] for i in range(len(tools))]
        for tool in turned:
            spent = sum(each.wall for each in runs[tool.name] if each)
            if spent > patience:
                runs[tool.name].append(None)
                continue
            with tempfile.TemporaryDirectory(prefix="run-", dir=scratch) as name:
                task = task_of(case, tool, data, Path(name), cache, files)
                figures = run(task)
                outputs = outputs_of(Path(name))
                if tool.checked:
                    check(tool, outputs)
                known = {key: figures.pop(key) for key in ("wall", "user", "system", "peak")}
                written = sum(path.stat().st_size for path in outputs)
                runs[tool.name].append(Run(**known, written=written, told=figures))
    return runs


def warm(files: Sequence[Path]) -> None:
    """The files are in the page cache, for every tool."""
    for file in files:
        with file.open("rb") as stream:
            while stream.read(1 << 24):
                pass


def outputs_of(folder: Path) -> list[Path]:
    """The files that a run left: of a whole project, those of its dataset."""
    data = folder / "data"
    return sorted(path for path in (data if data.exists() else folder).rglob("*") if path.is_file())


def in_a_process(task: Task) -> dict[str, Any]:
    """The figures of a fresh process that did the task: see `child.py`.

    Raises:
        Failed: it ended with an error; what it said is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.bench.child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(task.to_json() + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() == "ready":
            process.stdin.write("go\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    if process.returncode or not answer:
        raise Failed(f"{task.tool} could not {task.change.name} {task.format}: exit {process.returncode}")
    return json.loads(answer)


def in_this_process(task: Task) -> dict[str, Any]:
    """The same without a process and without pinning: for a look at the outputs, not at the figures."""
    import importlib

    from benchmarks.bench.child import measured

    module = importlib.import_module(f"benchmarks.bench.tools.{task.tool}")
    return measured(module.prepared(task) if hasattr(module, "prepared") else lambda: module.work(task))
