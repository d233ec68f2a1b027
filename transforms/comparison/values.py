"""Avro and JSON values as a comparison has them: as the proof's readers give them, JSON text and long decimals in one spelling.

fastavro reads Avro, Python's own parser JSON, DuckDB Parquet; what DuckDB does not hold exactly there, pyarrow reads for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Context
from decimal import Decimal as Exact
from typing import Any

import pyarrow as pa
from msgspec import Raw

from instar.formats.schema import Decimal, Float, Json, Number, Record, Type, type_text
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.proof import json_text
from instar.transforms.proof.avro import AvroReader
from instar.transforms.proof.given import given
from instar.transforms.proof.json import JsonReader
from instar.transforms.proof.shred import once

_EXACT = Context(prec=1000)
_NEGATIVE_ZERO = re.compile(rb"-0(\.0+)?([eE][-+]?[0-9]+)?").fullmatch


class AvroValues(AvroReader):
    """JSON, which Avro holds as text, as its canonical bytes. A map with a key twice is none that another format could hold."""

    def typed(self, type: Type) -> Callable[[Any], Any] | None:
        match type:
            case Json() | Record(()):
                return lambda value: json_bytes(value) if isinstance(value, str) else json_text.canonical(value)
            case Decimal(_, scale) if sql_scalar(type) is None:
                return lambda value: digits(Exact(int.from_bytes(value, "big", signed=True)).scaleb(-scale, _EXACT))
            case _:
                return super().typed(type)

    def pairs(self, map: Any) -> Iterable[tuple[str, Any]]:
        return once(super().pairs(map))


class JsonValues(JsonReader):
    """A number keeps the sign of its zero, as it does in the formats that hold numbers as floats."""

    def typed(self, type: Type) -> Callable[[Any], Any]:
        plain = super().typed(type)
        match type:
            case Decimal() if sql_scalar(type) is None:
                return lambda value: digits(_scaled(plain(value), type))
            case Float(bits):
                return lambda value: _as_written(plain(value), value, bits)
            case Number():
                return lambda value: "-0" if isinstance(value, Raw) and _NEGATIVE_ZERO(value) else plain(value)
            case _:
                return plain


def _scaled(value: Exact, type: Decimal) -> Exact:
    """The number with the type's scale, as the formats that have decimals give it.

    Raises:
        ValueError: it has more places.
    """
    found = value.quantize(Exact(1).scaleb(-type.scale), context=_EXACT)
    if found != value:
        raise ValueError(f"{value} does not fit {type_text(type)}")
    return abs(found) if found.is_zero() else found


_DIGITS = {16: (3, 4, 5), 32: (6, 7, 8, 9), 64: (15, 16, 17)}
"""With how many digits floats are written: with fewer not every one comes back."""


def _as_written(number: float, value: Any, bits: int) -> float:
    """The float, if a long whole number is that, or is how the float is written: of any other the last digits would be lost.

    Raises:
        ValueError: it is none.
    """
    text = bytes(value)
    if len(text) > _DIGITS[bits][0] and text.lstrip(b"-").isdigit():
        exact = Exact(text.decode())
        if exact != Exact(number) and all(exact != Exact(f"{number:.{count}g}") for count in _DIGITS[bits]):
            raise ValueError(f"{json_text.short(value)} has more digits than a {type_text(Float(bits))}")
    return number


def json_bytes(text: str) -> bytes:
    """JSON text in one spelling of its white space and escapes: number text and the order of keys count.

    Raises:
        ValueError: it is no JSON.
    """
    return json_text.canonical(json_text.value_of(text))


def digits(value: Exact) -> bytes:
    """A decimal's digits, for one that DuckDB has no type for."""
    return format(value, "f").encode()


def given_values(array: pa.Array, type: Type) -> pa.Array:
    """A Parquet column as it is given to DuckDB in its own reader's place."""
    if isinstance(type, Json) or (isinstance(type, Record) and not type.fields):
        return pa.array([None if text is None else json_bytes(_text(text)) for text in array.to_pylist()], pa.binary())
    if isinstance(type, Decimal) and sql_scalar(type) is None:
        return pa.array([None if value is None else digits(value) for value in array.to_pylist()], pa.binary())
    return given(array, type)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
