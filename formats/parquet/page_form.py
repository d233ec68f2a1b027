"""The forms of what stands among a chunk's pages: their headers, their index, and bloom filters' headers.

Source: the Apache Parquet project's parquet.thrift. As in a footer, a field of another wire type is damage.
"""

from __future__ import annotations

from . import thrift
from .footer_form import Form, check_form
from .thrift import BINARY, BOOL, I32, I64, STRUCT, Opened, Struct

STATISTICS = Form("Statistics", {1: BINARY, 2: BINARY, 3: I64, 4: I64, 5: BINARY, 6: BINARY, 7: BOOL, 8: BOOL})
_FIRST = Form("DataPageHeader", {1: I32, 2: I32, 3: I32, 4: I32, 5: STATISTICS}, (1, 2, 3, 4))
_DICTIONARY = Form("DictionaryPageHeader", {1: I32, 2: I32, 3: BOOL}, (1, 2))
_SECOND = Form(
    "DataPageHeaderV2", {1: I32, 2: I32, 3: I32, 4: I32, 5: I32, 6: I32, 7: BOOL, 8: STATISTICS}, (1, 2, 3, 4, 5, 6)
)  # fmt: skip
PAGE_HEADER = Form("PageHeader", {1: I32, 2: I32, 3: I32, 4: I32, 5: _FIRST, 6: STRUCT, 7: _DICTIONARY, 8: _SECOND}, (1, 2, 3))
BLOOM_FILTER = Form("BloomFilterHeader", {1: I32, 2: STRUCT, 3: STRUCT, 4: STRUCT}, (1,))
_LOCATION = Form("PageLocation", {1: I64, 2: I32, 3: I64}, (1, 2, 3))
OFFSET_INDEX = Form("OffsetIndex", {1: [_LOCATION], 2: [I64]}, (1,))
COLUMN_INDEX = Form(
    "ColumnIndex", {1: [BOOL], 2: [BINARY], 3: [BINARY], 4: I32, 5: [I64], 6: [I64], 7: [I64]}, (1, 2, 3, 4)
)  # fmt: skip


def formed(form: Form, data: bytes, at: int = 0, opened: Opened = True) -> tuple[Struct, int]:
    """The struct of that form which begins at `at`, and the position after it.

    Raises:
        ThriftError: there is none.
    """
    struct, end = thrift.decode(data, at, opened)
    check_form(struct, form)
    return struct, end
