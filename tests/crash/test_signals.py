"""Interrupted at every effect of a run, a command stops with the data as they were, or ends its publish; the next one goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize("format", ["parquet", "json"])
def test_at_every_effect(format: str, method: str, name: str, none_fail: Callable[..., None]) -> None:
    none_fail("signals", format=format, method=method, name=name, every=1, first=0)


@pytest.mark.parametrize(("format", "method", "name"), [("parquet", "exchange", "SIGINT"), ("json", "replace", "SIGTERM")])
def test_at_some_effects(format: str, method: str, name: str, none_fail: Callable[..., None]) -> None:
    none_fail("signals", format=format, method=method, name=name, every=79, first=7)
