"""Any schema as Arrow columns: what readers of files are given, opaque types included.

`json` is its text, and so is a record that names no fields; a union is a record with one nullable field for each branch; a named
type that is used again is written out. Whatever else a file stores a value as, its column has the plain form of its logical type
(`plain.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa

from .arrow import arrow_field
from .errors import DataError, SchemaError, Where
from .path import quoted_name
from .plain import from_python, plain_type
from .schema import Field, Integer, Json, List, Map, Null, Number, Other, Record, Reference, Schema, String, Type, Union, type_text


def spelled_out(field: Field, definitions: Mapping[str, Field]) -> Field:
    """The field without references and unions: as `written_out`, but what is shown as text keeps the type that the text is of.

    Raises:
        SchemaError: as `written_out`.
    """
    return _written_out(field, definitions, (), texts=False)


def written_out(field: Field, definitions: Mapping[str, Field]) -> Field:
    """The field without references, unions, `json` and unbounded numbers: as the types that show them in a column.

    Raises:
        SchemaError: a type that holds itself has no end, and so no column.
    """
    return _written_out(field, definitions, ())


def _written_out(field: Field, definitions: Mapping[str, Field], within: tuple[str, ...], texts: bool = True) -> Field:
    def inside(type: Type, within: tuple[str, ...]) -> Type:
        match type:
            case Reference(name) if name in within:
                raise SchemaError(
                    f"the type {name!r} holds itself, to any depth: it cannot be shown as a column",
                    hint="Ask for other columns.",
                )
            case Reference(name):
                return inside(definitions[name].type, (*within, name))
            case Json() | Integer() | Number() | Record(()):
                return String() if texts else type
            case Union(branches):
                return Record(tuple(_written_out(b.with_(nullable=True), definitions, within, texts) for b in branches))
            case Record(fields, name):
                deeper = (*within, name) if name else within
                return Record(tuple(_written_out(f, definitions, deeper, texts) for f in fields), name)
            case List(item):
                return List(_written_out(item, definitions, within, texts))
            case Map(value, key):
                return Map(_written_out(value, definitions, within, texts), key)
            case _:
                return type

    return field.with_(type=inside(field.type, within))


def column_field(field: Field, definitions: Mapping[str, Field]) -> pa.Field:
    """The Arrow field that shows a field in a column. Inside it everything may be null, as in all plain forms.

    Raises:
        SchemaError: as `written_out`.
    """
    return _arrow(written_out(field, definitions))


def _arrow(field: Field) -> pa.Field:
    return pa.field(field.name, _arrow_type(field), field.nullable or field.optional or isinstance(field.type, Null))


def _arrow_type(field: Field) -> pa.DataType:
    """As `plain_type`, but for what is carried in a form of Arrow's only."""
    match field.type:
        case Record(fields):
            return pa.struct([pa.field(f.name, _arrow_type(f)) for f in fields])
        case List(item):
            return pa.list_(pa.field("item", _arrow_type(item)))
        case Map(value, key):
            return pa.map_(plain_type(key), pa.field("value", _arrow_type(value)))
        case Other():
            return arrow_field(field).type
        case simple:
            return plain_type(simple)


def column_schema(schema: Schema, names: Sequence[str] | None = None) -> pa.Schema:
    """The Arrow schema of a schema's columns: of all, or of those named.

    Raises:
        SchemaError: as `written_out`; no such column; the data are not records.
    """
    fields = schema.record.fields if names is None else [schema.record[name] for name in names]
    return pa.schema([column_field(f, schema.definitions) for f in fields])


def showable_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema of those columns that can be shown."""
    shown = []
    for field in schema.record.fields:
        with suppress(SchemaError):
            shown.append(column_field(field, schema.definitions))
    return pa.schema(shown)


def wanted_fields(schema: Schema, names: Iterable[str]) -> tuple[Field, ...]:
    """The fields of these names, in the schema's order.

    Raises:
        SchemaError: no such field; the data are not records.
    """
    record = schema.record
    wanted = {record[name].name for name in names}
    return tuple(f for f in record.fields if f.name in wanted)


class ColumnBuilder:
    """Record batches out of opened records: name → raw. `decoder` gives the function from a field's raw to the value its column
    shows, None for a null.
    """

    def __init__(self, schema: Schema, fields: Sequence[Field], decoder: Callable[[Field], Callable[[Any], Any]]) -> None:
        self.fields = tuple(written_out(f, schema.definitions) for f in fields)
        self.schema = pa.schema([_arrow(f) for f in self.fields])
        self.decoders = [(f.name, decoder(f)) for f in fields]

    def batch(self, records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """The records' columns; a key that is missing is a null.

        Raises:
            DataError: a value is not of its type; `where.row` counts from the first of these records.
        """
        if not self.fields:
            return rows_only(len(records))
        arrays = [
            _array(_decoded(records, name, decode), field) for (name, decode), field in zip(self.decoders, self.fields, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def rows_only(count: int) -> pa.RecordBatch:
    """A batch of `count` rows without columns."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))


def _decoded(records: Sequence[Mapping[str, Any]], name: str, decode: Callable[[Any], Any]) -> list[Any]:
    values: list[Any] = []
    try:
        for record in records:
            raw = record.get(name)
            values.append(None if raw is None else decode(raw))
    except DataError as error:
        place = error.where.path if error.where and error.where.path else ""
        here = quoted_name(name)
        path = here if not place or place == here else place if place.startswith((f"{here}.", f"{here}[")) else f"{here}.{place}"
        raise DataError(error.message, hint=error.hint, where=error.where).at(row=len(values), path=path) from error.__cause__
    return values


def _array(values: list[Any], field: Field) -> pa.Array:
    if not (field.nullable or field.optional or isinstance(field.type, Null)) and None in values:
        where = Where(row=values.index(None), path=quoted_name(field.name), found="null", expected=type_text(field.type))
        raise DataError("a null (or missing) value where one is required", hint="Repair the record.", where=where)
    try:
        return from_python(values, field.type)
    except DataError as error:
        raise error.at(path=quoted_name(field.name)) from None


def shifted(error: DataError, rows: int) -> DataError:
    """An error that counts its record from a batch's first, counting from the file's first: `rows` came before the batch."""
    where = error.where
    if where is None or where.row is None:
        return error
    return DataError(error.message, hint=error.hint, where=replace(where, row=where.row + rows))
