"""A Parquet file's leaves read one by one, each by its own levels: its values, and the records and lists that they say it is in.

pyarrow reads them by the file's schema elements alone, without the Arrow types that a writer may have noted beside them.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.compute import pc

from .chunks import Side

_ROWS, _BYTES = 1 << 19, 1 << 25  # that are read at once, as far as the chunks' own sizes tell
_NOTED, _PASSED_OVER = b"ARROW:schema", b"ARROW;schema"


class Leaves:
    """The leaves of one side of a proof."""

    def __init__(self, path: FilePath, side: Side, closing: ExitStack) -> None:
        self._path, self._side, self._closing = path, side, closing

    def arrays(self, group: int, leaf: int, rows: int) -> Iterator[pa.Array]:
        """One chunk's values within the records and lists that its levels tell of, so many rows at a time.

        Raises:
            pa.ArrowInvalid: they cannot be read.
        """
        coded = self._side.chunk(group, leaf).has_dictionary and len(self._side.footer.paths[leaf]) == 1
        reader: Any = (self._coded if coded else self._plain).reader
        try:
            for batch in reader.iter_batches(rows, row_groups=[group], column_indices=[leaf], use_threads=False):
                yield _within(batch.column(0))
        except (pa.ArrowException, OSError) as error:
            column = b".".join(self._side.footer.paths[leaf]).decode("utf-8", "replace")
            raise pa.ArrowInvalid(f"column {column} cannot be read in row group {group}: {error}") from error

    def step(self, group: int, *leaves: int) -> int:
        """How many rows of these leaves are to be read at once."""
        rows, chunks = self._side.rows[group], [self._side.chunk(group, leaf) for leaf in leaves]
        return max(1, *(min(_ROWS * rows // max(chunk.values, 1), _BYTES * rows // max(chunk.size, 1)) for chunk in chunks))

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        self._side.file.seek(self._side.footer.start)
        return pq.read_metadata(io.BytesIO(b"PAR1" + self._side.file.read().replace(_NOTED, _PASSED_OVER)))

    @cached_property
    def _plain(self) -> pq.ParquetFile:
        return self._opened(None)

    @cached_property
    def _coded(self) -> pq.ParquetFile:
        columns = map(self._metadata.schema.column, range(self._metadata.num_columns))
        return self._opened([column.path for column in columns if column.physical_type == "BYTE_ARRAY"])

    def _opened(self, dictionaries: list[str] | None) -> pq.ParquetFile:
        file = pq.ParquetFile(
            self._path, metadata=self._metadata, read_dictionary=dictionaries, pre_buffer=False, arrow_extensions_enabled=False
        )  # fmt: skip
        return self._closing.enter_context(file)


def _within(array: pa.Array) -> pa.Array:
    """The array, whose references, if any, pyarrow has not looked at.

    Raises:
        pa.ArrowInvalid: there is no such value in its dictionary.
    """
    if pa.types.is_dictionary(array.type) and array.null_count < len(array):
        found = pc.min_max(array.indices)
        if found["min"].as_py() < 0 or found["max"].as_py() >= len(array.dictionary):
            raise pa.ArrowInvalid("it refers to values that its dictionary does not have")
    return array


def leaf_of(array: pa.Array) -> tuple[pa.Array, int]:
    """The values of a column with one leaf, out of all records and lists, and how many entries its levels have: one for each value,
    null or not, and one for each list that holds none."""
    above = 0
    while pa.types.is_nested(array.type):
        if pa.types.is_struct(array.type):
            array = array.flatten()[0]  # null where the record is
        else:
            lengths = pc.list_value_length(array)
            above += len(lengths) - pc.sum(pc.greater(lengths, 0), min_count=0).as_py()
            array = array.flatten()
    return array, above + len(array)


def first_unlike(one: pa.Array, other: pa.Array) -> int | None:
    """The first row in which two leaves of a column tell otherwise of a record or list that both are in."""
    if len(one) == len(other) and not unlike(one, other):
        return None
    good, bad = 0, min(len(one), len(other))
    while good < bad:  # how many rows are alike
        middle = (good + bad + 1) // 2
        good, bad = (good, middle - 1) if unlike(one[:middle], other[:middle]) else (middle, bad)
    return good


def unlike(one: pa.Array, other: pa.Array) -> bool:
    """Do two leaves of a column tell otherwise of a record or list that both are in?"""
    while pa.types.is_nested(one.type) and pa.types.is_nested(other.type):
        if pa.types.is_struct(one.type):
            if one.is_valid() != other.is_valid():
                return True
            if one.type.field(0).name != other.type.field(0).name:
                return False
            one, other = one.flatten()[0], other.flatten()[0]
        else:
            if pc.list_value_length(one) != pc.list_value_length(other):
                return True
            one, other = one.flatten(), other.flatten()
    return False
