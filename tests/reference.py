"""A reference interpreter of mappings: one record at a time, slow, and obviously right.

Values are Python values as `formats/schema.py` says. Tests hold the real interpreters, and the laws, to it.
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
from collections.abc import Mapping as Dict
from typing import Any

from instar.formats.errors import DataError
from instar.formats.schema import (
    MISSING,
    Bool,
    Bytes,
    Date,
    Decimal,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    List,
    Map,
    Record,
    Reference,
    String,
    Timestamp,
    Type,
    Union,
    Uuid,
    type_text,
)
from instar.transforms.casts import convert
from instar.transforms.expression import (
    Branches,
    Call,
    Cast,
    Column,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)
from instar.transforms.mapping import Mapping
from instar.transforms.tree import scopes


class Refused(Exception):
    """The mapping refuses this record."""


class Unheld(Exception):
    """SQL reads or gives a type that the reference does not bring to DuckDB."""


def evaluate(mapping: Mapping, record: Any) -> Any:
    """The target's record for one of the source.

    Raises:
        Refused: a cast fails, a required value is absent, an unregistered key is in the way.
    """
    return value(mapping.root.expression, record)


def value(e: Expression, scope: Any) -> Any:
    """What an expression gives; `scope` is the record, or the element of the nearest Each."""
    match e:
        case Source(path):
            found = scope
            for name in path:
                if found is None or found is MISSING:
                    return found
                found = found.get(name, MISSING)
            return copy.deepcopy(found)
        case Literal(constant):
            return copy.deepcopy(constant)
        case Cast(of, source, to, on_error, way):
            before = value(of, scope)
            if before is None or before is MISSING:
                return before
            try:
                return convert(source, to, way)(before)
            except (ValueError, OverflowError) as error:
                if on_error == "null":
                    return None
                raise Refused(f"{before!r} as {type_text(to)}") from error
        case Call(function, inputs):
            try:
                return function(*(value(x, scope) for x, _ in inputs))
            except DataError as error:
                raise Refused(error.message) from error
        case Part(of, name):
            return value(of, scope)[name]
        case Lookup(of, _, _, table, otherwise):
            before = value(of, scope)
            if before is None or before is MISSING:
                return before
            for key, found in table:
                if key == before:
                    return found
            if otherwise == "fail":
                raise Refused(f"{before!r} is in no pair")
            if isinstance(otherwise, Literal):
                return otherwise.value
            return before if otherwise == "keep" else None
        case When(of, then, otherwise):
            before = value(of, scope)
            if before is not None and before is not MISSING:
                return value(then, scope)
            if isinstance(otherwise, Literal):
                return value(otherwise, scope)
            if otherwise == "fail":
                raise Refused("a value is required")
            return before
        case Struct(columns, of, known):
            before = {} if of is None else value(of, scope)
            return before if before is None or before is MISSING else _record(columns, before, known, scope)
        case Each(of, body, _):
            before = value(of, scope)
            if before is None or before is MISSING:
                return before
            if isinstance(before, dict):
                return {key: value(body.expression, element) for key, element in before.items()}
            return [value(body.expression, element) for element in before]
        case Branches(of, bodies):
            before = value(of, scope)
            if before is None or before is MISSING:
                return before
            names = [name.text for name, _, _ in scopes(e)]
            body = bodies[names.index(before[0])]
            return body.field.name, value(body.expression, before[1])
        case Sql(pieces, inputs, type):
            return _sql(pieces, [(value(x, scope), t) for x, t in inputs], type)
    raise TypeError(e)


def _record(columns: tuple[Column, ...], before: dict[str, Any], known: tuple[str, ...], scope: Any) -> dict[str, Any]:
    names = [c.field.name for c in columns]
    rest = {key: copy.deepcopy(v) for key, v in before.items() if key not in known}
    if both := set(rest) & set(names):
        raise Refused(f"unregistered keys {both} are in the way")
    computed = {c.field.name: value(c.expression, scope) for c in columns}
    return {key: v for key, v in computed.items() if v is not MISSING} | rest


# ---- SQL, one expression a call
_NAMES = {Bool: "BOOLEAN", Float: "DOUBLE", String: "VARCHAR", Uuid: "VARCHAR", Enum: "VARCHAR", Bytes: "BLOB", Fixed: "BLOB",
          Date: "DATE", Integer: "HUGEINT"}  # fmt: skip


def sql_type(type: Type) -> str:
    match type:
        case Int(bits, signed):
            return ("" if signed else "U") + {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}[bits]
        case Decimal(precision, scale):
            return f"DECIMAL({precision},{scale})"
        case Timestamp("us", zone):
            return "TIMESTAMPTZ" if zone else "TIMESTAMP"
        case Record(fields):
            return "STRUCT(" + ", ".join(f"{_quoted(f.name)} {sql_type(f.type)}" for f in fields) + ")"
        case List(item):
            return sql_type(item.type) + "[]"
        case Map(inner):
            return f"MAP(VARCHAR, {sql_type(inner.type)})"
        case _ if type.__class__ in _NAMES and type not in (Float(16), Float(32)):
            return _NAMES[type.__class__]
        case _:
            raise Unheld(type_text(type))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sql(pieces: tuple[str, ...], inputs: list[tuple[Any, Type]], type: Type) -> Any:
    import duckdb

    text = pieces[0]
    for (_, t), piece in zip(inputs, pieces[1:], strict=True):
        text += f"CAST(? AS {sql_type(t)})" + piece
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        row = connection.execute(f"SELECT CAST(({text}) AS {sql_type(type)})", [_to_duckdb(v, t) for v, t in inputs]).fetchone()
    assert row is not None
    return _from_duckdb(row[0], type)


_EPOCH = dt.datetime(1970, 1, 1)


def _to_duckdb(v: Any, type: Type) -> Any:
    if v is None or v is MISSING:
        return None
    match type:
        case Date():
            return _EPOCH.date() + dt.timedelta(days=v)
        case Timestamp("us", zone):
            moment = _EPOCH + dt.timedelta(microseconds=v)
            return moment.replace(tzinfo=dt.UTC) if zone else moment
        case Record(fields):
            return {f.name: _to_duckdb(v.get(f.name), f.type) for f in fields}
        case List(item):
            return [_to_duckdb(x, item.type) for x in v]
        case _:
            return v


def _from_duckdb(v: Any, type: Type) -> Any:
    match v, type:
        case None, _:
            return None
        case dt.datetime(), Timestamp("us"):
            naive = v.astimezone(dt.UTC).replace(tzinfo=None) if v.tzinfo else v
            return (naive - _EPOCH) // dt.timedelta(microseconds=1)
        case dt.date(), Date():
            return (v - _EPOCH.date()).days
        case dict(), Record(fields):
            return {f.name: _from_duckdb(v[f.name], f.type) for f in fields}
        case list(), List(item):
            return [_from_duckdb(x, item.type) for x in v]
        case _:
            return v


# ---- does a value fit its field?
def misfit(v: Any, field: Field, place: str = "", named: Dict[str, Field] | None = None) -> str:
    """Why the value does not fit the field, or "" where it does. `named`: what References mean."""
    place = place + "." + field.name if place else field.name
    if v is MISSING:
        return "" if field.optional else f"{place} is missing"
    if v is None:
        return "" if field.nullable else f"{place} is null"
    match field.type:
        case Record(fields):
            if not isinstance(v, dict):
                return f"{place} is not a record"
            return next((why for f in fields if (why := misfit(v.get(f.name, MISSING), f, place, named))), "")
        case List(item):
            if not isinstance(v, list):
                return f"{place} is no list"
            return next((why for x in v if (why := misfit(x, item, place, named))), "")
        case Map(inner):
            return next((why for x in v.values() if (why := misfit(x, inner, place, named))), "")
        case Union(branches):
            branch = next((b for b in branches if b.name == v[0]), None) if isinstance(v, tuple) else None
            return f"{place} is of no branch" if branch is None else misfit(v[1], branch, place, named)
        case Reference(name):
            return misfit(v, (named or {})[name].with_(name=name), place, named)
        case Int():
            fits = isinstance(v, int) and not isinstance(v, bool) and field.type.low <= v <= field.type.high
        case Date() | Timestamp() | Integer():
            fits = isinstance(v, int) and not isinstance(v, bool)
        case Bool():
            fits = isinstance(v, bool)
        case Float():
            fits = isinstance(v, float)
        case Decimal(_, scale):
            fits = isinstance(v, decimal.Decimal) and v.as_tuple().exponent == -scale
        case String() | Uuid():
            fits = isinstance(v, str)
        case Enum(symbols):
            fits = v in symbols
        case Bytes():
            fits = isinstance(v, bytes)
        case Fixed(size):
            fits = isinstance(v, bytes) and len(v) == size
        case _:
            fits = True
    return "" if fits else f"{place}: {v!r} is not {type_text(field.type)}"
