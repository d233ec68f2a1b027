"""How many values a column's leaves hold, counted as a column chunk's footer counts them.

A leaf has a value, be it null, for every record, and one more for every further item of a list above it; a list that is empty or
null has one (parquet.thrift, ColumnMetaData.num_values). A chunk with more values than its row group's records account for is
damaged: readers that go from one row group to the next take the surplus for the next one's first records, others leave it out.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.storage import as_lists, items_of

is_ = pa.types
_LISTS = (is_.is_list, is_.is_large_list, is_.is_fixed_size_list, is_.is_list_view, is_.is_large_list_view)


def values_of(array: pa.Array) -> Iterator[int]:
    """The number of values of each leaf below a column, in the leaves' order."""
    type = array.type
    if isinstance(array, pa.ExtensionArray):
        yield from values_of(array.storage)
    elif is_.is_struct(type):
        for child in array.flatten():
            yield from values_of(child)
    elif is_.is_map(type):
        yield from values_of(as_lists(array))
    elif any(is_list(type) for is_list in _LISTS):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        bare = pc.sum(pc.equal(lengths, 0).cast(pa.int64())).as_py() or 0
        for below in values_of(items_of(array)):
            yield below + bare
    else:
        yield len(array)
