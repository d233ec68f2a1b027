"""Where a record stands, as people are told: its file, its number there, and the row group or block that it is in."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path as FilePath

from instar.transforms.proof import avro_blocks

from .reading import Rows
from .report import Place


class Located:
    """Places of one side; a file's footer or blocks are read once, and only where something in it is to be told."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._starts: dict[str, list[int]] = {}

    def place(self, number: int | None) -> Place | None:
        if number is None:
            return None
        file, row = self.rows.place_of(number)
        if file.path not in self._starts:
            self._starts[file.path] = starts(self.rows.side.path(file), self.rows.side.format.name)
        known = self._starts[file.path]
        return Place(file.path, row, bisect_right(known, row) - 1 if known else None)


def starts(path: FilePath, format: str) -> list[int]:
    """The number of the first record of each row group or block; none of JSON."""
    if format == "parquet":
        import pyarrow.parquet as pq

        footer = pq.read_metadata(path)
        counts = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    elif format == "avro":
        counts = avro_blocks.block_counts(path)
    else:
        return []
    return [0, *accumulate(counts)][:-1]
