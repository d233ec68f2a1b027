"""Parquet files by many writers, for the splice: each a function that writes one file, by name.

Small on purpose: what a splice may get wrong shows in the second row group and the second page as well as in the thousandth.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

Writer = Callable[[Path], None]
ROWS = 240
GROUP, PAGE = 100, 20
"""Rows in a row group and in a page: three groups, the last shorter, of at most five pages."""


@lru_cache
def table(rows: int = ROWS) -> pa.Table:
    """A column for every kind that a writer stores in a way of its own; `id` and `tens` ascend."""
    at = range(rows)

    def some(every: int, values: list[Any]) -> list[Any]:
        return [None if i % every == every - 1 else value for i, value in enumerate(values)]

    floats = [float("nan") if i % 41 == 7 else -0.0 if i % 41 == 8 else i / 7 for i in at]
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    deep = [{"x": i, "y": f"y{i % 5}" if i % 3 else None, "deep": {"z": i / 2, "w": i % 2 == 0}} for i in at]
    columns: dict[str, pa.Array] = {
        "id": pa.array(at, pa.int64()),
        "i32": pa.array(some(10, [i * 7919 % 1000 - 500 for i in at]), pa.int32()),
        "f": pa.array(some(20, floats), pa.float64()),
        "s": pa.array(some(11, [f"category {i % 13}" for i in at])),
        "u": pa.array([f"unique-{i:05}-{i * 7919 % 10007}" for i in at]),
        "b": pa.array(some(9, [i % 3 == 0 for i in at])),
        "d": pa.array([dt.date(2020, 1, 1) + dt.timedelta(i % 50) for i in at]),
        "ts": pa.array([1_600_000_000_000_000 + i * 1_000_001 for i in at], pa.timestamp("us")),
        "tz": pa.array(some(30, [start + dt.timedelta(hours=i) for i in at]), pa.timestamp("us", "UTC")),
        "dec": pa.array([Decimal(i * 31 % 100_000) / 100 for i in at], pa.decimal128(12, 2)),
        "bin": pa.array(some(8, [bytes([i % 256, 255]) for i in at]), pa.binary()),
        "tens": pa.array([i // 10 for i in at], pa.int32()),
        "nul": pa.nulls(rows, pa.int64()),
        "st": pa.array(some(17, deep)),
        "li": pa.array(some(13, [list(range(i % 4)) for i in at]), pa.list_(pa.int64())),
        "ls": pa.array(some(14, [[{"k": i, "v": str(j) if j else None} for j in range(i % 3)] for i in at])),
        "ll": pa.array([[[j] * (j % 3) for j in range(i % 3)] for i in at], pa.list_(pa.list_(pa.int32()))),
        "m": pa.array(some(19, [[(f"k{j}", i + j) for j in range(i % 3)] for i in at]), pa.map_(pa.string(), pa.int64())),
        "mm": pa.array(
            [[(f"k{j}", {"p": i, "q": None if j else "q"}) for j in range(i % 3)] for i in at],
            pa.map_(pa.string(), pa.struct({"p": pa.int32(), "q": pa.string()})),
        ),
    }
    return pa.table(columns)


NESTED = ("st", "li", "ls", "ll", "m", "mm")
FLAT = tuple(name for name in table(1).column_names if name not in NESTED)


# ---- pyarrow
def by_pyarrow(path: Path, *, make: Callable[[], pa.Table] = table, **options: Any) -> None:
    pq.write_table(make(), path, **{"row_group_size": GROUP, "max_rows_per_page": PAGE, **options})


def _dictionaries() -> pa.Table:
    """Text as dictionaries, as large text and as views."""
    found = table()
    for name, type in (("s", pa.dictionary(pa.int8(), pa.string())), ("u", pa.large_string()), ("bin", pa.large_binary())):
        found = found.set_column(found.column_names.index(name), name, found[name].cast(type))
    return found.append_column("view", table()["u"].cast(pa.string_view()))


def _marked() -> pa.Table:
    """Field ids, docs and other metadata of fields, and key-values of the file."""
    fields = []
    for number, field in enumerate(table().schema, 1):
        fields.append(field.with_metadata({"PARQUET:field_id": str(number), "unit": f"unit of {field.name}"}))
    metadata = {"owner": "someone", "note": "ünï", "empty": "", "iceberg.schema": "{}"}
    return table().cast(pa.schema(fields)).replace_schema_metadata(metadata)


def _required() -> pa.Table:
    """Columns that are REQUIRED where they hold no null, records and their fields too."""
    found = table()
    deep = pa.struct([pa.field("z", pa.float64(), False), pa.field("w", pa.bool_())])
    strict = {"id": None, "u": None, "tens": None, "d": None, "dec": None, "ts": None}
    whole = pa.struct([pa.field("x", pa.int64(), False), pa.field("y", pa.string()), pa.field("deep", deep, False)])
    rows = [row or {"x": 0, "y": None, "deep": {"z": 0.0, "w": None}} for row in found["st"].to_pylist()]
    found = found.set_column(found.column_names.index("st"), pa.field("st", whole, False), pa.array(rows, whole))
    fields = [field.with_nullable(False) if field.name in strict else field for field in found.schema]
    return pa.Table.from_arrays(found.columns, schema=pa.schema(fields))


def _odd_names() -> pa.Table:
    """Names with dots, quotes and of other letters, and two that differ by case alone, in records, too."""
    inner = pa.array([{"a.b": i, "A.B": str(i), "ü": None} for i in range(ROWS)], pa.struct({"a.b": pa.int32(), "A.B": pa.string(),
                                                                                             "ü": pa.int64()}))  # fmt: skip
    chosen = table().select(["id", "s", "u", "tens", "i32", "f", "li", "st"])
    return chosen.append_column("x.y", inner).append_column('qu"ote', table()["f"]).append_column("ID", table()["i32"])


def _extensions() -> pa.Table:
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([i.to_bytes(16, "big") for i in range(ROWS)], pa.binary(16)))
    texts = pa.ExtensionArray.from_storage(pa.json_(), pa.array([json.dumps({"i": i}) for i in range(ROWS)]))
    halves = pa.array(np.arange(ROWS, dtype=np.float16))
    chosen = table().select(["id", "s", "u", "tens", "i32", "f"])
    return chosen.append_column("uuid", uuids).append_column("json", texts).append_column("half", halves)


def _clocks() -> pa.Table:
    """Times and timestamps of every unit, durations, and zones: what ARROW:schema alone tells apart."""
    at = range(ROWS)
    chosen = table().select(["id", "s", "u", "tens", "i32", "f"])
    zone = pa.timestamp("us", "Europe/Paris")
    for name, type in (
        ("t32", pa.time32("ms")), ("t64", pa.time64("us")), ("ns", pa.timestamp("ns")), ("ms", pa.timestamp("ms", "UTC")),
        ("paris", zone), ("took", pa.duration("us")), ("large", pa.large_string()), ("pair", pa.list_(pa.int32(), 2)),
    ):  # fmt: skip
        values = [f"text {i}" for i in at] if name == "large" else [[i, i] for i in at] if name == "pair" else list(at)
        chosen = chosen.append_column(name, pa.array(values, type))
    return chosen


def _pandas_index() -> pa.Table:
    frame = table().select(["id", "i32", "f", "s", "u", "tens"]).to_pandas().set_index("u")
    frame["i32"] = frame["i32"].astype("Int32")
    return pa.Table.from_pandas(frame)


def no_row_group(path: Path) -> None:
    pq.ParquetWriter(path, table().schema).close()


def group_without_rows(path: Path) -> None:
    """The second of three row groups has none."""
    with pq.ParquetWriter(path, table().schema, write_page_index=True) as writer:
        for part in (table().slice(0, 50), table().slice(0, 0), table().slice(50)):
            writer.write_table(part)


def appended(path: Path) -> None:
    """Row groups that differ: a dictionary that is given up, columns of nulls alone, one row."""
    with pq.ParquetWriter(path, table().schema, dictionary_pagesize_limit=64, write_page_index=True) as writer:
        empty = pa.Table.from_pylist([{"id": 77, "tens": 7, "u": "the-same-one"}] * 30, schema=table().schema)
        for part in (table().slice(0, 70), empty, table().slice(70, 1), table().slice(71)):
            writer.write_table(part)


INDEXED: dict[str, Any] = {"write_page_index": True}
BLOOMS = {name: {"ndv": GROUP, "fpp": 0.01} for name in ("id", "u", "s", "i32")}
BY_PYARROW: dict[str, dict[str, Any]] = {
    **{f"pyarrow {codec}": {"compression": codec} for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4")},
    "pyarrow several codecs": {"compression": {"id": "zstd", "s": "gzip", "st.x": "none", "li.list.element": "snappy"}},
    "pyarrow page index": {"compression": "zstd", **INDEXED},
    "pyarrow bloom filters": {"bloom_filter_options": BLOOMS, **INDEXED},
    "pyarrow bloom filters alone": {"bloom_filter_options": BLOOMS},
    "pyarrow V2 pages": {"data_page_version": "2.0", "compression": "zstd", **INDEXED},
    "pyarrow V2 pages, no codec": {"data_page_version": "2.0", "compression": "none", "use_dictionary": False},
    "pyarrow checksums": {"write_page_checksum": True, **INDEXED},
    "pyarrow checksums of V2 pages": {"write_page_checksum": True, "data_page_version": "2.0", "compression": "gzip"},
    "pyarrow no dictionary": {"use_dictionary": False, **INDEXED},
    "pyarrow encodings": {
        "use_dictionary": ["s"],
        "column_encoding": {
            "id": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED", "u": "DELTA_BYTE_ARRAY", "f": "BYTE_STREAM_SPLIT",
            "bin": "DELTA_LENGTH_BYTE_ARRAY", "b": "RLE",
        },
    },
    "pyarrow sorted": {"sorting_columns": [pq.SortingColumn(11), pq.SortingColumn(0, True, True)], **INDEXED},
    "pyarrow no statistics": {"write_statistics": False},
    "pyarrow some statistics": {"write_statistics": ["id", "u"], **INDEXED},
    "pyarrow no ARROW:schema": {"store_schema": False, **INDEXED},
    "pyarrow format 1.0": {"version": "1.0"},
    "pyarrow old lists": {"use_compliant_nested_type": False},
    "pyarrow decimals as integers": {"store_decimal_as_integer": True, **INDEXED},
    "pyarrow INT96": {"use_deprecated_int96_timestamps": True},
    "pyarrow groups of twenty": {"row_group_size": 20, "max_rows_per_page": 8, **INDEXED},
    "pyarrow one group": {"row_group_size": ROWS},
    "pyarrow dictionaries and views": {"make": _dictionaries, **INDEXED},
    "pyarrow ids and key-values": {"make": _marked, **INDEXED},
    "pyarrow required": {"make": _required, **INDEXED},
    "pyarrow odd names": {"make": _odd_names, **INDEXED},
    "pyarrow extensions": {"make": _extensions, **INDEXED},
    "pyarrow clocks": {"make": _clocks, **INDEXED},
    "pyarrow clocks, no ARROW:schema": {"make": _clocks, "store_schema": False},
    "pyarrow pandas index": {"make": _pandas_index, **INDEXED},
    "pyarrow no rows": {"make": lambda: table().slice(0, 0)},
}  # fmt: skip


# ---- DuckDB, polars, fastparquet
def by_duckdb(path: Path, *, rows: int = ROWS, **options: Any) -> None:
    """`rows` above 2,048, its least row group, for several groups."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("source", table(rows))
        given = ", ".join(f"{name} {value}" for name, value in options.items())
        connection.execute(f"COPY (SELECT * FROM source) TO '{path}' (FORMAT parquet, {given})")


def by_polars(path: Path, **options: Any) -> None:
    frame = pl.from_arrow(table().drop_columns(["m", "mm"]))
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(path, **{"row_group_size": GROUP, **options})


def by_fastparquet(path: Path, **options: Any) -> None:
    import fastparquet

    frame = table().select(["id", "i32", "f", "s", "u", "b", "ts", "tens"]).to_pandas()
    for name in ("s", "u"):
        frame[name] = frame[name].astype(object)
    frame["i32"] = frame["i32"].astype("Int32")
    fastparquet.write(str(path), frame, row_group_offsets=GROUP, **options)


SOURCES: dict[str, Writer] = {
    **{name: partial(by_pyarrow, **options) for name, options in BY_PYARROW.items()},
    "pyarrow no row group": no_row_group,
    "pyarrow a group without rows": group_without_rows,
    "pyarrow groups unlike each other": appended,
    **{
        f"DuckDB {codec}": partial(by_duckdb, compression=codec)
        for codec in ("uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw")
    },
    "DuckDB V2": partial(by_duckdb, parquet_version="v2", compression="zstd"),
    "DuckDB two groups": partial(by_duckdb, rows=2100, row_group_size=2048),
    "DuckDB field ids": partial(by_duckdb, field_ids="'auto'", kv_metadata="{owner: 'someone'}"),
    **{
        f"polars {codec}": partial(by_polars, compression=codec)
        for codec in ("uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4")
    },
    "polars small pages": partial(by_polars, compression="zstd", data_page_size=256),
    "polars no statistics": partial(by_polars, statistics=False),
    "fastparquet": partial(by_fastparquet, compression="SNAPPY"),
    "fastparquet gzip, no nulls": partial(by_fastparquet, compression="GZIP", has_nulls=["i32", "f", "s", "b"]),
    "fastparquet INT96": partial(by_fastparquet, times="int96"),
    "fastparquet key-values": partial(by_fastparquet, custom_metadata={"owner": "someone"}, stats=["id"]),
}

ALL, WITHOUT_MAPS = frozenset(table(1).column_names), frozenset(table(1).column_names) - {"m", "mm"}
USUAL = frozenset({"id", "i32", "f", "s", "u", "tens"})
"""In every file."""
HELD: dict[str, frozenset[str]] = {
    **{name: WITHOUT_MAPS for name in SOURCES if name.startswith("polars")},
    **{name: USUAL for name in SOURCES if name.startswith("fastparquet") or BY_PYARROW.get(name, {}).get("make") in
       (_extensions, _clocks, _pandas_index)},
    "pyarrow odd names": USUAL | {"li", "st", "x.y"},
}  # fmt: skip
"""The columns of those files that have not all of them."""
