"""What other readers find in a file: pyarrow and DuckDB in Parquet, fastavro in Avro, Python's own parser in JSON.

No code of Instar's is used. Values come so that equal means equal in every bit: floats as their bits, JSON numbers as their text.
"""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

Rows = list[dict[str, Any]]
DROPPED = "spare"
"""A column that the migration drops; nobody reads it, so that damage in it is not met."""


NOT_TEXT = "Invalid string encoding found in Parquet file"


class UnreadError(Exception):
    """A reader refuses the file."""


def read(path: Path, format: str) -> dict[str, Rows | UnreadError]:
    """The file's records, as each reader of the format gives them, by its name; what it says where it refuses the file."""
    readers = {"parquet": (by_arrow, by_duckdb), "avro": (by_fastavro,), "json": (by_python,)}[format]
    found: dict[str, Rows | UnreadError] = {}
    for reader in readers:
        try:
            found[reader.__name__] = reader(path)
        except Exception as error:  # whatever a reader says of a damaged file
            if NOT_TEXT not in str(error):  # DuckDB refuses text that is no UTF-8, which is carried as it is
                found[reader.__name__] = UnreadError(f"{error!r:.300}")
    return found


def by_arrow(path: Path) -> Rows:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return as_rows(file.read([name for name in file.schema_arrow.names if name != DROPPED], use_threads=False))


def by_duckdb(path: Path) -> Rows:
    scan = f"read_parquet('{path}', hive_partitioning = false)"
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = ", ".join(f'"{name}"' for name in connection.sql(f"SELECT * FROM {scan}").columns if name != DROPPED)
        return as_rows(connection.sql(f"SELECT {columns} FROM {scan}").to_arrow_table())


def as_rows(table: pa.Table) -> Rows:
    """Text comes as bytes: what of it is no UTF-8 is carried, too."""
    columns = [
        pa.array([], f.type) if not column.num_chunks else column.combine_chunks()
        for f, column in zip(table.schema, table.columns, strict=True)
    ]
    plain = [_without_text(column) for column in columns]
    return [bits(row) for row in pa.Table.from_arrays(plain, names=table.schema.names).to_pylist()]


def _without_text(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        return array.view(pa.binary())
    if pa.types.is_struct(array.type):
        parts = [_without_text(array.field(i)) for i in range(array.type.num_fields)]
        return pa.StructArray.from_arrays(parts, names=[f.name for f in array.type], mask=array.is_null())
    if pa.types.is_list(array.type):
        return pa.ListArray.from_arrays(
            array.offsets, _without_text(array.values), mask=array.is_null() if array.null_count else None
        )
    return array


def by_fastavro(path: Path) -> Rows:
    with path.open("rb") as file:
        written = fastavro.reader(file).writer_schema
        assert isinstance(written, dict)
        wanted = {**written, "fields": [field for field in written["fields"] if field["name"] != DROPPED]}
        file.seek(0)
        return [bits(row) for row in fastavro.reader(file, reader_schema=fastavro.parse_schema(wanted))]


def by_python(path: Path) -> Rows:
    """A number is ("number", its text); a text that is not JSON, or has a key twice in one object, is an error."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        data = zstd.decompress(data)
    text = data.decode("utf-8-sig")
    if path.name.startswith("document"):
        return [loads(text)]
    if path.name.startswith("array"):
        return loads(text)
    return [loads(line) for line in text.split("\n") if line.strip(" \t\r")]


def loads(text: str) -> Any:
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_no_number, object_pairs_hook=_object)


def _number(text: str) -> tuple[str, str]:
    return "number", text


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def bits(value: Any) -> Any:
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: bits(each) for key, each in value.items()}
    if isinstance(value, list):
        return [bits(each) for each in value]
    return value


def migrated(row: dict[str, Any]) -> dict[str, Any]:
    """What `damaged.STEP` makes of a record."""
    out = {"title" if key == "name" else key: value for key, value in row.items() if key != "spare"}
    number = row["id"]
    out["next_id"] = ("number", str(int(number[1]) + 1)) if isinstance(number, tuple) else number + 1
    return out
