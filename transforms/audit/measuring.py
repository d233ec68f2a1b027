"""Two ways to run a query, timed side by side: interleaved, warm, and until the interval of their ratio is narrow.

A pair is a measurement of either side; which comes first is drawn for one pair and turned round for the next (ABBA or BAAB), so
that neither a machine that gets slower nor one that favours whoever comes second counts for one side. A measurement of a query that
takes less than 20 ms is the median of several executions, of which other processes disturb a few.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from instar.transforms.audit.verdict import MARGIN, Ratio, fewest_pairs, looks, ratio_of

LEAST = 0.02
"""Seconds that one measurement takes at least."""

_MOST_EXECUTIONS = 200
_OVERTIME = 6  # times the budget that the fewest pairs may take
_SOON = 5.0  # seconds that they may take, however small the budget

_Run = Callable[[], object]


@dataclass(frozen=True)
class Clock:
    """Seconds of the wall, and of all the processors this process used."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Times:
    """Seconds that one execution took, in the order of the pairs: of the wall, and of all processors together."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def quartiles(self) -> tuple[float, float, float, float, float]:
        """Of the wall's: the least, the quartiles, the most."""
        lower, middle, upper = quantiles(self.wall, n=4, method="inclusive")
        return min(self.wall), lower, middle, upper, max(self.wall)


@dataclass(frozen=True)
class Timing:
    """What both sides took, and the ratio new/old of wall and of processor time. `executions` of each side in one measurement."""

    old: Times
    new: Times
    ratio: Ratio
    cpu: Ratio | None
    executions: tuple[int, int]
    seconds: float


@dataclass(frozen=True)
class Patience:
    """How long to measure a query (`seconds`), at what level of its interval, and how narrow it should become."""

    seconds: float
    level: float
    margin: float = MARGIN


@dataclass
class _Pairs:
    old: list[tuple[float, float]] = field(default_factory=list)
    new: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self, level: float) -> Ratio:
        return ratio_of([(old, new) for (old, _), (new, _) in zip(self.old, self.new, strict=True)], level)

    def cpu_ratio(self, level: float) -> Ratio | None:
        """None where the processors' clock is too coarse to have seen anything."""
        pairs = [(old, new) for (_, old), (_, new) in zip(self.old, self.new, strict=True)]
        return ratio_of(pairs, level) if all(old > 0 and new > 0 for old, new in pairs) else None


def measured(
    old: _Run,
    new: _Run,
    patience: Patience,
    draws: random.Random,
    clock: Clock | None = None,
    heed: Callable[[], object] = lambda: None,
) -> Timing:
    """Time both, which have run before, each called as often as it takes; `heed` is called before each pair, and may raise.

    Raises:
        whatever `old` and `new` raise.
    """
    clock = clock or Clock()
    begun = clock.wall()
    executions = _executions(old, clock), _executions(new, clock)
    pairs, first = _Pairs(), True
    for wanted in looks(patience.level):
        while len(pairs.old) < wanted and not _over(clock.wall() - begun, len(pairs.old), patience):
            heed()
            first = draws.random() < 0.5 if len(pairs.old) % 2 == 0 else not first
            _pair(pairs, (old, new), executions, first, clock)
        if len(pairs.old) < wanted or pairs.ratio(patience.level).narrow(patience.margin):
            break
    seconds, cpu = clock.wall() - begun, pairs.cpu_ratio(patience.level)
    return Timing(_times(pairs.old), _times(pairs.new), pairs.ratio(patience.level), cpu, executions, seconds)


def _over(seconds: float, pairs: int, patience: Patience) -> bool:
    """The budget is spent; but a long query gets as many pairs as an interval needs, within reason."""
    enough = fewest_pairs(patience.level) if seconds < max(patience.seconds * _OVERTIME, _SOON) else 2
    return seconds > patience.seconds and pairs >= enough


def _executions(run: _Run, clock: Clock) -> int:
    """How many make a measurement."""
    begun = clock.wall()
    run()
    took = clock.wall() - begun
    return max(1, min(math.ceil(LEAST / max(took, 1e-9)), _MOST_EXECUTIONS))


def _pair(
    pairs: _Pairs,
    runs: tuple[_Run, _Run],
    executions: tuple[int, int],
    old_first: bool,
    clock: Clock,
) -> None:
    for side in (0, 1) if old_first else (1, 0):
        measurement = _measurement(runs[side], executions[side], clock)
        (pairs.old, pairs.new)[side].append(measurement)


def _measurement(run: _Run, executions: int, clock: Clock) -> tuple[float, float]:
    """Seconds of wall and of processor time: the median of the executions, which one that was interrupted does not move."""
    walls, cpus = list[float](), list[float]()
    for _ in range(executions):
        wall, cpu = clock.wall(), clock.cpu()
        run()
        walls.append(clock.wall() - wall)
        cpus.append(clock.cpu() - cpu)
    return median(walls), median(cpus)


def _times(measurements: Sequence[tuple[float, float]]) -> Times:
    return Times(tuple(wall for wall, _ in measurements), tuple(cpu for _, cpu in measurements))
