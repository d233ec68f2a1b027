"""One of the two Parquet files of a proof: what it is called in SQL, and its values as bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from .connection import text_literal
from .elements import EMPTY, Element, read_elements
from .exact import DuckType, children
from .raw import at, raw
from .relation import Stream

_ROWS = 16_384  # of a batch read as bits


@dataclass(frozen=True)
class Side:
    """One of the two files: its elements, and how DuckDB names and types its columns, which are called by `prefix` and a number."""

    file: FilePath
    prefix: str
    root: Element
    types: tuple[DuckType, ...]
    rows: int

    @cached_property
    def positions(self) -> dict[str, int]:
        return {element.name: i for i, element in enumerate(self.root.children)}

    @property
    def scan(self) -> str:
        columns = ", ".join(f"{self.prefix}{i}" for i in range(len(self.types)))
        return f"read_parquet({text_literal(str(self.file))}, hive_partitioning = false) AS {self.prefix}({columns})"

    def indices(self, path: Sequence[str]) -> tuple[int, ...]:
        """The path as positions within the groups on the way."""
        found, group = [], self.root
        for name in path:
            found.append([child.name for child in group.children].index(name))
            group = group.children[found[-1]]
        return tuple(found)

    def element(self, path: Sequence[str]) -> Element:
        element = self.root
        for position in self.indices(path):
            element = element.children[position]
        return element

    def names(self, path: Sequence[str]) -> tuple[str, ...]:
        """The path as DuckDB names it: the column, then its struct fields (it renames those that differ only by case)."""
        first, *rest = self.indices(path)
        names, type = [f"{self.prefix}{first}"], self.types[first]
        for position in rest:
            name, type = children(type)[position]
            names.append(name)
        return tuple(names)

    def reference(self, path: Sequence[str]) -> str:
        """SQL for the value at `path`."""
        sql, *fields = self.names(path)
        for name in fields:
            sql = f"struct_extract({sql}, {text_literal(name)})"
        return sql


def side(connection: duckdb.DuckDBPyConnection, file: FilePath, prefix: str) -> Side:
    """Reads the footer only.

    Raises:
        duckdb.Error, pa.ArrowException: the file cannot be read.
    """
    footer = pq.read_metadata(file)
    rows = sum(footer.row_group(i).num_rows for i in range(footer.num_row_groups)) or footer.num_rows
    if not footer.num_columns:  # DuckDB refuses such a file; there is nothing to compare in it but its rows
        return Side(file, prefix, EMPTY, (), rows)
    root = read_elements(connection, file)
    types = connection.sql(f"SELECT * FROM read_parquet({text_literal(str(file))}, hive_partitioning = false)").types
    return Side(file, prefix, root, tuple(types), rows)


def bit_stream(side: Side, name: str, paths: Sequence[Sequence[str]]) -> Stream:
    """The values at `paths` as bits, in columns called by the stream's name and a number; an INT96 twice over, as two units.

    pyarrow reads an INT96 in ns wrapped around 64 bits, or in ms rounded down: together they are the instant, in any year.
    """
    units = ("ns", "ms") if any(leaf.physical == "INT96" for p in paths for leaf in side.element(p).leaves()) else ("ns",)
    names = [f"{name}{i}" for i in range(len(paths))]
    indices = [side.indices(p)[1:] for p in paths]

    def bits(table: pa.RecordBatch | pa.Table) -> list[pa.Array]:
        found = [table.column(table.schema.get_field_index(p[0])) for p in paths]
        arrays = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in found]
        return [raw(at(array, i)) for array, i in zip(arrays, indices, strict=True)]

    def together(views: Sequence[Sequence[pa.Array]]) -> pa.RecordBatch:
        arrays = [v[0] if len(v) == 1 else pa.StructArray.from_arrays(v, names=[*units]) for v in zip(*views, strict=True)]
        return pa.record_batch(arrays, names=names)

    def batches() -> Iterator[pa.RecordBatch]:
        files = [_opened(side.file, unit) for unit in units]
        try:
            columns = sorted({p[0] for p in paths})
            for views in zip(*(f.iter_batches(_ROWS, columns=columns, use_threads=False) for f in files), strict=True):
                yield together([bits(view) for view in views])
        finally:
            for file in files:
                file.close()

    with _opened(side.file, "ns") as file:
        empty = file.schema_arrow.empty_table()
    return Stream(name, together([bits(empty)] * len(units)).schema, batches)


def _opened(file: FilePath, unit: str) -> pq.ParquetFile:
    return pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 16, coerce_int96_timestamp_unit=unit)
