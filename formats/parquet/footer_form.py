"""Does a decoded footer have the form of one? Each known field is of its type, and what readers need is there.

Source: the Apache Parquet project's parquet.thrift. A field of another wire type is damage: some readers pass over it, others do
not, so that they would find different files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import thrift
from .thrift import BINARY, BOOL, I16, I32, I64, LIST, RAW, STRUCT, Struct, ThriftError

Kind = Any
"""A wire type; a `Form`, for a struct; or a list of one such, for a list of them."""


@dataclass(frozen=True)
class Form:
    """A struct of the definition. `fields` by their numbers, `needed` those that every writer gives."""

    name: str
    fields: Mapping[int, Kind]
    needed: tuple[int, ...] = ()

    @cached_property
    def plain(self) -> Any:
        """As the compiled part takes it: (fields, needed)."""
        return {number: _plain(inner) for number, inner in self.fields.items()}, self.needed


_KEY_VALUE = Form("KeyValue", {1: BINARY, 2: BINARY}, (1,))
_ELEMENT = Form(
    "SchemaElement",
    {1: I32, 2: I32, 3: I32, 4: BINARY, 5: I32, 6: I32, 7: I32, 8: I32, 9: I32, 10: STRUCT},
    (4,),
)
_ENCODING = Form("PageEncodingStats", {1: I32, 2: I32, 3: I32}, (1, 2, 3))
_META = Form(
    "ColumnMetaData",
    {
        1: I32, 2: [I32], 3: [BINARY], 4: I32, 5: I64, 6: I64, 7: I64, 8: [_KEY_VALUE], 9: I64, 10: I64, 11: I64, 12: STRUCT,
        13: [_ENCODING], 14: I64,
    },
    (1, 2, 3, 4, 5, 6, 7, 9),
)  # fmt: skip
_CHUNK = Form("ColumnChunk", {1: BINARY, 2: I64, 3: _META, 4: I64, 5: I32, 6: I64, 7: I32, 8: STRUCT, 9: BINARY}, (2,))
_SORTING = Form("SortingColumn", {1: I32, 2: BOOL, 3: BOOL}, (1, 2, 3))
_ROW_GROUP = Form("RowGroup", {1: [_CHUNK], 2: I64, 3: I64, 4: [_SORTING], 5: I64, 6: I64, 7: I16}, (1, 2, 3))
_FILE = Form(
    "FileMetaData",
    {1: I32, 2: [_ELEMENT], 3: I64, 4: [_ROW_GROUP], 5: [_KEY_VALUE], 6: BINARY, 7: LIST, 8: STRUCT, 9: BINARY},
    (1, 2, 3, 4),
)
_REPETITIONS, _PHYSICAL = range(3), range(8)


def _plain(kind: Kind) -> Any:
    if isinstance(kind, Form):
        return kind.plain
    return [_plain(inner) for inner in kind] if isinstance(kind, list) else kind


def check_form(struct: Struct, form: Form) -> None:
    """
    Raises:
        ThriftError: a field is missing or of another type; names it.
    """
    if not (thrift.compiled and thrift.compiled.fits(struct, form.plain)):
        _check(struct, form)


def check_footer(footer: Struct) -> None:
    """All of it but its schema elements, which `check_elements` looks at.

    Raises:
        ThriftError: a field is missing or of another type, a number makes no sense; names it.
    """
    check_form(footer, _FILE)
    rows = [group[3][1] for group in footer[4][1][1]]
    if min(rows, default=0) < 0 or footer[3][1] not in (sum(rows), 0):  # some old writers give no sum
        raise ThriftError(f"its row groups hold {sum(rows)} rows, but the file {footer[3][1]}")


def check_elements(elements: list[Struct]) -> None:
    """
    Raises:
        ThriftError: as `check_footer`.
    """
    for element in elements:
        _check(element, _ELEMENT)
        _check_element(element)


ORDINARY_FILE, _ORDINARY_CHUNK = frozenset(range(1, 8)), frozenset(range(2, 8))
_ORDINARY_META = frozenset((*range(1, 8), *range(9, 17)))


def is_ordinary(footer: Struct) -> bool:
    """Has a footer of this form only such fields as have been looked at, or of which no reader needs anything (statistics)? Then
    all readers understand it."""
    return footer.keys() <= ORDINARY_FILE and all(
        chunk.keys() <= _ORDINARY_CHUNK and 3 in chunk and chunk[3][1].keys() <= _ORDINARY_META
        for group in footer[4][1][1]
        for chunk in group[1][1][1]
    )


def _check(struct: Struct, form: Form) -> None:
    for number, kind in form.fields.items():
        if number in struct:
            wire, value = struct[number]
            if not _is(wire, value, kind):
                raise ThriftError(f"field {number} of {form.name} is of another type")
        elif number in form.needed:
            raise ThriftError(f"{form.name} has no field {number}")


def _is(wire: int, value: Any, kind: Kind) -> bool:
    """Is the field of that kind? What stayed raw is looked at no further."""
    if isinstance(kind, Form):
        if wire == STRUCT:
            _check(value, kind)
        return wire & ~RAW == STRUCT
    if not isinstance(kind, list):
        return wire & ~RAW == kind
    if wire != LIST:
        return wire & ~RAW == LIST
    (inner,), (element, values) = kind, value
    if not values:
        return True
    if isinstance(inner, Form) and element == STRUCT:
        for each in values:
            _check(each, inner)
    return element == (STRUCT if isinstance(inner, Form) else inner)


def _check_element(element: Struct) -> None:
    known = {number: value for number, (_, value) in element.items()}
    if known.get(1, 0) not in _PHYSICAL:
        raise ThriftError(f"there is no physical type {known[1]}")
    if known.get(3, 0) not in _REPETITIONS:
        raise ThriftError(f"there is no repetition {known[3]}")
    if known.get(5, 0) < 0:
        raise ThriftError(f"a group has {known[5]} children")
    try:
        known[4].decode()
    except UnicodeDecodeError:
        raise ThriftError(f"the name {known[4]!r} is not UTF-8") from None
