"""Reading some keys of JSON records as columns: the values of other keys stay text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa

from instar.formats.columnar import ColumnBuilder, shifted, wanted_fields
from instar.formats.errors import DataError, Where
from instar.formats.format import Through
from instar.formats.numbertext import integer_text, number_text
from instar.formats.schema import Field, Integer, Json, Number, Record, Schema, Union

from .layout import layout_of
from .split import pieces
from .streams import blocks
from .values import JsonValues

_CHUNK = 1 << 20  # bytes of text that are read together, at most
_EXPANSION = 64  # opened and decoded, a byte of text costs about a dozen bytes, and the columns stand beside it
_RECORDS = 10_000


def read(
    path: FilePath, *, schema: Schema, columns: Sequence[str], memory: int, through: Through | None = None, name: str = ""
) -> Iterator[pa.RecordBatch]:
    """See `Format.read`."""
    shown = schema if through is None else through.target
    fields = wanted_fields(schema, columns) if through is None else through.target.record.fields
    values = ShownValues(shown, shown)
    builder, opener = ColumnBuilder(shown, fields, values.decoder), values.opener(shown.root)
    row = 0
    for texts in _chunks(path, name, max(1 << 14, min(_CHUNK, memory // _EXPANSION))):
        try:
            records = _opened(texts if through is None else through.convert(texts), opener)
            yield builder.batch(records)
        except DataError as error:
            raise shifted(error, row) from error.__cause__
        row += len(texts)


def _chunks(path: FilePath, name: str, limit: int) -> Iterator[list[bytes]]:
    """The records' texts, about `limit` bytes of them together."""
    texts: list[bytes] = []
    size = 0
    name = name or path.name
    for _, text in pieces(layout_of(path, name).kind, blocks(path, name=name), FilePath(name)):
        if text is None:
            continue
        texts.append(text)
        size += len(text)
        if size >= limit or len(texts) >= _RECORDS:
            yield texts
            texts, size = [], 0
    if texts:
        yield texts


def column_builder(schema: Schema, columns: Sequence[str]) -> Callable[[list[bytes]], pa.RecordBatch]:
    """The function from the texts of records to these columns of them. It raises DataError, as `read` does."""
    values = ShownValues(schema, schema)
    builder, opener = ColumnBuilder(schema, wanted_fields(schema, columns), values.decoder), values.opener(schema.root)
    return lambda texts: builder.batch(_opened(texts, opener))


def _opened(texts: list[Any], opener: Callable[[Any], Any]) -> list[dict[str, Any]]:
    records = []
    for row, text in enumerate(texts):
        try:
            record = opener(text)
        except DataError as error:
            raise error.at(row=row) from error.__cause__
        if record is None:
            raise DataError("null where a record is required", hint="Correct the file.", where=Where(row=row, found="null"))
        records.append(record)
    return records


class ShownValues(JsonValues):
    """Values as columns show them: unbounded numbers and `json` as text, a union's as a dict of its branch's name and value."""

    def decoder(self, field: Field) -> Callable[[Any], Any]:
        match field.type:
            case Json() | Record(()):
                return _text
            case Integer():
                return _number(super().decoder(field))
            case Number():
                shown = _number(super().decoder(field))
                return lambda raw: "-0" if bytes(raw) == b"-0" else shown(raw)
            case Union(branches):
                return _branch([(branch.name, self.decoder(branch)) for branch in branches], self.branch_opener(field))
            case _:
                return super().decoder(field)


def _text(raw: Any) -> str | None:
    text = bytes(raw)
    return None if text == b"null" else text.decode()


def _number(decode: Callable[[Any], Any]) -> Callable[[Any], str | None]:
    """The one text of a number; -0, which has none, keeps its sign."""

    def shown(raw: Any) -> str | None:
        value = decode(raw)
        if value is None:
            return None
        try:
            if isinstance(value, int):
                return integer_text(value)
            return "-0" if value.is_zero() and value.is_signed() else number_text(value)
        except ValueError as error:
            raise DataError(f"{error} cannot be shown in a column", hint="Ask for other columns.") from None

    return shown


def _branch(decoders: list[tuple[str, Callable[[Any], Any]]], opened: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decoded(raw: Any) -> Any:
        pair = opened(raw)
        if pair is None:
            return None
        name, decode = decoders[pair[0]]
        return {name: decode(pair[1])}

    return decoded
