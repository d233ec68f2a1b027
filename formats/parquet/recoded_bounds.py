"""What is said of the values of a chunk that has a new dictionary: its statistics and its page index, from what its pages refer to.

A dictionary may hold values that no page refers to; they are in no bounds.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa

from instar.formats.bare import integers, number
from instar.formats.compute import pc

from . import thrift
from .footer import get, items
from .footer_form import Form
from .page_form import COLUMN_INDEX, OFFSET_INDEX, formed
from .references import Otherwise, Referred
from .thrift import BINARY, BOOL, I32, I64, LIST, STRUCT, Struct

_LONGEST = 1 << 12  # bytes of a bound, as pyarrow's writer has it
_UNORDERED, _ASCENDING, _DESCENDING = range(3)  # BoundaryOrder


@dataclass(frozen=True)
class Ranked:
    """A dictionary's values: `order` has their numbers from the least value to the greatest."""

    values: pa.Array
    order: pa.Array

    @classmethod
    def of(cls, values: pa.Array) -> Ranked:
        """
        Raises:
            Otherwise: they have no order that all readers know. pa.ArrowException: pyarrow knows none.
        """
        if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
            raise Otherwise
        return cls(values, pc.sort_indices(values))

    @property
    def ranks(self) -> bytes:
        """The place of each value in that order, in four bytes."""
        return pc.inverse_permutation(self.order.cast(pa.int32())).buffers()[1].to_pybytes()[: 4 * len(self.order)]

    def at(self, ranks: Sequence[int]) -> pa.Array:
        return self.values.take(self.order.take(integers(ranks)))


@dataclass(frozen=True)
class Bounded:
    """What a page or chunk refers to, with the least and the greatest value's own bytes; empty ones where it has only nulls."""

    seen: Referred
    low: bytes = b""
    high: bytes = b""


def whole(pages: Sequence[Referred]) -> Referred:
    """What all pages of a chunk refer to."""
    held = [page for page in pages if not page.empty]
    low, high = min((page.low for page in held), default=-1), max((page.high for page in held), default=-1)
    return Referred(sum(page.nulls for page in pages), low, high)


def bounds(found: Sequence[tuple[Ranked, Sequence[Referred]]]) -> pa.Array:
    """The least values of all that refer to some, and after them the greatest."""
    lows = pa.concat_arrays([ranked.at([each.low for each in seen if not each.empty]) for ranked, seen in found])
    highs = pa.concat_arrays([ranked.at([each.high for each in seen if not each.empty]) for ranked, seen in found])
    if pa.types.is_floating(lows.type):  # either zero may be among the values
        lows, highs = (
            pc.if_else(pc.equal(each, number(0.0, each.type)), number(zero, each.type), each)
            for each, zero in ((lows, -0.0), (highs, 0.0))
        )
    return pa.concat_arrays([lows, highs])


def bounded(found: Sequence[Sequence[Referred]], values: Sequence[bytes]) -> list[list[Bounded]]:
    """Each with its bounds of `values`, which are those of `bounds`."""
    half = len(values) // 2
    pairs: Iterator[tuple[bytes, bytes]] = zip(values[:half], values[half:], strict=True)
    return [[Bounded(each) if each.empty else Bounded(each, *next(pairs)) for each in seen] for seen in found]


def statistics(chunk: Bounded) -> Struct:
    said: Struct = {3: (I64, chunk.seen.nulls)}
    for bound, exact, value in ((5, 7, chunk.high), (6, 8, chunk.low)):
        if not chunk.seen.empty and len(value) <= _LONGEST:
            said |= {bound: (BINARY, value), exact: (BOOL, True)}
    return dict(sorted(said.items()))


# ---- page index
def column_index(old: bytes, pages: Sequence[Bounded]) -> bytes:
    """A ColumnIndex of these pages; the levels are those of `old`.

    Raises:
        Otherwise: that is damaged or of other pages, or a bound is too long.
    """
    struct = _opened(COLUMN_INDEX, old)
    if len(items(struct, 1)) != len(pages) or any(max(len(page.low), len(page.high)) > _LONGEST for page in pages):
        raise Otherwise
    new: Struct = {
        1: (LIST, (BOOL, [page.seen.empty for page in pages])),
        2: (LIST, (BINARY, [page.low for page in pages])),
        3: (LIST, (BINARY, [page.high for page in pages])),
        4: (I32, _boundary_order([page.seen for page in pages if not page.seen.empty])),
        5: (LIST, (I64, [page.seen.nulls for page in pages])),
    }
    return thrift.encode({**new, **{number: struct[number] for number in (6, 7) if number in struct}})


def _boundary_order(pages: Sequence[Referred]) -> int:
    if pages == sorted(pages, key=lambda page: page.low) and pages == sorted(pages, key=lambda page: page.high):
        return _ASCENDING
    if pages == sorted(pages, key=lambda page: -page.low) and pages == sorted(pages, key=lambda page: -page.high):
        return _DESCENDING
    return _UNORDERED


def first_rows(old: bytes, pages: Sequence[int]) -> list[int]:
    """The rows with which the pages of an OffsetIndex begin; each holds so many rows as `pages` has.

    Raises:
        Otherwise: that is damaged, or of other pages.
    """
    found = [get(location, 3) for location in items(_opened(OFFSET_INDEX, old), 1)]
    if found != list(accumulate(pages, initial=0))[:-1]:
        raise Otherwise
    return found


def offset_index(firsts: Sequence[int], at: int, sizes: Sequence[int]) -> bytes:
    """An OffsetIndex of pages of those sizes that begin at `at`, with those rows."""
    new: list[Struct] = []
    for first, size in zip(firsts, sizes, strict=True):
        new.append({1: (I64, at), 2: (I32, size), 3: (I64, first)})
        at += size
    return thrift.encode({1: (LIST, (STRUCT, new))})


def _opened(form: Form, index: bytes) -> Struct:
    try:
        return formed(form, index)[0]
    except thrift.ThriftError:
        raise Otherwise from None
