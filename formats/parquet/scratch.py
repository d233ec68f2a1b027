"""Files that live only while a splice does: what it computes is encoded into them, and then copied like all else.

They have the source's row groups. They lie in the target's folder without a name, so that nothing is left of them whatever happens.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from io import FileIO
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.arrow import arrow_field
from instar.formats.format import Rewrite
from instar.formats.plain import from_python
from instar.formats.schema import Field, Record, Schema
from instar.formats.splice import Part
from instar.formats.storage import stored, taken

from .arrays import barely_stored, fitted, with_entries
from .copying import read_at
from .finish import Piece, finished
from .footer import Footer, get, parse_footer
from .layout import Draft
from .output import Output, planned
from .places import places
from .read import PROBE
from .recoding import recoded
from .repeating import Repeating, Unlike, repeating
from .rewrite import Conversion, piece_bytes, pieces_written
from .source import Source
from .uniform import PAGE_ROWS, Uniform, uniform
from .weave import Holder

_TOGETHER = 64 << 20
"""Bytes of Arrow data of one row group that are held at once; a single column may take more. With what encodes
them, that is some 250 MB for the process."""
_ALWAYS_COMPRESSED = re.compile(rb"parquet-cpp version [01]\.")
"""Writers whose pages of version 2 said that they are not compressed where they are (PARQUET-10353, ARROW-17100): readers know
them by their name, and take every such page for compressed."""
_SMALL = 4 << 20  # bytes of constants that are held in memory, one for each page, which has bounds
_REPEATED = 1 << 14  # rows of a constant that are made; they are written as often as needed


@dataclass(frozen=True)
class Scratch:
    """An encoded part of the new file."""

    holder: Holder
    draft: Draft


# ---- computed columns
def encoded(source: Source, request: Rewrite, part: Part, folder: FilePath, open_files: ExitStack) -> list[Scratch]:
    """The columns of the part. Of some only the dictionaries are encoded, and their data pages copied; of the others, those that do
    not fit into memory together are computed one after the other, and those whose values repeat by their distinct values.

    Raises:
        UnreadableError: a page of what is read is damaged. DataError: from the conversion, or a value that the target cannot hold.
        SchemaError: Parquet cannot hold a type.
    """
    found, rest = _recoded(source, part, folder, open_files)
    return found + (_encoded_anew(source, request, rest, folder, open_files) if rest else [])


def _recoded(source: Source, part: Part, folder: FilePath, open_files: ExitStack) -> tuple[list[Scratch], Part | None]:
    """The columns of which only dictionaries are encoded, and what is left of the part."""
    found: list[Scratch] = []
    others = list(part.target_schema.record.names)
    with open(source.path, "rb", buffering=0) as old:
        for made in recoded(source, part, old):
            file, schema = open_files.enter_context(_unnamed(folder)), made.part.target_schema
            footer = made.write(old, file)
            found.append(Scratch(Holder(file, footer, range(len(footer.rows))), drafted(made.output, schema)))
            others = [name for name in others if name not in schema.record.names]
    if not found or part.only is None:
        return [], part
    return found, part.only(others) if others else None


def _encoded_anew(source: Source, request: Rewrite, part: Part, folder: FilePath, open_files: ExitStack) -> list[Scratch]:
    names = repeating(source, part, _TOGETHER)  # whatever memory there is: it shows in the file which way it was
    if not names or part.only is None:
        return [_encoded(source, request, each, folder, open_files) for each in _groups(source, request, part)]
    others = [name for name in part.target_schema.record.names if name not in names]
    try:
        found = [_by_distinct_values(source, part.only(names) if others else part, folder, open_files)]
    except Unlike:
        return [_encoded(source, request, each, folder, open_files) for each in _groups(source, request, part)]
    rest = _groups(source, request, part.only(others)) if others else []
    return found + [_encoded(source, request, each, folder, open_files) for each in rest]


def _by_distinct_values(source: Source, part: Part, folder: FilePath, open_files: ExitStack) -> Scratch:
    """
    Raises:
        Unlike: the columns are to be computed row by row.
    """
    output = planned(source, part.target_schema, part.carried, None, part.follows)
    columns = Repeating(source, part, output)
    groups = range(len(source.footer.rows))

    def write(writer: pq.ParquetWriter) -> list[Piece]:
        pieces = []
        with source.reader(columns.texts) as reader:
            for group in groups:
                table = columns.table(reader, group)
                pieces.append(Piece(group, columns.statistics(table)))
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
                del table
                pa.default_memory_pool().release_unused()
        return pieces

    given = replace(output, written=columns.schema, options=columns.options)
    return _scratch(source, given, part.target_schema, folder, open_files, write, groups)


def _encoded(source: Source, request: Rewrite, part: Part, folder: FilePath, open_files: ExitStack) -> Scratch:
    output = planned(source, part.target_schema, part.carried, None, part.follows)
    conversion = Conversion(source, output, _request(request, part))

    def write(writer: pq.ParquetWriter) -> list[Piece]:
        return pieces_written(source, conversion, writer, None)[0]

    groups = range(len(source.footer.rows))
    return _scratch(source, output, part.target_schema, folder, open_files, write, groups)


def _request(request: Rewrite, part: Part) -> Rewrite:
    """The part as a rewrite of its own; it leaves out no records, and tells no progress."""
    return replace(
        request,
        convert=part.convert,
        source_schema=part.source_schema,
        target_schema=part.target_schema,
        reads=part.reads,
        carried=part.carried,
        touched=part.touched,
        stamp=None,
        left_out=tuple,
        splice=None,
        progress=lambda rows, size: None,
    )


def _groups(source: Source, request: Rewrite, part: Part) -> list[Part]:
    """The part, or parts of it that each fit into memory: judged by the first rows of the largest row group."""
    sizes, together = _widths(source, request, part), min(_TOGETHER, piece_bytes(request.memory))
    most = max(source.footer.rows, default=0)
    groups: list[list[str]] = []
    room = 0.0
    for name, width in sizes.items():
        if not groups or width * most > room:
            groups.append([])
            room = float(together)
        groups[-1].append(name)
        room -= width * most
    return [part] if len(groups) < 2 or part.only is None else [part.only(names) for names in groups]


def _widths(source: Source, request: Rewrite, part: Part) -> dict[str, float]:
    """Bytes of a row of each computed column."""
    names = part.target_schema.record.names
    most = max(source.footer.rows, default=0)
    if len(names) < 2 or most * len(names) * 8 < _TOGETHER // 8:
        return dict.fromkeys(names, 0.0)
    output = planned(source, part.target_schema, part.carried, None, part.follows)
    conversion = Conversion(source, output, _request(request, part))
    with source.reader() as reader:
        first = next(conversion.batches(reader, source.footer.rows.index(most), PROBE), None)
    if first is None:
        return dict.fromkeys(names, 0.0)
    return {name: column.nbytes / max(first.num_rows, 1) for name, column in zip(names, first.columns, strict=True)}


# ---- constants
def columns_of(target: Schema, names: Collection[str]) -> Schema:
    """The schema with no more than these columns."""
    return Schema(Field("", Record(tuple(field for field in target.record.fields if field.name in names))))


def repeated(source: Source, target: Schema, constants: Mapping[str, Any], folder: FilePath, open_files: ExitStack) -> Scratch:
    """The columns that are one value in every record, with one row group for each length that the source's have.

    Raises:
        SchemaError: Parquet cannot hold a type. DataError: the column's storage cannot hold the value.
    """
    schema = columns_of(target, constants)
    output = planned(source, schema, {}, None)
    lengths = sorted(set(source.footer.rows))
    groups = [lengths.index(rows) for rows in source.footer.rows]
    if found := _uniform(source, output, schema, constants, tuple(lengths)):
        return Scratch(Holder(found.data, found.footer, groups), Draft(found.footer.root, places(found.footer.root, schema.record)))

    def write(writer: pq.ParquetWriter) -> list[Piece]:
        few = _repeated(output, schema, constants, min(lengths[-1], _REPEATED)) if lengths else None
        for rows in lengths:
            assert few is not None
            whole, rest = divmod(rows, max(few.num_rows, 1))
            table = pa.Table.from_batches([*([few] * whole), few.slice(0, rest)], few.schema)
            writer.write_table(table, row_group_size=max(rows, 1))
        return [Piece(source.footer.rows.index(rows), {}) for rows in lengths]

    given = replace(output, written=pa.schema([_by_reference(field) for field in output.written]))
    return _scratch(source, given, schema, folder, open_files, write, groups)


def _uniform(
    source: Source, output: Output, schema: Schema, constants: Mapping[str, Any], lengths: tuple[int, ...]
) -> Uniform | None:
    """The same, made of one row; None where there is more to it, a row group has none, or it would not be small."""
    if not lengths or lengths[0] == 0:
        return None
    one = _repeated(output, schema, constants, 1)
    if one.nbytes * sum(-(-rows // PAGE_ROWS) for rows in lengths) > _SMALL:
        return None
    options = json.dumps({**output.options, **_readable_beside(source)}, sort_keys=True)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, one.schema) as stream:
        stream.write_batch(one)
    return uniform(_sample(sink.getvalue().to_pybytes(), options), lengths)


@lru_cache(maxsize=8)
def _sample(stream: bytes, options: str) -> bytes:
    """The Parquet file that pyarrow writes of a table, which is an IPC stream here: that says each value exactly."""
    table = pa.ipc.open_stream(stream).read_all()
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **json.loads(options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _repeated(output: Output, schema: Schema, constants: Mapping[str, Any], rows: int) -> pa.RecordBatch:
    """The constants so many times."""
    zeros = pa.Array.from_buffers(pa.int8(), rows, [None, pa.py_buffer(bytes(rows))])
    columns = []
    for field, converted, written in zip(schema.record.fields, output.converted, output.written, strict=True):
        one = stored(from_python([constants[field.name]], field.type), arrow_field(field).type)
        fit = with_entries(fitted(one, converted))
        held = barely_stored(fit, written)
        if _by_reference(written).type == written.type:
            columns.append(taken(held, zeros))
        else:
            coded = held.dictionary_encode()
            columns.append(pa.DictionaryArray.from_arrays(coded.indices.take(zeros), coded.dictionary))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([_by_reference(field) for field in output.written]))


def _by_reference(field: pa.Field) -> pa.Field:
    """Text and bytes as references to their one value: the writer need not look at it again for each row."""
    return field.with_type(pa.dictionary(pa.int32(), field.type)) if field.type in (pa.string(), pa.binary()) else field


# ---- files
def _scratch(
    source: Source,
    output: Output,
    schema: Schema,
    folder: FilePath,
    open_files: ExitStack,
    write: Callable[[pq.ParquetWriter], Sequence[Piece]],
    groups: Sequence[int],
) -> Scratch:
    file = open_files.enter_context(_unnamed(folder))
    with pq.ParquetWriter(file, output.written, **{**output.options, **_readable_beside(source)}) as writer:
        pieces = write(writer)
    written = _footer(file)
    footer = replace(written, bare=finished(written, source.footer, output, pieces), root=output.root, outlines=None)
    return Scratch(Holder(file, footer, groups), drafted(output, schema))


def _readable_beside(source: Source) -> dict[str, str]:
    """What must be otherwise in a file that keeps the source's `created_by`."""
    return {"data_page_version": "1.0"} if _ALWAYS_COMPRESSED.match(get(source.footer.bare, 6, b"")) else {}


def drafted(output: Output, schema: Schema) -> Draft:
    """The elements that a scratch will have."""
    return Draft(output.root, places(output.root, schema.record))


def _unnamed(folder: FilePath) -> FileIO:
    """A new file without a name."""
    file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (the caller's)
    assert isinstance(file, FileIO)
    return file


def _footer(file: FileIO) -> Footer:
    """The footer that pyarrow has just written."""
    size = file.seek(0, os.SEEK_END)
    length = int.from_bytes(read_at(file, size - 8, 4), "little")
    return parse_footer(read_at(file, size - 8 - length, length), FilePath("the new columns"), size - 8 - length, size)
