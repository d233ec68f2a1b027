"""One Parquet file through a conversion into a new one: streaming, row group by row group, within a budget of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path as FilePath

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.errors import DataError, FileError
from instar.formats.format import Rewrite, Rewritten

from .arrays import barely_stored, fitted, timestamps_shown, with_entries, without
from .decimals import statistics
from .finish import Piece, finish
from .int96 import merged
from .output import Output, fields_of, planned
from .read import PROBE, Selection, read_batches
from .source import Source, open_source, unreadable

_LEAST_PIECE = 16 << 20
_WIDEST = 64  # bytes a value may well have; row groups that are small even so need no look
_BESIDE = 160 << 20


def rewritten(request: Rewrite) -> Rewritten:
    """See `Format.rewrite`."""
    source = open_source(request.source)
    output = planned(source, request.target_schema, request.carried, request.stamp)
    conversion = Conversion(source, output, request)
    with pq.ParquetWriter(request.target, output.written, **output.options) as writer:
        pieces, notes = pieces_written(source, conversion, writer, piece_bytes(request.memory))
    finish(request.target, source.footer, output, pieces)
    return Rewritten(rows_in=conversion.rows_in, rows_out=conversion.rows_out, notes=(*output.notes, *notes))


def pieces_written(
    source: Source, conversion: Conversion, writer: pq.ParquetWriter, limit: int | None
) -> tuple[list[Piece], tuple[str, ...]]:
    """Writes every row group; what is to be told of each, and notes about those that had to be split, as they have more Arrow data
    than `limit` bytes."""
    written: list[Piece] = []
    output = conversion.output
    notes: list[str] = []
    with source.reader() as reader:
        for number, rows in enumerate(source.footer.rows):
            pieces = 0
            for table in _pieces(conversion.batches(reader, number), output.written, limit):
                written.append(Piece(number, {leaf: statistics(table.column(name)) for leaf, name in output.counted.items()}))
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
                del table
                pa.default_memory_pool().release_unused()
                pieces += 1
            conversion.check_rows(number)
            if pieces > 1:
                notes.append(f"row group {number} ({rows:,} rows) does not fit the memory budget and was split into {pieces}")
    return written, tuple(notes)


def piece_bytes(memory: int) -> int:
    """How much Arrow data of one row group may be held at once, of a unit's whole budget.

    Beside it stand the process itself, the readers' and writers' buffers and what is being encoded: measured on 19 columns, some
    160 MB and half of the piece.
    """
    return max(_LEAST_PIECE, (memory - _BESIDE) * 2 // 3)


def foreseen(path: FilePath, reads: Sequence[str], memory: int) -> tuple[str, ...]:
    """See `Format.foresee`: the row groups that will be split, judged by the first rows of those that could be too large.

    Raises:
        UnreadableError: the file cannot be read.
    """
    source = open_source(path)
    wanted = set(reads) or set(source.logical.record.names[:1])
    leaves = [leaf.leaf for element in source.footer.columns if element.name in wanted for leaf in element.leaves()]
    limit = piece_bytes(memory)
    large = [(number, rows) for number, rows in enumerate(source.footer.rows) if rows * len(leaves) * _WIDEST > limit]
    notes = []
    if large:
        with source.reader() as reader:
            for number, rows in large:
                first = next(read_batches(path, reader, number, leaves, PROBE), None)
                if first is not None and first.nbytes * rows > limit * first.num_rows:
                    notes.append(f"row group {number} ({rows:,} rows) does not fit the memory budget and will be split")
    return tuple(notes)


def _pieces(batches: Iterator[pa.RecordBatch], schema: pa.Schema, limit: int | None) -> Iterator[pa.Table]:
    """The batches of one row group as one table, or as several where they exceed `limit` bytes; at least one."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if held and limit is not None and size + batch.nbytes > limit:
            yield _table(held, schema)
            size = 0
        held.append(batch)
        size += batch.nbytes
    yield _table(held, schema)


def _table(held: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The batches as a table; the list is emptied, so that nothing but the table holds on to them."""
    table = pa.Table.from_batches(held, schema)
    held.clear()
    return table


class Conversion:
    """The request's conversion between the file's own batches and those that are written."""

    def __init__(self, source: Source, output: Output, request: Rewrite) -> None:
        self.source, self.output, self.request = source, output, request
        self.rows_in = self.rows_out = self._told = 0
        wanted = request.reads or source.logical.record.names[:1]
        only = set(fields_of(request.source_schema))
        self.selection = Selection(source, wanted, strict=lambda name: _strict(source, request, name), only=only)
        self.kept = {str(path[0]): str(origin[0]) for path, origin in output.int96.items()}

    def batches(self, reader: pq.ParquetFile, group: int, rows: int | None = None) -> Iterator[pa.RecordBatch]:
        """The converted batches of a row group, of so many `rows` if that is said.

        Raises:
            UnreadableError: a page is damaged. DataError: from the conversion, or a value that the target cannot hold.
        """
        for batch in self.selection.batches(reader, group, rows):
            made = self._converted(batch)
            self.rows_in += batch.num_rows
            self.rows_out += made.num_rows
            self._tell(batch.num_rows)
            yield made

    def check_rows(self, group: int) -> None:
        """After a row group: were all its rows there?

        Raises:
            UnreadableError: the file is damaged, some of them are missing.
        """
        expected = sum(self.source.footer.rows[: group + 1])
        if self.rows_in != expected:
            raise unreadable(self.source.path, ValueError(f"row group {group} should end at row {expected}, not {self.rows_in}"))

    def _tell(self, rows: int) -> None:
        """Progress: the file's size, spread over its rows."""
        done = self.source.footer.size * self.rows_in // max(sum(self.source.footer.rows), 1)
        self.request.progress(rows, done - self._told)
        self._told = done

    def _converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        with self._rows_of_the_file():
            given = self.selection.shown(batch)
        made = self.request.convert(given)
        out = self.request.left_out()
        if made.num_rows != batch.num_rows - len(out):
            raise ValueError(f"the conversion made {made.num_rows} of {batch.num_rows} rows, and left out {len(out)}")
        if out:
            batch, given = without(batch, out), without(given, out)
        schema = self.output.converted
        if made.schema.names != schema.names:
            raise ValueError(f"the conversion gave the columns {made.schema.names}, not {schema.names}")
        columns = [made.column(i) for i in range(made.num_columns)]
        for i, name in enumerate(schema.names):
            if name in self.kept:
                at = batch.schema.names.index(self.kept[name])
                columns[i] = self._raw(name, columns[i], batch.column(at), given.column(at))
        with self._rows_of_the_file():
            columns = [fitted(c, f) for c, f in zip(columns, schema, strict=True)]
        written = self.output.written
        columns = [barely_stored(with_entries(c), f) for c, f in zip(columns, written, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=written)

    @contextmanager
    def _rows_of_the_file(self) -> Iterator[None]:
        """Errors about a row of the batch count it from the file's first (the conversion counts its own)."""
        try:
            yield
        except DataError as error:
            if error.where is None or error.where.row is None:
                raise
            where = replace(error.where, row=error.where.row + self.rows_in)
            raise DataError(error.message, hint=error.hint, where=where) from None

    def _raw(self, name: str, made: pa.Array, raw: pa.Array, shown: pa.Array) -> pa.Array:
        """The raw bytes of what the conversion left as it was shown."""
        if pa.types.is_timestamp(shown.type):
            return merged(raw, shown, made)
        if timestamps_shown(made, pa.field(name, shown.type), strict=True).equals(shown):
            return raw
        raise FileError(
            f"{name} holds INT96 timestamps and was changed inside", hint="Cast its timestamps to another type in the migration."
        )


def _strict(source: Source, request: Rewrite, name: str) -> bool:
    """Does an expression compute with an INT96 timestamp of this column (and not only carry it)?"""
    here = {path for path in source.int96 if path[0] == name}
    touched = request.touched
    return bool(here & touched) if touched is not None else not here <= set(request.carried.values())
