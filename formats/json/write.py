"""A new JSON file of record batches in their plain form (`formats/columnar.py`): one record a line, or one array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import DataError, UsageError, Where, suggestion
from instar.formats.path import quoted_name
from instar.formats.schema import Bool, Enum, Field, Float, Int, Integer, Json, List, Map, Null, Number, Record, Schema, String
from instar.formats.shown_values import cut, python_values
from instar.formats.storage import items_of, lengths_of

from .scalars import scalar_encoder
from .streams import packed_into

_ROWS = 8192  # that are Python objects at once
_PACKED = {"": "", "none": "", "gz": "gz", "gzip": "gz", "zst": "zst", "zstd": "zst"}
_quote = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder(float_hook=str).decode
"""Is it JSON? Numbers are not looked into: a double need not hold them."""

Texts = list[str | None]
"""The text of each value; None for a key that is left out."""


def write(
    path: FilePath, *, schema: Schema, batches: Iterator[pa.RecordBatch], layout: str = "lines", compression: str = ""
) -> int:
    """See `Format.write`. A null of a field that is optional and not nullable is a missing key."""
    if compression not in _PACKED:
        raise UsageError(f"JSON has no compression {compression!r}", hint=suggestion(compression, ["none", "gzip", "zstd"]))
    with packed_into(path, _PACKED[compression]) as out:
        return write_into(out, schema, batches, layout)


def write_into(out: Callable[[bytes], Any], schema: Schema, batches: Iterator[pa.RecordBatch], layout: str = "lines") -> int:
    """The records' text, piece by piece; how many they were. Raises as `Format.write`."""
    between, last = (",\n", "") if layout == "array" else ("\n", "\n")
    fields, rows = schema.record.fields, 0
    out(b"[\n" if layout == "array" else b"")
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            part = batch.slice(start, _ROWS)
            texts = _objects(fields, _columns(fields, part, rows), part.num_rows)
            out(((between if rows and not last else "") + between.join(texts) + last).encode())
            rows += part.num_rows
    out(b"\n]\n" if layout == "array" else b"")
    return rows


def texts(array: pa.Array, field: Field, *, finite: bool = True) -> Texts:
    """The JSON text of each value of a column, None for a null. Not `finite`: nan, inf and -inf stand where JSON has no number.

    Raises:
        DataError: a value that JSON cannot hold. SchemaError: a type that it has no form for.
    """
    try:
        return _texts(array, field.with_(optional=True, nullable=False), finite)
    except _Refused as refused:
        step, inner = quoted_name(field.name), refused.path
        raise refused.cause.at(path=step + ("." if inner and inner[0] not in "[{" else "") + inner) from None


class _Refused(Exception):
    """A value that JSON cannot hold: its index in the array at hand, and the path below the field at hand."""

    def __init__(self, index: int, path: str, cause: DataError) -> None:
        super().__init__(index, path, cause)
        self.index, self.path, self.cause = index, path, cause


def _columns(fields: Sequence[Field], batch: pa.RecordBatch, before: int) -> list[Texts]:
    try:
        return [_below(quoted_name(f.name), lambda a, f=f: _texts(a, f), batch.column(i)) for i, f in enumerate(fields)]
    except _Refused as refused:
        cause = refused.cause
        where = cause.where or Where()
        place = Where(row=before + refused.index, path=refused.path, found=where.found, expected=where.expected)
        raise DataError(cause.message, hint=cause.hint, where=place) from None


def _below(step: str, texts: Callable[[pa.Array], Any], array: pa.Array) -> Any:
    """What `texts` makes, a refusal placed below one more step."""
    try:
        return texts(array)
    except _Refused as refused:
        inner = refused.path
        raise _Refused(refused.index, step + ("." if inner and inner[0] not in "[{" else "") + inner, refused.cause) from None


def _objects(fields: Sequence[Field], columns: list[Texts], count: int) -> list[str]:
    """The text of each record, keys in the schema's order."""
    keys = [_quote(f.name).decode() + ":" for f in fields]
    if any(_left_out(f) for f in fields):
        rows = zip(*columns, strict=True)
        return ["{" + ",".join([k + text for k, text in zip(keys, row, strict=True) if text is not None]) + "}" for row in rows]
    if not columns:
        return ["{}"] * count
    form = "{{" + ",".join(key.replace("{", "{{").replace("}", "}}") + "{}" for key in keys) + "}}"
    return list(map(form.format, *columns))


def _left_out(field: Field) -> bool:
    """Is a null of this field a missing key?"""
    return field.optional and not field.nullable


def _texts(array: pa.Array, field: Field, finite: bool = True) -> Texts:
    """Each value's text: "null", or None for a key that is left out, where there is none."""
    null = None if _left_out(field) else "null"
    match field.type:
        case Record(fields) if fields:
            columns = [
                _below(quoted_name(f.name), lambda a, f=f: _texts(a, f, finite), pc.struct_field(array, i))
                for i, f in enumerate(fields)
            ]
            there = pc.is_valid(array).to_pylist()
            return [text if own else null for text, own in zip(_objects(fields, columns, len(array)), there, strict=True)]
        case List(item):
            flat = _items(array, items_of(array), item, "[]", finite)
            return [null if own is None else "[" + ",".join(map(str, own)) + "]" for own in cut(array, flat)]
        case Map(value):
            entries = items_of(array)
            flat = _items(array, entries.field(1), value, "{}", finite)
            pairs = [f"{key}:{text}" for key, text in zip(_texts(entries.field(0), Field("", String())), flat, strict=True)]
            return [null if own is None else "{" + ",".join(own) + "}" for own in cut(array, pairs)]
        case _:
            return [null if text is None else text for text in _scalars(array, field, finite)]


def _items(lists: pa.Array, items: pa.Array, item: Field, step: str, finite: bool) -> Texts:
    """The texts of all items; a refusal is of the list that the item is in."""
    try:
        return _below(step, lambda a: _texts(a, item, finite), items)
    except _Refused as refused:
        ends = accumulate(length or 0 for length in lengths_of(lists).to_pylist())
        raise _Refused(next(i for i, end in enumerate(ends) if refused.index < end), refused.path, refused.cause) from None


def _scalars(array: pa.Array, field: Field, finite: bool) -> Texts:
    """Each value's text, None for a null."""
    match field.type:
        case Null():
            return [None] * len(array)
        case Bool():
            return [None if v is None else "true" if v else "false" for v in array.to_pylist()]
        case Int() | Integer() | Number():
            return array.cast(pa.string()).to_pylist()
        case String() | Enum():
            return [None if v is None else _quote(v).decode() for v in array.to_pylist()]
        case Float() if not finite and pc.all(pc.is_finite(array)).as_py() not in (True, None):
            known = iter(_scalars(array.filter(pc.is_finite(array)), field, True))
            return [None if v is None else next(known) if math.isfinite(v) else repr(v) for v in array.to_pylist()]
        case Float(64):
            return _each(array.to_pylist(), _double)
        case Json() | Record():
            return _each(array.to_pylist(), _compact)
        case _:
            encode = scalar_encoder(field)
            return _each(python_values(array, field), lambda value: encode(value).decode())


def _each(values: list[Any], text: Callable[[Any], str]) -> Texts:
    out: Texts = []
    try:
        for value in values:
            out.append(None if value is None else text(value))
    except DataError as error:
        raise _Refused(len(out), "", error) from None
    return out


def _double(value: float) -> str:
    if not math.isfinite(value):
        raise DataError(f"{value} is no JSON number", hint="Make it null, or text, in a migration (op.derive, op.map_values).")
    return repr(value)


def _compact(text: str) -> str:
    """JSON text on one line; its numbers are not touched."""
    try:
        _any(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{text[:60]!r} is not JSON: {error}", hint="Repair the value where it is written.") from None
    return msgspec.json.format(text, indent=-1) if "\n" in text or "\r" in text else text
