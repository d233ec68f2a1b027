"""A version's columns as the user's own queries see them in DuckDB, whatever format the files are of: names, types, and how each is
made of what a reader gives.

Records are structs by their own names; JSON's unbounded `integer` is HUGEINT and `number` DOUBLE; a duration is its count of units,
bytes in JSON are decoded; what has no columns of its own in JSON (unions, free-form values) is JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from instar.formats.columnar import written_out
from instar.formats.errors import SchemaError
from instar.formats.schema import (
    Bytes,
    Date,
    Decimal,
    Field,
    Fixed,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Record,
    Reference,
    Schema,
    Time,
    Timestamp,
    Type,
    Union,
    type_text,
)
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.evaluate.sql_types import Fresh, quoted, rebuilt
from instar.transforms.shared_types import expanded

Reader = Literal["parquet", "json", "avro", "json batches"]
"""What gives the values: DuckDB's own reader of a format, or record batches in the plain forms (`columnar.py`)."""


@dataclass(frozen=True)
class ViewColumn:
    """`type`: in DuckDB, as queries see it. `read`: as which a reader of explicit types is to give it; `value` then makes its SQL
    out of the SQL of what was read."""

    name: str
    type: str
    read: str
    value: Callable[[str], str]


@dataclass(frozen=True)
class ViewColumns:
    """`hidden`: the columns that DuckDB cannot show, each with the reason."""

    columns: tuple[ViewColumn, ...]
    hidden: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def view_columns(schema: Schema, reader: Reader) -> ViewColumns:
    """The columns of a schema. Pure."""
    folded = [f.name.casefold() for f in schema.record.fields]
    columns, hidden = list[ViewColumn](), dict[str, str]()
    for f in schema.record.fields:
        try:
            if not f.name or folded.count(f.name.casefold()) > 1:
                raise SchemaError("DuckDB does not tell its name from another's" if f.name else "it has no name")
            columns.append(_column(f, schema, reader))
        except SchemaError as error:
            hidden[f.name] = error.message
    return ViewColumns(tuple(columns), hidden)


def _column(field: Field, schema: Schema, reader: Reader) -> ViewColumn:
    if reader == "avro":
        type = written_out(field, schema.definitions).type
    else:
        type = expanded(field.type, schema.definitions)
    shown = shown_type(type, reader)
    if reader != "json":
        return ViewColumn(field.name, shown, shown, lambda value: f"CAST({value} AS {shown})")
    return ViewColumn(field.name, shown, _read_type(type), lambda value: _decoded(value, type, Fresh()))


def shown_type(type: Type, reader: Reader) -> str:
    """The DuckDB type in which a query sees values.

    Raises:
        SchemaError: DuckDB has none.
    """
    match type:
        case Json() | Union() | Reference() | Record(()) if reader == "json":
            return "JSON"
        case Json() if reader == "parquet":
            return "JSON"
        case Record(fields) if fields:
            names = [f.name.casefold() for f in fields]
            if "" in names or len(set(names)) < len(names):
                raise SchemaError("DuckDB does not tell two of its fields apart, or one has no name")
            return "STRUCT(" + ", ".join(f"{quoted(f.name)} {shown_type(f.type, reader)}" for f in fields) + ")"
        case List(item):
            return shown_type(item.type, reader) + "[]"
        case Map(value, key):
            return f"MAP({shown_type(key, reader)}, {shown_type(value.type, reader)})"
        case Integer():
            return "HUGEINT"
        case Number():
            return "DOUBLE"
        case Null():
            return "INTEGER"  # DuckDB's own type of a NULL
        case _ if (scalar := sql_scalar(type)) is not None:
            return scalar
    raise SchemaError(f"DuckDB does not hold {type_text(type)}")


# ---- JSON
def _read_type(type: Type) -> str:
    """The type in which DuckDB's reader of JSON is to give a value: what it would round, or read by rules of its own, as text."""
    match type:
        case Record(fields) if fields:
            return "STRUCT(" + ", ".join(f"{quoted(f.name)} {_read_type(f.type)}" for f in fields) + ")"
        case List(item):
            return _read_type(item.type) + "[]"
        case Map(value):
            return f"MAP(VARCHAR, {_read_type(value.type)})"
        case Decimal() | Date() | Time() | Timestamp() | Bytes() | Fixed():
            return "VARCHAR"
        case _:
            return shown_type(type, "json")


def _decoded(value: str, type: Type, fresh: Fresh) -> str:
    if _read_type(type) == shown_type(type, "json"):
        return value
    return rebuilt(value, type, fresh, _decoded_scalar, _decoded, lambda _, f: quoted(f.name))


def _decoded_scalar(value: str, type: Type) -> str:
    if isinstance(type, Bytes | Fixed):
        return f"from_base64({value})"
    return f"CAST({value} AS {shown_type(type, 'json')})"
