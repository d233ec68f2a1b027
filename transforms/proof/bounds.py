"""Values of a Parquet leaf in the order in which its bounds are, and what the bytes of a bound mean.

Source of the rules: the Apache Parquet project's parquet.thrift, ColumnOrder and Statistics. NaN is in no order and is passed over,
-0.0 is 0.0.
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context
from itertools import pairwise
from typing import Any

import pyarrow as pa

from instar.formats.compute import pc

from .compact import NotCompact

_EXACT = Context(prec=100)
_INTERVAL = 21  # of ConvertedType
_WITHOUT_ORDER = (16, 17, 18)  # of LogicalType: variants and shapes
_FLOATS = {2: "<e", 4: "<f", 8: "<d"}
_FEW = 4  # a dictionary with fewer values than a fourth of the rows is sorted, and its numbers are compared


@dataclass(frozen=True)
class Order:
    """How the bounds of a leaf are read: its physical type, the Arrow type of its values, and whether they have an order at all."""

    physical: str
    type: pa.DataType
    defined: bool

    @classmethod
    def of(cls, physical: str, element: dict[int, Any], type: pa.DataType) -> Order:
        """`element` is the leaf's SchemaElement, `type` as pyarrow reads it by that alone."""
        without = physical == "INT96" or element.get(6) == _INTERVAL or any(n in element.get(10, {}) for n in _WITHOUT_ORDER)
        return cls(physical, type.value_type if pa.types.is_dictionary(type) else type, not without)

    @property
    def is_text(self) -> bool:
        """Are bounds bytes, of which a longer value may give only the first?"""
        return self.physical in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY") and not (
            pa.types.is_decimal(self.type) or pa.types.is_floating(self.type)
        )

    def decoded(self, data: bytes) -> Any:
        """A bound as a value to be compared with `Extent`'s; None for NaN, which bounds nothing.

        Raises:
            NotCompact: it is no value of the type.
        """
        if self.is_text:
            return bytes(data)
        if pa.types.is_decimal(self.type) and self.physical.endswith("BYTE_ARRAY"):
            return int.from_bytes(data, "big", signed=True)
        width = (
            1 if self.physical == "BOOLEAN" else 2 if self.type == pa.float16() else 4 if self.physical in ("INT32", "FLOAT") else 8
        )
        if len(data) != width:
            raise NotCompact("a bound has another length than its type")
        if pa.types.is_floating(self.type):
            value = struct.unpack(_FLOATS[width], data)[0]
            return None if math.isnan(value) else value
        return int.from_bytes(data, "little", signed=not pa.types.is_unsigned_integer(self.type))


@dataclass
class Extent:
    """How many entries there are with the nulls, how many values, and the least and the greatest of these, None where there is
    none."""

    entries: int = 0
    values: int = 0
    least: Any = None
    greatest: Any = None

    def add(self, other: Extent) -> None:
        self.entries += other.entries
        self.values += other.values
        if other.least is not None:
            self.least = other.least if self.least is None else min(self.least, other.least)
            self.greatest = other.greatest if self.greatest is None else max(self.greatest, other.greatest)

    @property
    def nulls(self) -> int:
        return self.entries - self.values


@dataclass(frozen=True)
class Ordered:
    """Values in a form that Arrow orders as their bounds are; `meant` makes what `Order.decoded` gives of one of them."""

    array: pa.Array
    meant: Callable[[Any], Any]

    def extent(self, start: int, count: int, entries: int) -> Extent:
        """Of some of the values, which stand for so many entries."""
        some = self.array.slice(start, count)
        values = count - some.null_count
        if not values:
            return Extent(entries)
        found = pc.min_max(some)
        least, greatest = self.meant(found["min"].as_py()), self.meant(found["max"].as_py())
        return Extent(entries, values, least, greatest)


def ordered(leaf: pa.Array) -> Ordered:
    """
    A leaf's values; of a dictionary's the numbers of its sorted values, where they are few.
    """
    type, is_ = leaf.type, pa.types
    if is_.is_dictionary(type):
        return _ranked(leaf) if len(leaf.dictionary) * _FEW <= len(leaf) else ordered(leaf.dictionary_decode())
    if is_.is_string(type):
        return Ordered(leaf.view(pa.binary()), _itself)
    if is_.is_boolean(type):
        return Ordered(leaf.cast(pa.int8()), _itself)
    if is_.is_temporal(type):
        return Ordered(leaf.view(pa.int32() if type.bit_width == 32 else pa.int64()), _itself)
    if is_.is_decimal(type):
        return Ordered(leaf, lambda value: int(value.scaleb(type.scale, _EXACT)))
    if is_.is_floating(type):
        return Ordered(leaf.cast(pa.float32()) if is_.is_float16(type) else leaf, lambda x: None if math.isnan(x) else x)
    return Ordered(leaf, _itself)


def _itself(value: Any) -> Any:
    return value


def _ranked(leaf: pa.DictionaryArray) -> Ordered:
    words = ordered(leaf.dictionary)
    order = pc.array_sort_indices(words.array)
    ranks = pc.array_sort_indices(order).cast(pa.int32())
    return Ordered(ranks.take(leaf.indices), lambda rank: words.meant(words.array[order[rank].as_py()].as_py()))


# ---- what is said of them
def wrong_statistics(said: dict[int, Any], found: Extent, order: Order) -> str:
    """What is wrong with Statistics of values of this extent; "" where nothing is."""
    if said.get(3, found.nulls) != found.nulls:
        return f"its statistics count {said[3]} nulls, and it has {found.nulls}"
    for name, numbers, exact, value in (("least", (6, 2), 8, found.least), ("greatest", (5, 1), 7, found.greatest)):
        for number in numbers if order.defined else ():
            if number in said and _wrong_bound(said[number], value, said.get(exact), order, low=name == "least"):
                return f"its statistics do not give its {name} value"
    return ""


def _wrong_bound(said: bytes, value: Any, exact: bool | None, order: Order, *, low: bool) -> bool:
    bound = order.decoded(said)
    if bound is None or bound == value:
        return False
    if value is None or exact or (exact is None and not order.is_text):
        return True
    if exact is None:  # what is too long may be cut, which only newer writers say
        return not (value.startswith(bound) if low else len(bound) <= len(value) and bound > value)
    return bound > value if low else bound < value


def wrong_column_index(index: dict[int, Any], pages: Sequence[Extent], order: Order) -> str:
    """What is wrong with a ColumnIndex of pages of these extents, of which it speaks; "" where nothing is."""
    empty, lows, highs, nulls = (index.get(number) for number in (1, 2, 3, 5))
    assert empty is not None
    assert lows is not None
    assert highs is not None
    for number, level in ((6, "repetition"), (7, "definition")):
        if index.get(number) and _wrong_histograms(index[number], pages, last=number == 7):
            return f"its histograms of {level} levels are not its pages'"
    bounds: list[tuple[Any, Any]] = []
    for number, (page, is_empty, low, high) in enumerate(zip(pages, empty, lows, highs, strict=True)):
        if is_empty != (not page.values):
            return f"page {number} is said to hold {'nulls only' if is_empty else 'values'}, and does not"
        if nulls and nulls[number] != page.nulls:
            return f"page {number} is said to hold {nulls[number]} nulls, and holds {page.nulls}"
        if page.least is None or not order.defined:
            continue
        least, greatest = order.decoded(low), order.decoded(high)
        if least is None or greatest is None or least > page.least or greatest < page.greatest:
            return f"page {number} holds values that are not within its bounds"
        bounds.append((least, greatest))
    ascends = {1: 1, 2: -1}.get(index.get(4, 0), 0)
    if ascends and any(_against(a, b, ascends) for before, after in pairwise(bounds) for a, b in zip(before, after, strict=True)):
        return "its pages are not in the order that it says"
    return ""


def _wrong_histograms(counts: Sequence[int], pages: Sequence[Extent], *, last: bool) -> bool:
    """Does a page's histogram not count its entries, or where the `last` level means a value, its values?"""
    width = len(counts) // len(pages)
    found = [counts[i * width : (i + 1) * width] for i in range(len(pages))]
    return len(counts) % len(pages) != 0 or any(
        sum(each) != page.entries or (last and each[-1] != page.values) for each, page in zip(found, pages, strict=True)
    )


def _against(a: Any, b: Any, ascends: int) -> bool:
    return a > b if ascends > 0 else a < b
