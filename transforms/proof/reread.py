"""A converted file read back by other readers than the ones it was written with, and held against what it was made of.

DuckDB reads Parquet, fastavro Avro, Python's own parser JSON. Values are compared exactly, floats by their bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Context
from decimal import Decimal as Exact
from pathlib import Path as FilePath
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.path import quoted_name
from instar.formats.schema import Bool, Decimal, Duration, Field, Json, List, Map, Number, Record, Schema, Type
from instar.formats.shown_values import text_at

from . import avro_blocks, json_text
from .avro import AvroReader
from .connection import file_literal, sealed
from .json import JsonReader
from .one_form import comparable, compared_type, first_difference
from .shred import chunks

_ROWS = 16_384
_EXACT = Context(prec=100)
_NEGATIVE_ZERO = re.compile(rb"-0(\.0+)?([eE][-+]?[0-9]+)?").fullmatch

Batches = Iterator[list[pa.Array]]
"""The columns of some rows, in the order of the schema, in the form in which they are compared."""


def compared(path: FilePath, format: str, schema: Schema, expected: Iterator[pa.RecordBatch], memory: int) -> str:
    """Empty where the file holds exactly the records expected (in the plain forms of `columnar.py`), else the first difference."""
    fields = schema.record.fields
    readers: dict[str, Callable[[], Batches]] = {
        "parquet": lambda: _by_duckdb(path, schema, memory),
        "avro": lambda: _by_records(avro_blocks.records(path), fields, _AvroValues()),
        "json": lambda: _by_records(json_text.records(path), fields, _JsonValues()),
    }
    try:
        actual, row = _Rows(readers[format]()), 0
        for batch in expected:
            found = actual.take(batch.num_rows)
            if found is None:
                return f"it ends before record {row + batch.num_rows}"
            for i, (f, column) in enumerate(zip(fields, found, strict=False)):
                wanted = comparable(batch.column(i), f, format)
                if (at := first_difference(wanted, column)) is not None:
                    values = f"{_shown(column, at)} where {_shown(wanted, at)} was read"
                    return f"record {row + at}, field {quoted_name(f.name)}: {values}"
            row += batch.num_rows
        return f"it has more than {row} records" if actual.more() else ""
    except (ValueError, TypeError, KeyError, OSError, ArithmeticError, pa.ArrowException, duckdb.Error) as error:
        return f"it cannot be read back: {error}"


def _shown(values: pa.Array, row: int) -> str:
    text = text_at(values, row)
    return text if len(text) <= 60 else text[:59] + "…"


class _Rows:
    """The columns of a stream, so many rows at a time."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.columns: list[pa.Array] = []
        self.held = 0

    def take(self, count: int) -> list[pa.Array] | None:
        """The next rows; None where there are not so many any more."""
        while self.held < count:
            if not self.more():
                return None
        taken = [column.slice(0, count) for column in self.columns]
        self.columns = [column.slice(count) for column in self.columns]
        self.held -= count
        return taken

    def more(self) -> bool:
        """Reads on; are there rows now that were not there before (or are any left)?"""
        batch = next(self.batches, None)
        if batch is None:
            return False
        self.columns = [pa.concat_arrays(pair) for pair in zip(self.columns, batch, strict=True)] if self.held else batch
        self.held += len(batch[0])
        return True


# ---- Parquet
def _by_duckdb(path: FilePath, schema: Schema, memory: int) -> Batches:
    """Columns are taken by position: DuckDB takes names that differ by case for one."""
    fields = schema.record.fields
    names = ", ".join(f"c{i}" for i in range(len(fields)))
    query = f"SELECT {names} FROM read_parquet({file_literal(path)}, hive_partitioning = false) AS t({names})"
    inexact = [i for i, f in enumerate(fields) if not _in_duckdb(f.type)]
    with closing(sealed(path, memory=memory // 2)) as connection:
        beside = _by_pyarrow(path, inexact)
        reader: Any = connection.sql(query).to_arrow_reader(_ROWS)
        for batch in reader:
            if batch.num_rows:
                columns = dict(enumerate(batch.columns)) | dict(zip(inexact, beside(batch.num_rows), strict=True))
                yield [comparable(columns[i], f, "parquet") for i, f in enumerate(fields)]


def _in_duckdb(type: Type) -> bool:
    """Does DuckDB give values of that type exactly?"""
    match type:
        case Decimal(precision):
            return precision <= 38
        case Record(fields):
            return len({f.name.lower() for f in fields}) == len(fields) and all(_in_duckdb(f.type) for f in fields)
        case List(inner) | Map(inner):
            return _in_duckdb(inner.type)
        case _:
            return True


def _by_pyarrow(path: FilePath, columns: list[int]) -> Callable[[int], list[pa.Array]]:
    """The next so many rows of the columns that DuckDB does not give exactly."""
    if not columns:
        return lambda count: []
    batches = pq.ParquetFile(path, page_checksum_verification=True).iter_batches(_ROWS)
    rows = _Rows([batch.column(i) for i in columns] for batch in batches)

    def take(count: int) -> list[pa.Array]:
        found = rows.take(count)
        if found is None:
            raise ValueError("it has fewer records in some columns than in others")
        return found

    return take


# ---- Avro and JSON
class _AvroValues(AvroReader):
    format = "avro"

    def typed(self, type: Type) -> Callable[[Any], Any] | None:
        match type:
            case Decimal(_, scale):
                return lambda value: Exact(int.from_bytes(value, "big", signed=True)).scaleb(-scale, _EXACT)
            case Bool() | Json() | Duration():
                return None
            case _:
                return super().typed(type)


class _JsonValues(JsonReader):
    format = "json"

    def typed(self, type: Type) -> Callable[[Any], Any]:
        plain = super().typed(type)
        if not isinstance(type, Number):
            return plain
        return lambda value: "-0" if _NEGATIVE_ZERO(value) else plain(value)  # as it is read: its sign is kept


def _by_records(records: Iterator[Any], fields: tuple[Field, ...], values: _AvroValues | _JsonValues) -> Batches:
    columns = [(f, _reader(f, values), compared_type(f, values.format)) for f in fields]
    for some in chunks(records, _ROWS):
        if not fields:  # nothing but their number
            yield [pa.nulls(len(some))]
            continue
        yield [pa.array([get(_member(record, f)) for record in some], type) for f, get, type in columns]


def _member(record: dict[str, Any], field: Field) -> Any:
    """A record's value of a field. A key may be missing, or null, only where the schema says so."""
    value = record.get(field.name)
    if value is None:
        if field.name not in record and not field.optional:
            raise ValueError(f"a record has no {field.name!r}")
        if field.name in record and not field.nullable:
            raise ValueError(f"{field.name!r} is null")
    return value


def _reader(field: Field, values: _AvroValues | _JsonValues) -> Callable[[Any], Any]:
    """The function from a value as its reader gives it, None for null, to what is compared."""
    match field.type:
        case Record(fields) if fields:
            parts = [(f, f"f{i}", _reader(f, values)) for i, f in enumerate(fields)]
            return lambda value: None if value is None else {name: get(_member(value, f)) for f, name, get in parts}
        case List(item):
            get_item = _reader(item, values)
            return lambda value: None if value is None else [get_item(each) for each in value]
        case Map(of):
            get_value = _reader(of, values)
            return lambda value: None if value is None else [(key, get_value(each)) for key, each in values.pairs(value)]
        case _:
            convert: Any = values.typed(field.type)
            return lambda value: None if value is None else value if convert is None else convert(value)
