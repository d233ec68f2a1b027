"""The user's SQL over Arrow arrays, in DuckDB."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import InstarError, Refused
from instar.formats.path import Path, path_text
from instar.formats.schema import type_text
from instar.formats.shown_values import text_at
from instar.transforms.expression import Sql

from . import duck
from .duck_arrays import from_duck, to_duck
from .plain import plain_type
from .refusals import WHOLE_RUN, Refusal, together
from .scope import Scope
from .sql import sql_value
from .sql_types import REFUSED, Fresh


def run_sql(e: Sql, inputs: list[pa.Array], scope: Scope, alive: pa.Array | None, path: Path, *, every: bool = False) -> pa.Array:
    """The node's values, plain; computed for the rows at `alive` only (None: all), null elsewhere. `inputs` are plain.

    Raises:
        DataError: DuckDB refuses a row; names the first one. Collected: with `every`, all of them.
    """
    rows = scope.length if alive is None else len(alive)
    if rows == 0:
        return pa.nulls(scope.length, plain_type(e.type))
    columns = [to_duck(a, t) for a, (_, t) in zip(inputs, e.inputs, strict=True)]
    if alive is not None:
        columns = [c.take(alive) for c in columns]
    text = sql_value(e, [f"c{i}" for i in range(len(columns))], Fresh(e.pieces))

    def refusal(bad: int, said: duckdb.Error) -> InstarError:
        index = bad if alive is None else alive[bad].as_py()
        return _refusal(e, said, columns, bad).at(row=scope.row(index), path=path_text(path))

    try:
        made = from_duck(duck.computed(text, columns, rows), e.type)
    except duckdb.Error as error:
        if every:
            raise together([refusal(*found) for found in _all_refused(text, columns, rows)]) from error
        raise refusal(*_first_refused(text, columns, rows, error)) from error
    return made if alive is None else _scattered(made, alive, scope.length)


def _all_refused(text: str, columns: list[pa.Array], rows: int) -> list[tuple[int, duckdb.Error]]:
    """Every row on which DuckDB fails, and what it says there.

    TRY finds them in one pass; DuckDB does not allow it around what may raise an error of its own accord, where they are found by
    halving.
    """
    try:
        failed = duck.computed(f"TRY(struct_pack(v := {text})) IS NULL", columns, rows)
        suspects: list[int] = pc.indices_nonzero(failed).to_pylist()
    except duckdb.BinderException:
        return _refused_between(text, columns, 0, rows)
    return [found for row in suspects for found in _refused_between(text, columns, row, row + 1)]


def _refused_between(text: str, columns: list[pa.Array], low: int, high: int) -> list[tuple[int, duckdb.Error]]:
    try:
        duck.computed(text, _between(columns, low, high), high - low)
    except duckdb.Error as error:
        if high - low == 1:
            return [(low, error)]
        middle = (low + high) // 2
        return _refused_between(text, columns, low, middle) + _refused_between(text, columns, middle, high)
    return []


def _scattered(made: pa.Array, alive: pa.Array, length: int) -> pa.Array:
    """The values at their rows."""
    positions: list[int | None] = [None] * length
    for i, row in enumerate(alive.to_pylist()):
        positions[row] = i
    return made.take(pa.array(positions, pa.int64()))


def _first_refused(text: str, columns: list[pa.Array], rows: int, error: duckdb.Error) -> tuple[int, duckdb.Error]:
    """The first row on which DuckDB fails, and what it says there: found by halving."""
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        try:
            duck.computed(text, _between(columns, low, middle), middle - low)
            low = middle
        except duckdb.Error as found:
            high, error = middle, found
    try:
        duck.computed(text, _between(columns, low, high), high - low)
    except duckdb.Error as found:
        error = found
    return low, error


def _between(columns: list[pa.Array], low: int, high: int) -> list[pa.Array]:
    """The rows as arrays of their own: DuckDB refuses records that are a slice."""
    rows = pa.arange(low, high)
    return [c.take(rows) for c in columns]


def _refusal(e: Sql, error: duckdb.Error, columns: list[pa.Array], row: int) -> Refused:
    said = re.sub(r"^[A-Z][A-Za-z ]*Error: ", "", str(error)).split("\n")[0].removeprefix(REFUSED)
    given = ", ".join(text_at(c, row) for c in columns)
    text, type = "…".join(e.pieces).strip(), type_text(e.type)
    return Refusal(
        f"the SQL {text!r} gives no {type} for ({given[:200]}): {said}",
        f'Let the expression handle such a value (try_cast, coalesce, CASE), or say on_error="null" or "quarantine"; {WHOLE_RUN}',
        f"the SQL {text!r} gives no {type} for a value",
        given,
    ).error(e.policy)
