"""How amounts and lines are laid out."""

from __future__ import annotations

from instar.cli.layout import WIDTH, steps_taken

STEPS = {"inventory": 0.01, "plan": 0.02, "stage": 0.07, "prove": 0.1, "gates": 0.76, "profile": 0.01, "publish": 0.07}


def test_the_time_of_many_steps_is_folded_between_two_of_them() -> None:
    first, second = steps_taken(STEPS).splitlines()
    assert first == "time     inventory 0.01 s, plan 0.02 s, stage 0.07 s, prove 0.10 s, gates 0.76 s, profile 0.01 s,"
    assert second == "         publish 0.07 s"
    assert len(first) <= WIDTH
    slow = steps_taken(dict.fromkeys(STEPS, 7300.0)).splitlines()
    assert all(len(line) <= WIDTH for line in slow)
    assert " ".join(line.strip() for line in slow).count(" 2 h 1 min") == len(STEPS)


def test_that_of_few_is_one_line() -> None:
    assert steps_taken({"prove": 61.0}) == "time     prove 61 s"
