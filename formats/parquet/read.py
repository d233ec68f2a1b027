"""Reading some columns of a Parquet file: row group by row group, in batches, nothing else read from disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from instar.formats.arrow import arrow_field
from instar.formats.columnar import rows_only, shifted, wanted_fields
from instar.formats.errors import DataError, FileError, Where
from instar.formats.fingerprint import differences
from instar.formats.format import Range, Through
from instar.formats.path import Path
from instar.formats.plain import plain_type
from instar.formats.schema import Date, Field, Int, Schema, Timestamp, Type

from .arrays import refers_beyond, timestamps_shown
from .footer import get
from .levels import values_of
from .places import leaf_paths
from .source import Source, open_source, too_large, unreadable

PROBE = 256
"""Rows read first, to see how wide they are."""
_BATCH = 8 << 20  # bytes of Arrow data a batch aims at
_SHARE = 16  # of the memory: a batch, its conversion, and what the consumer still holds
_ROWS = 1 << 16
_ALONE = 1 << 12  # rows of one leaf, read again to learn whether it is the damaged one


def read(
    path: FilePath,
    *,
    schema: Schema,
    columns: Sequence[str],
    memory: int,
    through: Through | None = None,
    may_hold: Callable[[Mapping[str, Range]], bool] | None = None,
    name: str = "",
) -> Iterator[pa.RecordBatch]:
    """See `Format.read`. INT96 comes as timestamps in microseconds; one that they do not hold is a DataError."""
    source = open_source(path)
    refuse_another(source, schema)
    fields = wanted_fields(source.logical, columns)
    selection = Selection(source, [f.name for f in fields], size=max(1 << 16, min(_BATCH, memory // _SHARE)))
    done = 0
    with source.reader() as reader:
        for group, rows in enumerate(source.footer.rows):
            if may_hold is None or may_hold(ranges(source, group, fields)):
                found = 0
                for batch in selection.batches(reader, group):
                    yield _converted(selection, batch, through, done + found)
                    found += batch.num_rows
                if found != rows:
                    raise unreadable(path, ValueError(f"row group {group} should have {rows} rows, not {found}"))
            done += rows


def _converted(selection: Selection, batch: pa.RecordBatch, through: Through | None, before: int) -> pa.RecordBatch:
    try:
        shown = selection.shown(batch)
        return shown if through is None else through.convert(shown)
    except DataError as error:
        raise shifted(error, before) from error.__cause__


def refuse_another(source: Source, schema: Schema) -> None:
    """
    Raises:
        FileError: the file is not of the schema that it was found with.
    """
    if differences(source.logical, schema):
        raise FileError(
            "its schema is not the one that it was found with",
            hint="The file was changed meanwhile; look again.",
            where=Where(file=str(source.path)),
        )


class Selection:
    """Some of a file's columns. `strict`: which of them refuse INT96 timestamps that microseconds do not hold; `size`: the bytes of
    Arrow data that a batch aims at; `only`: the places that are needed, where that is not all below those columns."""

    def __init__(
        self,
        source: Source,
        names: Sequence[str],
        *,
        strict: Callable[[str], bool] = lambda name: True,
        size: int = _BATCH,
        only: Collection[Path] | None = None,
    ) -> None:
        self.source, self.size = source, size
        record, wanted = source.logical.record, set(names)
        with_int96 = {str(path[0]) for path in source.int96} & wanted
        whole = wanted if only is None else with_int96
        self.leaves: list[int] = []
        for element, name in zip(source.footer.columns, record.names, strict=True):
            leaves = [leaf.leaf for leaf in element.leaves() if leaf.leaf is not None] if name in wanted else []
            self.leaves += leaves if name in whole else _needed(source, leaves, only or ())
        self._int96: dict[str, tuple[pa.Field, bool]] = {n: (arrow_field(record[n]), strict(n)) for n in sorted(with_int96)}

    def batches(self, reader: pq.ParquetFile, group: int, most: int | None = None) -> Iterator[pa.RecordBatch]:
        """The columns of a row group as they are stored, INT96 as its raw bytes; in batches of `most` rows, or of what suits.

        Raises:
            UnreadableError: as `read_batches`.
        """
        rows = self.source.footer.rows[group]
        if not self.leaves:
            yield rows_only(rows)
            return
        size, found = most or self._batch_rows(reader, group, rows), [0] * len(self.leaves)
        for batch in read_batches(self.source.path, reader, group, self.leaves, size):
            counts = (count for column in batch.columns for count in values_of(column))
            found = [total + count for total, count in zip(found, counts, strict=True)]
            yield batch
        self._check_values(reader, group, found)

    def _check_values(self, reader: pq.ParquetFile, group: int, found: Sequence[int]) -> None:
        """Do the records account for all values that the column chunks hold?"""
        said = [get(self.source.footer.metas(leaf)[group], 5, values) for leaf, values in zip(self.leaves, found, strict=True)]
        wrong = [leaf for leaf, each, values in zip(self.leaves, said, found, strict=True) if each != values]
        if not wrong:
            return
        guilty = _damaged_leaf(reader, group, wrong)  # where one ends early, a batch has no more of the others
        at = self.leaves.index(wrong[0] if guilty is None else guilty)
        name = ".".join(part.decode("utf-8", "replace") for part in self.source.footer.leaves[self.leaves[at]].path)
        problem = f"{name} holds {said[at]} values in row group {group}, of which its records are {found[at]}"
        raise unreadable(self.source.path, ValueError(problem))

    def _batch_rows(self, reader: pq.ParquetFile, group: int, rows: int) -> int:
        """How many rows make a batch of that size, judged by the row group's first rows where it is not small."""
        if rows <= 4 * PROBE:
            return max(rows, 1)
        first = next(read_batches(self.source.path, reader, group, self.leaves, PROBE), None)
        return PROBE if first is None else max(64, min(_ROWS, self.size * PROBE // max(first.nbytes, 1)))

    def shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with timestamps in the place of INT96's raw bytes.

        Raises:
            DataError: where that is strict, a timestamp that microseconds do not hold; `where.row` counts from the batch's first.
        """
        if not self._int96:
            return batch
        columns, fields = batch.columns, list(batch.schema)
        for i, name in enumerate(batch.schema.names):
            if name in self._int96:
                fields[i], strict = self._int96[name]
                columns[i] = timestamps_shown(columns[i], fields[i], strict=strict)
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _needed(source: Source, leaves: list[int], only: Collection[Path]) -> list[int]:
    """Those of a column's leaves that are at a place of `only`, a map's keys with the map; all where one is at no known place."""
    known = leaf_paths(source.places)
    return [leaf for leaf in leaves if known[leaf] in only] if all(leaf in known for leaf in leaves) else leaves


def read_batches(
    path: FilePath, reader: pq.ParquetFile, group: int, leaves: Sequence[int | None], rows: int
) -> Iterator[pa.RecordBatch]:
    """These leaves of a row group in batches of up to `rows`, as they are stored; none where there are fewer than the footer says.

    Raises:
        UnreadableError: a page is damaged, or does not fit into memory.
    """
    try:
        yield from _checked_batches(reader, group, leaves, rows)
    except MemoryError as error:  # Arrow's own is one of ArrowException, too; but nothing is wrong with the file
        raise too_large(path, group, error) from error
    except (pa.ArrowException, OSError) as error:
        leaf = _damaged_leaf(reader, group, leaves)
        column = "" if leaf is None else f", column {reader.schema.column(leaf).path}"
        raise unreadable(path, error, f" (row group {group}{column})") from error


def _checked_batches(reader: pq.ParquetFile, group: int, leaves: Sequence[int | None], rows: int) -> Iterator[pa.RecordBatch]:
    """It raises ArrowInvalid for a reference to what a dictionary does not have, which pyarrow does not look for where it gives
    dictionaries."""
    for batch in reader.reader.iter_batches(rows, row_groups=[group], column_indices=leaves, use_threads=False):
        if any(map(refers_beyond, batch.columns)):
            raise pa.ArrowInvalid("Index not in dictionary bounds")
        yield batch


def _damaged_leaf(reader: pq.ParquetFile, group: int, leaves: Sequence[int | None]) -> int | None:
    """The first of the leaves that cannot be read by itself, or not to the end; pyarrow does not say which it was."""
    for leaf in leaves:
        if leaf is None:
            continue
        try:
            found = sum(batch.num_rows for batch in _checked_batches(reader, group, [leaf], _ALONE))
        except (pa.ArrowException, OSError):
            return leaf
        if found != reader.metadata.row_group(group).num_rows:  # not what its chunk says: of some pyarrow ends the process
            return leaf
    return None


# ---- statistics
def ranges(source: Source, group: int, fields: Sequence[Field]) -> dict[str, Range]:
    """What the footer says of columns in a row group: only of types whose statistics are exact bounds in every writer's files."""
    found: dict[str, Range] = {}
    metadata, leaves = source.metadata.row_group(group), {e.name: e.leaf for e in source.footer.columns if e.leaf is not None}
    for field in fields:
        leaf = leaves.get(field.name)
        if leaf is None or not isinstance(field.type, Int | Date | Timestamp) or (field.name,) in source.int96:
            continue
        said: Any = metadata.column(leaf).statistics
        if said is None or not said.has_null_count:
            continue
        if said.has_min_max:
            low, high = _bounds(said, field.type)
            found[field.name] = Range(low, high, nulls=said.null_count > 0)
        elif said.null_count == source.footer.rows[group]:
            found[field.name] = Range(None, None, nulls=True)
    return found


def _bounds(said: Any, type: Type) -> tuple[Any, Any]:
    """The least and the greatest value; of dates and timestamps as Arrow has them, as Python's own types neither reach that far nor
    are as fine. Seconds are stored as milliseconds."""
    if isinstance(type, Int):
        return said.min, said.max
    whole, arrow = pa.int64(), plain_type(Timestamp("ms", type.zone) if isinstance(type, Timestamp) and type.unit == "s" else type)
    if isinstance(type, Date):
        whole = pa.int32()
    return pa.scalar(said.min_raw, whole).cast(arrow), pa.scalar(said.max_raw, whole).cast(arrow)
