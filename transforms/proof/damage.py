"""Where a Parquet file is damaged that a proof could not read: the first column chunk that pyarrow cannot read either."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 1 << 16  # that are read at once


def damaged_chunk(old: FilePath, new: FilePath) -> str:
    """The chunk, and whether it is of the old file or the new one, in words; "" where pyarrow reads both."""
    for form, file in (("new", new), ("old", old)):
        try:
            found = _first_damaged(file)
        except (pa.ArrowException, OSError):  # its footer is what cannot be read: there are no chunks to name
            continue
        if found:
            return f"{found} of its {form} form"
    return ""


def _first_damaged(file: FilePath) -> str:
    with pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True) as opened:
        reader: Any = opened.reader
        for group in range(opened.metadata.num_row_groups):
            for leaf in range(opened.metadata.num_columns):
                try:
                    for _ in reader.iter_batches(_ROWS, row_groups=[group], column_indices=[leaf], use_threads=False):
                        pass
                except (pa.ArrowException, OSError):
                    return f"column {opened.metadata.schema.column(leaf).path} in row group {group}"
    return ""
