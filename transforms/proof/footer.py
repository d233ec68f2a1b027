"""A Parquet file's footer, read from its own bytes for a proof: schema elements, row groups, and where pages' indexes are.

Source of the numbers: the Apache Parquet project's parquet.thrift. Only what a proof asks is named here; pyarrow tells the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, BinaryIO

from .compact import NotCompact, struct_at
from .elements import Element

_TAIL = 1 << 16  # bytes read at once: the whole footer of most files
_PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_REPETITION = ("REQUIRED", "OPTIONAL", "REPEATED")
_CONVERTED = dict(enumerate((
    "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
    "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64",
    "JSON", "BSON", "INTERVAL",
)))  # fmt: skip
_LOGICAL = {
    1: "String", 2: "Map", 3: "List", 4: "Enum", 5: "Decimal", 6: "Date", 7: "Time", 8: "Timestamp", 10: "Int", 11: "Null",
    12: "Json", 13: "Bson", 14: "UUID", 15: "Float16", 16: "Variant", 17: "Geometry", 18: "Geography",
}  # fmt: skip
_UNIT = {1: "MILLIS", 2: "MICROS", 3: "NANOS"}

Struct = dict[int, Any]


@dataclass(frozen=True)
class Footer:
    """FileMetaData as it stands, which begins at `start` of the file."""

    struct: Struct
    start: int

    @cached_property
    def root(self) -> Element:
        """The schema as one tree, as DuckDB would tell it.

        Raises:
            NotCompact: the elements do not form one.
        """
        found = iter(self.struct.get(2, ()))
        try:
            root = _element(next(found), found)
        except (KeyError, IndexError, StopIteration, RuntimeError, AttributeError) as error:
            raise NotCompact("the schema's elements do not form one tree") from error
        if next(found, None) is not None:
            raise NotCompact("the schema's elements do not form one tree")
        return root

    @cached_property
    def leaves(self) -> list[Struct]:
        """The leaves' SchemaElement structs."""
        return [element for element in self.struct.get(2, ()) if 1 in element and not element.get(5)]

    @cached_property
    def paths(self) -> list[tuple[bytes, ...]]:
        """The leaves' names, each with those above it."""
        return [(*(group.name.encode("utf-8", "surrogateescape") for group in groups), name) for groups, name in self._named]

    @cached_property
    def groups_above(self) -> list[tuple[Element, ...]]:
        """The groups above each leaf, from the top down."""
        return [groups for groups, _ in self._named]

    @cached_property
    def _named(self) -> list[tuple[tuple[Element, ...], bytes]]:
        return list(_paths(self.root, ()))

    @property
    def groups(self) -> list[Struct]:
        """The RowGroup structs."""
        return self.struct.get(4, [])

    @property
    def orders(self) -> list[Struct]:
        """How each leaf's bounds are ordered; none where the file does not say."""
        return self.struct.get(7, [])


def read_footer(file: BinaryIO) -> Footer:
    """
    Raises:
        NotCompact: the file has no footer, or it is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL, 0))
    tail = file.read()
    length = int.from_bytes(tail[-8:-4], "little")
    if tail[-4:] != b"PAR1" or not 0 < length <= size - 12:
        raise NotCompact("the file does not end with a Parquet footer")
    if length + 8 > len(tail):
        file.seek(size - 8 - length)
        tail = file.read()
    return Footer(struct_at(tail[len(tail) - 8 - length : -8])[0], size - 8 - length)


def footer_elements(path: FilePath) -> Element:
    """The root element of the file.

    Raises:
        NotCompact: as `read_footer`.
    """
    with path.open("rb") as file:
        return read_footer(file).root


def _element(struct: Struct, rest: Iterator[Struct]) -> Element:
    count = struct.get(5, 0)
    number, annotation = next(iter(struct.get(10, {}).items()), (0, {}))
    decimal = annotation if number == 5 else {}
    return Element(
        name=struct[4].decode("utf-8", "surrogateescape"),
        physical="" if 1 not in struct or count else _PHYSICAL[struct[1]],
        length=struct.get(2, 0),
        repetition=_REPETITION[struct.get(3, 0)],
        converted=_CONVERTED.get(struct.get(6, -1), ""),
        logical=_logical(number, annotation),
        scale=decimal.get(1, struct.get(7, 0)),
        precision=decimal.get(2, struct.get(8, 0)),
        children=tuple(_element(next(rest), rest) for _ in range(count)),
    )


def _paths(group: Element, above: tuple[Element, ...]) -> Iterator[tuple[tuple[Element, ...], bytes]]:
    """The groups above each leaf, and its own name."""
    for child in group.children:
        if child.physical:
            yield above, child.name.encode("utf-8", "surrogateescape")
        else:
            yield from _paths(child, (*above, child))


def _logical(number: int, annotation: Struct) -> str:
    """As DuckDB spells it, in what `elements.py` looks at."""
    text = f"{_LOGICAL[number]}Type" if number in _LOGICAL else ""
    if number not in (7, 8):
        return text
    unit = next((name for of, name in _UNIT.items() if of in annotation.get(2, {})), "")
    return f"{text}(isAdjustedToUTC={annotation.get(1, False):d}, {unit}={unit})"
