"""One of the two Parquet files of a proof: what it is called in SQL, and its values as bits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path as FilePath

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.schema import Record, Type
from instar.transforms.evaluate.leaving_out import rows_of
from instar.transforms.evaluate.sql_types import sql_type

from .connection import file_literal, sealed
from .duck_elements import read_elements
from .elements import EMPTY, Element, exact
from .exact import DuckType
from .footer import footer_elements
from .given import given, given_type
from .misread import misread
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
    other: Mapping[int, Type] = field(default_factory=dict)
    """Columns in which DuckDB does not read everything, or not exactly: pyarrow can read them for it, records named by position."""
    unread: frozenset[int] = frozenset()
    """Those of them that DuckDB does not read at all."""
    left_out: frozenset[int] = frozenset()
    """The numbers of the records that are not compared."""
    memory: int = 0
    """In bytes, for reading a file of which records are left out."""
    groups: int = 1
    """How many row groups there are."""

    @cached_property
    def positions(self) -> dict[str, int]:
        return {element.name: i for i, element in enumerate(self.root.children)}

    @property
    def scan(self) -> str | None:
        """DuckDB's own reader as a FROM item; None where it reads no column."""
        return None if len(self.unread) == len(self.types) else _scan(self.file, self.prefix, len(self.types))

    @property
    def kept(self) -> int:
        """How many records are compared."""
        return self.rows - len(self.left_out)

    @property
    def item(self) -> str | Stream | None:
        """DuckDB's reader as one side of a comparison: its scan, or where records are left out what is left of it."""
        return _kept_stream(self, self.scan) if self.left_out and self.scan else self.scan

    def without(self, left_out: Collection[int], memory: int) -> Side:
        """The side without the records of these numbers."""
        return replace(self, left_out=frozenset(left_out), memory=memory)

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

    def reference(self, path: Sequence[str], *, computed: bool = False) -> str:
        """SQL for the value at `path`: by position, as DuckDB renames struct fields that differ only by case, or have no name.

        `computed`: it is compared as a whole with what SQL makes, or SQL makes something of it; of what is only carried the inexact
        places are compared as bits, one by one.
        """
        first, *rest = self.indices(path)
        other = first in self.unread or (computed and first in self.other)
        sql = f"{self.prefix}other{first}" if other else f"{self.prefix}{first}"
        for position in rest:
            sql = f"struct_extract_at({sql}, {position + 1})"
        return sql


def side(connection: duckdb.DuckDBPyConnection, file: FilePath, prefix: str, record: Record) -> Side:
    """Reads the footer only; `record` is the file's logical schema.

    Raises:
        duckdb.Error, pa.ArrowException: the file cannot be read.
    """
    footer = pq.read_metadata(file)
    rows = sum(footer.row_group(i).num_rows for i in range(footer.num_row_groups)) or footer.num_rows
    if not footer.num_columns:  # DuckDB refuses such a file; there is nothing to compare in it but its rows
        return Side(file, prefix, EMPTY, (), rows)
    root = footer_elements(file)
    strange = root.has_map_of_keys()  # DuckDB does not even tell its schema
    root = root if strange else read_elements(connection, file)
    scan = _scan(file, prefix, len(root.children))
    types = None if strange or misread(file, footer) else list(connection.sql(f"SELECT * FROM {scan}").types)
    known = {i: record[e.name].type for i, e in enumerate(root.children) if e.name in record}
    unread = frozenset(i for i in known if types is None or root.children[i].nameless())
    other = {i: type for i, type in known.items() if i in unread or _odd(root.children[i])}
    types = types or [duckdb.sqltype("BOOLEAN")] * len(root.children)
    types = [duckdb.sqltype(sql_type(other[i])) if i in other else type for i, type in enumerate(types)]
    return Side(file, prefix, root, tuple(types), rows, other, unread, groups=max(footer.num_row_groups, 1))


def _odd(element: Element) -> bool:
    """Is this a nested column with something below that DuckDB does not read, or not exactly?"""
    return not element.physical and not exact(element)


def _scan(file: FilePath, prefix: str, count: int) -> str:
    """The columns are named by position: DuckDB's own names for those without one can meet others."""
    columns = ", ".join(f"{prefix}{i}" for i in range(count))
    return f"read_parquet({file_literal(file)}, hive_partitioning = false) AS {prefix}({columns})"


def _kept_stream(side: Side, scan: str) -> Stream:
    """What DuckDB reads, less the records that are left out; read by a connection of its own while another one compares."""

    def batches() -> Iterator[pa.RecordBatch]:
        with closing(sealed(side.file, memory=side.memory // 4, lossless=True)) as connection:
            yield from kept(connection.sql(f"SELECT * FROM {scan}").to_arrow_reader(_ROWS), side.left_out)

    with closing(sealed(side.file, memory=side.memory // 4, lossless=True)) as connection:
        schema = connection.sql(f"SELECT * FROM {scan} LIMIT 0").to_arrow_table().schema
    return Stream(f"{side.prefix}kept", schema, batches)


def kept(batches: Iterable[pa.RecordBatch], left_out: frozenset[int]) -> Iterator[pa.RecordBatch]:
    """The batches without the rows of these numbers, counted over all of them."""
    first = 0
    for batch in batches:
        rows = [row for row in range(batch.num_rows) if first + row not in left_out] if left_out else []
        first += batch.num_rows
        yield rows_of(batch, rows) if left_out and len(rows) < batch.num_rows else batch


def other_stream(side: Side, asked: Collection[int]) -> Stream:
    """Those of the `other` columns that are asked for."""
    columns = {side.root.children[i].name: (f"{side.prefix}other{i}", side.other[i]) for i in sorted(asked)}
    schema = pa.schema([(name, given_type(type)) for name, type in columns.values()])

    def batches() -> Iterator[pa.RecordBatch]:
        with _opened(side.file, "us") as file:
            for batch in kept(file.iter_batches(_ROWS, columns=list(columns), use_threads=False), side.left_out):
                arrays = [given(batch.column(batch.schema.get_field_index(name)), type) for name, (_, type) in columns.items()]
                yield pa.record_batch(arrays, schema=schema)

    return Stream(f"{side.prefix}other", schema, batches)


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
            read = (kept(f.iter_batches(_ROWS, columns=columns, use_threads=False), side.left_out) for f in files)
            for views in zip(*read, strict=True):
                yield together([bits(view) for view in views])
        finally:
            for file in files:
                file.close()

    with _opened(side.file, "ns") as file:
        fields = file.schema_arrow
        empty = pa.Table.from_arrays(
            [pa.nulls(0, f.type) for f in fields], schema=fields
        )  # empty_table makes no lists of extensions
    return Stream(name, together([bits(empty)] * len(units)).schema, batches)


def _opened(file: FilePath, unit: str) -> pq.ParquetFile:
    return pq.ParquetFile(
        file, pre_buffer=False, buffer_size=1 << 16, coerce_int96_timestamp_unit=unit, page_checksum_verification=True
    )
