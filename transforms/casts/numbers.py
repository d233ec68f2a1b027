"""Casts among numbers: integers, floats, decimals, and JSON's unbounded ones."""

from __future__ import annotations

import decimal
import math
import struct

from instar.formats.numbertext import DIGITS, integer_text, number_text
from instar.formats.schema import Bool, Decimal, Float, Int, Integer, Type

from .rule import Convert, Render, Rule, refuse, same, sql_scalar

HUGE = int(1e38)
"""From here on a float and an integer are not compared: DuckDB's widest integer ends at 1.7e38."""

INTEGER_TEXT = "0|-?[1-9][0-9]*"
NUMBER_TEXT = r"0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9]"


# ---- values
def shortest(value: float) -> decimal.Decimal:
    """The number that a double prints as.

    Raises:
        ValueError: NaN, an infinity or -0.0, which no number is.
    """
    if not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0):
        raise ValueError(value)
    return decimal.Decimal(repr(value))


_FORMATS = {16: "<e", 32: "<f", 64: "<d"}


def narrowed(value: float, bits: int) -> float:
    """The double itself if a float of `bits` bits holds it exactly (any NaN is NaN).

    Raises:
        ValueError, OverflowError: it does not.
    """
    if not math.isfinite(value):
        return value
    back: float = struct.unpack(_FORMATS[bits], struct.pack(_FORMATS[bits], value))[0]
    if back != value:
        raise ValueError(value)
    return value


def quantized(value: int | decimal.Decimal, to: Decimal) -> decimal.Decimal:
    """The number as a decimal of that type.

    Raises:
        ValueError: it has more places or digits than the type.
    """
    if isinstance(value, decimal.Decimal) and value.is_zero() and value.is_signed():
        raise ValueError(value)
    if abs(value) >= 10**76:
        raise ValueError(value)
    with decimal.localcontext(prec=200):
        exact = decimal.Decimal(value)
        out = exact.quantize(decimal.Decimal(1).scaleb(-to.scale), rounding=decimal.ROUND_DOWN) if exact else exact
        if out != exact or (out and out.adjusted() >= to.precision - to.scale):
            raise ValueError(value)
        return out.quantize(decimal.Decimal(1).scaleb(-to.scale))


def _whole(value: int | decimal.Decimal) -> int:
    """The integer that a number or a decimal is."""
    if isinstance(value, int):
        return value
    if (value.is_zero() and value.is_signed()) or value.adjusted() > DIGITS or value != value.to_integral_value():
        raise ValueError(value)
    return int(value)


def _inside(to: Type) -> Convert:
    """int → the same int, where `to` holds it."""
    if isinstance(to, Int):
        low, high = to.low, to.high
        return lambda v: v if low <= v <= high else refuse(v)
    return lambda v: integer_text(v) and v


def _float_of(value: int | decimal.Decimal) -> float:
    """The nearest double, never an infinity."""
    return float(value)  # raises OverflowError for integers; Decimals beyond the range give inf, which the callers compare


# ---- record rules
def _int_to_int(_: Type, to: Type) -> Convert:
    return _inside(to)


def _int_to_float(_: Type, to: Float) -> Convert:
    def convert(value: int) -> float:
        out = float(value)
        if abs(value) >= HUGE or int(out) != value:
            raise ValueError(value)
        return narrowed(out, to.bits)

    return convert


def _float_to_int(_: Float, to: Type) -> Convert:
    inside = _inside(to)

    def convert(value: float) -> int:
        whole = int(value)  # raises for NaN and infinities
        if whole != value or abs(value) >= HUGE or (whole == 0 and math.copysign(1, value) < 0):
            raise ValueError(value)
        return inside(whole)

    return convert


def _float_to_float(_: Float, to: Float) -> Convert:
    return lambda v: narrowed(v, to.bits)


def _decimal_to_double(_: Type, __: Float) -> Convert:
    def convert(value: decimal.Decimal | int) -> float:
        number_text(value)
        out = _float_of(value)
        if shortest(out) != value:
            raise ValueError(value)
        return out

    return convert


def _to_integer(_: Type, to: Type) -> Convert:
    inside = _inside(to)
    return lambda v: inside(_whole(v))


def _to_decimal(_: Type, to: Decimal) -> Convert:
    return lambda v: quantized(v, to)


def _double_to_decimal(_: Float, to: Decimal) -> Convert:
    return lambda v: quantized(shortest(v), to)


def _decimal_to_number(_: Type, __: Type) -> Convert:
    return lambda v: refuse(v) if v.is_zero() and v.is_signed() else v


def _double_to_number(_: Float, __: Type) -> Convert:
    return shortest


def _bool_to_int(_: Bool, __: Type) -> Convert:
    return int


def _int_to_bool(_: Type, __: Bool) -> Convert:
    return lambda v: bool(v) if v in (0, 1) else refuse(v)


# ---- SQL rules
def _tried(_: Type, to: Type) -> Render:
    return lambda v: f"TRY_CAST({v} AS {sql_scalar(to)})"


def plain(text: str) -> str:
    """SQL of a decimal's text without the zeros that say nothing."""
    text = with_zero(text)
    return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"


def with_zero(text: str) -> str:
    """SQL of a decimal's text with the zero before the point that DuckDB leaves out where scale and precision are equal."""
    return f"regexp_replace({text}, '^(-?)\\.', '\\10.')"


def half_exact(v: str) -> str:
    """SQL: is the DOUBLE `v` one that 16 bits hold? 11 significant bits by Dekker's splitting (T. J. Dekker, 1971)."""
    split = f"(abs({v}) * 4398046511105 - (abs({v}) * 4398046511105 - abs({v})))"
    normal = f"abs({v}) >= 6.103515625e-05::DOUBLE AND abs({v}) <= 65504::DOUBLE AND {split} = abs({v})"
    small = f"abs({v}) < 6.103515625e-05::DOUBLE AND {v} * 16777216 = trunc({v} * 16777216)"
    return f"(NOT isfinite({v}) OR ({normal}) OR ({small}))"


def _sql_narrowed(v: str, bits: int) -> str:
    """SQL: the DOUBLE `v` as a float of `bits` bits, or NULL."""
    if bits == 64:
        return v
    if bits == 16:
        return f"CASE WHEN {half_exact(v)} THEN CAST({v} AS FLOAT) END"
    return f"CASE WHEN NOT isfinite({v}) OR CAST(TRY_CAST({v} AS FLOAT) AS DOUBLE) = {v} THEN CAST({v} AS FLOAT) END"


def _sql_float_to_float(_: Float, to: Float) -> Render:
    return lambda v: _sql_narrowed(f"CAST({v} AS DOUBLE)", to.bits)


def _sql_int_to_float(source: Type, to: Float) -> Render:
    limit = f" AND length({{v}}) <= 39 AND abs(TRY_CAST({{v}} AS HUGEINT)) < {HUGE}::HUGEINT" if isinstance(source, Integer) else ""

    def render(v: str) -> str:
        exact = f"TRY_CAST(TRY_CAST({v} AS DOUBLE) AS HUGEINT) = TRY_CAST({v} AS HUGEINT)" + limit.replace("{v}", v)
        return f"CASE WHEN {exact} THEN {_sql_narrowed(f'CAST({v} AS DOUBLE)', to.bits)} END"

    return render


def _sql_float_to_int(_: Float, to: Type) -> Render:
    def render(v: str) -> str:
        whole = f"isfinite({v}) AND {v} = trunc({v}) AND abs({v}) < 1e38::DOUBLE AND NOT ({v} = 0 AND signbit({v}))"
        return f"CASE WHEN {whole} THEN TRY_CAST(CAST({v} AS HUGEINT) AS {sql_scalar(to)}) END"

    return render


def _sql_decimal_to_int(_: Decimal, to: Type) -> Render:
    return lambda v: f"CASE WHEN {v} = trunc({v}) THEN TRY_CAST(trunc({v}) AS {sql_scalar(to)}) END"


def _sql_number_to_int(_: Type, to: Type) -> Render:
    return lambda v: f"CASE WHEN NOT contains({v}, '.') THEN TRY_CAST({v} AS {sql_scalar(to)}) END"


def _sql_to_decimal(_: Type, to: Decimal) -> Render:
    """By way of text: a comparison of two DECIMALs casts both to one that may be too narrow for either."""

    def render(v: str) -> str:
        out = f"TRY_CAST({v} AS {sql_scalar(to)})"
        return f"CASE WHEN {plain(f'CAST({out} AS VARCHAR)')} = {plain(f'CAST({v} AS VARCHAR)')} THEN {out} END"

    return render


def _sql_double_to_decimal(_: Float, to: Decimal) -> Render:
    """The text a double prints, rounded to a decimal, gives the double again only if nothing was rounded: it was the shortest."""

    def render(v: str) -> str:
        out = f"TRY_CAST(CAST({v} AS VARCHAR) AS {sql_scalar(to)})"
        back = f"CAST(CAST({out} AS VARCHAR) AS DOUBLE) = {v}"
        return f"CASE WHEN isfinite({v}) AND NOT ({v} = 0 AND signbit({v})) AND {back} THEN {out} END"

    return render


def _digits(text: str) -> str:
    """SQL of the significant digits of a number's text, whatever its notation."""
    return f"trim(regexp_replace({text}, '-|\\.|e.*', '', 'g'), '0')"


def _sql_decimal_to_double(_: Type, __: Float) -> Render:
    """The nearest double, where it prints the same significant digits; its exponent cannot be another."""

    def render(v: str) -> str:
        out = f"TRY_CAST(CAST({v} AS VARCHAR) AS DOUBLE)"
        same_digits = f"{_digits(f'CAST({out} AS VARCHAR)')} = {_digits(f'CAST({v} AS VARCHAR)')}"
        return f"CASE WHEN isfinite({out}) AND {same_digits} THEN {out} END"

    return render


def double_number(v: str) -> str:
    """SQL of a finite DOUBLE's canonical number text: what it prints, its exponent written out."""
    text = f"CAST({v} AS VARCHAR)"
    digits = f"regexp_replace({text}, '-|\\.|e.*', '', 'g')"
    exponent = f"CAST(regexp_extract({text}, 'e(.*)$', 1) AS INTEGER)"
    large = f"{digits} || repeat('0', {exponent} + 1 - length({digits}))"
    small = f"'0.' || repeat('0', -{exponent} - 1) || {digits}"
    sign = f"CASE WHEN {v} < 0 THEN '-' ELSE '' END"
    written = f"{sign} || CASE WHEN abs({v}) >= 1 THEN {large} ELSE {small} END"
    return f"CASE WHEN contains({text}, 'e') THEN {written} ELSE {plain(text)} END"


def _sql_double_to_number(_: Float, __: Type) -> Render:
    return lambda v: f"CASE WHEN isfinite({v}) AND NOT ({v} = 0 AND signbit({v})) THEN {double_number(v)} END"


def _sql_decimal_to_number(_: Decimal, __: Type) -> Render:
    return lambda v: plain(f"CAST({v} AS VARCHAR)")


def _sql_int_to_bool(source: Type, _: Bool) -> Render:
    one, zero = ("'1'", "'0'") if isinstance(source, Integer) else ("1", "0")
    return lambda v: f"CASE {v} WHEN {one} THEN true WHEN {zero} THEN false END"


def _sql_bool_to_int(_: Bool, to: Type) -> Render:
    return lambda v: f"CAST(CASE {v} WHEN true THEN 1 WHEN false THEN 0 END AS {sql_scalar(to)})"


def _given(_: Type, __: Type) -> Render:
    return lambda v: v


_INTS = ("int", "integer")
_FLOATS = ("half", "float", "double")


def _pairs(sources: tuple[str, ...], targets: tuple[str, ...], rule: Rule) -> dict[tuple[str, str], Rule]:
    return {(a, b): rule for a in sources for b in targets}


def _kept(*_: Type) -> Convert:
    return same


RANGE = Rule("where the target's range holds the value", _int_to_int, _tried)
INT_TO_FLOAT = Rule("where the target holds the very value; below 1e38", _int_to_float, _sql_int_to_float)
FLOAT_TO_INT = Rule("where it is whole, in range and below 1e38; not -0.0, NaN, infinities", _float_to_int, _sql_float_to_int)
FLOAT_TO_FLOAT = Rule("where the target holds the very value; NaN is NaN", _float_to_float, _sql_float_to_float)
TO_DECIMAL = Rule("where neither a place nor a digit is lost", _to_decimal, _sql_to_decimal)
TO_DOUBLE = Rule("where the double prints the same number", _decimal_to_double, _sql_decimal_to_double)

PAIRS: dict[tuple[str, str], Rule] = {
    **_pairs(_INTS, _INTS, RANGE),
    **_pairs(_INTS, _FLOATS, INT_TO_FLOAT),
    **_pairs(_FLOATS, _INTS, FLOAT_TO_INT),
    **_pairs(_FLOATS, _FLOATS, FLOAT_TO_FLOAT),
    **_pairs(("bool",), _INTS, Rule("true is 1, false is 0", _bool_to_int, _sql_bool_to_int)),
    **_pairs(_INTS, ("bool",), Rule("1 is true, 0 is false, nothing else is either", _int_to_bool, _sql_int_to_bool)),
    **_pairs(("decimal",), _INTS, Rule("where nothing but zeros follows the point, in range", _to_integer, _sql_decimal_to_int)),
    **_pairs(("int", "integer", "decimal", "number"), ("decimal",), TO_DECIMAL),
    ("decimal", "double"): TO_DOUBLE,
    ("double", "decimal"): Rule("the number it prints, no place or digit lost", _double_to_decimal, _sql_double_to_decimal),
    ("decimal", "number"): Rule("always", _decimal_to_number, _sql_decimal_to_number),
    ("number", "double"): TO_DOUBLE,
    ("double", "number"): Rule("the number it prints; not -0.0, NaN, infinities", _double_to_number, _sql_double_to_number),
    ("int", "number"): Rule("always", _kept, _tried),
    ("integer", "number"): Rule("always", _kept, _given),
    **_pairs(("number",), _INTS, Rule("where it is whole (1.0 is), in range", _to_integer, _sql_number_to_int)),
}
