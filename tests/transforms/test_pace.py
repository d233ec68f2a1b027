"""Slow files, told from the files before them."""

from __future__ import annotations

from instar.transforms.events import FileSlow
from instar.transforms.pace import Pace

MB = 1_000_000


def test_a_file_that_takes_far_longer_than_its_size_lets_expect_is_slow() -> None:
    pace = Pace()
    for number in range(5):
        assert pace.judged("stage", f"{number}", 100 * MB, 10.0) is None
    assert pace.judged("stage", "big", 1000 * MB, 100.0) is None  # ten times as big, ten times as long
    slow = pace.judged("stage", "ill", 100 * MB, 50.0)
    assert slow == FileSlow("stage", "ill", 100 * MB, 50.0, 10.0, 5.0)
    assert pace.judged("stage", "next", 100 * MB, 39.0) is None


def test_nothing_is_slow_before_there_is_something_to_compare_with_nor_below_two_seconds() -> None:
    pace = Pace()
    for number in range(4):
        assert pace.judged("stage", f"{number}", MB, 0.01) is None
    assert pace.judged("stage", "fifth", MB, 100.0) is None
    assert pace.judged("stage", "sixth", MB, 1.9) is None
    assert pace.judged("stage", "seventh", MB, 2.1) is not None


def test_steps_are_apart_and_small_files_are_not_measured_by_their_bytes() -> None:
    pace = Pace()
    for number in range(9):
        assert pace.judged("stage", f"{number}", 10, 0.6) is None
    assert pace.judged("prove", "other", 10, 60.0) is None
    assert pace.judged("stage", "bigger", 100_000, 2.2) is None  # a million times the bytes; still one file to open
    assert pace.judged("stage", "empty", 0, 9.0) is not None
