"""One side's records in DuckDB: a relation of the compared columns c0, c1, … and `place`, where each record stands.

A place is a number: that of the file, counted over the relation's `files`, times `PER_FILE`, plus that of the record in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.errors import UsageError
from instar.formats.path import path_text
from instar.formats.schema import Field, Json, List, Map, Record, Schema, Type, children
from instar.transforms.evaluate.nodes import everything
from instar.transforms.evaluate.sql_types import sql_type
from instar.transforms.expression import Column, Expression, Source, Struct
from instar.transforms.mapping import Mapping
from instar.transforms.proof import avro_blocks, json_text
from instar.transforms.proof.connection import file_literal
from instar.transforms.proof.elements import exact
from instar.transforms.proof.expected import expected
from instar.transforms.proof.given import given_type
from instar.transforms.proof.places import TRUE, guarded, place_at
from instar.transforms.proof.relation import Stream
from instar.transforms.proof.shred import Table
from instar.transforms.proof.side import side as parquet_side
from instar.transforms.proof.wants import Wants, as_typed, record_type
from instar.transforms.shared_types import Expansion

from .columns import Leaf, sql_column
from .common import opaque
from .folders import folder_sql
from .report import Problem
from .sides import Side, SideFile, alike
from .values import AvroValues, JsonValues, given_values

PER_FILE = 1 << 40
_ROWS = 16_384


@dataclass
class Rows:
    """The records of some files of a side. `files`: in the order in which places count them; `problems` fills while records are
    read, with values that are not of their type. `fault` is what a file's own reader raised, and `reading` that file."""

    connection: duckdb.DuckDBPyConnection
    side: Side
    name: str
    leaves: tuple[Leaf, ...]
    old: bool
    files: list[SideFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fault: BaseException | None = None
    reading: str = ""
    _groups: list[_Group] = field(default_factory=list)
    _table: str = ""

    @classmethod
    def of(
        cls,
        connection: duckdb.DuckDBPyConnection,
        side: Side,
        leaves: tuple[Leaf, ...],
        *,
        old: bool,
        files: Sequence[SideFile] | None = None,
        as_given: bool,
    ) -> Rows:
        """`as_given`: the other side is of the same format, so that opaque values are compared as they are stored.

        Raises:
            duckdb.Error, pa.ArrowException, OSError: a file cannot be read.
        """
        rows = cls(connection, side, "old" if old else "new", leaves, old)
        for group in alike(side.files if files is None else files):
            for some in _alike_in_duckdb(rows, group):
                rows._groups.append(_Group(rows, f"{rows.name}{len(rows._groups)}", some, len(rows.files), as_given))
                rows.files += some
        return rows

    @property
    def streamed(self) -> bool:
        """Are there files that DuckDB does not read itself?"""
        return not self._table and any(group.streamed for group in self._groups)

    def sql(self) -> str:
        """A FROM item, to be used in one query once: what is streamed is read while the query runs."""
        self.fault = None
        if self._table:
            return self._table
        return "(" + " UNION ALL ".join(group.sql() for group in self._groups) + ")"

    def count(self) -> int:
        """The records of all files, which are read for it."""
        return self.connection.execute(f"SELECT count(*) FROM {self.sql()}").fetchall()[0][0]

    @property
    def only(self) -> _Group:
        """The one group of one file."""
        (group,) = self._groups
        return group

    def stage(self) -> None:
        """Keep what is streamed in a table, so that it is read and decoded only once."""
        if self.streamed:
            self.connection.execute(f"CREATE TABLE {self.name}_rows AS SELECT * FROM {self.sql()}")
            self._table = f"{self.name}_rows"

    def place_of(self, place: int) -> tuple[SideFile, int]:
        """The file, and the number of the record in it."""
        number, row = divmod(place, PER_FILE)
        return self.files[number], row

    def unfit(self, column: int, place: int) -> str | None:
        """What stands in a record where a column has null because that is not of its type."""
        group = next(group for group in reversed(self._groups) if group.first <= place // PER_FILE)
        return group.unfit(column, place)


def _alike_in_duckdb(rows: Rows, files: list[SideFile]) -> Iterator[list[SideFile]]:
    """Files of one schema in groups that DuckDB reads as the same types, one after the other."""
    if rows.side.format.name != "parquet":
        yield files
        return
    groups: dict[str, list[SideFile]] = {}
    for file in files:
        assert file.schema is not None
        found = parquet_side(rows.connection, rows.side.path(file), "o", file.schema.record)
        groups.setdefault(" ".join(map(str, found.types)) + str(sorted(found.other)), []).append(file)
    yield from groups.values()


Asked = list[tuple[Expression, Type]]
"""For each column the expression that computes it from a file's own schema, and its type on that side."""

Stages = list[list[tuple[str, str]]]
"""Columns to compute one on top of the other: (name, SQL) pairs that may use the names of earlier ones."""


class _Group:
    """Files of one schema; its names in SQL begin with `name` and "_". `first` is the number of the first file."""

    def __init__(self, rows: Rows, name: str, files: list[SideFile], first: int, as_given: bool) -> None:
        self.rows, self.name, self.files, self.first = rows, name, files, first
        mapping = rows.side.mapping_of(files[0])
        self.fields = [leaf for leaf in rows.leaves if not leaf.folder]
        asked = [_asked(mapping, leaf, old=rows.old) for leaf in self.fields]
        if rows.side.format.name == "parquet":
            self.source: _Parquet | _Records = _Parquet(rows, name, files, mapping, asked, as_given)
        else:
            self.source = _Records(rows, name, files, mapping, asked, self.fields)

    @property
    def streamed(self) -> bool:
        return self.source.streamed

    @property
    def rows_told(self) -> int:
        """The records that the files' footers tell of, where DuckDB reads them."""
        assert isinstance(self.source, _Parquet)
        return self.source.side.rows

    def sql(self) -> str:
        """Everything that is compared, and the place."""
        base = self.source.placed(self.first)
        for stage in self.stages():
            base = f"(SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in stage)} FROM {base})"
        values = [*self.columns, *self._folders()]
        names = [f"{name} AS c{i}" for i, name in enumerate(values)]
        return f"SELECT {', '.join([*names, f'{self.name}_place AS place'])} FROM {base}"

    def _folders(self) -> Iterator[str]:
        """What the files' folders say, whose columns come after the fields."""
        paths, number = [file.path for file in self.files], f"CAST({self.name}_place // {PER_FILE} - {self.first} AS BIGINT)"
        return (folder_sql(leaf.path[0], paths, number) for leaf in self.rows.leaves if leaf.folder)

    def stages(self) -> Stages:
        """From the columns of the source to those that are compared."""
        rows, source = self.rows, self.source
        made = expected(rows.connection, source.asked, source.schema, source.columns)
        values = [(f"{self.name}_v{i}", value) for i, value in enumerate(made.values)]
        found = zip(self.columns, self.fields, values, strict=True)
        compared = [(column, leaf.sql(name, old=rows.old)) for column, leaf, (name, _) in found]
        return [stage for stage in ([*source.prepared], *map(list, made.stages), values, compared) if stage]

    @property
    def columns(self) -> list[str]:
        return [f"{self.name}_c{i}" for i in range(len(self.fields))]

    def unfit(self, column: int, place: int) -> str | None:
        """See `Rows.unfit`; in a positional join, files have no number but 0."""
        known = self.source.unfit if isinstance(self.source, _Records) else {}
        if not known or column >= len(self.fields):
            return None
        expression = self.source.asked[column][0]
        names = [e.path[0] for e in everything([expression]) if isinstance(e, Source) and e.path]
        found = next((known[name][place] for name in names if place in known.get(name, ())), None)
        return found if found is None or isinstance(expression, Source) else f"made of {found}"


def _asked(mapping: Mapping, leaf: Leaf, *, old: bool) -> tuple[Expression, Type]:
    """The expression of a column, and its type."""
    place = place_at(mapping.root, leaf.path, mapping.target.definitions, record=leaf.record)
    type, value = leaf.old if old else leaf.new, TRUE if leaf.record else place.expression
    if isinstance(value, Source):
        value = Source(value.path, type)
    return guarded(place, value), type


# ---- Parquet
class _Parquet:
    """DuckDB reads the files itself, unless there is something in them that its types do not hold exactly."""

    def __init__(self, rows: Rows, name: str, files: list[SideFile], mapping: Mapping, asked: Asked, as_given: bool) -> None:
        own = files[0].schema
        assert own is not None
        self.rows, self.name, self.files, self.schema = rows, name, files, mapping.source
        self.side = parquet_side(rows.connection, rows.side.path(files[0]), f"{name}_o", own.record)
        self.asked = asked
        columns = tuple(Column(Field(f"c{i}", type, nullable=True), e) for i, (e, type) in enumerate(asked))
        whole = Mapping(mapping.source, Column(mapping.root.field, Struct(columns, None)))
        self.read = [(name, self.side.positions[name], mapping.source.record[name].type) for name in whole.reads()]
        nothing = not self.side.types  # a file without columns, which DuckDB refuses
        self.streamed = nothing or any(self._inexact(position, type, as_given) for _, position, type in self.read)
        self.columns = {column: (f"{name}_r{position}", sql_type(type)) for column, position, type in self.read}

    def _inexact(self, position: int, type: Type, as_given: bool) -> bool:
        element = self.side.root.children[position]
        if position in self.side.other or (opaque(type) and (not as_given or not isinstance(type, Json))):
            return True
        nested = isinstance(type, Record | List | Map)
        return (nested and _holds_opaque(type)) or not (exact(element) or element.physical == "INT96")

    @property
    def prepared(self) -> list[tuple[str, str]]:
        """The columns in the compared form."""
        types = self.side.types
        return [
            (f"{self.name}_r{at}", self._given(at) if self.streamed else sql_column(self._given(at), type, str(types[at])))
            for _, at, type in self.read
        ]

    def _given(self, position: int) -> str:
        return f"{self.name}_o{position}"

    def item(self) -> str | Stream:
        """The files for a positional join, without places."""
        if self.streamed:
            return Stream(self.name, self._arrow(), lambda: self._batches(0))
        listed = ", ".join(file_literal(self.rows.side.path(file)) for file in self.files)
        names = ", ".join(self._given(i) for i in range(len(self.side.types)))
        return f"read_parquet([{listed}], hive_partitioning = false) AS {self.name}({names})"

    def placed(self, first: int) -> str:
        """A FROM item of what is read of the files, and the places."""
        if self.streamed:
            self.rows.connection.register(self.name, _reader(self.rows, self._arrow(), lambda: self._batches(first)))
            return self.name
        columns = [self._given(position) for _, position, _ in self.read]
        place = f"(file_index + {first}) * {PER_FILE} + file_row_number AS {self.name}_place"
        return f"(SELECT {', '.join([*columns, place])} FROM {self.item()})"

    def _arrow(self) -> pa.Schema:
        fields = [pa.field(self._given(position), _given_type(type)) for _, position, type in self.read]
        return pa.schema([*fields, pa.field(f"{self.name}_place", pa.int64())])

    def _batches(self, first: int) -> Iterator[pa.RecordBatch]:
        schema, names = self._arrow(), [name for name, _, _ in self.read]
        for number, file in enumerate(self.files, first):
            place, self.rows.reading = number * PER_FILE, file.path
            if not names:
                count = self.rows.side.format.count(self.rows.side.path(file))
                yield from (pa.record_batch([some], schema=schema) for some in _counted(place, count))
                continue
            with pq.ParquetFile(
                self.rows.side.path(file), pre_buffer=False, buffer_size=1 << 16, coerce_int96_timestamp_unit="us",
                page_checksum_verification=True,
            ) as opened:  # fmt: skip
                for batch in opened.iter_batches(_ROWS, columns=names, use_threads=False):
                    found = [batch.column(batch.schema.get_field_index(name)) for name in names]
                    arrays = [given_values(array, type) for array, (_, _, type) in zip(found, self.read, strict=True)]
                    yield pa.record_batch([*arrays, _places(place, batch.num_rows)], schema=schema)
                    place += batch.num_rows


def _given_type(type: Type) -> pa.DataType:
    return pa.binary() if opaque(type) else given_type(type)


def _holds_opaque(type: Type) -> bool:
    below = [f.type for _, f in children(type)]
    return opaque(type) if not below else any(map(_holds_opaque, below))


def _places(first: int, count: int) -> pa.Array:
    return pa.array(range(first, first + count), pa.int64())


def _counted(first: int, count: int) -> Iterator[pa.Array]:
    """So many places, some at a time."""
    for done in range(0, count, _ROWS):
        yield _places(first + done, min(_ROWS, count - done))


# ---- Avro and JSON
class _Records:
    """The proof's own readers give the records as Python values, of which only what the mapping reads is looked at."""

    streamed = True
    prepared: tuple[tuple[str, str], ...] = ()

    def __init__(
        self, rows: Rows, name: str, files: list[SideFile], mapping: Mapping, asked: Asked, fields: Sequence[Leaf]
    ) -> None:
        self.rows, self.name, self.files = rows, name, files
        self.wants = Wants(f"{name}_w", Expansion(mapping.source.definitions))
        self.asked = [(_over(e, self.wants, leaf), type) for (e, type), leaf in zip(asked, fields, strict=True)]
        self.unfit: dict[str, dict[int, str]] = {}  # by the names of wants: values that are not of their types, by their places
        avro = rows.side.format.name == "avro"
        self.reader = AvroValues() if avro else JsonValues()
        self.open: Callable[[FilePath], Iterator[object]] = avro_blocks.records if avro else json_text.records
        self.schema = Schema(Field("", record_type(self.wants, self.reader.dialect)))
        known = self._table(files[0])
        self.arrow = pa.schema([f for f in known.stream().schema if f.name != known.row] + [pa.field(f"{name}_place", pa.int64())])
        rows.connection.register(name, self.arrow.empty_table())
        bound = rows.connection.sql(f"SELECT * FROM {name}")
        self.columns = {name: (name, str(type)) for name, type in zip(bound.columns, bound.types, strict=True)}

    def _table(self, file: SideFile) -> Table:
        return Table(self.name, self.wants, self.reader, lambda: self.open(self.rows.side.path(file)))

    def item(self) -> str | Stream:
        """The files for a positional join; they have places all the same, by which their records are counted."""
        return Stream(self.name, self.arrow, lambda: self._batches(0))

    def placed(self, first: int) -> str:
        """A FROM item of what is wanted of the records, and the places."""
        self.rows.connection.register(self.name, _reader(self.rows, self.arrow, lambda: self._batches(first)))
        return self.name

    def _batches(self, first: int) -> Iterator[pa.RecordBatch]:
        for number, file in enumerate(self.files, first):
            table, row, self.rows.reading = self._table(file), 0, file.path
            for batch in table.stream().open():
                columns = [batch.column(f.name) for f in list(self.arrow)[:-1]]
                yield pa.record_batch([*columns, _places(number * PER_FILE + row, batch.num_rows)], schema=self.arrow)
                row += batch.num_rows
            self._tell(file, table, number * PER_FILE)

    def _tell(self, file: SideFile, table: Table, place: int) -> None:
        for name, misfit in table.misfits.items():
            self.unfit.setdefault(name, {}).update((place + row, text) for row, text in misfit.texts.items())
            path = next(path_text(want.path) for want in self.wants.all.values() if want.name == name)
            problem = Problem(f"on the {self.rows.name} side {misfit.message}", file.path, path)
            if problem not in self.rows.problems:
                self.rows.problems.append(problem)


def _over(e: Expression, wants: Wants, leaf: Leaf) -> Expression:
    try:
        return as_typed(e, wants)
    except TypeError:
        raise UsageError(
            f"{leaf.text} is a union that the migrations look into, which can only be compared in place",
            hint="Compare record by record, within one format: leave --unordered, --key and --level out.",
        ) from None


def _reader(rows: Rows, schema: pa.Schema, batches: Callable[[], Iterator[pa.RecordBatch]]) -> pa.RecordBatchReader:
    """The batches as DuckDB takes them; an error on the way is kept, because DuckDB passes on only its text."""

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches()
        except GeneratorExit:  # nobody asks for more
            raise
        except BaseException as error:  # a signal's, too
            rows.fault = rows.fault or error
            raise

    return pa.RecordBatchReader.from_batches(schema, watched())
