"""The project's checks, asked again of a run that is verified: its old side is the snapshot, or the dataset where it is staged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from instar.formats.errors import InstarError
from instar.transforms.checks import load_checks
from instar.transforms.gate_result import GateResult
from instar.transforms.gates import memory_of, threads_of
from instar.transforms.job import Job, Options
from instar.transforms.mapping import identity
from instar.transforms.run.quarantine import earlier_in_series
from instar.transforms.run.rollback import shadowing
from instar.transforms.run.state import RunState
from instar.transforms.run.two_trees import TreeFile, TwoTrees, tree_file
from instar.transforms.run.unit import Unit
from instar.transforms.run_checks import run_checks


def checks_of_run(
    job: Job, state: RunState, units: Sequence[Unit], rewriters: Mapping[str, Path], base: Path, options: Options
) -> tuple[GateResult, ...]:
    """What the checks of now say of both sides of a run. `units`: its files, where they stand now; `base`: what the paths of the
    dataset (or its shadow) are relative to; `rewriters`: where files are that later runs have rewritten.

    Raises:
        ConfigurationError: a check is no query.
    """
    checks = load_checks(job.checks, job.project)
    try:
        trees, missing = _trees(job, state, units, rewriters, base)
    except (InstarError, OSError) as error:
        trees, missing = None, str(error)
    if trees is None or missing:
        said = f"was not asked: not both sides of the run are there as they were: {missing}"
        return tuple(GateResult("check", check.name, "undecided", 0.0, {}, f"{check.name} {said}") for check in checks)
    ways = {unit.chain: unit.mapping for unit in units}
    return run_checks(
        job, checks, trees, (*ways.values(), identity(job.schemas[trees.target])), memory=memory_of(options),
        threads=threads_of(options), examples=options.examples,
    )  # fmt: skip


def _trees(
    job: Job, state: RunState, units: Sequence[Unit], rewriters: Mapping[str, Path], base: Path
) -> tuple[TwoTrees | None, str]:
    """Both sides, and the first file that is not there, or not as the run left it where it did not write it."""
    target = int(state.facts["to"])
    planned = json.loads(state.run.plan.read_text(encoding="utf-8"))["identity"]["files"]
    old, new = list[TreeFile](), list[TreeFile]()
    for unit in units:
        before = _seen(job, unit.path, Path(unit.source), int(planned[unit.path]["version"]))
        old.append(before)
        new.append(replace(before, path=unit.new_path, file=Path(unit.staged), version=target, schema=None))
        if not os.path.isfile(unit.staged):
            return None, unit.new_path
    first = job.location if job.location.is_dir() else job.location.parent
    for path, known in planned.items():
        if known["action"] == "keep":
            file = rewriters.get(path, base) / path
            if not _is(file, known):
                return None, path
            new.append(_seen(job, path, file, target))
            old.append(_seen(job, path, first / path, target) if shadowing(state) else new[-1])
    for receipt in earlier_in_series(job.state, state.run):
        file = rewriters.get(receipt.new_path, base) / receipt.new_path
        old.append(_seen(job, receipt.new_path, file, target))
        new.append(old[-1])
    return TwoTrees(_sorted(old), _sorted(new), target), ""


def _seen(job: Job, path: str, file: Path, version: int) -> TreeFile:
    return tree_file(path, file, version, job.format.inspect(file))


def _is(file: Path, known: Mapping[str, int]) -> bool:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return False
    return (found.st_size, found.st_mtime_ns) == (known["size"], known["mtime_ns"])


def _sorted(files: Iterable[TreeFile]) -> tuple[TreeFile, ...]:
    return tuple(sorted(files, key=lambda file: file.path))
