"""Killed at any moment at all, between the effects and within them, the same command ends where it would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CELLS = [(format, method) for format in ("parquet", "json", "avro") for method in ("exchange", "replace")]


@pytest.mark.slow
@pytest.mark.parametrize(("format", "method"), CELLS)
def test_three_hundred_in_all(format: str, method: str, none_fail: Callable[..., None]) -> None:
    none_fail("kill at random", format=format, method=method, kills=300 // len(CELLS), seed=len(format + method))


def test_a_few(none_fail: Callable[..., None]) -> None:
    none_fail("kill at random", format="parquet", method="replace", kills=2, seed=1)
