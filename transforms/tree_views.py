"""DuckDB views of lists of data files: explicit columns by each file's schema version, never inferred ones.

Parquet and JSON are read by DuckDB itself, Avro as Arrow batches, and so is JSON that DuckDB refuses: behind a byte order mark, or
in a file whose name is not UTF-8. Files of several versions make one view by the names of their columns: a column that a version
lacks is null in its files, one whose types have nothing in common is text. `key=value` folders are columns as in `scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from instar.formats.columnar import written_out
from instar.formats.errors import FileError, InstarError
from instar.formats.format import format_named
from instar.formats.partitions import partition_keys, partitions_of
from instar.formats.plain import plain_type
from instar.formats.schema import Duration, Float, List, Map, Record, Schema, Type
from instar.formats.storage import stored
from instar.transforms.evaluate.sql_types import literal
from instar.transforms.evaluate.view_columns import Reader, shown_type, view_columns
from instar.transforms.partition_columns import PartitionColumns, folder_columns
from instar.transforms.proof.connection import can_be_named, file_literal, quoted, sealed, text_literal
from instar.transforms.run.stage_file import at_file
from instar.transforms.run.two_trees import TreeFile

_FILE = "instar file name"
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
)
_A_THREAD = 128 << 20
"""Bytes for each thread that reads JSON: of a file that it is in DuckDB takes 32 MB, and a join is in two."""
_READERS: dict[str, Reader] = {"parquet": "parquet", "json": "json", "avro": "avro"}
_COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}
_LAYOUTS = {"lines": "newline_delimited", "array": "array", "document": "unstructured"}


@dataclass
class Views:
    """Views in a sealed connection. `columns`: of each view, by name, the DuckDB type; `hidden`: those that it lacks, and why.

    `fault` is what a reader of ours, or a signal's handler, raised while a query ran, of which DuckDB passes on only the text.
    """

    connection: duckdb.DuckDBPyConnection
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    hidden: dict[str, dict[str, str]] = field(default_factory=dict)
    fault: BaseException | None = None

    def raise_if_stopped(self) -> None:
        """
        Raises:
            BaseException: a signal's handler raised it, and DuckDB made an error of its own of it.
        """
        if self.fault is not None and not isinstance(self.fault, Exception):
            raise self.fault from None


@contextmanager
def tree_views(
    format: str,
    schemas: Mapping[int, Schema],
    sides: Mapping[str, Sequence[TreeFile]],
    *,
    target: int,
    partitions: Mapping[str, str],
    memory: int,
    threads: int = 1,
    wanted: Collection[str] | None = None,
    trusting: bool = False,
) -> Iterator[Views]:
    """A view of each side, by its name, in a connection that can read these files and nothing else, and is closed afterwards.

    A side without files is an empty view of the version `target`. `partitions`: types of folders' keys, as in `instar.toml`;
    `memory` in bytes. `wanted`: the names (casefolded) of the only columns that Arrow batches need to have; None: all. `trusting`:
    queries are planned by what files say of their values, as they are outside of Instar.

    Raises:
        InstarError: a folder's value is not of its key's type. FileError: DuckDB cannot open a file.
    """
    files, threads = [file.file for side in sides.values() for file in side], threads_within(format, threads, memory)
    connection = sealed(*dict.fromkeys(files), memory=memory, lossless=True, threads=threads, trusting=trusting)
    made = Views(connection)
    try:
        for name, side in sides.items():
            try:
                _add(made, name, format, schemas, side, target, partitions, memory, threads, wanted)
            except duckdb.InterruptException:
                raise
            except duckdb.Error as error:
                why = " ".join(str(error).partition("\n\n")[0].split())
                raise FileError(f"the {name} files cannot be read: {why}", hint="Restore them, or write them again.") from error
        yield made
    finally:
        connection.close()


def threads_within(format: str, threads: int, memory: int) -> int:
    """So many threads, or as many as so much memory (bytes) is enough for."""
    return min(threads, max(1, memory // _A_THREAD)) if format == "json" else threads


@contextmanager
def empty_views(
    format: str, schemas: Mapping[int, Schema], sides: Mapping[str, Collection[int]], partitions: Mapping[str, str]
) -> Iterator[Views]:
    """The same views, of sides that hold files of these versions, without any rows: to see whether a query fits them."""
    connection = sealed(memory=0)
    made = Views(connection)
    try:
        for name, versions in sides.items():
            parts = [_empty(schemas[version], format, partitions) for version in sorted(versions)]
            _create(made, name, parts)
        yield made
    finally:
        connection.close()


# ---- one view
@dataclass(frozen=True)
class _Part:
    """Files that one SELECT reads: FROM item, and of its columns the name, the type and SQL."""

    relation: str
    columns: tuple[tuple[str, str, str], ...]
    hidden: Mapping[str, str]


def _add(
    made: Views,
    name: str,
    format: str,
    schemas: Mapping[int, Schema],
    files: Sequence[TreeFile],
    target: int,
    types: Mapping[str, str],
    memory: int,
    threads: int,
    wanted: Collection[str] | None,
) -> None:
    folders = {file.path: partitions_of(file.path) for file in files}
    keys = partition_keys(folders.values())
    groups: dict[Any, list[TreeFile]] = {}
    forms: dict[int, str] = {}
    for file in files:
        own = forms.setdefault(id(file.schema), repr(file.schema)) if format == "parquet" else file.layout
        groups.setdefault((file.version, own, file.bom or not can_be_named(file.file)), []).append(file)
    parts = list[_Part]()
    for (version, _, ours), group in sorted(groups.items(), key=lambda item: item[0][0]):
        columns = folder_columns({file.path: folders[file.path] for file in group}, keys, schemas[version], types)
        number = f"{name}_{len(parts)}"
        if format == "avro" or ours:
            parts.append(_streamed(made, number, format, schemas[version], group, columns, memory, wanted))
        else:
            largest = max(1 << 20, min(16 << 20, memory // (8 * threads)))
            parts.append(_read(made, number, _READERS[format], schemas[version], group, columns, largest))
    _create(made, name, parts or [_empty(schemas[target], format, types)])


def _create(made: Views, name: str, parts: Sequence[_Part]) -> None:
    """The view, UNION ALL BY NAME of its parts; columns of one name come to one type first."""
    hidden = {column: why for part in parts for column, why in part.hidden.items()}
    names = {column.casefold() for column in hidden}
    parts = [replace(part, columns=tuple(c for c in part.columns if c[0].casefold() not in names)) for part in parts]
    types: dict[str, list[str]] = {}
    for part in parts:
        for column, type, _ in part.columns:
            types.setdefault(column.casefold(), []).append(type)
    common = {column: _common(made.connection, tuple(dict.fromkeys(found))) for column, found in types.items()}

    def value(column: str, type: str, sql: str) -> str:
        wide = common[column.casefold()]
        return f"{sql if wide == type else f'CAST({sql} AS {wide})'} AS {quoted(column)}"

    selects = [
        f"SELECT {', '.join(value(*column) for column in part.columns) or '1 AS rows'} FROM {part.relation}" for part in parts
    ]
    made.connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {' UNION ALL BY NAME '.join(selects)}")
    shown = {column: common[column.casefold()] for part in parts for column, _, _ in part.columns}
    made.columns[name] = shown
    made.hidden[name] = hidden


def _common(connection: duckdb.DuckDBPyConnection, types: Sequence[str]) -> str:
    """The type that holds the values of all: numbers and records as DuckDB finds it, text for what has nothing in common."""
    if len(types) == 1:
        return types[0]
    numbers = all(type in _NUMBERS or type.startswith("DECIMAL") for type in types)
    times = all(type.startswith("TIMESTAMP") for type in types)
    nested = all(type.startswith("STRUCT") for type in types) or all(type.endswith("[]") for type in types)
    if not (numbers or times or nested):
        return "VARCHAR"
    select = " UNION ALL ".join(f"SELECT CAST(NULL AS {type}) AS x" for type in types)
    try:
        return str(connection.sql(select).types[0])
    except duckdb.BinderException:
        return "VARCHAR"


def _empty(schema: Schema, format: str, types: Mapping[str, str]) -> _Part:
    shown = view_columns(schema, _READERS[format])
    folders = folder_columns({}, [key for key in types if key not in schema.record], schema, types)
    columns = [(c.name, c.type) for c in shown.columns] + [(f.name, shown_type(f.type, "avro")) for f in folders.fields]
    return _Part("(SELECT 1) WHERE false", tuple((name, type, f"CAST(NULL AS {type})") for name, type in columns), shown.hidden)


# ---- files that DuckDB reads
def _read(
    made: Views, name: str, reader: Reader, schema: Schema, files: Sequence[TreeFile], folders: PartitionColumns, largest: int
) -> _Part:
    """`largest`: bytes of a JSON record, twice of which DuckDB takes for each thread."""
    shown = view_columns(schema, reader)
    paths = ", ".join(file_literal(file.file) for file in files)
    options = "hive_partitioning = false"
    if folders.fields:
        options += f", filename = {text_literal(_FILE)}"
    if reader == "json":
        read = ", ".join(f"{text_literal(c.name)}: {text_literal(c.read)}" for c in shown.columns) or "'instar none': 'VARCHAR'"
        kind, _, packed = files[0].layout.partition(".")
        options += f", format = '{_LAYOUTS[kind]}', compression = '{_COMPRESSIONS.get(packed, 'none')}'"
        options += f", maximum_object_size = {largest}, columns = {{{read}}}"
        options += ", records = 'true'"  # else DuckDB looks at the first records of every file, and keeps what it read of each
    relation = f"read_{reader}([{paths}], {options}) AS src"
    given = [(f"src.{quoted(c.name)}", c) for c in shown.columns]
    columns = [(c.name, c.type, c.value(at)) for at, c in given]
    if folders.fields:
        table = _folder_table(made, name, files, folders)
        relation = f"{relation} JOIN {table} AS folders ON src.{quoted(_FILE)} = folders.file"
        columns += [(f.name, shown_type(f.type, "avro"), f"folders.f{i}") for i, f in enumerate(folders.fields)]
    return _Part(relation, tuple(columns), shown.hidden)


def _folder_table(made: Views, name: str, files: Sequence[TreeFile], folders: PartitionColumns) -> str:
    """The folders' values by file."""
    table = quoted(f"{name}_folders")
    columns = ", ".join(f"f{i} {shown_type(f.type, 'avro')}" for i, f in enumerate(folders.fields))
    made.connection.execute(f"CREATE TEMP TABLE {table} (file VARCHAR, {columns})")
    rows = []
    for file in files:
        values = [literal(value, f.type) for value, f in zip(folders.values[file.path], folders.fields, strict=True)]
        rows.append(f"({', '.join([text_literal(str(file.file)), *values])})")
    made.connection.execute(f"INSERT INTO {table} VALUES {', '.join(rows)}")
    return table


# ---- files that we read
class _Stream:
    """Record batches that DuckDB asks for anew in every scan of them (the Arrow PyCapsule interface)."""

    def __init__(self, schema: pa.Schema, open: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self._schema, self._open = schema, open

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.RecordBatchReader.from_batches(self._schema, self._open()).__arrow_c_stream__(requested_schema)


def _streamed(
    made: Views,
    name: str,
    format: str,
    schema: Schema,
    files: Sequence[TreeFile],
    folders: PartitionColumns,
    memory: int,
    wanted: Collection[str] | None,
) -> _Part:
    shown = view_columns(schema, "avro" if format == "avro" else "json batches")
    columns = [c for c in shown.columns if wanted is None or c.name.casefold() in wanted]
    fields = [schema.record[c.name] for c in columns]
    types = [_duck_arrow(written_out(f, schema.definitions).type) for f in fields] + [_duck_arrow(f.type) for f in folders.fields]
    arrow = pa.schema([("one", pa.bool_()), *((f"c{i}", type) for i, type in enumerate(types))])
    names = tuple(c.name for c in columns)

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for file in files:
                for batch in _records(format, file, schema, names, memory):
                    given = [batch.column(column) for column in names]
                    given += folders.arrays(file.path, batch.num_rows).values()
                    arrays = [_for_duck(array, type) for array, type in zip(given, types, strict=True)]
                    yield pa.RecordBatch.from_arrays([_falses(batch.num_rows), *arrays], schema=arrow)
        except BaseException as error:
            if isinstance(error, InstarError) or not isinstance(error, Exception | GeneratorExit):
                made.fault = made.fault or error
            raise

    stream = quoted(f"{name}_batches")
    made.connection.register(f"{name}_batches", _Stream(arrow, batches))
    parts = [(c.name, c.type, c.value(f"src.c{i}")) for i, c in enumerate(columns)]
    parts += [(f.name, shown_type(f.type, "avro"), f"src.c{i}") for i, f in enumerate(folders.fields, len(columns))]
    return _Part(f"{stream} AS src", tuple(parts), shown.hidden)


def _records(format: str, file: TreeFile, schema: Schema, names: Sequence[str], memory: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from format_named(format).read(
            file.file, schema=file.schema or schema, columns=names, memory=memory // 4, name=file.path.rpartition("/")[2]
        )
    except InstarError as error:
        raise at_file(error, file.path) from error.__cause__


def _falses(rows: int) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(bytes(rows // 8 + 1))])


def _for_duck(array: pa.Array, type: pa.DataType) -> pa.Array:
    """What may hold records is copied: DuckDB refuses lists over a slice of records."""
    made = stored(array, type)
    return pa.concat_arrays([made]) if pa.types.is_nested(type) else made


def _duck_arrow(type: Type) -> pa.DataType:
    """The Arrow type that DuckDB takes for a shown type: halves as floats, durations as counts; records keep their names."""
    match type:
        case Record(fields):
            return pa.struct([pa.field(f.name, _duck_arrow(f.type)) for f in fields])
        case List(item):
            return pa.list_(pa.field("item", _duck_arrow(item.type)))
        case Map(value, key):
            return pa.map_(_duck_arrow(key), pa.field("value", _duck_arrow(value.type)))
        case Float(16):
            return pa.float32()
        case Duration():
            return pa.int64()
        case _:
            return plain_type(type)
