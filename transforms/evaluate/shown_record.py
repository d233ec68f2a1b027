"""A source record as JSON text, for people: what goes into quarantine."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from instar.formats.errors import DataError, InstarError
from instar.formats.format import Format
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path
from instar.formats.pii import HIDDEN
from instar.formats.schema import MISSING, Bool, Enum, Field, Float, Int, Integer, List, Map, Record, String, Type, Uuid
from instar.formats.shown_values import text_at
from instar.formats.storage import stored
from instar.transforms import casts
from instar.transforms.evaluate.hidden import Hidden
from instar.transforms.evaluate.plain import plain_type, to_python
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.shared_types import Named, resolved

Shown = tuple[str, str]
"""The key under which a record is shown, and the JSON text of what is shown: ("record", an object) or ("text", a string)."""
Show = Callable[[Any], Any]


def shown_rows(mapping: SchemaMapping) -> Callable[[pa.RecordBatch, int], Shown]:
    """(batch, row) → the record: the columns that the mapping reads, those of tagged fields hidden."""
    hidden, fields = Hidden(mapping), mapping.source.record
    shows = {name: _shower(fields[name], (name,), hidden, mapping.source.definitions) for name in mapping.reads()}

    def shown(batch: pa.RecordBatch, row: int) -> Shown:
        record = {name: _cell(batch.column(name).slice(row, 1), fields[name].type, show) for name, show in shows.items()}
        return "record", _text(record)

    return shown


def _cell(one: pa.Array, type: Type, show: Show) -> Any:
    try:
        return show(to_python(stored(one, plain_type(type)), type)[0])
    except (InstarError, pa.ArrowException, ValueError, OverflowError):  # of a type that is only carried
        return show(None if not one.is_valid()[0].as_py() else _Text(text_at(one, 0)))


class _Text(str):
    """A value as text, whatever its type."""


def shown_records(mapping: SchemaMapping, format: Format) -> Callable[[list[Any], int], Shown]:
    """(batch, number) → the record; where it cannot be decoded and is text, that text."""
    hidden, root = Hidden(mapping), mapping.source.root
    decode = format.values(mapping.source, mapping.target).decoder(root)
    show = _shower(root, (), hidden, mapping.source.definitions)

    def shown(batch: list[Any], number: int) -> Shown:
        raw = batch[number]
        if isinstance(raw, bytes) and not hidden.any:
            with contextlib.suppress(ValueError, RecursionError):
                return "record", _one_line(raw)
        try:
            return "record", _text(show(decode(raw)))
        except DataError:
            told = HIDDEN if hidden.any else raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else None
            return "text", _text(told)

    return shown


def _one_line(raw: bytes) -> str:
    """The text of a JSON record, on one line and otherwise as it is; ValueError where it is no JSON."""
    import msgspec

    json.loads(raw)
    return msgspec.json.format(raw.decode(), indent=-1) if b"\n" in raw or b"\r" in raw else raw.decode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shower(field: Field, place: Path, hidden: Hidden, named: Named) -> Show:
    """Python value → what JSON shows of it; for a field that is not to be shown, a mark in its place (null stays null)."""
    if place in hidden.sources:
        return lambda value: None if value is None or value is MISSING else HIDDEN
    show = _of_type(field.type, place, hidden, named)
    return lambda value: None if value is None or value is MISSING else str(value) if isinstance(value, _Text) else show(value)


def _of_type(type: Type, place: Path, hidden: Hidden, named: Named) -> Show:
    match resolved(type, named):
        case Record(fields) if fields and len(place) < _DEEPEST:
            shows = {f.name: _shower(f, (*place, f.name), hidden, named) for f in fields}
            return lambda record: _members(record, shows)
        case List(item) if len(place) < _DEEPEST:
            each = _shower(item, (*place, EACH_ITEM), hidden, named)
            return lambda values: [each(value) for value in values]
        case Map(value) if len(place) < _DEEPEST:
            each = _shower(value, (*place, EACH_VALUE), hidden, named)
            return lambda values: {str(key): each(inner) for key, inner in _pairs(values)}
        case scalar:
            return lambda value: _scalar(value, scalar)


_DEEPEST = 32
"""Levels to which a type that contains itself is shown as records and lists; what is below is shown as text."""


def _members(record: Mapping[str, Any], shows: Mapping[str, Show]) -> dict[str, Any]:
    return {name: show(record[name]) for name, show in shows.items() if record.get(name, MISSING) is not MISSING}


def _pairs(values: Any) -> Any:
    return values.items() if isinstance(values, Mapping) else values


def _scalar(value: Any, type: Type) -> Any:
    match type:
        case Bool() | Int() | Integer() | String() | Enum() | Uuid():
            return value
        case Float() if math.isfinite(value):
            return value
        case _:
            with contextlib.suppress(ValueError, OverflowError, TypeError, InstarError):
                if casts.is_scalar(type):
                    return str(casts.convert(type, String())(value))
            return str(value)
