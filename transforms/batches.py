"""A roll-out in batches: a plan as several, each a run of its own which is staged, proved and published before the next begins.

The runs of one roll-out are a series: `rollback` takes them back together. The same command goes on with one that was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from instar.formats.errors import InstarError
from instar.transforms.job import Options
from instar.transforms.plan import Action, Plan
from instar.transforms.report import Proof, RunReport
from instar.transforms.run.listing import Change
from instar.transforms.run.state import RunState


@dataclass(frozen=True)
class Batch:
    """One of a series of runs. `later` is the disk (bytes) that the batches after it will need, `waits` tells whether a file
    is in one of them; `facts` say in the journal which of the series it is:
    {"number", "of", "series"}, the last being the first run's id, None for that one itself. Empty: no series."""

    plan: Plan
    later: int = 0
    waits: Callable[[str], bool] = lambda path: False
    facts: Mapping[str, Any] = field(default_factory=dict)


def in_batches(plan: Plan, options: Options, runs: Sequence[RunState]) -> Iterator[Batch]:
    """The plan in parts of at most so many files and source bytes, in the order of the paths; whole where none are asked for.

    Each is made when its turn comes: all of them together could be far larger than the plan.
    """
    if not options.batched:
        yield Batch(plan)
        return
    parts = plan.parts(options.batch_files, options.batch_bytes)
    done, series = _open_series(runs, plan.target)
    kept, later = plan.kept, plan.bytes_out
    turns = {action.path: turn for turn, part in enumerate(parts, done + 1) for action in part}
    for number, part in enumerate(parts, done + 1):
        later -= sum(action.bytes_out for action in part)
        yield Batch(
            _part_of(plan, kept, part, first=number == done + 1),
            later,
            lambda path, number=number: turns.get(path, 0) > number,
            {"batch": {"number": number, "of": done + len(parts), "series": series}},
        )


def _part_of(plan: Plan, kept: Sequence[Action], part: Sequence[Action], *, first: bool) -> Plan:
    versions = {action.version for action in part}
    actions = tuple(sorted((*kept, *part), key=lambda action: action.path))
    chains = {version: chain for version, chain in plan.chains.items() if version in versions}
    return replace(plan, actions=actions, chains=chains, arriving=plan.arriving if first else ())


def _open_series(runs: Sequence[RunState], target: int) -> tuple[int, str | None]:
    """How many batches of an earlier command's series that did not come to its end are published, and the series' name."""
    published = [run for run in runs if run.status == "finished"]
    last = published[-1] if published else None
    batch = last.facts.get("batch") if last and last.facts.get("to") == target else None
    if last is None or not batch or batch["number"] >= batch["of"]:
        return 0, None
    return batch["number"], last.series


def named(batch: Batch, first: str | None) -> dict[str, Any]:
    """The facts of a batch, the series being called by its first run."""
    known = batch.facts.get("batch")
    return {} if known is None else {"batch": {**known, "series": known["series"] or first}}


@contextmanager
def after(done: Sequence[RunReport]) -> Iterator[None]:
    """What stops a later batch leaves the earlier ones published; the error says so."""
    try:
        yield
    except InstarError as error:
        if done:
            files = sum(report.files["rewritten"] for report in done)
            stand = (
                f"{len(done)} earlier batches are published ({files} files)"
                if len(done) > 1
                else f"1 batch is published ({files} files)"
            )
            error.hint = f"{error.hint} {stand}; the same command goes on with the rest, `instar rollback` takes them back.".strip()
        raise


def together(reports: Sequence[RunReport]) -> RunReport:
    """The reports of a series as one: its run is the last one, counts are sums, and `runs` names them all."""
    if len(reports) == 1:
        return reports[0]
    last = next((r for r in reversed(reports) if r.run), reports[-1])  # of a batch no file of which can be read there is no run
    skipped = tuple(dict.fromkeys(problem for r in reports for problem in r.skipped))
    origin = {version: sum(r.origin.get(version, 0) for r in reports) for version in sorted({v for r in reports for v in r.origin})}
    return replace(
        last,
        origin=origin,
        files={**last.files, "rewritten": sum(r.files["rewritten"] for r in reports), "skipped": len(skipped)},
        rows_in=sum(r.rows_in or 0 for r in reports),
        rows_out=sum(r.rows_out or 0 for r in reports),
        bytes_in=sum(r.bytes_in for r in reports),
        bytes_out=sum(r.bytes_out for r in reports),
        bytes_planned=sum(r.bytes_planned for r in reports),
        proof=Proof.of(file for r in reports if r.proof for file in r.proof.files),
        dropped=tuple(dict.fromkeys(path for r in reports for path in r.dropped)),
        losses=tuple(sorted({loss for r in reports for loss in r.losses})),
        notes=tuple(dict.fromkeys(note for r in reports for note in r.notes)),
        skipped=skipped,
        quarantined={path: count for r in reports for path, count in r.quarantined.items()},
        quarantine=tuple(path for r in reports for path in r.quarantine),
        late=_late(reports),
        rounds=sum(r.rounds for r in reports),
        resumed=reports[0].resumed,
        written=tuple(file for r in reports for file in r.written),
        timeline=tuple(moment for r in reports for moment in r.timeline),
        gates=tuple(gate for r in reports for gate in r.gates),
        schema=_schema(reports),
        profile=last.profile if len({r.run for r in reports}) == 1 else None,  # each run's own is in its report.json
        runs=tuple(r.run for r in reports if r.run),
    )


def _schema(reports: Sequence[RunReport]) -> tuple[Mapping[str, Any], ...] | None:
    """Of each version that files were at, once; None where no batch computed anything."""
    steps = {step["from"]: step for r in reports for step in r.schema or ()}
    return tuple(steps[version] for version in sorted(steps)) or None


def _late(reports: Sequence[RunReport]) -> tuple[Change, ...]:
    """What writers did, as far as no later batch has seen to it."""
    found: dict[str, Change] = {}
    for report in reports:
        seen = {file.path for file in report.proof.files} if report.proof else set[str]()
        found = {path: change for path, change in found.items() if path not in seen}
        found |= {change.path: change for change in report.late}
    return tuple(found.values())
