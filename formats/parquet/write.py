"""A new Parquet file of record batches in their plain form (`formats/columnar.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.arrow import arrow_schema
from instar.formats.errors import DataError, UsageError, suggestion
from instar.formats.format import Stamp
from instar.formats.path import quoted_name
from instar.formats.schema import Schema
from instar.formats.storage import stored

from .source import SUBJECT, VERSION

COMPRESSIONS = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")
_GROUP_ROWS = 1 << 20
_GROUP_BYTES = 64 << 20  # of Arrow data: what is held before a row group is written


def write(path: FilePath, *, schema: Schema, batches: Iterator[pa.RecordBatch], stamp: Stamp | None, compression: str = "") -> int:
    """See `Format.write`."""
    codec = compression or COMPRESSIONS[0]
    if codec not in COMPRESSIONS:
        raise UsageError(f"Parquet has no compression {compression!r}", hint=suggestion(compression, COMPRESSIONS))
    arrow = stamped(arrow_schema(schema), stamp)
    rows = 0
    with pq.ParquetWriter(path, arrow, compression=codec) as writer:
        for held in _groups(_fitted(batches, arrow)):
            table = pa.Table.from_batches(held)
            held.clear()
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            rows += table.num_rows
            del table
            pa.default_memory_pool().release_unused()
    return rows


def stamped(arrow: pa.Schema, stamp: Stamp | None) -> pa.Schema:
    """The schema with the stamp among its key-values."""
    own = {key: value for key, value in (arrow.metadata or {}).items() if key not in (SUBJECT, VERSION)}
    if stamp is not None:
        own |= {SUBJECT: stamp.subject.encode(), VERSION: str(stamp.version).encode()}
    return arrow.with_metadata(own or None)


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """The batches of one row group after the other."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if held and (rows + batch.num_rows > _GROUP_ROWS or size + batch.nbytes > _GROUP_BYTES):
            yield held
            held, rows, size = [], 0, 0
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if held:
        yield held


def _fitted(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches in the types that the file declares."""
    before = 0
    for batch in batches:
        yield pa.RecordBatch.from_arrays([_column(batch.column(i), f, before) for i, f in enumerate(schema)], schema=schema)
        before += batch.num_rows


def _column(array: pa.Array, field: pa.Field, before: int) -> pa.Array:
    """`before`: how many records of the file came before these."""
    path = quoted_name(field.name)
    try:
        made = stored(array, field.type)
    except pa.ArrowInvalid as error:
        raise DataError(f"a value does not fit {field.type}: {error}", hint="Cast the field to a type that holds it.").at(
            path=path
        ) from error
    if not field.nullable and made.null_count:
        row = before + made.is_null().to_pylist().index(True)
        raise DataError("null where a value is required", hint="Fill it (op.require), or allow null (op.allow_null).").at(
            row=row, path=path
        )
    return made
