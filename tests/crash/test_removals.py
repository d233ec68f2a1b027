"""`gc` with `--backup`, killed or without power after any effect: old files are there whole, or a whole copy of them is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

VARIANTS = ("lost", "kept", "mixed")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_killed_at_every_point(method: str, none_fail: Callable[..., None]) -> None:
    none_fail("gc killed", format="json", method=method, every=1, first=0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", ["exchange", "replace"])
def test_without_power_after_every_effect(method: str, variant: str, none_fail: Callable[..., None]) -> None:
    none_fail("gc cut", format="json", method=method, variant=variant, every=1, first=0)


def test_at_some_points(none_fail: Callable[..., None]) -> None:
    none_fail("gc killed", format="json", method="exchange", every=19, first=7)
    none_fail("gc cut", format="json", method="exchange", variant="mixed", every=17, first=3)
