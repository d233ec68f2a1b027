"""What the new file must hold, as DuckDB SQL over the old file's columns."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from instar.formats.schema import Field, List, Map, Record, Schema, Type
from instar.transforms.evaluate.sql import adopted, render, sql_type
from instar.transforms.evaluate.sql_calls import define_calls
from instar.transforms.expression import Column, Expression, Source, Struct
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class Expected:
    """SQL for each expression, and the stages that it builds on (`Relation.stages`)."""

    stages: tuple[tuple[tuple[str, str], ...], ...]
    values: tuple[str, ...]


def expected(
    connection: duckdb.DuckDBPyConnection,
    asked: Sequence[tuple[Expression, Type]],
    source: Schema,
    columns: Dict[str, tuple[str, str]],
) -> Expected:
    """The expressions over a source schema, each in the compared form of its type.

    `columns`: for each column of the source that they read, the name it has in the relation and its DuckDB type there.
    The user's functions come to be the connection's.
    """
    if not asked:
        return Expected((), ())
    targets = tuple(Column(Field(f"e{i}", type, nullable=True), e) for i, (e, type) in enumerate(asked))
    root = Column(Field("", Record(tuple(c.field for c in targets))), Struct(targets, Source((), source.root.type)))
    mapping = Mapping(source, root)
    first: list[tuple[str, str]] = []
    given: dict[str, str] = {}
    for name in mapping.reads():
        at, found = columns[name]
        type = source.record[name].type
        given[name] = at
        if found != sql_type(type):
            given[name] = f"{at}_read"
            first.append((given[name], as_compared(at, type)))
    made = render(mapping, given, define_calls(connection, [e for e, _ in asked]))
    return Expected(((tuple(first), *made.stages) if first else made.stages), made.columns)


def as_compared(column: str, type: Type) -> str:
    """A column as the mapping's SQL speaks of it: records by position, a uuid as text, times in their own unit."""
    return adopted(column, type) if isinstance(type, Record | List | Map) else f"CAST({column} AS {sql_type(type)})"
