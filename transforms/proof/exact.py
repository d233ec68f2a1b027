"""When two DuckDB values are the same value: SQL that is true where they differ, however little.

`IS DISTINCT FROM` tells NULL from everything else at every depth, but takes 0.0 for -0.0 and every NaN for every other; floats
are therefore also compared by sign and, where they are NaN or nested, by their bits.
"""

from __future__ import annotations

from duckdb import sqltypes

from .connection import quoted

DuckType = sqltypes.DuckDBPyType

_INTEGERS = {  # name → (low, high) as powers of two; for finding one type that holds two others
    "tinyint": (7, 7), "smallint": (15, 15), "integer": (31, 31), "bigint": (63, 63), "hugeint": (127, 127),
    "utinyint": (0, 8), "usmallint": (0, 16), "uinteger": (0, 32), "ubigint": (0, 64),
}  # fmt: skip
_FINER = {
    "timestamp": ("timestamp_s", "timestamp_ms", "timestamp", "timestamp_ns"),
    "timestamp with time zone": ("timestamp with time zone", "timestamptz_ns"),
    "time": ("time", "time_ns"),
}
_FLOATS = ("float", "double")
_NULL = '"null"'
_NESTED = ("struct", "tuple", "list", "array", "map")


def differ(expected: str, actual: str, left: DuckType, right: DuckType) -> str | None:
    """SQL that is true exactly where the two expressions, of these types, have other values; None where the types cannot agree."""
    common = meeting(left, right)
    if common is None:
        return None
    if _NULL in (str(left).lower(), str(right).lower()):  # DuckDB fails at such a one beside a CASE of another type
        return f"({expected} IS NOT NULL OR {actual} IS NOT NULL)"
    if str(left) != common:
        expected = f"CAST({expected} AS {common})"
    if str(right) != common:
        actual = f"CAST({actual} AS {common})"
    if not _holds_floats(left):
        return f"({expected} IS DISTINCT FROM {actual})"
    if left.id in _FLOATS:
        return (
            f"({expected} IS DISTINCT FROM {actual} OR signbit({expected}) IS DISTINCT FROM signbit({actual})"
            f" OR CASE WHEN isnan({expected}) THEN CAST({expected} AS BIT) IS DISTINCT FROM CAST({actual} AS BIT) ELSE false END)"
        )
    bits = _text(left, right, floats="BIT")
    return f"(CAST({expected} AS {bits}) IS DISTINCT FROM CAST({actual} AS {bits}))"


def meeting(left: DuckType, right: DuckType) -> str | None:
    """The text of the one type that holds every value of both exactly, or None."""
    return str(left) if str(left) == str(right) else _text(left, right)


def children(type: DuckType) -> list[tuple[str, DuckType]]:
    """The types inside a nested one: a struct's fields, a list's `child`, a map's `key` and `value`."""
    return [(name, child) for name, child in type.children if isinstance(child, DuckType)] if type.id in _NESTED else []


def _text(left: DuckType, right: DuckType, floats: str = "") -> str | None:
    ours, theirs = children(left), children(right)
    inner = [_text(a, b, floats) for (_, a), (_, b) in zip(ours, theirs, strict=False)]
    if {left.id, right.id} <= {"list", "array"}:
        return inner[0] and f"{inner[0]}[]"
    if left.id == right.id == "map":
        return f"MAP({inner[0]}, {inner[1]})" if all(inner) else None
    if left.id == right.id == "tuple":
        return f"TUPLE({', '.join(map(str, inner))})" if len(ours) == len(theirs) and all(inner) else None
    if left.id == right.id == "struct":
        names = [name for name, _ in ours]
        if names != [name for name, _ in theirs] or not all(inner):
            return None
        return "STRUCT(" + ", ".join(f"{quoted(name)} {text}" for name, text in zip(names, inner, strict=True)) + ")"
    if left.id in _NESTED or right.id in _NESTED:
        return None
    return floats if floats and left.id == right.id and left.id in _FLOATS else _scalar(left, right)


def _scalar(left: DuckType, right: DuckType) -> str | None:
    if str(left) == str(right):
        return str(left)
    names = (str(left).lower(), str(right).lower())
    if _NULL in names:
        return str(left) if names[1] == _NULL else str(right)
    if all(name in _INTEGERS for name in names):
        low, high = (max(_INTEGERS[name][side] for name in names) for side in (0, 1))
        return next((name.upper() for name, (a, b) in _INTEGERS.items() if a >= low and b >= high), None)
    for family in _FINER.values():
        if all(name in family for name in names):
            return max(names, key=family.index).upper()
    if set(names) == {"uuid", "varchar"} or {left.id, right.id} == {"enum", "varchar"}:
        return "VARCHAR"
    return None


def _holds_floats(type: DuckType) -> bool:
    return type.id in _FLOATS or any(_holds_floats(child) for _, child in children(type))
