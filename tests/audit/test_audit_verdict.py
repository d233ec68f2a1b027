"""Statistics of paired timings, on simulated clocks with fixed seeds: how often an interval misses, and what is called slower."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import product

import pytest

from instar.transforms.audit.measuring import Clock, Patience, measured
from instar.transforms.audit.verdict import MARGIN, Ratio, fewest_pairs, level_for, looks, ratio_of

Draw = Callable[[random.Random], float]


def calm(draws: random.Random) -> float:
    return math.exp(draws.gauss(0, 0.02))


def restless(draws: random.Random) -> float:
    """Now and then another process takes the machine."""
    return math.exp(draws.gauss(0, 0.05)) * (1 + (draws.random() < 0.15) * draws.expovariate(1 / 1.5))


def pairs_of(draws: random.Random, noise: Draw, ratio: float, second: float, count: int) -> list[tuple[float, float]]:
    """`second`: how much longer whoever comes second takes."""
    made, first = [], True
    for number in range(count):
        first = draws.random() < 0.5 if number % 2 == 0 else not first
        old, new = noise(draws), noise(draws) * ratio
        made.append((old, new * second) if first else (old * second, new))
    return made


@pytest.mark.parametrize(("noise", "ratio", "second"), [(calm, 1.0, 1.0), (restless, 1.0, 1.15), (restless, 1.3, 1.0)])
def test_the_interval_misses_about_as_often_as_it_says(noise: Draw, ratio: float, second: float) -> None:
    draws, level, runs = random.Random(20), 0.95, 400
    missed = 0
    for _ in range(runs):
        found = ratio_of(pairs_of(draws, noise, ratio, second, 14), level)
        missed += not found.low <= ratio <= found.high
    assert missed <= runs * 0.08  # 5 % are 20 of 400; more than 32 of so many are to be seen once in 300 seeds


def test_the_level_is_exact_by_all_sign_patterns() -> None:
    """Where both sides are alike each pair's sign is a coin: of all 2ⁿ the share in which the interval misses 1 is what it says."""
    sizes = [0.1, 0.23, 0.37, 0.52, 0.68, 0.85, 1.03, 1.22]
    for level in (0.95, 0.98):
        missed = 0
        for signs in product((-1, 1), repeat=len(sizes)):
            found = ratio_of([(1.0, math.exp(sign * size)) for sign, size in zip(signs, sizes, strict=True)], level)
            missed += not found.low <= 1 <= found.high
        assert 0 < missed / 2 ** len(sizes) <= 1 - level


def test_too_few_pairs_say_nothing() -> None:
    level = level_for(4)
    enough = fewest_pairs(level)
    few = ratio_of([(1.0, 30.0)] * (enough - 1), level)
    assert (few.low, few.high, few.label()) == (0.0, math.inf, "undecided")
    assert few.middle == pytest.approx(30)
    assert ratio_of([(1.0, 30.0)] * enough, level).label() == "slower"


@pytest.mark.parametrize(
    ("low", "high", "label"),
    [(1.11, 1.2, "slower"), (1.0, 1.2, "undecided"), (0.95, 1.09, "same"), (0.5, 0.9, "faster"), (0.8, 0.95, "undecided")],
)
def test_the_verdict_is_that_of_the_whole_interval(low: float, high: float, label: str) -> None:
    assert Ratio(low, (low + high) / 2, high, 0.95, 20).label() == label


def test_one_bad_pair_moves_the_estimate_little() -> None:
    pairs = [(1.0, 1.0 + 0.001 * i) for i in range(15)]
    assert ratio_of([*pairs, (1.0, 60.0)], 0.95).middle == pytest.approx(ratio_of(pairs, 0.95).middle, rel=0.005)


def test_bonferroni_holds_all_intervals_together() -> None:
    assert 1 - level_for(5) == pytest.approx((1 - level_for(1)) / 5)
    assert next(iter(looks(0.95))) > fewest_pairs(0.95)


# ---- measuring, by a clock that the tests move
class Machine:
    """A clock that goes on by what the runs take."""

    def __init__(self, seed: int, noise: Draw) -> None:
        self.now, self.draws, self.noise, self.ran = 0.0, random.Random(seed), noise, list[str]()

    def run(self, name: str, seconds: float) -> Callable[[], None]:
        def once() -> None:
            self.ran.append(name)
            self.now += seconds * self.noise(self.draws)

        return once

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now)


def label_of(seed: int, noise: Draw, old: float, new: float, *, queries: int = 4, seconds: float = 10.0) -> tuple[str, int]:
    machine = Machine(seed, noise)
    patience = Patience(seconds, level_for(queries))
    timing = measured(machine.run("old", old), machine.run("new", new), patience, random.Random(seed), machine.clock)
    return timing.ratio.label(), timing.ratio.pairs


@pytest.mark.parametrize("noise", [calm, restless])
def test_what_is_alike_is_never_called_slower(noise: Draw) -> None:
    labels = [label_of(seed, noise, 0.03, 0.03)[0] for seed in range(40)]
    assert set(labels) <= {"same", "undecided"}
    assert labels.count("same") > (37 if noise is calm else 3)


@pytest.mark.parametrize("noise", [calm, restless])
def test_what_takes_thirty_times_as_long_is_called_slower(noise: Draw) -> None:
    assert {label_of(seed, noise, 0.02, 0.6)[0] for seed in range(30)} == {"slower"}
    assert {label_of(seed, noise, 0.6, 0.02)[0] for seed in range(30)} == {"faster"}


def test_measuring_goes_on_until_the_interval_is_narrow() -> None:
    calm_pairs, restless_pairs = label_of(1, calm, 0.03, 0.03)[1], label_of(1, restless, 0.03, 0.03)[1]
    assert calm_pairs <= 16
    assert restless_pairs > 2 * calm_pairs


def test_a_long_query_gets_the_pairs_that_an_interval_needs_and_no_more() -> None:
    label, pairs = label_of(1, calm, 1.0, 3.0, queries=1)
    assert (label, pairs) == ("slower", fewest_pairs(level_for(1)))
    label, pairs = label_of(1, calm, 60.0, 60.0, queries=1)
    assert label == "undecided"
    assert pairs == 2


def test_sides_take_turns_in_a_drawn_order_and_short_queries_are_run_several_times() -> None:
    machine = Machine(1, calm)
    timing = measured(
        machine.run("old", 0.001), machine.run("new", 0.1), Patience(5.0, 0.95), random.Random(1), machine.clock
    )  # fmt: skip
    assert timing.executions[0] >= 15
    assert timing.executions[1] == 1
    assert timing.old.quartiles()[2] == pytest.approx(0.001, rel=0.1)  # of one execution
    turns = [name for i, name in enumerate(machine.ran) if i == 0 or machine.ran[i - 1] != name]
    assert len(turns) > 8
    order = "".join(name[0] for name in machine.ran[2:]).replace("o" * timing.executions[0], "o")
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert set(pairs) == {"on", "no"}
    assert all(first != second for first, second in zip(pairs[::2], pairs[1::2], strict=False))
    assert MARGIN == 1.1


def test_measuring_can_be_stopped_between_pairs() -> None:
    machine, calls = Machine(1, calm), []

    def heed() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(machine.run("old", 0.1), machine.run("new", 0.1), Patience(5.0, 0.95), random.Random(1), machine.clock, heed)
    assert len(machine.ran) == 2 + 2 * 2
