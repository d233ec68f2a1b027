"""Is a query slower? What pairs of timings say, as an interval and a verdict; pure.

Each pair is one measurement of either side, right after one another, in an order that was drawn. Where both sides take the same
time, swapping them changes nothing: the logarithm of a pair's ratio lies as often above zero as below, however the machine is
disturbed and whatever it does to the second of two. That is all Wilcoxon's signed-rank test asks for, and the interval is the one
that belongs to it: order statistics of the Walsh averages (all pairwise means), their median, the Hodges-Lehmann estimate, in the
middle (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 2014, 3.1 to 3.3). Single bad
pairs hardly move it, which a mean's interval cannot say.

Measuring goes on until the interval is narrow, not until it says something (Chow and Robbins 1965): looking again and again at
the verdict itself would find a difference in noise. Looks are few, at numbers of pairs that grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from statistics import NormalDist, median
from typing import Literal

Label = Literal["faster", "same", "slower", "undecided"]

MARGIN = 1.1
"""Ratios of times between 1/MARGIN and MARGIN are called the same."""

ERROR = 0.01
"""How often an audit may say something wrong of any of its queries."""

_EXACT = 60  # pairs up to which the distribution is counted out; beyond, the normal one differs by less than 0.001
_MOST_PAIRS = 400


@dataclass(frozen=True)
class Ratio:
    """New time over old: the estimate, and the interval around it at `level`, out of so many pairs. `low` is 0 and `high` infinite
    where the pairs are too few for the level."""

    low: float
    middle: float
    high: float
    level: float
    pairs: int

    def label(self, margin: float = MARGIN) -> Label:
        """What the whole interval says."""
        if self.low > margin:
            return "slower"
        if self.high < 1 / margin:
            return "faster"
        return "same" if self.low >= 1 / margin and self.high <= margin else "undecided"

    def narrow(self, margin: float = MARGIN) -> bool:
        """Is it as narrow as it need be? Half as wide as what is called the same, or a quarter of the difference that it finds."""
        if not self.low or self.pairs >= _MOST_PAIRS:
            return self.pairs >= _MOST_PAIRS
        wide = math.log(self.high / self.low) / 2
        return wide <= max(math.log(margin) / 2, abs(math.log(self.middle)) / 4)


def level_for(queries: int, error: float = ERROR) -> float:
    """The level of each interval at which all of so many hold together, by Bonferroni's inequality."""
    return 1 - error / max(queries, 1)


def fewest_pairs(level: float) -> int:
    """How many pairs an interval of that level needs: with n, the widest has level 1 - 2 / 2ⁿ."""
    return max(math.ceil(1 - math.log2(1 - level) - 1e-9), 2)


def looks(level: float) -> Iterable[int]:
    """At how many pairs to look at the interval: a few more than the fewest, then a third more each time."""
    pairs = fewest_pairs(level) + 2
    while pairs < _MOST_PAIRS:
        yield pairs
        pairs += max(pairs // 3, 1)
    yield _MOST_PAIRS


def ratio_of(pairs: Sequence[tuple[float, float]], level: float) -> Ratio:
    """The ratio new/old that pairs (old, new) of times say; in any unit above 0.

    Raises:
        ValueError: there is no pair.
    """
    logs = [math.log(new / old) for old, new in pairs]
    averages = sorted((a + b) / 2 for a, b in combinations_with_replacement(logs, 2))
    middle = math.exp(median(averages))
    rank = _rank(len(logs), level)
    if not rank:
        return Ratio(0.0, middle, math.inf, level, len(logs))
    return Ratio(math.exp(averages[rank - 1]), middle, math.exp(averages[-rank]), level, len(logs))


@lru_cache(maxsize=512)
def _rank(pairs: int, level: float) -> int:
    """Which Walsh average from either end bounds the interval; 0: the pairs are too few."""
    tail = (1 - level) / 2
    if pairs > _EXACT:
        mean, spread = pairs * (pairs + 1) / 4, math.sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 24)
        return max(math.floor(mean + NormalDist().inv_cdf(tail) * spread), 1)
    allowed, total, rank = tail * 2**pairs, 0, 0
    for ways in _rank_sums(pairs):
        total += ways
        if total > allowed * (1 + 1e-9):
            break
        rank += 1
    return rank


@lru_cache(maxsize=128)
def _rank_sums(pairs: int) -> tuple[int, ...]:
    """In how many ways the ranks 1 to n, each taken or not, sum up to 0, 1, 2 …"""
    ways = [1]
    for rank in range(1, pairs + 1):
        longer = [*ways, *[0] * rank]
        for total, count in enumerate(ways):
            longer[total + rank] += count
        ways = longer
    return tuple(ways)
