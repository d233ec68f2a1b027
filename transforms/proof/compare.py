"""Two relations, row by row, by position: which pairs of expressions differ, and where first."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from .check import AGREED, EXAMPLES, Check, Example, Outcome
from .exact import DuckType, differ
from .relation import Relation
from .shown import shown


def compare(
    relation: Relation, checks: Sequence[Check], *, tallies: Sequence[str], examples: int = EXAMPLES
) -> tuple[list[int] | None, list[Outcome]]:
    """What the aggregates `tallies` count (None where nothing could be evaluated), and one outcome a check, each with so many
    examples of what differs.

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
    counted, found = _counts(relation, conditions, tallies)
    for i, count in found.items():
        if isinstance(count, duckdb.Error):
            outcomes[i] = Outcome(f"it cannot be recomputed: {_message(count)}", failed=True, damage=is_damage(count))
        elif count:
            pair = types[i]
            assert not isinstance(pair, str)
            outcomes[i] = _differing(relation, checks[i], pair, conditions[i], count, examples)
    return counted, outcomes


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


def _counts(
    relation: Relation, conditions: dict[int, str], tallies: Sequence[str]
) -> tuple[list[int] | None, dict[int, int | duckdb.Error]]:
    """The tallies, and for each condition the rows it holds in, or what DuckDB says where it fails."""
    counts = ", ".join([*tallies, *(f"count_if({condition})" for condition in conditions.values())])
    try:
        row = relation.connection.execute(f"SELECT {counts} FROM {relation.opened()}").fetchall()[0]
        return list(row[: len(tallies)]), dict(zip(conditions, row[len(tallies) :], strict=True))
    except duckdb.Error as error:
        if relation.fault is not None:
            raise relation.fault from None
        if len(conditions) <= 1:
            return None, dict.fromkeys(conditions, error)
    items = list(conditions.items())
    parts = (items[: len(items) // 2], items[len(items) // 2 :])
    left, right = (_counts(relation, dict(part), tallies) for part in parts)
    return left[0] or right[0], left[1] | right[1]


_OF_VALUES = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.NotImplementedException, duckdb.BinderException,
              duckdb.OutOfMemoryException)  # fmt: skip
_OF_TEXT_OR_ENCODING = re.compile("Invalid string encoding|only supported|not supported|unsupported", re.IGNORECASE)


def is_damage(error: duckdb.Error) -> bool:
    """Is it that DuckDB finds a file damaged, rather than that it cannot hold, convert or compute a value, or lacks an encoding?"""
    return not isinstance(error, _OF_VALUES) and not _OF_TEXT_OR_ENCODING.search(str(error))


def _differing(
    relation: Relation, check: Check, types: tuple[DuckType, DuckType], condition: str, count: int, examples: int
) -> Outcome:
    """The first rows in which a check that is known to differ in so many does, with both values."""
    texts = [name if type.id == "blob" else f"CAST({name} AS VARCHAR)" for name, type in zip("ea", types, strict=True)]
    query = (
        f"SELECT place, {texts[0]}, {texts[1]} FROM (SELECT row_number() OVER () - 1 AS place, {check.expected} AS e, "
        f"{check.actual} AS a, {condition} AS d FROM {relation.opened()}) WHERE d LIMIT {min(count, max(examples, 1))}"
    )
    rows = relation.connection.execute(query).fetchall()
    return Outcome.of(tuple(Example(row, None, *shown(*values)) for row, *values in rows), count, examples)


def _message(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
