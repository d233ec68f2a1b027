"""What an audit found: plain data with an `as_json`, no rendering."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from instar.transforms.audit.adapting import path_sql
from instar.transforms.audit.layout import Layout
from instar.transforms.audit.running import Cost, Measured
from instar.transforms.audit.sides import SIDES, SideName
from instar.transforms.audit.verdict import Label, Ratio

Verdict = Literal["passed", "undecided", "failed"]


@dataclass(frozen=True)
class QueryReport:
    """One query. `allowed`: the greatest ratio new/old that is let pass.

    `label` is what its times say, or "one side" (only one can answer it), or "fails".
    """

    measured: Measured
    allowed: float
    margin: float
    threads: int

    @property
    def name(self) -> str:
        return self.measured.prepared.query.name

    @property
    def decided_by(self) -> Literal["wall", "cpu"] | None:
        """Which time the verdict goes by: that of the wall; where it leaves the verdict open, and the query ran in one thread, that
        of the processor, which other processes disturb less. (Of several threads it would not see that one waits for another.)"""
        timing = self.measured.timing
        if timing is None:
            return None
        open_by_wall = timing.ratio.label(self.margin) == "undecided"
        return "cpu" if open_by_wall and self.threads == 1 and timing.cpu is not None else "wall"

    @property
    def ratio(self) -> Ratio | None:
        """New time over old, of the time that the verdict goes by; None where only one side was measured."""
        timing = self.measured.timing
        return None if timing is None else timing.cpu if self.decided_by == "cpu" else timing.ratio

    @property
    def label(self) -> Label | Literal["one side", "fails"]:
        if self.measured.failed:
            return "fails"
        return self.ratio.label(self.margin) if self.ratio else "one side"

    @property
    def problem(self) -> str:
        """Why the audit fails by it, "" where it does not."""
        failed, results = self.measured.failed, self.measured.results
        if failed:
            return "; ".join(f"it fails on the {side} files: {why}" for side, why in failed.items())
        if results is not None and results.verdict == "differ":
            return f"its results differ: {results.detail}"
        if self.ratio is not None and self.ratio.low > self.allowed:
            return f"it takes {ratio_text(self.ratio)} times as long, and {self.allowed:g} is allowed"
        return ""

    @property
    def doubt(self) -> str:
        """What could not be told apart from a failure, "" where nothing."""
        if not self.problem and self.ratio is not None and self.ratio.low <= self.allowed < self.ratio.high:
            return f"perhaps {ratio_text(self.ratio)} times as long: too little time to tell, or too restless a machine"
        return ""

    def as_json(self) -> dict[str, Any]:
        measured, prepared = self.measured, self.measured.prepared
        made, results, timing = prepared.made, measured.results, measured.timing
        return {
            "name": self.name,
            "source": prepared.query.source,
            "names": prepared.names,
            "sql": {side: prepared.texts.get(side) for side in SIDES},
            "adapted": None if made is None or prepared.why_one else {
                "way": made.way,
                "why": made.why or None,
                "renamed": {path_sql(old): path_sql(new) if new else None for old, new in made.renamed.items()},
                "changed": [path_sql(place) for place in made.changed],
                "without": list(made.without),
            },
            "one_side": prepared.why_one or None,
            "results": None if results is None else {
                "verdict": results.verdict,
                "rows": list(results.rows) if results.rows else None,
                "by_checksum": results.by_checksum,
                "detail": results.detail or None,
            },
            "verdict": self.label,
            "decided_by": self.decided_by,
            "problem": self.problem or None,
            "doubt": self.doubt or None,
            "ratio": _ratio_json(self.ratio) if self.ratio else None,
            "wall_ratio": _ratio_json(timing.ratio) if timing else None,
            "cpu_ratio": _ratio_json(timing.cpu) if timing and timing.cpu else None,
            "times": {side: self._times(side) for side in SIDES},
            "seconds": round(timing.seconds, 3) if timing else None,
        }  # fmt: skip

    def _times(self, side: SideName) -> dict[str, Any] | None:
        """Milliseconds of one execution, and what it reads."""
        measured, timing = self.measured, self.measured.timing
        cost = (measured.costs or {}).get(side)
        if cost is None:
            return None
        made: dict[str, Any] = {"bytes_read": cost.bytes, "row_groups_read": cost.row_groups, "row_groups": cost.of_row_groups}
        if timing is None:
            return {"median_ms": _ms(measured.alone or 0.0), **made}
        times, at = (timing.old, 0) if side == "old" else (timing.new, 1)
        least, lower, middle, upper, most = map(_ms, times.quartiles())
        return {
            "median_ms": middle, "quartiles_ms": [lower, upper], "range_ms": [least, most], "executions": timing.executions[at],
            "measured_ms": list(map(_ms, times.wall)), "cpu_ms": list(map(_ms, times.cpu)), **made,
        }  # fmt: skip


@dataclass(frozen=True)
class AuditReport:
    """The answer of `audit`. `run` is None where there is none yet. `settings` says with what was measured; `layouts` how the files
    of either side lie, their columns by the names of the new side."""

    dataset: str
    run: str | None
    versions: tuple[int, ...]
    target: int
    queries: tuple[QueryReport, ...]
    layouts: Mapping[SideName, Layout]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        if self.problems:
            return "failed"
        return "undecided" if self.doubts else "passed"

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(f"{query.name}: {query.problem}" for query in self.queries if query.problem)

    @property
    def doubts(self) -> tuple[str, ...]:
        return tuple(f"{query.name}: {query.doubt}" for query in self.queries if query.doubt)

    @property
    def counts(self) -> dict[str, int]:
        """How many queries are faster, the same, slower, undecided …"""
        counted: dict[str, int] = {}
        for query in self.queries:
            counted[query.label] = counted.get(query.label, 0) + 1
        return counted

    @property
    def ok(self) -> bool:
        return self.verdict != "failed"

    def as_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "run": self.run,
            "from": list(self.versions),
            "to": self.target,
            "verdict": self.verdict,
            "counts": self.counts,
            "problems": list(self.problems),
            "doubts": list(self.doubts),
            "queries": [query.as_json() for query in self.queries],
            "layout": {side: layout.as_json() for side, layout in self.layouts.items()},
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


def ratio_text(ratio: Ratio) -> str:
    """ "1.02 (0.99 to 1.05)"; without an interval where the pairs are too few for one."""
    if not ratio.low or math.isinf(ratio.high):
        return f"about {_number(ratio.middle)}"
    return f"{_number(ratio.middle)} ({_number(ratio.low)} to {_number(ratio.high)})"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _ratio_json(ratio: Ratio) -> dict[str, Any]:
    return {
        "low": round(ratio.low, 4) if ratio.low else None,
        "middle": round(ratio.middle, 4),
        "high": None if math.isinf(ratio.high) else round(ratio.high, 4),
        "level": round(ratio.level, 5),
        "pairs": ratio.pairs,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)


__all__ = ["AuditReport", "Cost", "QueryReport", "ratio_text"]
