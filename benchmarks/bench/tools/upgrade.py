"""The whole command, `instar upgrade`: start-up, inventory, plan, staging with fsync, proof, publishing.

The set-up, which is not measured, is a project whose dataset is hard links to the source files, with a migration registered; and
one run on a small file, so that Python finds the byte code of all modules, which an installer writes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.bench.task import Task
from benchmarks.bench.tools.instar import script

FEW = 10
INSTAR = [sys.executable, "-m", "instar"]


def prepared(task: Task) -> Callable[[], dict[str, Any]]:
    folder = Path(task.target)
    project(task, folder)
    workers = ["--workers", str(task.options["workers"])] if "workers" in task.options else []
    command, environment = [*INSTAR, "upgrade", "data", *workers, "--json"], with_byte_code(folder / "byte-code")
    if task.warm_up:
        small = folder / "small"
        small.mkdir()
        project(replace(task, sources=[task.warm_up]), small)
        subprocess.run(command, cwd=small, env=environment, check=True, stdout=subprocess.DEVNULL)

    def work() -> dict[str, Any]:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"instar upgrade: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        report = json.loads(done.stdout)
        return {"stage": report["seconds"]["stage"], "verdict": report["proof"]["verdict"]}

    return work


def with_byte_code(folder: Path) -> dict[str, str]:
    """The environment, in which Python keeps compiled modules in a folder, even where it is told to keep none."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


def project(task: Task, folder: Path) -> None:
    """A project with the dataset `data`: all source files, in the folders they are in, at version 1 of 2.

    The first few are there when the project is made, so that this takes no longer for ten thousand.
    """
    link(task.sources[:FEW], folder / "data", task)
    quietly("init", "--from", "data", cwd=folder)
    scripts = folder / "migrations" / "data"
    scripts.mkdir(parents=True, exist_ok=True)
    (scripts / "0002_change.py").write_text(script(task.change))
    quietly("register", "data", cwd=folder)
    link(task.sources[FEW:], folder / "data", task)


def link(sources: Sequence[str], data: Path, task: Task) -> None:
    above = os.path.commonpath([os.path.dirname(source) for source in task.sources])
    for source in map(Path, sources):
        place = data / source.relative_to(above)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, place)


def quietly(*arguments: str, cwd: Path) -> None:
    subprocess.run([*INSTAR, *arguments], cwd=cwd, check=True, stdout=subprocess.DEVNULL)
