"""The whole command, `instar upgrade`: start-up, inventory, plan, staging with fsync, proof, publishing.

It is the command as an installer gives it; with the option `development` the checkout's own, in whose environment there are
libraries that Instar does not depend on. The set-up, which is not measured, is a project whose dataset is hard links to the source
files, with a migration registered; and one run on a small file, in which the checkout's modules are compiled, as the installed are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.bench.task import Task
from benchmarks.bench.tools.installed import clean_environment, installed, versions
from benchmarks.bench.tools.instar import script

FEW = 10


@dataclass(frozen=True)
class Command:
    """`instar`: how it is called, and in which environment."""

    words: Sequence[str]
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, cwd: Path) -> str:
        """What it says. Raises: RuntimeError: it failed."""
        done = subprocess.run([*self.words, *arguments], cwd=cwd, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"instar {arguments[0]}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def prepared(task: Task) -> Callable[[], dict[str, Any]]:
    folder = Path(task.target)
    if task.options.get("development"):
        command, programs = of_the_checkout(folder / "byte-code"), Path(sys.executable).parent
    else:
        programs = installed(Path(task.cache))
        command = Command([str(programs / "instar")], clean_environment())
    project(task, folder, command)
    workers = ["--workers", str(task.options["workers"])] if "workers" in task.options else []
    arguments = ["upgrade", "data", *workers, "--json"]
    if task.warm_up:
        small = folder / "small"
        small.mkdir()
        project(replace(task, sources=[task.warm_up]), small, command)
        command(*arguments, cwd=small)
    measured_in = versions(programs)

    def work() -> dict[str, Any]:
        report = json.loads(command(*arguments, cwd=folder))
        return {"stage": report["seconds"]["stage"], "verdict": report["proof"]["verdict"], "measured_in": measured_in}

    return work


def of_the_checkout(byte_code: Path | None = None) -> Command:
    """The checkout's command in its own environment; compiled modules stay in that folder, even where Python is to keep none."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(byte_code)} if byte_code else dict(os.environ)
    return Command([sys.executable, "-m", "instar"], environment)


def project(task: Task, folder: Path, command: Command) -> None:
    """A project with the dataset `data`: all source files, in the folders they are in, at version 1 of 2.

    The first few are there when the project is made, so that this takes no longer for ten thousand.
    """
    link(task.sources[:FEW], folder / "data", task)
    command("init", "--from", "data", cwd=folder)
    scripts = folder / "migrations" / "data"
    scripts.mkdir(parents=True, exist_ok=True)
    (scripts / "0002_change.py").write_text(script(task.change))
    command("register", "data", cwd=folder)
    link(task.sources[FEW:], folder / "data", task)


def link(sources: Sequence[str], data: Path, task: Task) -> None:
    above = os.path.commonpath([os.path.dirname(source) for source in task.sources])
    for source in map(Path, sources):
        place = data / source.relative_to(above)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, place)
