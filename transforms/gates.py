"""What must hold between a run's proof and its publish, besides the proof: the project's own checks, and its test command.

They look at the whole dataset as it was and as it would be. Nothing here is imported where nothing of it is configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instar.formats.errors import Collected, GateError, InstarError
from instar.transforms.checks import load_checks, refuse_broken
from instar.transforms.events import Warned
from instar.transforms.execution import Run
from instar.transforms.gate_command import command_of, run_command
from instar.transforms.gate_result import GateResult
from instar.transforms.job import INTERPRETER, Job, Options
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.mapping import identity
from instar.transforms.outcome import ProvedRun
from instar.transforms.plan import Plan
from instar.transforms.run.quarantine import earlier_in_series
from instar.transforms.run.two_trees import TwoTrees, two_trees
from instar.transforms.run_checks import run_checks, versions_of

LEAST = 256_000_000
"""Bytes that DuckDB needs to read several files side by side: JSON alone takes 32 MB a file."""


def ready(job: Job, plan: Plan, options: Options) -> None:
    """What can be known of the gates before anything is staged: refuses a run that they would stop anyhow.

    Raises:
        UsageError, or Collected of several: a check is no query, or fits no step to the newest version; there is no test command;
            queries that are to be timed cannot be used.
    """
    refuse_broken(load_checks(job.checks, job.project), versions_of(job.settings, job.schemas, plan.files))
    if job.settings.test:
        command_of(job)
    if options.queries:
        from instar.transforms.audit.gate import refuse_unusable

        refuse_unusable(job, plan, options)


def gated(proved: ProvedRun) -> ProvedRun:
    """Ask all gates.

    Raises:
        GateError, or Collected of several: one says no, and the run is to publish. Nothing was published.
    """
    run = proved.staged.run
    with run.watch.step("gates"):
        trees = trees_of(proved)
        checks = load_checks(run.job.checks, run.job.project)
        results = run_checks(
            run.job, checks, trees, mappings_of(run.job, trees), memory=memory_of(run.options), threads=threads_of(run.options),
            examples=run.options.examples,
        )  # fmt: skip
        if run.job.settings.test:
            results += (run_command(proved, trees.versions),)
        audit = None
        if run.options.queries:
            result, audit = _timed(run, trees)
            results += (result,)
    asked = replace(proved, gates=results, audit=audit)
    if not run.options.stage_only:
        refuse(results, audit=audit)
    return asked


def _timed(run: Run, trees: TwoTrees) -> tuple[GateResult, Mapping[str, Any]]:
    """What the audit of the queries says. Doubts stop nothing, and are told as warnings."""
    from instar.transforms.audit.gate import asked

    found = asked(
        run.job, trees, run.options, run=run.folder.id, memory=memory_of(run.options), threads=threads_of(run.options),
        progress=run.progress,
    )  # fmt: skip
    if found[0].verdict == "undecided":
        run.progress.event(Warned(found[0].message))
    return found


def refuse(results: Sequence[GateResult], hint: str = "", audit: Mapping[str, Any] | None = None) -> None:
    """
    Raises:
        GateError, or Collected of several: one says no.
    """
    failed = [result for result in results if result.verdict == "failed"]
    if not failed:
        return
    stands = (
        hint or "Nothing was published and the data is as it was; `instar upgrade --stage-only` keeps what is staged to look at."
    )
    errors = [GateError(result.message, hint=result.hint) for result in failed]
    error: InstarError = Collected(f"{len(errors)} gates say no to what was staged", hint=stands, errors=errors)
    if len(errors) == 1:
        error = GateError(errors[0].message, hint=f"{errors[0].hint} {stands}".strip())
    error.report = {"gates": [result.as_json() for result in results], **({"audit": audit} if audit else {})}
    raise error


def trees_of(proved: ProvedRun) -> TwoTrees:
    """The dataset as it is and as the run would make it.

    In a roll-out in batches these are the files that are at the target once the batch is published: those that wait for a later
    one are on neither side, so that the new side is always of one version.
    """
    run = proved.staged.run
    earlier = earlier_in_series(run.job.state, run.folder)
    return two_trees(base_of(run), run.plan.files, proved.staged.receipts, run.folder.staged, run.plan.target, earlier)


def mappings_of(job: Job, trees: TwoTrees) -> tuple[SchemaMapping, ...]:
    """How each version of the old side becomes the target; a file that is at it already becomes what it is."""
    target = job.schemas[trees.target]
    ways = (job.chain(version, trees.target).mapping for version in trees.versions if version != trees.target)
    return (*ways, identity(target))


def memory_of(options: Options) -> int:
    """Bytes for DuckDB in a gate: the run's budget less what its processes take; its workers have nothing to do then."""
    processes = options.workers + 1 if options.workers > 1 else 1
    return max(LEAST, options.memory - processes * INTERPRETER)


def threads_of(options: Options) -> int:
    """Threads for DuckDB in a gate: one for each worker that there may be."""
    return max(options.cores, options.workers, 1)


def base_of(run: Run) -> Path:
    """What the paths of a run are relative to."""
    return run.job.location if run.job.location.is_dir() else run.job.location.parent
