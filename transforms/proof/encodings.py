"""What a column chunk says of how its pages are written, against their headers: their encodings, sizes and places.

Readers pass over whole chunks by it: one that is said to have nothing but references to a dictionary holds no value that is not in
that. Source: the Apache Parquet project's parquet.thrift, ColumnMetaData and PageEncodingStats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .footer import Struct
from .page_index import Page

_TYPE, _ENCODINGS, _UNPACKED, _PACKED, _PAGES, _INDEX, _DICTIONARY, _STATS = 1, 2, 6, 7, 9, 10, 11, 13  # of ColumnMetaData
_DICTIONARY_PAGE = 2  # of PageType
_PLAIN, _OF_LEVELS = 0, {3, 4}  # of Encoding
_REFERENCES = {2, 8}  # with these a writer may tell of that of the dictionary's page, or of what it could have gone on with


def wrong_form(meta: Struct, pages: Sequence[Page]) -> str:
    """What is wrong with a ColumnMetaData of these pages, which are all of the chunk's; "" where nothing is."""
    said, found = set(meta.get(_ENCODINGS, ())), {page.encoding for page in pages}
    if missing := {page.encoding for page in pages if not page.dictionary} - said:
        return f"a page has encoding {min(missing)}, of which its metadata do not tell"
    if more := said - found - _OF_LEVELS - ({_PLAIN} if found & _REFERENCES else set[int]()):
        return f"its metadata tell of encoding {min(more)}, which no page has"
    if _STATS in meta and _wrong_counts(meta[_STATS], pages):
        return "its pages are not counted by encodings as they are"
    if meta.get(_UNPACKED) != sum(page.unpacked for page in pages) or meta.get(_PACKED) != sum(page.size for page in pages):
        return "its metadata do not give its size"
    return _wrong_places(meta, pages)


def _wrong_places(meta: Struct, pages: Sequence[Page]) -> str:
    dictionaries = [page.offset for page in pages if page.dictionary]
    data = [page.offset for page in pages if not page.dictionary]
    if meta.get(_INDEX) or not data or meta.get(_PAGES) != data[0]:
        return "its metadata do not say where its data pages begin"
    if ([meta[_DICTIONARY]] if meta.get(_DICTIONARY) else []) != dictionaries:
        return "its metadata do not say where its dictionary is"
    return ""


def _wrong_counts(stats: Sequence[Struct], pages: Sequence[Page]) -> bool:
    """Data pages of both versions are one kind, as for readers; some writers leave out the dictionary's, which misleads none."""
    said, found = Counter[tuple[bool, int]](), Counter((page.dictionary, page.encoding) for page in pages)
    for each in stats:
        said[each.get(1) == _DICTIONARY_PAGE, each.get(2, 0)] += each.get(3, 0)
    return +said not in (found, Counter({kind: count for kind, count in found.items() if not kind[0]}))
