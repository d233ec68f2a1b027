"""Where a Parquet file is damaged that a proof could not read: the first column chunk that pyarrow cannot read either, else the
first column that DuckDB cannot read.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from .compare import is_damage
from .connection import file_literal, quoted, sealed

_ROWS = 1 << 16  # that are read at once


def damaged_chunk(old: FilePath, new: FilePath, memory: int) -> str:
    """The chunk or column, and of which of the two files it is, in words; "" where both are read. `memory` in bytes."""
    for find in (_first_damaged, partial(_first_unread, memory=memory)):
        for form, file in (("new", new), ("old", old)):
            try:
                found = find(file)
            except (pa.ArrowException, duckdb.Error, OSError):  # its footer is what cannot be read: there are no chunks to name
                continue
            if found:
                return f"{found} of its {form} form"
    return ""


def _first_unread(file: FilePath, memory: int) -> str:
    with closing(sealed(file, memory=memory)) as connection:
        scan = f"read_parquet({file_literal(file)}, hive_partitioning = false)"
        for name in connection.sql(f"SELECT * FROM {scan}").columns:
            try:
                connection.execute(f"SELECT max(hash({quoted(name)})) FROM {scan}").fetchall()
            except duckdb.Error as error:
                if is_damage(error):
                    return f"column {name}"
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
