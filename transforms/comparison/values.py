"""Avro and JSON values as a comparison has them: as the proof's readers give them, JSON text and long decimals in one spelling.

fastavro reads Avro, Python's own parser JSON, DuckDB Parquet; what DuckDB does not hold exactly there, pyarrow reads for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context
from decimal import Decimal as Exact
from typing import Any

import pyarrow as pa
from msgspec import Raw

from instar.formats.schema import Decimal, Json, Number, Record, Type
from instar.transforms.casts.rule import sql_scalar
from instar.transforms.proof import json_text
from instar.transforms.proof.avro import AvroReader
from instar.transforms.proof.given import given
from instar.transforms.proof.json import JsonReader

_EXACT = Context(prec=1000)
_NEGATIVE_ZERO = re.compile(rb"-0(\.0+)?([eE][-+]?[0-9]+)?").fullmatch


class AvroValues(AvroReader):
    """JSON, which Avro holds as text, as its canonical bytes."""

    def typed(self, type: Type) -> Callable[[Any], Any] | None:
        match type:
            case Json() | Record(()):
                return lambda value: json_bytes(value) if isinstance(value, str) else json_text.canonical(value)
            case Decimal(_, scale) if sql_scalar(type) is None:
                return lambda value: digits(Exact(int.from_bytes(value, "big", signed=True)).scaleb(-scale, _EXACT))
            case _:
                return super().typed(type)


class JsonValues(JsonReader):
    """A number keeps the sign of its zero, as it does in the formats that hold numbers as floats."""

    def typed(self, type: Type) -> Callable[[Any], Any]:
        plain = super().typed(type)
        match type:
            case Decimal() if sql_scalar(type) is None:
                return lambda value: digits(plain(value))
            case Number():
                return lambda value: "-0" if isinstance(value, Raw) and _NEGATIVE_ZERO(value) else plain(value)
            case _:
                return plain


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
