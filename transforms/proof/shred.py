"""Records as Python values, turned into a flat Arrow table of what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
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
    type_text,
)  # fmt: skip
from instar.transforms.evaluate.plain import plain_type

from .json_text import short
from .keys import Keys
from .relation import Stream
from .wants import Dialect, Want, Wants, want_type

_ROWS = 4096
_UNFIT = (ValueError, OverflowError, TypeError, ArithmeticError, AttributeError)


Getter = Callable[[Sequence[Any]], Sequence[Any]]
Convert = Callable[[Any], Any]


class Reader(Protocol):
    """How a format's decoded values become what is compared. A record is a dict, a list a list; null is None."""

    dialect: Dialect

    def carried(self, type: Type) -> Convert | None:
        """A value that is not null as it is stored: of the Arrow type of `dialect.carried`. None: the value itself."""
        ...

    def typed(self, type: Type) -> Convert | None:
        """A scalar that is not null as its logical type; raises ValueError where it is none. None: as it is."""
        ...

    def made(self, type: Type) -> Convert | None:
        """As `typed`, of a scalar that a migration computed: it has one form; raises ValueError where it has another."""
        ...

    def branch(self, type: Union, named: Mapping[str, Field]) -> Callable[[Any], tuple[int, Any]]:
        """A union's value that is not null → the number of its branch, and the value of that; ValueError where it is of none.

        `named`: what References in the type mean.
        """
        ...

    def pairs(self, map: Any) -> Iterable[tuple[str, Any]]:
        """A map's entries in order, a key that is there twice as two."""
        ...

    def keys(self, scope: Any, keys: Keys) -> bytes | None:
        """What is asked of a record's keys, None where there is no record."""
        ...


_MOST_TEXTS = 1000


@dataclass
class Misfit:
    """A value that is not of its type: the first one of each want, by name. `texts`: by row, what this and later ones are."""

    row: int
    message: str
    texts: dict[int, str] = field(default_factory=dict)


@dataclass
class Table:
    """One side as a stream; `misfits` fills while it is read."""

    name: str
    wants: Wants
    reader: Reader
    records: Callable[[], Iterator[Any]]
    fields: Callable[[Sequence[str]], Iterator[dict[str, list[Any]]]] | None = None
    """Instead of the records only some fields of theirs, where no more is asked for."""
    misfits: dict[str, Misfit] = field(default_factory=dict)

    @property
    def row(self) -> str:
        """A column that is true in every row, for counting: a shorter side is joined with nulls."""
        return f"{self.wants.prefix}_row"

    def stream(self) -> Stream:
        asked = list(self.wants.all.values())
        types = [compared_type(want_type(want, self.reader.dialect)) for want in asked]
        schema = pa.schema([*(pa.field(w.name, t) for w, t in zip(asked, types, strict=True)), pa.field(self.row, pa.bool_())])
        below = [replace(want, path=want.path[1:]) for want in asked]
        getters = [(getter(want, self.reader), getter(inner, self.reader)) for want, inner in zip(asked, below, strict=True)]
        names = list(dict.fromkeys(want.path[0] for want in asked if want.path))

        def batches() -> Iterator[pa.RecordBatch]:
            first = 0
            for some, values in self._read(names, whole=not all(want.path for want in asked)):
                columns = [
                    self.column(inner, inside, values[want.path[0]], type, first)
                    if values and want.path
                    else self.column(want, whole, some, type, first)
                    for want, inner, (whole, inside), type in zip(asked, below, getters, types, strict=True)
                ]
                yield pa.record_batch([*columns, pa.array([True] * len(some), pa.bool_())], schema=schema)
                first += len(some)

        return Stream(self.name, schema, batches)

    def _read(self, names: Sequence[str], *, whole: bool) -> Iterator[tuple[Sequence[Any], dict[str, Sequence[Any]]]]:
        """Some records at a time, and the values of these fields, empty where these are not in all of them. Not `whole`: instead of
        the records there may be no more than as many of something else."""
        if self.fields is not None and names and not whole:
            for fields in self.fields(names):
                yield fields[names[0]], dict(fields)
        else:
            yield from ((some, values_of(some, names)) for some in chunks(self.records(), _ROWS))

    def column(self, want: Want, get: Getter, records: Sequence[Any], type: pa.DataType, first: int) -> pa.Array:
        """The wanted values of some records, of which the first has the number `first`; of those that do not fit, null."""
        try:
            return pa.array(get(records), type)
        except _UNFIT:
            return pa.array([self._one(want, get, record, type, first + i) for i, record in enumerate(records)], type)

    def _one(self, want: Want, get: Getter, record: Any, type: pa.DataType, row: int) -> Any:
        """The value of one record, or null where it does not fit: then the misfit is remembered."""
        try:
            value = get([record])
        except _UNFIT as error:
            what = error
            if isinstance(error, AttributeError):
                what = f"{_quoted(record, want.path) or 'what is around it'} is no record"
        else:
            try:
                pa.array(value, type)
                return value[0]
            except _UNFIT:  # pyarrow's words speak of its own types
                what = f"{_quoted(record, want.path)} does not fit {type_text(want.type)}"
        misfit = self.misfits.setdefault(want.name, Misfit(row, f"record {row}: {what}"))
        if len(misfit.texts) < _MOST_TEXTS and (text := _quoted(record, want.path)) is not None:
            misfit.texts[row] = text
        return None


def _quoted(record: Any, path: Sequence[str]) -> str | None:
    """The value at a path as text. None where what stands around it is no record: that may be a value of a field beside it, which
    may not be shown where this one may."""
    for name in path:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return short(record)


def values_of(records: Sequence[Any], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """The values of each of these fields, all taken out of a record at once; empty where one is not in every record."""
    try:
        if len(names) < 2:
            return {name: [record[name] for record in records] for name in names}
        return dict(zip(names, zip(*map(itemgetter(*names), records), strict=True), strict=True))
    except (KeyError, TypeError, IndexError):  # a key that is missing, or what is no record
        return {}


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


# ---- from records to values
def getter(want: Want, reader: Reader) -> Getter:
    """records → the wanted values, None where one, or a record on the way, is null or missing."""
    convert, path = _converter(want, reader), want.path

    def get(records: Sequence[Any]) -> Sequence[Any]:
        values = records
        for name in path:
            values = [None if value is None else value.get(name) for value in values]
        return values if convert is None else [None if value is None else convert(value) for value in values]

    return get


def _converter(want: Want, reader: Reader) -> Convert | None:
    """The function from a value that is not null; None for the value itself."""
    if want.inner is not None:
        return _elements(want, reader)
    match want.form:
        case "made" if not isinstance(want.type, Record | List | Map):
            return reader.made(want.type)
        case "typed" | "made":
            return _typed(want.type, reader)
        case "carried":
            return reader.carried(want.type)
        case "present":
            return lambda value: True
        case _:
            keys = want.keys
            assert keys is not None
            return lambda value: reader.keys(value, keys)


def _elements(want: Want, reader: Reader) -> Callable[[Any], Any]:
    assert want.inner is not None
    getters = [(f"f{i}", getter(inner, reader)) for i, inner in enumerate(want.inner.all.values())]

    def element(value: Any) -> dict[str, Any]:
        return {name: get([value])[0] for name, get in getters}

    if isinstance(want.type, Union) and want.branch is not None:
        return _branch(reader.branch(want.type, want.inner.names.named), want.branch, element)
    if isinstance(want.type, Map):
        return lambda values: [(key, element(value)) for key, value in once(reader.pairs(values))]
    return lambda values: [element(value) for value in _items(values)]


def _items(values: Any) -> list[Any]:
    """
    Raises:
        ValueError: it is no list. (A text, or an object's keys, could be walked through like one.)
    """
    if values.__class__ is not list:
        raise ValueError(f"{short(values)} is no list")
    return values


def _members(value: Any) -> dict[str, Any]:
    """
    Raises:
        ValueError: it is no record.
    """
    if value.__class__ is not dict:
        raise ValueError(f"{short(value)} is no record")
    return value


def once(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """
    Raises:
        ValueError: a key is there twice: no map of which the values are computed may have that.
    """
    found = list(pairs)
    if len({key for key, _ in found}) < len(found):
        raise ValueError("a key of a map is there twice")
    return found


def _branch(choose: Callable[[Any], tuple[int, Any]], branch: int, element: Convert) -> Convert:
    """The one value of a branch, if the value is of that."""

    def of(value: Any) -> list[Any]:
        number, inside = choose(value)
        return [element(inside)] if number == branch else []

    return of


def _typed(type: Type, reader: Reader) -> Convert | None:
    match type:
        case Record(fields):
            parts = [(f"f{i}", f.name, _each(f.type, reader)) for i, f in enumerate(fields)]
            return lambda value: {f: convert(_members(value).get(name)) for f, name, convert in parts}
        case List(item):
            convert = _each(item.type, reader)
            return lambda values: [convert(v) for v in _items(values)]
        case Map(value):
            convert = _each(value.type, reader)
            return lambda values: [(k, convert(v)) for k, v in dict(reader.pairs(values)).items()]
        case _:
            return reader.typed(type)


def _each(type: Type, reader: Reader) -> Convert:
    """As `_typed`, for a value that may be null."""
    convert = _typed(type, reader)
    return lambda value: None if value is None else value if convert is None else convert(value)
