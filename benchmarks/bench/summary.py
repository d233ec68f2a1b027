"""What the runs of a case come to: medians, ratios with their spread, and whether the targets are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench.cases import Case, Faster, Memory, Target, Within
from benchmarks.bench.measure import Runs


@dataclass(frozen=True)
class Ratio:
    """The ratio of two tools' medians, and the least and the greatest of the ratios of their runs in one round."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Reached:
    """A target, what was measured, and whether that will do. `against` is the tool that decided; "" for memory."""

    wanted: str
    measured: str
    met: bool
    against: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"wanted": self.wanted, "measured": self.measured, "met": self.met, "against": self.against}


def ratio(runs: Runs, tool: str, of: str, clock: str) -> Ratio:
    """How many times as long the tool takes as the other one, in the rounds in which both ran."""
    both = [(a.of(clock), max(b.of(clock), 1e-9)) for a, b in zip(runs[tool], runs[of], strict=True) if a and b]
    paired = [a / b for a, b in both]
    return Ratio(median(a for a, _ in both) / median(b for _, b in both), min(paired), max(paired))


def middle(runs: Runs, tool: str, clock: str) -> float:
    return median(run.of(clock) for run in runs[tool] if run)


def reached(case: Case, runs: Runs, files: Sequence[Path]) -> list[Reached]:
    return [_reached(target, runs, files) for target in case.targets if target.of in runs]


def _reached(target: Target, runs: Runs, files: Sequence[Path]) -> Reached:
    match target:
        case Faster(tools, times, clock, of):
            fastest = min((tool for tool in tools if tool in runs), key=lambda tool: middle(runs, tool, clock))
            found = ratio(runs, fastest, of, clock)
            wanted = f"≥ {times:g} × faster than" if times > 1 else "not slower than"
            return Reached(f"{wanted} {fastest}, {clock}", f"{spelled(found.value)} ×", found.value >= times, fastest)
        case Within(tool, times, clock, of):
            found = ratio(runs, of, tool, clock)
            who = "" if of == next(iter(runs)) else f"{of}: "
            return Reached(f"{who}≤ {times:g} × {tool}, {clock}", f"{spelled(found.value)} ×", found.value <= times, tool)
        case Memory(most, touched, of):
            peak = max(run.peak for run in runs[of] if run)
            allowed = max(most, 3 * largest_chunk(files, touched))
            return Reached(f"≤ {allowed / 1e6:,.0f} MB", f"{peak / 1e6:,.0f} MB", peak <= allowed)


def spelled(value: float) -> str:
    """Two or three digits that mean something."""
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def largest_chunk(files: Sequence[Path], columns: Sequence[str]) -> int:
    """The uncompressed bytes of the largest chunk of these columns."""
    if not columns:
        return 0
    import pyarrow.parquet as pq

    sizes = []
    for file in files:
        metadata = pq.read_metadata(file)
        for group in range(metadata.num_row_groups):
            chunks = (metadata.row_group(group).column(i) for i in range(metadata.num_columns))
            sizes += [chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in columns]
    return max(sizes)


def summarised(case: Case, runs: Runs, files: Sequence[Path]) -> dict[str, Any]:
    """The case as the results keep it: every run, and what they come to."""
    base = case.tools[0].name
    tools = {}
    for name, each in runs.items():
        done = [run for run in each if run]
        tools[name] = {
            "wall": middle(runs, name, "wall"),
            "cpu": middle(runs, name, "cpu"),
            "peak": max(run.peak for run in done),
            "written": done[0].written,
            "told": done[-1].told,
            "times_wall": ratio(runs, name, base, "wall").to_json(),
            "times_cpu": ratio(runs, name, base, "cpu").to_json(),
            "runs": [run.to_json() if run else None for run in each],
        }
    return {"tools": tools, "targets": [each.to_json() for each in reached(case, runs, files)]}
