"""The user's functions as DuckDB's: how a proof runs them again. DuckDB calls back, with the inputs that it computed itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import pyarrow as pa

from instar.formats.errors import DataError
from instar.formats.schema import Field, Record
from instar.transforms.expression import Call, Expression

from .duck_arrays import from_duck, to_duck
from .nodes import call_nodes
from .plain import from_python, to_python
from .refusals import calling
from .sql_types import REFUSED, sql_type

_NAME = "instar_call"


def define_calls(connection: duckdb.DuckDBPyConnection, expressions: Iterable[Expression]) -> dict[int, str]:
    """A function of the connection's for each Call below; their names, by the Call's id, for `sql.render`.

    What a function raises is a duckdb.Error with its text.
    """
    names: dict[int, str] = {}
    calls = call_nodes(expressions)
    first = 0
    if calls:  # a connection's second mapping must not give a name again
        known = "SELECT count(*) FROM duckdb_functions() WHERE starts_with(function_name, $1)"
        first = connection.execute(known, [_NAME]).fetchall()[0][0]
    for number, call in enumerate(calls, first):
        names[id(call)] = name = f"{_NAME}{number}"
        given, gives = duckdb.sqltype(sql_type(_inputs(call))), duckdb.sqltype(sql_type(call.type))
        connection.create_function(name, _over_arrays(call), [given], gives, type="arrow", null_handling="special")  # type: ignore[arg-type]
    return names


def _inputs(call: Call) -> Record:
    """The inputs as the one record that the function is given: DuckDB counts the parameters of what it calls."""
    return Record(tuple(Field(f"i{i}", type) for i, (_, type) in enumerate(call.inputs)))


def _over_arrays(call: Call) -> Callable[[Any], Any]:
    inputs, function = _inputs(call), calling(call)

    def run(column: Any) -> pa.Array:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        rows = to_python(from_duck(array, inputs), inputs)
        try:
            made = [function(*row.values()) for row in rows]
        except DataError as error:
            raise ValueError(REFUSED + error.message) from error
        return to_duck(from_python(made, call.type), call.type)

    return run
