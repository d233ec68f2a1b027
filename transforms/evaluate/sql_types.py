"""The logical types in DuckDB: the form a proof compares, and the form the user's own SQL sees.

*Compared*: records are structs whose fields are f0, f1, … by position (DuckDB takes names that differ only by case for one, and has
no empty ones); `integer` and `number` are canonical text; durations are counts; opaque types are BLOBs of whatever bytes the
caller gives them. *Seen* by the user's SQL: records have their own names, `integer` is BIGINT and `number` is DOUBLE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from instar.formats.errors import MigrationError
from instar.formats.numbertext import integer_text, number_text
from instar.formats.schema import (
    MISSING,
    Bool,
    Bytes,
    Date,
    Duration,
    Enum,
    Fixed,
    Float,
    Int,
    Integer,
    List,
    Map,
    Number,
    Record,
    String,
    Time,
    Timestamp,
    Type,
    Uuid,
    children,
    type_text,
)
from instar.transforms.casts.numbers import double_number, half_exact
from instar.transforms.casts.rule import sql_scalar, sql_text
from instar.transforms.casts.texts import UUID_TEXT, decimal_text

REFUSED = "instar: "
"""How the message of every refusal begins that rendered SQL raises by error('…')."""


def quoted(name: str) -> str:
    """An identifier of DuckDB's."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(type: Type) -> str:
    """The DuckDB type in which a proof compares values of a logical type; BLOB for an opaque one."""
    match type:
        case Record(fields):
            return "STRUCT(" + ", ".join(f"f{i} {sql_type(f.type)}" for i, f in enumerate(fields)) + ")"
        case List(item):
            return sql_type(item.type) + "[]"
        case Map(value, key):
            return f"MAP({sql_type(key)}, {sql_type(value.type)})"
        case _:
            return sql_scalar(type) or "BLOB"


def seen_type(type: Type) -> str:
    """The DuckDB type in which the user's SQL sees a value, and must give one.

    Raises:
        MigrationError: an opaque type, or a record whose names DuckDB cannot tell apart.
    """
    match type:
        case Record(fields):
            _refuse_names(type)
            return "STRUCT(" + ", ".join(f"{quoted(f.name)} {seen_type(f.type)}" for f in fields) + ")"
        case List(item):
            return seen_type(item.type) + "[]"
        case Map(value, key):
            return f"MAP({seen_type(key)}, {seen_type(value.type)})"
        case Integer():
            return "BIGINT"
        case Number():
            return "DOUBLE"
        case _ if (scalar := sql_scalar(type)) is not None:
            return scalar
    raise MigrationError(f"SQL cannot look into a value of type {type_text(type)}", hint="Let the expression read another field.")


def _refuse_names(record: Record) -> None:
    folded = [name.casefold() for name in record.names]
    if not folded or "" in folded or len(set(folded)) < len(folded):
        raise MigrationError(
            f"SQL cannot read {type_text(record)} as a whole: DuckDB has no structs without fields, with an empty name, or with "
            "names that differ only by case",
            hint="Let the expression read a field of it: record.field.",
        )


class Fresh:
    """Names for lambda variables and inputs that are new within one statement, and that no text of a user's has either."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        text = " ".join(texts).lower()
        self.prefix = next(p for p in ("v" * n for n in count(1)) if not re.search(rf"(?<!\w){p}\d", text))
        self._numbers = count()

    def __call__(self) -> str:
        return f"{self.prefix}{next(self._numbers)}"


def bound(value: str, body: Callable[[str], str], fresh: Fresh) -> str:
    """`let v = value in body(v)`: the one form that also works inside a lambda, where DuckDB has no subqueries."""
    if value.isidentifier():
        return body(value)
    name = fresh()
    return f"list_transform([{value}], lambda {name}: {body(name)})[1]"


def refusal(message: str, value: str | None = None) -> str:
    """SQL that raises: the message, and the value where there is one."""
    shown = f" || coalesce(left(CAST({value} AS VARCHAR), 200), 'NULL')" if value else ""
    return f"error({sql_text(REFUSED + message)}{shown})"


# ---- compared → seen
def seen(value: str, type: Type, fresh: Fresh) -> str:
    """SQL of a compared value as the user's SQL sees it."""
    if sql_type(type) == seen_type(type):
        return value
    return rebuilt(value, type, fresh, _seen_scalar, seen, lambda i, f: quoted(f.name))


def _seen_scalar(v: str, type: Type) -> str:
    if isinstance(type, Integer):
        return f"CASE WHEN {v} IS NOT NULL THEN coalesce(TRY_CAST({v} AS BIGINT), {refusal('beyond int64: ', v)}) END"
    if isinstance(type, Number):
        from instar.transforms.casts import render

        exact = render(Number(), Float(64))(v)
        return f"CASE WHEN {v} IS NOT NULL THEN coalesce({exact}, {refusal('no double: ', v)}) END"
    return v


# ---- seen → compared
def kept(value: str, type: Type, fresh: Fresh, *, lenient: bool = False) -> str:
    """SQL of a value of `seen_type(type)` in the form that is compared; where the logical type does not hold it, it raises.

    `lenient`: it is null then, which only a scalar can be.
    """
    if sql_type(type) == seen_type(type) and not _checked(type):
        return value
    if lenient:
        return bound(value, lambda v: _kept_scalar(v, type, "NULL"), fresh)
    return rebuilt(value, type, fresh, _kept_scalar, kept, lambda i, _: f"f{i}")


def _checked(type: Type) -> bool:
    """Is something below the type checked when SQL gives it?"""
    inner = [f.type for _, f in children(type)]
    return any(map(_checked, inner)) if inner else _kept_scalar("x", type) != "x"


def _kept_scalar(v: str, type: Type, misfit: str = "") -> str:
    """The DuckDB types are wider than some logical types: what does not fit is refused, or becomes `misfit`."""
    test: str | None = None
    misfit = misfit or _misfit(v, type)
    match type:
        case Integer():
            return f"CAST({v} AS VARCHAR)"
        case Number():
            number = f"CASE WHEN isfinite({v}) THEN CASE WHEN {v} = 0 THEN '0' ELSE {double_number(v)} END ELSE {misfit} END"
            return f"CASE WHEN {v} IS NOT NULL THEN {number} END"
        case Float(16):
            test = half_exact(f"CAST({v} AS DOUBLE)")
        case Fixed(size):
            test = f"octet_length({v}) = {size}"
        case Uuid():
            test = f"regexp_full_match({v}, '{UUID_TEXT}')"
        case Enum(symbols):
            test = f"{v} IN ({', '.join(map(sql_text, symbols))})"
        case Time("s" | "ms" as unit):
            test = f"epoch_us({v}) % {10**6 if unit == 's' else 1000} = 0"
        case Timestamp("s" | "ms" as unit, zone) if zone:
            test = f"isfinite({v}) AND epoch_us({v}) % {10**6 if unit == 's' else 1000} = 0"
        case Date() | Timestamp():
            test = f"isfinite({v})"
    return v if test is None else f"CASE WHEN {v} IS NOT NULL THEN CASE WHEN {test} THEN {v} ELSE {misfit} END END"


def _misfit(v: str, type: Type) -> str:
    return refusal(f"the SQL's value is no {type_text(type)}: ", v)


def rebuilt(value: str, type: Type, fresh: Fresh, scalar: Any, again: Any, name: Any) -> str:
    """A value rebuilt level by level; each level is bound, so that its text stands once.

    `scalar(v, type)`, `again(v, type, fresh)` and `name(number, field)` give the SQL of a scalar, of what is inside, and the name
    of a record's field.
    """
    match type:
        case Record(fields):

            def struct(v: str) -> str:
                parts = (
                    f"{name(i, f)} := {again(f'struct_extract_at({v}, {i + 1})', f.type, fresh)}" for i, f in enumerate(fields)
                )
                return f"CASE WHEN {v} IS NOT NULL THEN struct_pack({', '.join(parts)}) END"

            return bound(value, struct, fresh)
        case List(item):
            v = fresh()
            return f"list_transform({value}, lambda {v}: {again(v, item.type, fresh)})"
        case Map(value_field, key):
            k, v = fresh(), fresh()

            def mapped(m: str) -> str:
                keys = f"map_keys({m})"
                if isinstance(key, Record | List | Map):
                    keys = f"list_transform({keys}, lambda {k}: {again(k, key, fresh)})"
                return f"map({keys}, list_transform(map_values({m}), lambda {v}: {again(v, value_field.type, fresh)}))"

            return bound(value, mapped, fresh)
        case _:
            return bound(value, lambda v: scalar(v, type), fresh)


def adopted(value: str, type: Type, fresh: Fresh | None = None) -> str:
    """SQL of a value as a reader gave it (structs by whatever names, types that cast without loss) in the compared form.

    `value` is an atom. Structs are matched by position.
    """
    made = rebuilt(value, type, fresh or Fresh(), _adopted_scalar, adopted, lambda i, _: f"f{i}")
    return f"CAST({made} AS {sql_type(type)})"


def _adopted_scalar(v: str, type: Type) -> str:
    return f"CAST({v} AS {sql_type(type)})"


# ---- literals
def literal(value: Any, type: Type) -> str:
    """SQL of a Python value (`formats/schema.py`), in the compared form."""
    return f"CAST({_literal(value, type)} AS {sql_type(type)})"


def literals(values: Iterable[Any], type: Type) -> str:
    """SQL of a list of values of one type, which is written once."""
    return f"CAST([{', '.join(_literal(v, type) for v in values)}] AS {sql_type(type)}[])"


def _literal(value: Any, type: Type) -> str:
    if value is None or value is MISSING:
        return "NULL"
    match type:
        case Record(fields):
            return "struct_pack(" + ", ".join(f"f{i} := {literal(value.get(f.name), f.type)}" for i, f in enumerate(fields)) + ")"
        case List(item):
            return f"[{', '.join(literal(v, item.type) for v in value)}]"
        case Map(item, key):
            return f"map({literals(value, key)}, {literals(value.values(), item.type)})"
        case Bool():
            return "true" if value else "false"
        case Int() | Duration():
            return f"'{int(value)}'"
        case Integer():
            return sql_text(integer_text(value))
        case Number():
            return sql_text(number_text(value))
        case Float():
            return sql_text(repr(float(value)))
        case Bytes() | Fixed():
            return f"from_hex('{value.hex()}')"
        case Date():
            return f"DATE '1970-01-01' + CAST({value} AS INTEGER)"
        case Time(unit):
            return _time(value, unit)
        case Timestamp(unit):
            scale = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[unit]
            return f"make_timestamp_ns({value})" if unit == "ns" else f"make_timestamp({value * scale})"
        case String() | Enum() | Uuid():
            return sql_text(value)
        case _ if hasattr(value, "as_tuple"):
            return f"'{decimal_text(value)}'"
    raise MigrationError(f"a literal cannot be of type {type_text(type)}", hint="Give it another type.")


def _time(value: int, unit: str) -> str:
    from instar.formats.isotext import time_text

    return f"'{time_text(value, unit)}'"
