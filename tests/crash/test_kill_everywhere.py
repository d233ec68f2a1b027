"""Killed at every effect of a run, the same command brings the dataset to where an uninterrupted one would have.

Everything that a run writes goes through the effects, its journal, too: every journaled step lies between two of these points. An
append is also cut off in its midst and after each whole line, and what is created or copied, half-way.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

FORMATS, METHODS = ("parquet", "json", "avro"), ("exchange", "replace", "names", "shadow")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format", FORMATS)
def test_at_every_point(format: str, method: str, none_fail: Callable[..., None]) -> None:
    none_fail("kill everywhere", format=format, method=method, workers=1, group=True, every=1, first=0)


@pytest.mark.slow
@pytest.mark.parametrize("group", [True, False], ids=["group", "coordinator"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format", FORMATS)
def test_at_every_point_with_workers(format: str, method: str, group: bool, none_fail: Callable[..., None]) -> None:
    """Workers are killed together with the coordinator, or are alive and hear of its death."""
    none_fail("kill everywhere", format=format, method=method, workers=2, group=group, every=1, first=0)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["killed again", "rollback"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format", FORMATS)
def test_another_end(format: str, method: str, then: str, none_fail: Callable[..., None]) -> None:
    """The repeated command is killed, too; or a rollback is said instead of it."""
    none_fail("kill everywhere", format=format, method=method, workers=1, group=True, every=2, first=1, then=then)


@pytest.mark.slow
@pytest.mark.parametrize(("then", "every"), [("the same", 1), ("killed again", 3), ("rollback", 3)])
@pytest.mark.parametrize("format", FORMATS)
def test_a_roll_out_in_batches(format: str, then: str, every: int, none_fail: Callable[..., None]) -> None:
    """Killed in any batch, the same command goes on with the rest; a rollback takes back those before it, too."""
    none_fail("kill everywhere", format=format, method="batches", workers=1, group=True, every=every, first=1, then=then)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["the same", "killed again"])
@pytest.mark.parametrize("method", ["quarantine", "quarantine-batches"])
@pytest.mark.parametrize("format", FORMATS)
def test_with_bad_records(format: str, method: str, then: str, none_fail: Callable[..., None]) -> None:
    """What is left out is counted and gathered once, however often the run is killed."""
    none_fail("kill everywhere", format=format, method=method, workers=1, group=True, every=1, first=0, then=then)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exchange", "replace", "names"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_rollback_that_converts(format: str, method: str, none_fail: Callable[..., None]) -> None:
    """A file of the newest version has come since the upgrade."""
    none_fail("kill everywhere", format=format, method=method, workers=1, group=True, every=1, first=0, arrived=True)


@pytest.mark.parametrize(
    ("format", "method", "first"), [("parquet", "exchange", 9), ("json", "replace", 4), ("json", "shadow", 12)]
)
def test_at_some_points(format: str, method: str, first: int, none_fail: Callable[..., None]) -> None:
    none_fail("kill everywhere", format=format, method=method, workers=1, group=True, every=47, first=first)


def test_the_coordinator_alone_at_some_points(none_fail: Callable[..., None]) -> None:
    none_fail("kill everywhere", format="avro", method="exchange", workers=2, group=False, every=103, first=31)
