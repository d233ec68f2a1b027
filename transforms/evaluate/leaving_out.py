"""Converting the rows of a batch that can be converted, and telling of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from instar.formats.errors import Collected, DataError, InstarError, Where
from instar.formats.storage import taken

from .refusals import LeaveOut, by_row


def leaving_out(evaluated: Callable[[pa.RecordBatch], pa.RecordBatch], batch: pa.RecordBatch, refused: LeaveOut) -> pa.RecordBatch:
    """What `evaluated` makes of the rows that it can convert; `refused` is told of the others, in order.

    Each pass takes out all rows that one node refuses, so there are no more passes than there are such nodes.
    """
    kept, errors = list(range(batch.num_rows)), dict[int, DataError]()
    given = batch
    while True:
        try:
            made = evaluated(given)
            break
        except (DataError, Collected) as error:
            found = _refused_rows(evaluated, given, error)
        for row, told in found.items():
            errors[kept[row]] = told.placed(replace(told.where or Where(), row=kept[row]))  # type: ignore[assignment]
        kept = [row for i, row in enumerate(kept) if i not in found]
        given = rows_of(batch, kept)
    for row in sorted(errors):
        refused(errors[row])
    return made


def _refused_rows(
    evaluated: Callable[[pa.RecordBatch], pa.RecordBatch], batch: pa.RecordBatch, error: InstarError
) -> dict[int, DataError]:
    """The rows that an error speaks of; where it names none, found by halving."""
    if isinstance(error, Collected) or (error.where and error.where.row is not None):
        return by_row(error)
    if batch.num_rows <= 1:
        return by_row(error.at(row=0) if batch.num_rows else error)
    found: dict[int, DataError] = {}
    half = batch.num_rows // 2
    for start, end in ((0, half), (half, batch.num_rows)):
        part = rows_of(batch, range(start, end))
        try:
            evaluated(part)
        except (DataError, Collected) as inner:
            found |= {start + row: told for row, told in _refused_rows(evaluated, part, inner).items()}
    return found


def rows_of(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """These rows as a batch of its own, in its storage."""
    index = pa.array(rows, pa.int64())
    return pa.RecordBatch.from_arrays([taken(column, index) for column in batch.columns], schema=batch.schema)
