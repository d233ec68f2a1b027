"""Casts from and to text and bytes. Text becomes a value only in the one form in which that value is written."""

from __future__ import annotations

import decimal
import re

from instar.formats.numbertext import DIGITS, integer_text, number_text, parse_number
from instar.formats.schema import Bool, Decimal, Enum, Fixed, Float, Int, Integer, String, Type

from .numbers import INTEGER_TEXT, NUMBER_TEXT, quantized, with_zero
from .rule import Convert, Render, Rule, refuse, same, sql_scalar, sql_text

UUID_TEXT = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def matched(pattern: str, then: Convert) -> Convert:
    """`then` of a text that is of the pattern as a whole."""
    full = re.compile(pattern, re.ASCII).fullmatch
    return lambda v: then(v) if full(v) else refuse(v)


def sql_matched(v: str, pattern: str, then: str) -> str:
    return f"CASE WHEN regexp_full_match({v}, {sql_text(pattern)}) THEN {then} END"


# ---- integers and JSON's numbers
def _int_to_text(_: Type, __: String) -> Convert:
    return integer_text


def _text_to_int(_: String, to: Type) -> Convert:
    if isinstance(to, Int):
        low, high = to.low, to.high
        return matched(f"(?:{INTEGER_TEXT})", lambda v: n if len(v) < 22 and low <= (n := int(v)) <= high else refuse(v))
    return matched(f"(?:{INTEGER_TEXT})", lambda v: int(v) if len(v.lstrip("-")) <= DIGITS else refuse(v))


def _sql_cast(_: Type, to: Type) -> Render:
    return lambda v: f"CAST({v} AS {sql_scalar(to)})"


def _sql_text_to_int(_: String, to: Type) -> Render:
    if isinstance(to, Integer):
        return lambda v: f"CASE WHEN length(ltrim({v}, '-')) <= {DIGITS} THEN " + sql_matched(v, INTEGER_TEXT, v) + " END"
    return lambda v: sql_matched(v, INTEGER_TEXT, f"TRY_CAST({v} AS {sql_scalar(to)})")


def _text_to_number(_: String, __: Type) -> Convert:
    return matched(f"(?:{NUMBER_TEXT})", lambda v: n if number_text(n := parse_number(v)) == v else refuse(v))


def _sql_text_to_number(_: String, __: Type) -> Render:
    """At most 1,000 characters, and 1,000 digits for an integer."""

    def render(v: str) -> str:
        short = f"length({v}) <= {DIGITS} OR (length({v}) = {DIGITS} + 1 AND starts_with({v}, '-') AND NOT contains({v}, '.'))"
        return f"CASE WHEN {short} THEN " + sql_matched(v, NUMBER_TEXT, v) + " END"

    return render


# ---- doubles (of a 32-bit float DuckDB and others print different digits: it becomes a double first)
def _double_to_text(_: Float, __: String) -> Convert:
    return repr


def _text_to_double(_: String, __: Float) -> Convert:
    def convert(value: str) -> float:
        if value not in ("nan", "inf", "-inf") and not re.fullmatch(r"-?[0-9.]+(e[+-][0-9]+)?", value, re.ASCII):
            raise ValueError(value)
        out = float(value)
        return out if repr(out) == value else refuse(value)

    return convert


def _sql_double_to_text(_: Float, __: String) -> Render:
    return lambda v: f"CASE WHEN isnan({v}) THEN 'nan' ELSE CAST({v} AS VARCHAR) END"


def _sql_text_to_double(_: String, to: Float) -> Render:
    """What DuckDB prints for the parsed value is the text itself (and "-nan", which it prints, too, is not)."""

    def render(v: str) -> str:
        out = f"TRY_CAST({v} AS {sql_scalar(to)})"
        return f"CASE WHEN CAST({out} AS VARCHAR) = {v} AND {v} <> '-nan' THEN {out} END"

    return render


# ---- decimals
def decimal_text(value: decimal.Decimal) -> str:
    """Plain, all places of its scale written."""
    if value.is_zero() and value.is_signed():
        raise ValueError(value)
    return format(value, "f")


def _decimal_to_text(source: Decimal, _: String) -> Convert:
    return lambda v: decimal_text(quantized(v, source))


def _text_to_decimal(_: String, to: Decimal) -> Convert:
    places = rf"\.[0-9]{{{to.scale}}}" if to.scale else ""

    def convert(value: str) -> decimal.Decimal:
        return quantized(decimal.Decimal(value), to) if len(value) < 80 else refuse(value)

    return matched(rf"-?(?:0|[1-9][0-9]*){places}", convert)


def _sql_decimal_to_text(_: Decimal, __: String) -> Render:
    return lambda v: with_zero(f"CAST({v} AS VARCHAR)")


def _sql_text_to_decimal(_: String, to: Decimal) -> Render:
    def render(v: str) -> str:
        out = f"TRY_CAST({v} AS {sql_scalar(to)})"
        return f"CASE WHEN {with_zero(f'CAST({out} AS VARCHAR)')} = {v} THEN {out} END"

    return render


# ---- bool, enum, uuid, bytes
def _sql_bool_to_text(_: Bool, __: String) -> Render:
    return lambda v: f"CASE {v} WHEN true THEN 'true' WHEN false THEN 'false' END"


def _text_to_bool(_: String, __: Bool) -> Convert:
    return lambda v: v == "true" if v in ("true", "false") else refuse(v)


def _sql_text_to_bool(_: String, __: Bool) -> Render:
    return lambda v: f"CASE {v} WHEN 'true' THEN true WHEN 'false' THEN false END"


def _to_enum(_: Type, to: Enum) -> Convert:
    symbols = frozenset(to.symbols)
    return lambda v: v if v in symbols else refuse(v)


def _sql_to_enum(_: Type, to: Enum) -> Render:
    return lambda v: f"CASE WHEN {v} IN ({', '.join(map(sql_text, to.symbols))}) THEN {v} END"


def _uuid(_: Type, __: Type) -> Convert:
    return matched(UUID_TEXT, same)


def _sql_uuid(_: Type, __: Type) -> Render:
    return lambda v: sql_matched(v, UUID_TEXT, v)


def _to_fixed(_: Type, to: Fixed) -> Convert:
    return lambda v: v if len(v) == to.size else refuse(v)


def _sql_to_fixed(_: Type, to: Fixed) -> Render:
    return lambda v: f"CASE WHEN octet_length({v}) = {to.size} THEN {v} END"


def _keep(_: Type, __: Type) -> Convert:
    return same


def _sql_keep(_: Type, __: Type) -> Render:
    return lambda v: v


def _encode(_: Type, __: Type) -> Convert:
    return str.encode


def _sql_encode(_: Type, __: Type) -> Render:
    return lambda v: f"encode({v})"


def _decode(_: Type, __: Type) -> Convert:
    return bytes.decode


def _sql_decode(_: Type, __: Type) -> Render:
    return lambda v: f"TRY(decode({v}))"


# ---- null
def _never(_: Type, __: Type) -> Convert:
    return refuse


def _sql_null(_: Type, to: Type) -> Render:
    return lambda _: f"CAST(NULL AS {sql_scalar(to) or 'BLOB'})"


ONLY_NULLS = Rule("nulls only", _never, _sql_null)
"""From and to a type that has no values: every null passes, nothing else."""

_DOUBLE_TEXT = Rule("the fewest digits that give the value back: 0.1, 1e+16, nan, -inf", _double_to_text, _sql_double_to_text)
_INTEGERS = Rule("the digits: 0, -12; not 007, +5, 1e3 or 1_000", _int_to_text, _sql_cast)
_FROM_INTEGERS = Rule("the digits, as an integer is written, in range", _text_to_int, _sql_text_to_int)

PAIRS: dict[tuple[str, str], Rule] = {
    ("bool", "string"): Rule("true or false", lambda _, __: lambda v: "true" if v else "false", _sql_bool_to_text),
    ("string", "bool"): Rule("true or false, in small letters", _text_to_bool, _sql_text_to_bool),
    ("int", "string"): _INTEGERS,
    ("string", "int"): _FROM_INTEGERS,
    ("integer", "string"): _INTEGERS,
    ("string", "integer"): _FROM_INTEGERS,
    ("number", "string"): Rule("plain notation: 1.1 for 1.10, 100 for 1e2", lambda _, __: number_text, _sql_keep),
    ("string", "number"): Rule("plain notation, as a number is written", _text_to_number, _sql_text_to_number),
    ("double", "string"): _DOUBLE_TEXT,
    ("string", "double"): Rule("as a double is written", _text_to_double, _sql_text_to_double),
    ("decimal", "string"): Rule("plain, with all places of the scale: 1.50", _decimal_to_text, _sql_decimal_to_text),
    ("string", "decimal"): Rule("as a decimal of that scale is written, in range", _text_to_decimal, _sql_text_to_decimal),
    ("enum", "string"): Rule("the symbol", _keep, _sql_keep),
    ("string", "enum"): Rule("one of the symbols", _to_enum, _sql_to_enum),
    ("enum", "enum"): Rule("where the target has the symbol", _to_enum, _sql_to_enum),
    ("uuid", "string"): Rule("36 characters in small letters", _uuid, _sql_uuid),
    ("string", "uuid"): Rule("36 characters in small letters", _uuid, _sql_uuid),
    ("string", "bytes"): Rule("the bytes of its UTF-8", _encode, _sql_encode),
    ("bytes", "string"): Rule("where they are UTF-8", _decode, _sql_decode),
    ("fixed", "bytes"): Rule("always", _keep, _sql_keep),
    ("bytes", "fixed"): Rule("where there are that many", _to_fixed, _sql_to_fixed),
}  # fmt: skip
