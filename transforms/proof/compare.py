"""Two relations, row by row, by position: which pairs of expressions differ, and where first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from instar.transforms.evaluate.sql_types import REFUSED

from .check import AGREED, EXAMPLES, Check, Example, Outcome
from .exact import DuckType, differ
from .relation import Relation
from .shown import shown

_MOST_ROWS = 1 << 40


def compare(
    relation: Relation, checks: Sequence[Check], *, tallies: Sequence[str], examples: int = EXAMPLES, at_once: int | None = None
) -> tuple[list[int] | None, list[Outcome]]:
    """What the aggregates `tallies` count (None where nothing could be evaluated), and one outcome a check, each with so many
    examples of what differs.

    One pass over the relation where all agree, or one for each `at_once` checks. A check that DuckDB cannot evaluate is told apart
    from the others by halving.

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
    counted, found = None, dict[int, int | duckdb.Error]()
    for part in _parts(relation, conditions, at_once or len(conditions)):
        here, counts = _counts(relation, part, () if counted else tallies)
        counted, found = counted or here, found | counts
    differing: dict[int, _Differing] = {}
    for i, count in found.items():
        if isinstance(count, duckdb.Error):
            outcomes[i] = _failing(relation, conditions[i], count)
        elif count:
            pair = types[i]
            assert not isinstance(pair, str)
            differing[i] = _Differing(checks[i], pair, conditions[i], count)
    for i, outcome in zip(differing, _examples(relation, list(differing.values()), examples), strict=True):
        outcomes[i] = outcome
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


def _parts(relation: Relation, conditions: dict[int, str], most: int) -> list[dict[int, str]]:
    """The conditions in parts of so many; those that use what a stage computes together in one, that it is computed once."""
    if len(conditions) <= most:
        return [conditions]
    of_stages = {name for stage in relation.stages for name, _ in stage}
    together = {i: text for i, text in conditions.items() if not of_stages.isdisjoint(re.findall(r"\w+", text))}
    others = [item for item in conditions.items() if item[0] not in together]
    parts = [dict(others[at : at + most]) for at in range(0, len(others), most)]
    return [*parts, together] if together else parts


def _counts(
    relation: Relation, conditions: dict[int, str], tallies: Sequence[str]
) -> tuple[list[int] | None, dict[int, int | duckdb.Error]]:
    """The tallies, and for each condition the rows it holds in, or what DuckDB says where it fails."""
    counts = ", ".join([*tallies, *(f"count_if({condition})" for condition in conditions.values())])
    try:
        row = relation.rows(f"SELECT {counts} FROM {relation.opened()}")[0]
        return list(row[: len(tallies)]), dict(zip(conditions, row[len(tallies) :], strict=True))
    except duckdb.Error as error:
        if len(conditions) <= 1:
            return None, dict.fromkeys(conditions, error)
    items = list(conditions.items())
    parts = (items[: len(items) // 2], items[len(items) // 2 :])
    left, right = (_counts(relation, dict(part), tallies) for part in parts)
    return left[0] or right[0], left[1] | right[1]


_OF_VALUES = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.NotImplementedException, duckdb.BinderException,
              duckdb.OutOfMemoryException)  # fmt: skip
_OF_TEXT_OR_ENCODING = re.compile(
    "Invalid string encoding|only supported|not supported|unsupported|Map keys must be", re.IGNORECASE
)


def is_damage(error: duckdb.Error) -> bool:
    """Is it that DuckDB finds a file damaged, rather than that it cannot hold, convert or compute a value, or lacks an encoding?"""
    said = str(error)
    return not isinstance(error, _OF_VALUES) and REFUSED not in said and not _OF_TEXT_OR_ENCODING.search(said)


@dataclass(frozen=True)
class _Differing:
    """A check that is known to differ, in so many rows: where its condition holds."""

    check: Check
    types: tuple[DuckType, DuckType]
    condition: str
    count: int

    def columns(self, number: int) -> str:
        """Whether it differs in a row, and both values as text where it does."""
        sides = zip("ea", (self.check.expected, self.check.actual), self.types, strict=True)
        texts = ((name, value if type.id == "blob" else f"CAST({value} AS VARCHAR)") for name, value, type in sides)
        shown = ", ".join(f"CASE WHEN {self.condition} THEN {text} END AS {name}{number}" for name, text in texts)
        return f"{self.condition} AS d{number}, {shown}"


def _examples(relation: Relation, found: Sequence[_Differing], examples: int) -> list[Outcome]:
    """The first rows in which each of these checks differs, with both values: one pass for all of them."""
    if not found:
        return []
    rows = max(examples, 1)
    columns = ", ".join(each.columns(i) for i, each in enumerate(found))
    firsts = ", ".join(
        f"arg_min(struct_pack(r := place, e := e{i}, a := a{i}), place, {rows}) FILTER (WHERE d{i})" for i in range(len(found))
    )
    query = f"SELECT {firsts} FROM (SELECT row_number() OVER () - 1 AS place, {columns} FROM {relation.opened()})"
    try:
        lists = relation.rows(query)[0]
    except duckdb.Error:
        if len(found) == 1:
            raise
        half = len(found) // 2
        return _examples(relation, found[:half], examples) + _examples(relation, found[half:], examples)
    return [
        Outcome.of(
            tuple(Example(one["r"], None, *shown(*each.check.texts(one["e"], one["a"]))) for one in some), each.count, examples
        )
        for some, each in zip(lists, found, strict=True)
    ]


def _failing(relation: Relation, condition: str, error: duckdb.Error) -> Outcome:
    """That a check cannot be evaluated, and in which record, where it is one's value and not the file that is to blame."""
    if is_damage(error):
        return Outcome(f"it cannot be recomputed: {_message(error)}", failed=True, damage=True)
    row = _first_failing(relation, condition)
    place = "it" if row is None else f"record {row}"
    return Outcome(f"{place} cannot be recomputed: {_message(error)}", row, failed=True)


def _first_failing(relation: Relation, condition: str) -> int | None:
    """The first row that a condition cannot be evaluated for; None where it is none alone."""

    def fails(rows: int) -> bool:
        try:
            relation.rows(f"SELECT count_if({condition}) FROM (FROM {relation.opened()} LIMIT {rows})")
        except duckdb.Error:
            return True
        return False

    good, bad = 0, 1
    while bad < _MOST_ROWS and not fails(bad):
        good, bad = bad, 2 * bad
    while good + 1 < bad:
        middle = (good + bad) // 2
        good, bad = (good, middle) if fails(middle) else (middle, bad)
    return good if not fails(good) and fails(bad) else None


def _message(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
