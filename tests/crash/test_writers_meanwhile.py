"""What somebody writes while a command works that is killed is there exactly once when it has been repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

DEEDS = ("lands", "lands in the old tree", "is replaced", "is removed")
CELLS = [(format, deed) for format in ("parquet", "json", "avro") for deed in DEEDS]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize(("format", "deed"), [*CELLS, ("json", "grows")])
def test_before_every_effect(format: str, method: str, deed: str, none_fail: Callable[..., None]) -> None:
    none_fail("with a writer", format=format, method=method, deed=deed, every=1, first=0)


def test_before_some_effects(none_fail: Callable[..., None]) -> None:
    none_fail("with a writer", format="json", method="exchange", deed="lands", every=75, first=40)
