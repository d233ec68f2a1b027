"""Computed text whose source repeats: each distinct value is converted once, and its column written as a dictionary.

That is for columns that are made of one source column, value by value, whose chunks are nothing but dictionaries and references to
them. Whatever is odd is computed row by row, which gives the exact errors.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.bare import number, zeros
from instar.formats.compute import pc
from instar.formats.errors import DataError
from instar.formats.schema import Bytes, String
from instar.formats.splice import Part

from .arrays import barely_stored, fitted, refers_beyond, with_entries
from .footer import get, items
from .output import Output
from .settings import dotted, has_page_index, page_header
from .source import Source
from .thrift import BINARY, BOOL, I64, Struct

is_ = pa.types

_PAGES, _ENCODINGS = 11, 13  # fields of ColumnMetaData: offset of the dictionary page, PageEncodingStats
_DICTIONARY_HEADER = 7  # field of PageHeader
_DATA_PAGES, _BY_DICTIONARY = (0, 3), (2, 8)
_WRITTEN = (pa.string(), pa.binary())
"""What pyarrow writes of a dictionary as it stands."""
_HELD, _BESIDE = 4, 24  # bytes a row: of each result, and of the one column that is read
_LONGEST_BOUND = 1 << 12  # bytes
_LEAST = 1 << 12  # rows of a row group that are worth it
_OFTEN = 2  # times that a value occurs, on the average


class Unlike(Exception):
    """The columns are to be computed row by row."""


def repeating(source: Source, part: Part, room: int) -> list[str]:
    """The columns of the part that are computed so, as far as the footer tells, if each row group is to fit into `room` bytes."""
    most = max(source.footer.rows, default=0)
    if most < _LEAST or has_page_index(source.footer):  # the writer would find statistics of references for each page: slowly
        return []
    named = {name: i for i, name in enumerate(source.logical.record.names)}
    names = [
        name
        for name, origin in part.elementwise.items()
        if isinstance(part.target_schema.record[name].type, String | Bytes) and _repeats(source, named.get(origin))
    ]
    return names[: max((room - _BESIDE * most) // (_HELD * most), 0)]


def _repeats(source: Source, column: int | None) -> bool:
    if column is None:
        return False
    element, type = source.footer.columns[column], source.arrow.field(column).type
    known = is_.is_integer(type) or is_.is_date(type) or is_.is_timestamp(type) or is_.is_string(type)
    return known and element.leaf is not None and _in_dictionaries(source, element.leaf)


def _in_dictionaries(source: Source, leaf: int) -> bool:
    """Are all values of the leaf in dictionaries, and that of the largest row group short? Where a writer does not say of a chunk
    how its pages are encoded, they are taken not to be."""
    rows, metas = source.footer.rows, source.footer.metas(leaf)
    largest = rows.index(max(rows))
    return all(map(_in_dictionary, metas)) and _distinct_values(source, metas[largest]) * _OFTEN <= rows[largest]


def _in_dictionary(meta: Struct) -> bool:
    data = [each for each in items(meta, _ENCODINGS) if get(each, 1) in _DATA_PAGES]
    return _PAGES in meta and bool(data) and all(get(each, 2) in _BY_DICTIONARY for each in data)


def _distinct_values(source: Source, meta: Struct) -> int:
    """The length of a chunk's dictionary, as its page says."""
    header = page_header(source, get(meta, _PAGES))
    return get(get(header, _DICTIONARY_HEADER, {}), 1, 0)


@dataclass(frozen=True)
class Repeating:
    """The columns of `part`, all of which are computed by distinct values; `output` is what its columns are written as."""

    source: Source
    part: Part
    output: Output

    @property
    def schema(self) -> pa.Schema:
        """What a writer is given: the output's columns as dictionaries.

        Raises:
            Unlike: it would not write them as they stand.
        """
        if not all(field.type in _WRITTEN for field in self.output.written) or "bloom_filter_options" in self.output.options:
            raise Unlike
        return pa.schema([field.with_type(pa.dictionary(pa.int32(), field.type)) for field in self.output.written])

    @property
    def options(self) -> dict[str, Any]:
        """For the writer. It is slow to find the least and greatest of what references name, again for each batch of them; so that
        is done here (`statistics`)."""
        return {**self.output.options, "write_statistics": []}

    def statistics(self, table: pa.Table) -> dict[int, Struct]:
        """The statistics of a row group's chunks, where they are wanted."""
        wanted = set(self.output.options["write_statistics"])
        leaves = enumerate(zip(self.output.drafted.leaves(), table.columns, strict=True))
        return {i: _statistics(column.chunk(0)) for i, (leaf, column) in leaves if dotted(leaf) in wanted}

    @property
    def texts(self) -> list[str]:
        """The text among what is read, as the file names it: its dictionaries are taken as they are."""
        named = dict(
            zip(self.source.logical.record.names, zip(self.source.footer.columns, self.source.arrow, strict=True), strict=True)
        )
        return [element.name for element, field in map(named.__getitem__, self.part.reads) if is_.is_string(field.type)]

    def table(self, reader: pq.ParquetFile, group: int) -> pa.Table:
        """The columns of a row group.

        Raises:
            Unlike: something is wrong, or the values do not repeat.
        """
        try:
            given = {name: self._coded(reader, group, name) for name in self.part.reads}
            made = self._converted(given)
        except (DataError, pa.ArrowException, OSError, MemoryError) as error:
            raise Unlike from error
        names = self.output.written.names
        columns = [_placed(made[name], given[self.part.elementwise[name]]) for name in names]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _coded(self, reader: pq.ParquetFile, group: int, name: str) -> pa.DictionaryArray:
        """A column as references to its distinct values."""
        leaf = self.source.footer.columns[self.source.logical.record.names.index(name)].leaf
        assert leaf is not None
        column = reader.reader.read_row_group(group, column_indices=[leaf], use_threads=False).column(0)
        rows = self.source.footer.rows[group]
        if not len(column) == rows == get(self.source.footer.metas(leaf)[group], 5, rows):
            raise Unlike
        if any(map(refers_beyond, column.chunks)):
            raise Unlike
        chunks = column if is_.is_dictionary(column.type) else column.dictionary_encode()
        coded = chunks.unify_dictionaries().combine_chunks()
        if not isinstance(coded, pa.DictionaryArray) or coded.dictionary.null_count:
            raise Unlike
        if len(coded.dictionary) * _OFTEN > max(rows, _LEAST):
            raise Unlike
        unused = is_.is_dictionary(column.type) and len(pc.unique(coded.indices).drop_null()) < len(coded.dictionary)
        return coded.dictionary_decode().dictionary_encode() if unused else coded

    def _converted(self, given: Mapping[str, pa.DictionaryArray]) -> dict[str, pa.Array]:
        """What becomes of each distinct value, and after them of null where there is one.

        Raises:
            DataError: from the conversion, or a value that the target cannot hold.
        """
        distinct = {name: _distinct(coded) for name, coded in given.items()}
        longest = max(map(len, distinct.values()))
        columns = [_lengthened(values, longest) for values in distinct.values()]
        made = self.part.convert(pa.RecordBatch.from_arrays(columns, names=list(distinct)))
        found: dict[str, pa.Array] = {}
        for i, (converted, written) in enumerate(zip(self.output.converted, self.output.written, strict=True)):
            values = made.column(i).slice(0, len(distinct[self.part.elementwise[written.name]]))
            found[written.name] = barely_stored(with_entries(fitted(values, converted)), written)
        return found


def _statistics(coded: pa.DictionaryArray) -> Struct:
    """A chunk's nulls, and the least and the greatest of its values in the order of their bytes, as pyarrow's writer says them.
    All values of the dictionary are among them."""
    found = pc.min_max(coded.dictionary.cast(pa.binary())).as_py()  # text need not be UTF-8
    said: Struct = {3: (I64, coded.null_count)}
    for which, (bound, exact) in {"max": (5, 7), "min": (6, 8)}.items():
        value = found[which]
        if value is not None and len(value) <= _LONGEST_BOUND:
            said |= {bound: (BINARY, value), exact: (BOOL, True)}
    return dict(sorted(said.items()))


def _distinct(coded: pa.DictionaryArray) -> pa.Array:
    values = coded.dictionary
    return pa.concat_arrays([values, pa.nulls(1, values.type)]) if coded.null_count else values


def _lengthened(values: pa.Array, length: int) -> pa.Array:
    """The values, and the first of them as often as is needed for that length."""
    more = length - len(values)
    return values if not more else pa.concat_arrays([values, values.take(zeros(more))])


def _placed(made: pa.Array, coded: pa.DictionaryArray) -> pa.DictionaryArray:
    """The converted values where those are that they are made of: each once in the dictionary, and none of them null."""
    again, rows = made.dictionary_encode(), coded.indices
    count = len(coded.dictionary)
    if len(again.dictionary) == count and made.slice(count).null_count == len(made) - count:
        return pa.DictionaryArray.from_arrays(rows, again.dictionary)
    if coded.null_count:
        rows = pc.fill_null(rows, number(count, rows.type))
    return pa.DictionaryArray.from_arrays(again.indices.take(rows), again.dictionary)
