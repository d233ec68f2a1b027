"""Two relations, row by row, by position: which pairs of expressions differ, and where first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from .exact import DuckType, differ
from .relation import Relation

_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Check:
    """One place of the target: SQL over the relation for what it must be and for what it is.

    `way` is how it is proved, as reports name it.
    """

    path: str
    way: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Outcome:
    """What one check found: nothing, a first different row, or why the two could not be compared (`failed`)."""

    problem: str = ""
    row: int | None = None
    failed: bool = False


AGREED = Outcome()


def compare(relation: Relation, checks: Sequence[Check]) -> tuple[int | None, list[Outcome]]:
    """The rows compared (the longer side's count; None where nothing could be), and one outcome a check.

    One pass where all agree. A check that DuckDB cannot evaluate is told apart from the others by halving.

    Raises:
        Exception: a stream's own reader failed; its error as it was.
    """
    types = _bound(relation, checks)
    conditions: dict[int, str] = {}
    outcomes: list[Outcome] = [AGREED] * len(checks)
    for i, (check, pair) in enumerate(zip(checks, types, strict=True)):
        if isinstance(pair, str):
            outcomes[i] = Outcome(f"it cannot be compared: {pair}", failed=True)
        elif (condition := differ(check.expected, check.actual, *pair)) is None:
            outcomes[i] = Outcome(f"it is {pair[1]}, not {pair[0]}", failed=True)
        else:
            conditions[i] = condition
    rows, found = _counts(relation, conditions)
    for i, count in found.items():
        if isinstance(count, str):
            outcomes[i] = Outcome(f"it cannot be recomputed: {count}", failed=True)
        elif count:
            outcomes[i] = _first(relation, checks[i], conditions[i], count)
    return rows, outcomes


def _bound(relation: Relation, checks: Sequence[Check]) -> list[tuple[DuckType, DuckType] | str]:
    """The two types of each check as DuckDB binds them, or its message where it cannot."""
    if not checks:
        return []
    columns = ", ".join(f"{check.expected}, {check.actual}" for check in checks)
    try:
        types = relation.connection.sql(f"SELECT {columns} FROM {relation.bound()}").types
    except duckdb.Error as error:
        if len(checks) == 1:
            return [_message(error)]
        half = len(checks) // 2
        return _bound(relation, checks[:half]) + _bound(relation, checks[half:])
    return list(zip(types[::2], types[1::2], strict=True))


def _counts(relation: Relation, conditions: dict[int, str]) -> tuple[int | None, dict[int, int | str]]:
    """The rows, and for each condition the rows it holds in, or DuckDB's message where it fails."""
    counts = ", ".join(["count(*)", *(f"count_if({condition})" for condition in conditions.values())])
    try:
        rows, *found = relation.connection.execute(f"SELECT {counts} FROM {relation.opened()}").fetchall()[0]
        return rows, dict(zip(conditions, found, strict=True))
    except duckdb.Error as error:
        if relation.fault is not None:
            raise relation.fault from None
        if len(conditions) <= 1:
            return None, dict.fromkeys(conditions, _message(error))
    items = list(conditions.items())
    left, right = (_counts(relation, dict(part)) for part in (items[: len(items) // 2], items[len(items) // 2 :]))
    return (left[0] if left[0] is not None else right[0]), left[1] | right[1]


def _first(relation: Relation, check: Check, condition: str, count: int) -> Outcome:
    """The first row in which a check that is known to differ does, with both values."""
    query = (
        f"SELECT place, {_shown('e')}, {_shown('a')} FROM (SELECT row_number() OVER () - 1 AS place, {check.expected} AS e, "
        f"{check.actual} AS a, {condition} AS d FROM {relation.opened()}) WHERE d LIMIT 1"
    )
    row, expected, actual = relation.connection.execute(query).fetchall()[0]
    others = f" ({count} records differ)" if count > 1 else ""
    return Outcome(f"record {row} holds {_short(actual)}, not {_short(expected)}{others}", row)


def _shown(name: str) -> str:
    return f"CAST({name} AS VARCHAR)"


def _short(value: str | None) -> str:
    if value is None:
        return "null"
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"


def _message(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
