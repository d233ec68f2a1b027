"""How the values of one field are distributed: counts, bounds, and a histogram or the most frequent ones. For reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.schema import Bytes, Field, Fixed, Integer, Number, type_text
from instar.formats.shown_values import text_at

BINS = 20
TOP = 10
LONGEST = 60
"""Characters of a text that is shown."""
_EXACT = 2.0**53
"""From here on doubles are not all whole numbers."""


def hidden(path: str, field: Field) -> dict[str, Any]:
    """What is said of a field whose values nobody is to see: nothing of them, not even how many there are."""
    nothing = {"count": 0, "nulls": 0, "distinct": None, "min": None, "max": None, "bins": None, "top": None}
    return {"path": path, "type": type_text(field.type), "hidden": True, **nothing}


def distribution(path: str, field: Field, parts: Sequence[pa.Array]) -> dict[str, Any]:
    """Of the values in `parts`, which are in the plain form of the field's type (`columnar.py`).

    `bins` are of equal width, from the least value up to below the next bin's; NaN and infinite values are in none. Text is ordered
    by its code points.
    """
    values = pa.chunked_array(parts).combine_chunks() if parts else pa.nulls(0)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    shown = values.drop_null()
    numbers = _numbers(shown, field)
    told: dict[str, Any] = {"path": path, "type": type_text(field.type), "hidden": False, "count": len(values)}
    told |= {"nulls": values.null_count, "distinct": _distinct(shown)}
    if numbers is not None:
        order = numbers.drop_null()
        least, most = (_text(shown, numbers.index(bound).as_py()) for bound in _bounds(order)) if len(order) else (None, None)
        return {**told, "min": least, "max": most, "bins": _bins(order.filter(pc.is_finite(order)), shown), "top": None}
    if isinstance(field.type, Bytes | Fixed) or pa.types.is_nested(shown.type) or not len(shown):
        return {**told, "min": None, "max": None, "bins": None, "top": None}
    least, most = (_text(shown, shown.index(bound).as_py()) for bound in _bounds(shown)) if _ordered(shown.type) else (None, None)
    return {**told, "min": least, "max": most, "bins": None, "top": _top(shown)}


def _distinct(values: pa.Array) -> int | None:
    if pa.types.is_nested(values.type):
        return None
    return int(pc.count_distinct(values).as_py()) if len(values) else 0  # of nothing but nulls, the type may be one of nulls


def _ordered(type: pa.DataType) -> bool:
    return pa.types.is_string(type) or pa.types.is_large_string(type)


def _bounds(values: pa.Array) -> tuple[Any, Any]:
    found = pc.min_max(values)
    return found["min"], found["max"]


def _numbers(values: pa.Array, field: Field) -> pa.Array | None:
    """The values as doubles, null where one is NaN; None for what is no number and no time."""
    type = values.type
    if isinstance(field.type, Integer | Number):
        made = pa.array([float(text) for text in values.to_pylist()], pa.float64())
    elif pa.types.is_temporal(type):
        made = values.cast(pa.int32() if type.bit_width == 32 else pa.int64()).cast(pa.float64(), safe=False)
    elif pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_decimal(type):
        made = values.cast(pa.float64(), safe=False)
    else:
        return None
    return pc.if_else(pc.is_nan(made), pa.nulls(1, pa.float64())[0], made)


def _bins(order: pa.Array, shown: pa.Array) -> list[dict[str, Any]] | None:
    """At most `BINS` bins; one for each value where they are few whole numbers."""
    if not len(order):
        return None
    low, high = (end.as_py() for end in _bounds(order))
    whole = high - low < _EXACT and pc.all(pc.equal(pc.floor(order), order)).as_py()
    width = max(1.0, float(-(-(high - low + 1) // BINS))) if whole else high / BINS - low / BINS  # which is never infinite
    if high == low or not width:
        return [{"from": _edge(low, shown, whole), "to": _edge(high, shown, whole), "count": len(order)}]
    count = int((high - low) // width) + 1 if whole else BINS
    half = 1.0 if math.isfinite(high - low) else 0.5  # the difference of two doubles may be greater than any
    at = pc.floor(pc.divide(pc.subtract(pc.multiply(order, half), low * half), width * half))
    last = pc.min_element_wise(at, float(count - 1)).cast(pa.int64())
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(last).to_pylist()}
    edges = [_edge(low + number * width, shown, whole) for number in range(count)]
    edges.append(_edge(low + count * width if whole else high, shown, whole))
    return [{"from": edges[n], "to": edges[n + 1], "count": counts.get(n, 0)} for n in range(count)]


def _edge(number: float, shown: pa.Array, whole: bool) -> str:
    """A bin's edge, as the values are written; of times that there are no more, the last one."""
    type = shown.type
    if pa.types.is_temporal(type):
        bits = pa.int32() if type.bit_width == 32 else pa.int64()
        least, most = _ends(type)
        return _text(pa.array([min(max(int(number), least), most)], bits).cast(type), 0)
    return f"{number:.0f}" if whole and abs(number) < 1e15 else f"{number:.4g}"


def _ends(type: pa.DataType) -> tuple[int, int]:
    """The first and the last number that a type of times has."""
    if pa.types.is_time(type):
        return 0, {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[type.unit] * 86_400 - 1
    return -(1 << (type.bit_width - 1)), (1 << (type.bit_width - 1)) - 1


def _text(values: pa.Array, at: int) -> str:
    """One value as people write it, cut where it is long."""
    if pa.types.is_temporal(values.type):
        text = text_at(values, at)
        return text.replace(".000000Z", "Z").removesuffix(".000000").replace(".000Z", "Z").removesuffix(".000")
    return _cut(str(values[at].as_py()))


def _top(values: pa.Array) -> list[dict[str, Any]]:
    pairs = pc.value_counts(values).to_pylist()
    pairs.sort(key=lambda pair: (-pair["counts"], str(pair["values"])))
    return [{"value": _cut(str(pair["values"])), "count": pair["counts"]} for pair in pairs[:TOP]]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
