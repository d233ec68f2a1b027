"""The power is cut after any effect of a run: what was not made durable is lost, wholly or in part, and the command repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FORMATS, METHODS, VARIANTS = ("parquet", "json", "avro"), ("exchange", "replace"), ("lost", "kept", "mixed")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format", FORMATS)
def test_after_every_effect(format: str, method: str, variant: str, none_fail: Callable[..., None]) -> None:
    none_fail("power cuts", format=format, method=method, variant=variant, every=1, first=0)


@pytest.mark.parametrize(
    ("format", "method", "variant", "first"), [("json", "exchange", "mixed", 5), ("avro", "replace", "lost", 11)]
)
def test_after_some_effects(format: str, method: str, variant: str, first: int, none_fail: Callable[..., None]) -> None:
    none_fail("power cuts", format=format, method=method, variant=variant, every=37, first=first)
