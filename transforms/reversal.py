"""A lookup the other way round."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .expression import FAIL, Expression, Literal, Lookup


def reversed_lookup(e: Lookup, value: Expression, *, lenient: bool) -> tuple[Lookup, bool]:
    """The lookup from `value`, which `e` computed, back to what `e` was given; and whether every value comes back.

    A value that several became, or that may have been there before, becomes null: which of them it was is forgotten. `lenient`:
    so does a value that `e` never gives.
    """
    last = "keep" if e.otherwise == "keep" else "null" if lenient else FAIL
    back = Lookup(value, e.to, e.source, reversed_pairs(e), last)
    return back, _is_lossless(e)


def reversed_pairs(e: Lookup) -> tuple[tuple[Any, Any], ...]:
    """Each value with the one it came from, or with None where it may have come from several."""
    times = Counter(value for _, value in e.table)
    keys = {key for key, _ in e.table}
    pairs = {value: key if times[value] == 1 and not _may_be_kept(e, value, keys) else None for key, value in e.table}
    if isinstance(e.otherwise, Literal):
        pairs[e.otherwise.value] = None
    return tuple((value, key) for value, key in pairs.items() if value is not None)


def _may_be_kept(e: Lookup, value: Any, keys: set[Any]) -> bool:
    """May the value be one that the table does not name, and that was kept?"""
    return e.otherwise == "keep" and value not in keys


def _is_lossless(e: Lookup) -> bool:
    values = [value for _, value in e.table]
    if None in values or len(set(values)) < len(values):
        return False
    return e.otherwise == FAIL or (e.otherwise == "keep" and set(values) == {key for key, _ in e.table})
