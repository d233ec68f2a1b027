"""The sort order that row groups declare, and how much of it a rewrite keeps."""

from __future__ import annotations

from collections.abc import Sequence

from . import thrift
from .footer import OPTIONAL, Element, Footer, get, items
from .thrift import I32, LIST, RAW, STRUCT, Struct

_SORTING, _VALUES, _STATISTICS, _NULL_COUNT = 4, 5, 12, 3  # fields of RowGroup, ColumnMetaData twice, Statistics


def with_sort_order(group: Struct, origin: Struct, origins: Sequence[int | None]) -> Struct:
    """The row group with as many of the source's sort columns, from the first on, as are carried in their order."""
    kept: list[Struct] = []
    for column in items(origin, _SORTING):
        if get(column, 1) not in origins:
            break
        kept.append({**column, 1: (I32, origins.index(get(column, 1)))})
    rest = {number: held for number, held in group.items() if number != _SORTING}
    return {**rest, _SORTING: (LIST, (STRUCT, kept))} if kept else rest


def in_order(old: Footer, new: Element, origins: Sequence[int | None]) -> tuple[int | None, ...]:
    """Of the source leaves that each leaf below `new` is carried from, those whose order it keeps.

    Nulls stand first or last, whatever fills them: where a leaf may be null no more and its source has nulls, the order is gone.
    """
    before, after = ([levels.count(OPTIONAL) for _, levels in root.chains] for root in (old.root, new))
    return tuple(
        None if origin is None or (count < before[origin] and _may_have_nulls(old, origin)) else origin
        for count, origin in zip(after, origins, strict=True)
    )


def _may_have_nulls(footer: Footer, leaf: int) -> bool:
    """Not where every chunk says that it has none."""
    return any(_nulls(meta) != 0 for meta in footer.metas(leaf) if get(meta, _VALUES))


def _nulls(meta: Struct) -> int | None:
    wire, held = meta.get(_STATISTICS, (STRUCT, {}))
    return get(thrift.decode(held)[0] if wire & RAW else held, _NULL_COUNT)
