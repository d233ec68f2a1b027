"""`upgrade --queries`: an audit of what is staged, between its proof and its publish."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instar.transforms.audit.audit import MOST_SLOWDOWN, SECONDS, Wanted, audited
from instar.transforms.audit.preparing import prepared
from instar.transforms.audit.queries import load_queries
from instar.transforms.audit.report import AuditReport
from instar.transforms.audit.sides import Sides
from instar.transforms.gate_result import GateResult
from instar.transforms.job import Job, Options
from instar.transforms.plan import Plan
from instar.transforms.progress import Progress
from instar.transforms.run.two_trees import TreeFile, TwoTrees

_HINT = "Allow more with --max-slowdown (`max_slowdown` in instar.toml), or measure for longer with --query-seconds."


def refuse_unusable(job: Job, plan: Plan, options: Options) -> None:
    """What can be known of the queries before anything is staged.

    Raises:
        UsageError: there are none, or one cannot be used, or fits neither side.
    """
    wanted = wanted_of(options, memory=0, threads=1)
    assert wanted.queries is not None
    old = [TreeFile(path, Path(path), file.version) for path, file in plan.files.items() if file.version is not None]
    new = [TreeFile(file.path, file.file, plan.target) for file in old]
    sides = sides_of(job, TwoTrees(tuple(old), tuple(new), plan.target))
    prepared(load_queries(wanted.queries, sides.tables), sides)


def asked(
    job: Job, trees: TwoTrees, options: Options, *, run: str, memory: int, threads: int, progress: Progress
) -> tuple[GateResult, Mapping[str, Any]]:
    """What the audit says of a run, and all of it as JSON.

    Raises:
        InstarError: a file cannot be read.
    """
    began = time.perf_counter()
    report = audited(sides_of(job, trees), wanted_of(options, memory=memory, threads=threads), run=run, progress=progress)
    return _result(report, options, time.perf_counter() - began), report.as_json()


def _result(report: AuditReport, options: Options, seconds: float) -> GateResult:
    folder = Path(options.queries or "").name
    detail = {"queries": len(report.queries), "counts": report.counts}
    lines = report.problems or report.doubts
    hint = _HINT if report.problems and all("times as long" in line for line in report.problems) else ""
    return GateResult("queries", folder, report.verdict, seconds, detail, "\n".join(f"query {line}" for line in lines), hint)


def sides_of(job: Job, trees: TwoTrees) -> Sides:
    """
    Raises:
        MigrationError: the way from a version cannot be gone.
    """
    ways = {version: job.chain(version, trees.target).mapping for version in trees.versions if version != trees.target}
    return Sides(job.name, job.settings.format, job.schemas, trees, ways, job.settings.partitions)


def wanted_of(options: Options, *, memory: int, threads: int) -> Wanted:
    """
    Raises:
        UsageError: the options are not amounts that can be meant.
    """
    slowdown = MOST_SLOWDOWN if options.max_slowdown is None else options.max_slowdown
    seconds = SECONDS if options.query_seconds is None else options.query_seconds
    return Wanted(Path(options.queries) if options.queries else None, memory, threads, slowdown, seconds)
