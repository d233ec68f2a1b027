"""Do both sides give the same rows? Rows in any order, but for the columns that the query orders by; floats with a tolerance.

The sum of floats depends on the order in which they are added, which differs with threads and with the order of rows: results
within 1e-9 of one another are the same, and the report says so. What a query leaves open (`left_open`) may differ without anything
being wrong; then that is said, instead of a difference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from instar.transforms.audit.left_open import left_open

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

Verdict = Literal["same", "differ", "changed", "open", "not compared"]

TOLERANCE = 1e-9
_FLOATS = ("DOUBLE", "FLOAT")
_NO_PYTHON = re.compile("TIME|DATE|INTERVAL")  # Python's own hold less, or need a package for zones
MOST_CELLS = 1_000_000
"""Results up to so many values are compared one by one, larger ones by checksums that DuckDB computes."""


@dataclass(frozen=True)
class Compared:
    """`verdict`: "differ" is a failure. "changed": they differ, and the query reads what a declared change made other values;
    "open": they differ, and the query leaves open which rows it gives. `detail` says what differs, in one line."""

    verdict: Verdict
    rows: tuple[int, int] | None = None
    detail: str = ""
    by_checksum: bool = False


@dataclass(frozen=True)
class Rows:
    """A result: the names of its columns, their types in DuckDB, and all values; None where they are too many."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...] | None


def rows_of(connection: duckdb.DuckDBPyConnection, text: str) -> Rows:
    """Run the query. Raises duckdb.Error."""
    described = connection.sql(text)
    types = tuple(map(str, described.types))
    shown = [f"CAST(c{i} AS VARCHAR)" if _NO_PYTHON.search(type) else f"c{i}" for i, type in enumerate(types)]
    answer = connection.execute(f"SELECT {', '.join(shown)} FROM {_named(text, len(types))}")
    values: list[tuple[Any, ...]] = answer.fetchmany(MOST_CELLS // max(len(types), 1))
    return Rows(tuple(described.columns), types, None if answer.fetchone() else tuple(values))


def _named(text: str, columns: int) -> str:
    """The query as a table whose columns are c0, c1 …, in the order that it has itself."""
    return f"({text.rstrip().rstrip(';')}\n) AS q({', '.join(f'c{i}' for i in range(columns))})"


def compared(
    old: tuple[duckdb.DuckDBPyConnection, str],
    new: tuple[duckdb.DuckDBPyConnection, str],
    tree: exp.Query,
    *,
    by_name: bool,
    changed: bool,
    hidden: bool,
) -> Compared:
    """Run the query on both sides (each a connection and its text) and compare. `tree`: the query as it was written. `by_name`:
    only columns that both results have; else by their positions. `changed`: it reads values that were meant to change. `hidden`:
    no value may be shown.

    Raises:
        duckdb.Error: the query fails on a side.
    """
    one, other = rows_of(*old), rows_of(*new)
    columns = _columns(one, other, by_name)
    if columns is None:
        return Compared("not compared", detail="the results have different columns")
    by_checksum = one.values is None or other.values is None
    if not by_checksum:
        rows = len(one.values or ()), len(other.values or ())
        detail = _difference(_picked(one, columns, 0), _picked(other, columns, 1), one, columns, tree, hidden)
    else:
        if [one.types[i] for i, _ in columns] != [other.types[j] for _, j in columns]:
            return Compared("not compared", detail="the results are large, and of other types on either side")
        sums = [_checksums(*old, one, [i for i, _ in columns]), _checksums(*new, other, [j for _, j in columns])]
        rows = sums[0][0], sums[1][0]
        detail = _sums_differ(sums[0], sums[1], one, columns)
    if not detail:
        return Compared("same", rows, by_checksum=by_checksum)
    if changed:
        return Compared("changed", rows, detail, by_checksum)
    if (why := left_open(tree)) and not _ordered_otherwise(one, other, columns, tree):
        return Compared("open", rows, f"{detail}; {why}", by_checksum)
    return Compared("differ", rows, detail, by_checksum)


def _columns(one: Rows, other: Rows, by_name: bool) -> list[tuple[int, int]] | None:
    """Which column of one is which of the other."""
    if not by_name:
        return [(i, i) for i in range(len(one.names))] if len(one.names) == len(other.names) else None
    names = [[name.casefold() for name in side.names] for side in (one, other)]
    if any(len(set(side)) < len(side) for side in names):
        return [(i, i) for i in range(len(one.names))] if names[0] == names[1] else None
    return [(i, names[1].index(name)) for i, name in enumerate(names[0]) if name in names[1]]


def _picked(side: Rows, columns: Sequence[tuple[int, int]], at: int) -> list[tuple[Any, ...]]:
    assert side.values is not None
    return [tuple(row[pair[at]] for pair in columns) for row in side.values]


# ---- value by value
def _difference(
    old: list[tuple[Any, ...]],
    new: list[tuple[Any, ...]],
    named: Rows,
    columns: Sequence[tuple[int, int]],
    tree: exp.Query,
    hidden: bool,
) -> str:
    """What differs first, "" where nothing does."""
    if len(old) != len(new):
        return _counts(len(old), len(new))
    scales = [_scale(column) for column in zip(*old, strict=True)] if old else []
    names = [named.names[i] for i, _ in columns]
    for one, other in zip(sorted(old, key=_sorting), sorted(new, key=_sorting), strict=True):
        for name, a, b, scale in zip(names, one, other, scales, strict=True):
            if not alike(a, b, scale):
                shown = "" if hidden else f": {_text(a)} before, {_text(b)} after"
                return f"a row differs in {name}{shown}"
    number = _out_of_order(old, new, [names.index(key) for key in _order_of(tree, names)])
    return "" if number is None else f"the rows are the same, but from row {number + 1} on in another order"


def _out_of_order(old: list[tuple[Any, ...]], new: list[tuple[Any, ...]], keys: Sequence[int]) -> int | None:
    """The first row whose columns of order are not the other's."""
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        if not all(alike(one[key], other[key]) for key in keys):
            return number
    return None


def _ordered_otherwise(one: Rows, other: Rows, columns: Sequence[tuple[int, int]], tree: exp.Query) -> bool:
    """Do even the columns that the query orders by differ? No tie at its LIMIT explains that."""
    keys = list(_order_of(tree, [one.names[i] for i, _ in columns]))
    if not keys or one.values is None or other.values is None or len(one.values) != len(other.values):
        return False
    picked = [_picked(side, [c for c in columns if one.names[c[0]] in keys], at) for at, side in enumerate((one, other))]
    return _out_of_order(picked[0], picked[1], range(len(keys))) is not None


def _counts(old: int, new: int) -> str:
    return f"{old:,} rows before, {new:,} after"


def _scale(column: Sequence[Any]) -> float:
    """The greatest float of a column: what is lost by cancellation in a sum is lost from numbers of that size."""
    return max((abs(value) for value in column if isinstance(value, float) and math.isfinite(value)), default=0.0)


def alike(a: Any, b: Any, scale: float = 0.0) -> bool:
    """Are two values of results the same, numbers by their value whatever their type, and NaN like itself?"""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) or isinstance(b, float):
        if not isinstance(a, int | float | Decimal) or not isinstance(b, int | float | Decimal):
            return False
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=scale * 1e-12) or (a != a and b != b)
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a.values(), b.values(), strict=True))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return (type(a) is type(b) and a == b) or (isinstance(a, int | Decimal) and isinstance(b, int | Decimal) and a == b)


def _sorting(row: tuple[Any, ...]) -> tuple[list[str], list[float]]:
    """What exact values say first, then floats, rounded: those that are nearly equal must not part rows that belong together."""
    exact = [repr(value) for value in row if not isinstance(value, float)]
    return exact, [float(f"{value:.6g}") if math.isfinite(value) else math.inf for value in row if isinstance(value, float)]


def _text(value: Any) -> str:
    text = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


# ---- by checksums
def _checksums(connection: duckdb.DuckDBPyConnection, text: str, named: Rows, columns: Sequence[int]) -> tuple[Any, ...]:
    """The number of rows, the checksum of all columns together, and that of all that is exact: the columns that are no floats, and
    which floats are no numbers; of each float its sum, its sum weighted by what is exact in its row (so that values cannot change
    places), and the sum of its absolute values."""
    floats = [f"c{i}" for i in columns if named.types[i] in _FLOATS]
    exact = [f"c{i}" for i in columns if named.types[i] not in _FLOATS]
    exact += [f"CASE WHEN isfinite({c}) THEN '' ELSE CAST({c} AS VARCHAR) END" for c in floats]
    sums = [f"sum(hash({', '.join(each)})::HUGEINT)" for each in ([f"c{i}" for i in columns] or ["1"], exact or ["1"])]
    weight = f"(hash({', '.join(exact)}) % 1000003 / 1000003)"
    for part in ("{c}", "{c} * {weight}", "abs({c})"):
        sums += [f"sum({part.format(c=c, weight=weight)}) FILTER (isfinite({c}))" for c in floats]
    select = f"SELECT count(*), {', '.join(sums)} FROM {_named(text, len(named.names))}"
    found = connection.execute(select).fetchone()
    assert found is not None
    return found


def _sums_differ(old: tuple[Any, ...], new: tuple[Any, ...], named: Rows, columns: Sequence[tuple[int, int]]) -> str:
    if old[0] != new[0]:
        return _counts(old[0], new[0])
    if old[1] == new[1]:
        return ""
    floats = [named.names[i] for i, _ in columns if named.types[i] in _FLOATS]
    if old[2] != new[2] or not floats:
        return "the checksums of the rows differ"
    sizes = old[3 + 2 * len(floats) :]
    for name, a, b, size in zip(floats * 2, old[3:], new[3:], sizes * 2, strict=False):
        if not alike(a, b, size or 0.0):
            return f"the sums of {name} differ"
    return ""


# ---- what a query leaves open
def _order_of(tree: exp.Query, names: Sequence[str]) -> Iterator[str]:
    """The columns that the result is ordered by, as far as they are columns of it: first those that count first."""
    from sqlglot import exp

    order = tree.args.get("order")
    folded = [name.casefold() for name in names]
    for each in order.expressions if isinstance(order, exp.Order) else ():
        key = each.this if isinstance(each, exp.Ordered) else each
        if isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(names):
            yield names[int(key.name) - 1]
        elif isinstance(key, exp.Column) and folded.count(key.name.casefold()) == 1:
            yield names[folded.index(key.name.casefold())]
        else:
            return
