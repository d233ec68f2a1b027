"""Values that the compiled part took out of lines of JSON, as Arrow arrays: plain ones at once, all others one by one in Python."""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.schema import Enum, Float, Int, Integer, Number, String, Type

from .json_text import value_of
from .wants import Want

_MISSING, _NULL, _BOOLEAN, _INTEGER, _NUMBER, _TEXT, _ESCAPED, _NESTED = range(8)
"""Kinds of values as the part tells them: integers in their usual spelling, texts without escapes."""


@dataclass(frozen=True)
class Column:
    """The values of some lines: the kind of each, where each begins in the data, and these."""

    kinds: bytes
    starts: bytes
    data: bytes

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def known(self) -> frozenset[int]:
        """The kinds of the values that are there."""
        return frozenset(self.kinds) - {_MISSING, _NULL}

    @cached_property
    def present(self) -> pa.Array:
        """Is there a value, and not null?"""
        return pc.greater(pa.Array.from_buffers(pa.uint8(), len(self), [None, pa.py_buffer(self.kinds)]), _NULL)

    def texts(self, type: pa.DataType) -> pa.Array:
        """The values' bytes as such an array of text."""
        return pa.Array.from_buffers(
            type, len(self), [self.present.buffers()[1], pa.py_buffer(self.starts), pa.py_buffer(self.data)]
        )  # fmt: skip

    def values(self) -> list[Any]:
        """The values as Python's parser reads them; None where there is none."""
        return [_value(kind, text) for kind, text in zip(self.kinds, self.texts(pa.string()).to_pylist(), strict=True)]


def _value(kind: int, text: str | None) -> Any:
    return text if text is None or kind == _TEXT else value_of(text)


def array_of(column: Column, want: Want, type: pa.DataType) -> pa.Array | None:
    """The wanted values, which are the column's; None where they are not plainly of their type.

    `type`: that of the array, as of `shred.compared_type`.
    """
    if want.inner is not None:
        return None
    if want.form == "present":
        return pc.if_else(column.present, True, pa.scalar(None, pa.bool_()))
    plain = _PLAIN.get(want.type.__class__) if want.form in ("typed", "made") else None
    return None if plain is None else plain(column, want.type, type)


def _text(column: Column, of: Type, type: pa.DataType) -> pa.Array | None:
    return column.texts(type) if type == pa.string() and column.known <= {_TEXT} else None


def _number_text(column: Column, of: Type, type: pa.DataType) -> pa.Array | None:
    return column.texts(type) if type == pa.string() and column.known <= {_INTEGER} else None


def _integer(column: Column, of: Type, type: pa.DataType) -> pa.Array | None:
    if not column.known <= {_INTEGER}:
        return None
    try:
        return column.texts(pa.string()).cast(type)
    except pa.ArrowInvalid:  # out of range
        return None


def _float(column: Column, of: Type, type: pa.DataType) -> pa.Array | None:
    if type != pa.float64() or not column.known <= {_INTEGER, _NUMBER}:
        return None
    found = column.texts(pa.string()).cast(type)
    return found if pc.all(pc.is_finite(found), min_count=0).as_py() else None


_PLAIN: dict[type, Callable[[Column, Type, pa.DataType], pa.Array | None]] = {
    String: _text, Enum: _text, Integer: _number_text, Number: _number_text, Int: _integer, Float: _float,
}  # fmt: skip
