"""Record batches written out for people and other programs: CSV, JSON, Arrow's IPC stream, Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from instar.formats.columnar import spelled_out
from instar.formats.schema import Bool, Field, Float, Int, Integer, Number, Schema, String

FORMATS = ("csv", "ndjson", "json", "arrow", "parquet")
BINARY = ("arrow", "parquet")
SUFFIXES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".arrow": "arrow", ".arrows": "arrow",
            ".parquet": "parquet"}  # fmt: skip


def export(format: str, out: BinaryIO, schema: Schema, arrow: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    """Write the records to a binary stream as they come; how many they were.

    `schema` is what the batches of `arrow` show (`columnar.py`). In CSV and JSON decimals, dates and times have the text that the
    cast table gives them; a record or list in CSV is its JSON.

    Raises:
        DataError: JSON cannot hold a value (NaN). SchemaError: it has no form for a type. OSError: the stream says no.
    """
    write: Callable[..., int] = {"csv": _csv, "ndjson": _lines, "json": _array, "arrow": _arrow, "parquet": _parquet}[format]
    return write(out, Spelled.of(schema), arrow, batches)


class Spelled:
    """The columns as text formats spell them."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields

    @classmethod
    def of(cls, schema: Schema) -> Spelled:
        return cls(tuple(spelled_out(f, schema.definitions) for f in schema.record.fields))

    @property
    def schema(self) -> Schema:
        from instar.formats.schema import schema

        return schema(*self.fields)


# ---- JSON
def _lines(out: BinaryIO, spelled: Spelled, _: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    from instar.formats.json.write import write_into

    return write_into(out.write, spelled.schema, batches)


def _array(out: BinaryIO, spelled: Spelled, _: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    from instar.formats.json.write import write_into

    return write_into(out.write, spelled.schema, batches, "array")


# ---- CSV
_AS_THEY_ARE = (Bool, Int, Integer, Number, Float, String)


def _csv(out: BinaryIO, spelled: Spelled, _: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    """With a head; a null is nothing, a text that is empty is \"\"."""
    import pyarrow.csv

    plain = pa.schema([pa.field(f.name, _csv_type(f)) for f in spelled.fields])
    rows = 0
    with pyarrow.csv.CSVWriter(
        out, plain, write_options=pyarrow.csv.WriteOptions(quoting_style="needed", include_header=True)
    ) as writer:
        for batch in batches:
            arrays = [_csv_column(a, f) for a, f in zip(batch.columns, spelled.fields, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=plain))
            rows += batch.num_rows
    return rows


def _csv_type(field: Field) -> pa.DataType:
    from instar.formats.plain import plain_type

    return plain_type(field.type) if isinstance(field.type, _AS_THEY_ARE) else pa.string()


def _csv_column(array: pa.Array, field: Field) -> pa.Array:
    if isinstance(field.type, _AS_THEY_ARE):
        return array
    return pa.array(csv_texts(array, field), pa.string())


def csv_texts(array: pa.Array, field: Field, *, finite: bool = True) -> list[str | None]:
    """Each value as text: a scalar's own, a nested one's JSON, in which nan may stand where it need not be `finite`."""
    import msgspec

    from instar.formats.json.write import texts

    decode: Any = msgspec.json.Decoder(str).decode
    return [None if t is None else decode(t) if t[:1] == '"' else t for t in texts(array, field, finite=finite)]


# ---- Arrow
def _arrow(out: BinaryIO, _: Spelled, arrow: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    with pa.ipc.new_stream(out, arrow) as writer:
        return _written(writer.write_batch, batches)


def _parquet(out: BinaryIO, _: Spelled, arrow: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, arrow) as writer:
        return _written(writer.write_batch, batches)


def _written(write: Callable[[pa.RecordBatch], None], batches: Iterator[pa.RecordBatch]) -> int:
    rows = 0
    for batch in batches:
        write(batch)
        rows += batch.num_rows
    return rows


def limited(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """The first `limit` rows; no further batch is read."""
    left = limit
    for batch in batches if limit is None or limit > 0 else ():
        if left is None or batch.num_rows < left:
            yield batch
            left = None if left is None else left - batch.num_rows
            continue
        yield batch.slice(0, left)
        return


def as_json(schema: Schema, batches: Iterator[pa.RecordBatch]) -> tuple[str, int]:
    """The records as the text of one JSON array, and how many there are."""
    out = io.BytesIO()
    rows = export("json", out, schema, pa.schema([]), batches)
    return out.getvalue().decode(), rows
