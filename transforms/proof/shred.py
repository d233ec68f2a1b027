"""Records as Python values, turned into a flat Arrow table of what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from instar.formats.schema import (
    Decimal,
    Duration,
    Field,
    Float,
    Json,
    List,
    Map,
    Other,
    Record,
    Reference,
    Type,
    Union,
)  # fmt: skip
from instar.transforms.evaluate.plain import plain_type

from .keys import Keys
from .relation import Stream
from .wants import Dialect, Want, Wants, want_type

_ROWS = 4096


class Reader(Protocol):
    """How a format's decoded values become what is compared. A record is a dict, a list a list, a map a dict; null is None."""

    dialect: Dialect

    def carried(self, field: Field) -> Callable[[Any], Any]:
        """A value that is not null as it is stored: of the Arrow type of `dialect.carried`."""
        ...

    def typed(self, type: Type) -> Callable[[Any], Any]:
        """A scalar that is not null as its logical type; raises ValueError where it is none."""
        ...

    def keys(self, scope: Any, keys: Keys) -> bytes | None:
        """What is asked of a record's keys, None where there is no record."""
        ...


@dataclass
class Misfit:
    """A value that is not of its type: the first one of each want, by name."""

    row: int
    message: str


@dataclass
class Table:
    """One side as a stream; `misfits` fills while it is read."""

    name: str
    wants: Wants
    reader: Reader
    records: Callable[[], Iterator[Any]]
    misfits: dict[str, Misfit] = field(default_factory=dict)

    @property
    def row(self) -> str:
        """A column that is true in every row, for counting: a shorter side is joined with nulls."""
        return f"{self.wants.prefix}_row"

    def stream(self) -> Stream:
        asked = list(self.wants.all.values())
        types = [compared_type(want_type(want, self.reader.dialect)) for want in asked]
        schema = pa.schema([*(pa.field(w.name, t) for w, t in zip(asked, types, strict=True)), pa.field(self.row, pa.bool_())])
        getters = [_getter(want, self.reader) for want in asked]

        def batches() -> Iterator[pa.RecordBatch]:
            first = 0
            for some in chunks(self.records(), _ROWS):
                columns = [self._column(w, get, some, t, first) for w, get, t in zip(asked, getters, types, strict=True)]
                yield pa.record_batch([*columns, pa.array([True] * len(some), pa.bool_())], schema=schema)
                first += len(some)

        return Stream(self.name, schema, batches)

    def _column(self, want: Want, get: Callable[[Any], Any], records: list[Any], type: pa.DataType, first: int) -> pa.Array:
        try:
            return pa.array(map(get, records), type, size=len(records))
        except (ValueError, OverflowError, TypeError, ArithmeticError):
            return pa.array([self._one(want, get, record, type, first + i) for i, record in enumerate(records)], type)

    def _one(self, want: Want, get: Callable[[Any], Any], record: Any, type: pa.DataType, row: int) -> Any:
        """The value of one record, or null where it does not fit: then the misfit is remembered."""
        try:
            value = get(record)
            pa.array([value], type)
            return value
        except (ValueError, OverflowError, TypeError, ArithmeticError) as error:
            self.misfits.setdefault(want.name, Misfit(row, f"record {row}: {error}"))
            return None


def chunks(records: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The records in lists of up to `size`."""
    some: list[Any] = []
    for record in records:
        some.append(record)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def compared_type(type: Type) -> pa.DataType:
    """The Arrow type that arrives in DuckDB as `sql_type(type)`, or as one that it casts to without loss."""
    match type:
        case Record(fields):
            return pa.struct([pa.field(f"f{i}", compared_type(f.type)) for i, f in enumerate(fields)])
        case List(item):
            return pa.list_(compared_type(item.type))
        case Map(value, key):
            return pa.map_(compared_type(key), compared_type(value.type))
        case Duration():
            return pa.int64()
        case Float(16):
            return pa.float32()
        case Json() | Union() | Reference() | Other():
            return pa.binary()
        case Decimal(precision) if precision > 38:
            return pa.binary()
        case _:
            return plain_type(type)


# ---- from a record to a value
def _getter(want: Want, reader: Reader) -> Callable[[Any], Any]:
    """record → the wanted value, None where it, or a record on the way, is null or missing."""
    convert = _converter(want, reader)
    match want.path:
        case ():
            return lambda record: None if record is None else convert(record)
        case (name,):

            def get(record: Any) -> Any:
                value = None if record is None else record.get(name)
                return None if value is None else convert(value)

            return get
        case path:

            def reach(record: Any) -> Any:
                for name in path:
                    if record is None:
                        return None
                    record = record.get(name)
                return None if record is None else convert(record)

            return reach


def _converter(want: Want, reader: Reader) -> Callable[[Any], Any]:
    if want.inner is not None:
        return _elements(want, reader)
    match want.form:
        case "typed":
            return _typed(want.type, reader)
        case "carried":
            return reader.carried(Field("", want.type))
        case "present":
            return lambda value: True
        case _:
            keys = want.keys
            assert keys is not None
            return lambda value: reader.keys(value, keys)


def _elements(want: Want, reader: Reader) -> Callable[[Any], Any]:
    assert want.inner is not None
    getters = [_getter(inner, reader) for inner in want.inner.all.values()]

    def element(value: Any) -> dict[str, Any]:
        return {f"f{i}": get(value) for i, get in enumerate(getters)}

    if isinstance(want.type, Map):
        return lambda values: [(key, element(value)) for key, value in values.items()]
    return lambda values: [element(value) for value in values]


def _typed(type: Type, reader: Reader) -> Callable[[Any], Any]:
    match type:
        case Record(fields):
            parts = [(f"f{i}", f.name, _typed(f.type, reader)) for i, f in enumerate(fields)]

            def record(value: Any) -> Any:
                given = ((f, value.get(name), convert) for f, name, convert in parts)
                return {f: None if inner is None else convert(inner) for f, inner, convert in given}

            return record
        case List(item):
            convert = _typed(item.type, reader)
            return lambda values: [None if v is None else convert(v) for v in values]
        case Map(value):
            convert = _typed(value.type, reader)
            return lambda values: [(k, None if v is None else convert(v)) for k, v in values.items()]
        case _:
            return reader.typed(type)
