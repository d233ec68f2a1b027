"""Plain Arrow values (`formats/plain.py`) as expressions use them: no opaque ones; and the way from them to Python values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from instar.formats import plain
from instar.formats.compute import pc
from instar.formats.errors import MigrationError
from instar.formats.numbertext import parse_number
from instar.formats.plain import counts, from_python
from instar.formats.schema import (
    Float,
    Integer,
    Json,
    List,
    Map,
    Number,
    Other,
    Record,
    Reference,
    Type,
    Union,
    children,
    type_text,
)
from instar.formats.storage import items_of, lengths_of

__all__ = ["counts", "from_python", "plain_type", "to_python"]


def plain_type(type: Type) -> pa.DataType:
    """The plain Arrow type.

    Raises:
        MigrationError: an opaque type, which expressions only carry.
    """
    _refuse_opaque(type)
    return plain.plain_type(type)


def _refuse_opaque(type: Type) -> None:
    if isinstance(type, Json | Reference | Other | Union):
        raise MigrationError(
            f"values of type {type_text(type)} can be carried, but no expression can look into them",
            hint="Leave the field as it is, rename, move or drop it; or read another field.",
        )
    for _, field in children(type):
        _refuse_opaque(field.type)


# ---- Arrow → Python values
def to_python(array: pa.Array, type: Type) -> list[Any]:
    """A plain array to values as `formats/schema.py` has them."""
    match type:
        case Record(fields):
            columns = [to_python(pc.struct_field(array, i), f.type) for i, f in enumerate(fields)]
            names = [f.name for f in fields]
            rows = zip(*columns, strict=True) if columns else ([()] * len(array))
            return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, _valid(array), strict=True)]
        case List(item):
            return _cut(array, to_python(items_of(array), item.type))
        case Map(value, key):
            entries = items_of(array)
            pairs = list(zip(to_python(entries.field(0), key), to_python(entries.field(1), value.type), strict=True))
            return [None if pairs is None else dict(pairs) for pairs in _cut(array, pairs)]
        case Integer():
            return [None if v is None else int(v) for v in array.to_pylist()]
        case Number():
            return [None if v is None else parse_number(v) for v in array.to_pylist()]
        case Float(16):
            return array.cast(pa.float32()).to_pylist()
        case _:
            whole = counts(type)
            return (array.cast(whole) if whole else array).to_pylist()


def _valid(array: pa.Array) -> list[bool]:
    return pc.is_valid(array).to_pylist()


def _cut(array: pa.Array, flat: list[Any]) -> list[Any]:
    out, at = [], 0
    for length in lengths_of(array).to_pylist():
        out.append(None if length is None else flat[at : at + length])
        at += length or 0
    return out
