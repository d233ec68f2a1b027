"""Parquet files that DuckDB reads wrongly without a word.

parquet-cpp before 2.0 (pyarrow before 3) compressed every data page of version 2 whatever its header says (Apache Arrow's
ARROW-17100); Arrow's own reader knows, others believe the header and take compressed bytes for values.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath

import pyarrow.parquet as pq

from instar.formats.parquet.footer import get
from instar.formats.parquet.thrift import ThriftError, decode

_WRITER = re.compile(r"parquet-cpp(-arrow)? version [01]\.")
_HEADER = 1 << 16  # bytes that a page's header has at most, but for absurd statistics
_V2 = 8  # DataPageHeaderV2 of PageHeader, whose field 7 is is_compressed


def misread(file: FilePath, footer: pq.FileMetaData) -> bool:
    """Does the file hold pages that only Arrow's reader takes for what they are?"""
    if not _WRITER.match(footer.created_by or ""):
        return False
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    return any(_says_plain(file, chunk.data_page_offset) for chunk in chunks if chunk.compression != "UNCOMPRESSED")


def _says_plain(file: FilePath, offset: int) -> bool:
    """Is the page at `offset` of version 2, and not compressed by what its header says?"""
    with file.open("rb") as data:
        data.seek(offset)
        try:
            header, _ = decode(data.read(_HEADER))
        except ThriftError:
            return False  # every reader will say so
    return _V2 in header and not get(get(header, _V2), 7, True)
