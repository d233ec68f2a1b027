"""Every interpreter as one function: mapping and records in, records or "refused" out."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import reject

from instar.formats.arrow import arrow_field
from instar.formats.errors import DataError
from instar.formats.format import format_named
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, Step
from instar.formats.schema import MISSING, Field, List, Map, Record
from instar.formats.storage import stored
from instar.transforms.evaluate import duck
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.record import PlainValues, compile_records
from instar.transforms.evaluate.sql import REFUSED, render
from instar.transforms.evaluate.sql_calls import define_calls
from instar.transforms.mapping import Mapping
from instar.transforms.proof.given import given

from .carried import array_of, sql_values, values_of

REFUSAL = "refused"
Rows = Sequence[dict[str, Any]]


def by_arrow(mapping: Mapping, rows: Rows) -> Any:
    return _attempt(lambda: _from_batch(compile_batches(mapping)(to_batch(rows, mapping.source.root)), mapping.target.root))


def by_chunks(mapping: Mapping, rows: Rows) -> tuple[dict[Path, bytes], dict[Path, bytes]]:
    """The bytes of each leaf's column chunk in Parquet, of the source's records and of the target's."""
    batch = to_batch(rows, mapping.source.root)
    return _chunks(batch, mapping.source.root), _chunks(compile_batches(mapping)(batch), mapping.target.root)


def _chunks(batch: pa.RecordBatch, root: Field) -> dict[Path, bytes]:
    sink = io.BytesIO()
    table = pa.Table.from_batches([batch])
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    group, out = pq.ParquetFile(sink).metadata.row_group(0), {}
    for i, path in enumerate(_leaves(root, ())):
        chunk = group.column(i)
        out[path] = sink.getvalue()[chunk.data_page_offset : chunk.data_page_offset + chunk.total_compressed_size]
    return out


def _leaves(field: Field, at: Path) -> Iterator[Path]:
    """The leaves as Parquet orders them; a map's keys are leaves, too."""
    match field.type:
        case Record(fields):
            for f in fields:
                yield from _leaves(f, (*at, f.name))
        case List(item):
            yield from _leaves(item, (*at, EACH_ITEM))
        case Map(value):
            yield (*at, Step("key"))
            yield from _leaves(value, (*at, EACH_VALUE))
        case _:
            yield at


def by_record(mapping: Mapping, rows: Rows) -> Any:
    named = {**mapping.source.definitions, **mapping.target.definitions}
    return _attempt(lambda: compile_records(mapping, PlainValues(named))(list(rows)))


def by_format(name: str) -> Callable[[Mapping, Rows], Any]:
    """The record interpreter over the raw values of a format: written by it, and read back by it."""

    def run(mapping: Mapping, rows: Rows) -> Any:
        format, source, target = format_named(name), mapping.source, mapping.target
        write = format.values(source, source).encoder(source.root)
        read = format.values(target, target).decoder(target.root)
        convert = compile_records(mapping, format.values(source, target))
        try:
            raws = [write(row) for row in rows]
        except DataError:
            reject()  # the format has no NaN
        return _attempt(lambda: [read(raw) for raw in convert(raws)])

    return run


def by_sql(mapping: Mapping, rows: Rows) -> Any:
    batch = to_batch(rows, mapping.source.root)
    fields = mapping.source.record.fields
    columns = {f"c{i}": given(column, f.type) for i, (column, f) in enumerate(zip(batch.columns, fields, strict=True))}
    connection = duck.connect()
    calls = define_calls(connection, [mapping.root.expression])
    text = render(mapping, {f.name: f"c{i}" for i, f in enumerate(fields)}, calls).select("old")
    connection.register("old", pa.table({**columns, "row": list(range(len(rows)))}))
    with connection:
        return _attempt(lambda: _from_table(connection.sql(text).to_arrow_table(), mapping.target.root))


def _attempt(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except DataError:
        return REFUSAL
    except duckdb.Error as error:
        if REFUSED in str(error) or isinstance(error, duckdb.ConversionException):
            return REFUSAL
        raise


def to_batch(rows: Rows, root: Field) -> pa.RecordBatch:
    """Records as a batch in the usual storage of their schema; uneven slices of a longer one, as a file's batches are."""
    assert isinstance(root.type, Record)
    fields = [arrow_field(f) for f in root.type.fields]
    padded = [*rows[:1], *rows]
    arrays = [
        stored(array_of([r.get(f.name) for r in padded], f.type), a.type) for f, a in zip(root.type.fields, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)).slice(1)


def _from_batch(batch: pa.RecordBatch, root: Field) -> list[dict[str, Any]]:
    batch.validate(full=True)
    assert isinstance(root.type, Record)
    assert batch.schema.names == list(root.type.names)
    columns = [values_of(c, f.type) for c, f in zip(batch.columns, root.type.fields, strict=True)]
    return [dict(zip(root.type.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _from_table(table: pa.Table, root: Field) -> list[dict[str, Any]]:
    assert isinstance(root.type, Record)
    columns = [sql_values(c.combine_chunks(), f.type) for c, f in zip(table.columns, root.type.fields, strict=True)]
    return [dict(zip(root.type.names, row, strict=True)) for row in zip(*columns, strict=True)]


# ---- comparing
def exactly(value: Any) -> Any:
    """Values that are equal only if they are the same: floats by bits, True apart from 1; keys in any order."""
    if isinstance(value, bool | float):
        return ("nan" if isinstance(value, float) and math.isnan(value) else struct.pack("<d", value), type(value).__name__)
    if isinstance(value, dict):
        return {key: exactly(v) for key, v in value.items()}
    if isinstance(value, list):
        return [exactly(v) for v in value]
    if isinstance(value, tuple):
        return tuple(exactly(v) for v in value)
    return value


def nulled(value: Any, field: Field) -> Any:
    """Missing keys as nulls and unknown ones left out: what columns can hold of it."""
    if value is None or value is MISSING:
        return None
    match field.type:
        case Record(fields):
            return {f.name: nulled(value.get(f.name), f) for f in fields}
        case List(item):
            return [nulled(v, item) for v in value]
        case Map(inner):
            return {key: nulled(v, inner) for key, v in value.items()}
    return value
