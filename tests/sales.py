"""A small dataset in any format, and two versions of it: what the tests of the command line work on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from authoring import Author

RECORDS = [{"n": 1, "note": "x"}, {"n": 2, "note": None}, {"n": 3, "note": "z"}]
AVRO: dict[str, Any] = {
    "type": "record", "name": "Sale", "fields": [{"name": "n", "type": "long"}, {"name": "note", "type": ["null", "string"]}],
}  # fmt: skip
FORMATS = {"parquet": "a.parquet", "avro": "a.avro", "json": "a.ndjson"}
SUFFIXES = {"parquet": "arrow.json", "avro": "avsc", "json": "schema.json"}


def write(path: Path, records: list[dict[str, Any]] = RECORDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        schema = pa.schema([pa.field("n", pa.int64(), False), pa.field("note", pa.string())])
        pq.write_table(pa.Table.from_pylist(records, schema), path)
    elif path.suffix == ".avro":
        with path.open("wb") as file:
            fastavro.writer(file, AVRO, records)
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in records))


def with_sales(author: Author, format: str = "parquet") -> Path:
    """A dataset at version 1 of two."""
    write(author.data("sales") / FORMATS[format])
    author.adopt("sales")
    author.step("sales", 'op.rename("note", to="remark"), op.drop("n"), op.add("source", "string", default="shop")', '{"n": "0"}')
    return author.data("sales")
