"""What independent readers find in a Parquet file: all of it, and the rows that a filter lets through.

pyarrow (C++), DuckDB (its own reader), polars (its own, in Rust) and DataFusion (Arrow in Rust, which tells what it skipped by
statistics, page index and bloom filter).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datafusion import SessionConfig, SessionContext

Rows = list[dict[str, Any]]


def by_pyarrow(path: Path) -> pa.Table:
    """Row group by row group: of several at once it reads no dictionary inside a record."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = range(file.num_row_groups)
        parts = [file.read_row_group(number, use_threads=False) for number in groups] or [file.read()]
    return pa.concat_tables(parts).unify_dictionaries()


def by_duckdb(path: Path) -> pa.Table:
    return connection().sql(f"FROM {scanned(path)}").to_arrow_table()


def by_polars(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, hive_partitioning=False)


READERS: dict[str, Callable[[Path], Any]] = {"pyarrow": by_pyarrow, "DuckDB": by_duckdb, "polars": by_polars}


@lru_cache
def connection() -> duckdb.DuckDBPyConnection:
    """One for all files: a new one costs more than reading one of them."""
    off = dict.fromkeys(("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_file_cache"), "false")
    made = duckdb.connect(config={"threads": 1, **off})
    made.execute("SET enable_geoparquet_conversion = false")
    return made


def scanned(path: Path) -> str:
    return f"read_parquet('{path}', hive_partitioning = false)"


# ---- all of a file
def same(name: str, one: Any, other: Any) -> None:
    """Asserts that a reader found the same names, types and values, floats by their bits."""
    if isinstance(one, pl.DataFrame):
        assert other.schema == one.schema, f"{name} finds other types"
        differing = [c for c in one.columns if not _bits(one[c]).equals(_bits(other[c]), null_equal=True)]
    else:
        assert other.schema.names == one.schema.names, f"{name} finds other names"
        assert other.schema.types == one.schema.types, f"{name} finds other types"
        pairs = zip(one.schema.names, one.columns, other.columns, strict=True)
        differing = [c for c, a, b in pairs if not _viewed(a).equals(_viewed(b))]
    assert not differing, f"{name} finds other values of {differing}"


def _bits(column: pl.Series) -> pl.Series:
    return column.reinterpret(signed=True) if column.dtype == pl.Float64 else column


def _viewed(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, every float as its bits: a NaN is equal to none."""
    return bare(column.combine_chunks() if column.num_chunks else pa.array([], column.type))


def bare(array: pa.Array) -> pa.Array:
    """The array with whole numbers in place of floats, at every depth."""
    type = array.type
    if isinstance(array, pa.ExtensionArray):
        return bare(array.storage)
    if pa.types.is_floating(type):
        return array.view({16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[type.bit_width])
    if pa.types.is_struct(type):
        return pa.StructArray.from_arrays(
            [bare(array.field(i)) for i in range(len(type))], [f.name for f in type], mask=array.is_null()
        )
    if pa.types.is_map(type):
        return pa.MapArray.from_arrays(array.offsets, bare(array.keys), bare(array.items), mask=_nulls(array))
    if pa.types.is_list(type):
        return pa.ListArray.from_arrays(array.offsets, bare(array.values), mask=_nulls(array))
    return array


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None


# ---- some rows of it
@dataclass(frozen=True)
class Predicate:
    """`column` `comparison` `value`: what a reader is asked for."""

    column: str
    comparison: str
    value: int | str

    @property
    def sql(self) -> str:
        value = f"'{self.value}'" if isinstance(self.value, str) else str(self.value)
        column = self.column.replace('"', '""')
        return f'"{column}" {self.comparison} {value}'

    @property
    def arrow(self) -> pc.Expression:
        return _compared(pc.field(self.column), self)

    @property
    def polars(self) -> pl.Expr:
        return _compared(pl.col(self.column), self)


def _compared(column: Any, predicate: Predicate) -> Any:
    return {"=": column.__eq__, "<": column.__lt__, ">": column.__gt__}[predicate.comparison](predicate.value)


def filtered(path: Path, predicate: Predicate, show: str) -> dict[str, list[Any]]:
    """The values of the column `show` where the predicate holds, by each reader, which skips what it can."""
    query = connection().sql(f'SELECT "{show}" FROM {scanned(path)} WHERE {predicate.sql}')
    lazy = pl.scan_parquet(path, hive_partitioning=False).filter(predicate.polars).select(pl.col(show))
    return {
        "pyarrow": pq.read_table(path, filters=predicate.arrow, columns=[show])[show].to_pylist(),
        "DuckDB": [row[0] for row in query.fetchall()],
        "polars": lazy.collect()[show].to_list(),
        "DataFusion": [row[show] for row in session(path).sql(f'SELECT "{show}" FROM t WHERE {predicate.sql}').to_pylist()],
    }


def session(path: Path) -> SessionContext:
    config = SessionConfig().set("datafusion.execution.target_partitions", "1")
    context = SessionContext(config.set("datafusion.execution.parquet.pushdown_filters", "true"))
    context.register_parquet("t", str(path))
    return context


def skipped(path: Path, predicate: Predicate) -> dict[str, str]:
    """What DataFusion says it skipped, by what: `statistics`, `bloom_filter`, `page_index_pages`; each as how many there were and
    how many were left."""
    told = str(session(path).sql(f"EXPLAIN ANALYZE SELECT * FROM t WHERE {predicate.sql}").to_pydict())
    wanted = {"statistics": "row_groups_pruned_statistics", "bloom_filter": "row_groups_pruned_bloom_filter"}
    wanted["page_index"] = "page_index_pages_pruned"
    return {name: _one(re.findall(rf"{counter}=(\d+ total → \d+)", told)) for name, counter in wanted.items()}


def _one(found: list[str]) -> str:
    [told] = found
    return told
