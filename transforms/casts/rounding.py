"""Casts that round, because the script says how: to fewer places of a decimal, a coarser unit, a whole number."""

from __future__ import annotations

import decimal
import math
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from instar.formats.isotext import PER_SECOND, bounds
from instar.formats.schema import Date, Decimal, Duration, Float, Int, Integer, Time, Timestamp, Type

from .numbers import HUGE
from .rule import Convert, Render, refuse, sql_scalar
from .times import DAY, sql_count, sql_in_day, sql_inside, sql_made, sql_time_count

Mode = OneOf["truncate", "half_even", "half_up"]
MODES: tuple[Mode, ...] = ("truncate", "half_even", "half_up")


@dataclass(frozen=True)
class Rounded:
    """A number or a time with fewer places. The result must be one that the table casts back, so an overflow is refused.

    "truncate" leaves out digits: towards zero for numbers, towards the past for times. "half_even" and "half_up" take the nearest;
    of two equally near ones the even one, or the one further from zero (for times: the later).
    """

    mode: Mode

    def nulls(self, v: str) -> str | None:
        return None

    @property
    def loss(self) -> str | None:
        return "what was rounded away"

    def back(self) -> None:
        return None

    def record(self, source: Any, to: Any) -> Convert:
        from . import convert

        made, back = _record(source, to, self.mode), convert(to, source)

        def rounded(value: Any) -> Any:
            out = made(value)
            back(out)  # raises where it would not come back
            return out

        return rounded

    def sql(self, source: Any, to: Any) -> Render:
        from . import render

        made, back = _sql(source, to, self.mode), render(to, source)

        def rounded(v: str) -> str:
            # bound, as the text of the way back has its operand several times; inside a lambda there are no subqueries
            return f"list_transform([{made(v)}], lambda r_: CASE WHEN {back('r_')} IS NOT NULL THEN r_ END)[1]"

        return rounded


def possible(source: Type, to: Type) -> bool:
    """Is there something to round from the one to the other?"""
    match source, to:
        case Decimal(_, a), Decimal(_, b):
            return b < a
        case ((Decimal() | Float(32) | Float(64)), (Int() | Integer())):
            return True
        case Timestamp(a, zone), Timestamp(b, other):
            return bool(zone) == bool(other) and PER_SECOND[b] < PER_SECOND[a]
        case (Time(a), Time(b)) | (Duration(a), Duration(b)):
            return PER_SECOND[b] < PER_SECOND[a]
        case Timestamp(_, None), Date():
            return True
        case _:
            return False


def divided(value: int, by: int, mode: Mode, *, down: bool) -> int:
    """`value / by`, rounded. `down`: truncating goes towards the past rather than towards zero, and ties to the later."""
    whole, rest = divmod(value, by)
    if mode == "truncate":
        return whole if down or rest == 0 or value >= 0 else whole + 1
    if 2 * rest != by:
        return whole + (2 * rest > by)
    if mode == "half_even":
        return whole + whole % 2
    return whole + (down or value >= 0)


# ---- Python values
def _record(source: Type, to: Type, mode: Mode) -> Convert:
    match source, to:
        case Decimal(_, scale), Decimal() | Int() | Integer():
            places = to.scale if isinstance(to, Decimal) else 0
            return lambda v: _decimal(divided(_unscaled(v, scale), 10 ** (scale - places), mode, down=False), places, to)
        case Float(), Int() | Integer():
            return lambda v: _whole(v, mode, to)
        case Timestamp(unit, _), Date():
            low, high = bounds(unit)
            by = DAY * PER_SECOND[unit]
            return lambda v: divided(v, by, mode, down=True) if low <= v <= high else refuse(v)
        case _:
            by = PER_SECOND[_unit(source)] // PER_SECOND[_unit(to)]
            low, high = _range(source)
            last = DAY * PER_SECOND[_unit(to)] if isinstance(to, Time) else None

            def coarser(v: int) -> int:
                out = divided(v, by, mode, down=not isinstance(source, Duration))
                return out if low <= v <= high and (last is None or out < last) else refuse(v)

            return coarser


def _unit(type: Type) -> str:
    assert isinstance(type, Timestamp | Time | Duration)
    return type.unit


def _range(type: Type) -> tuple[int, int]:
    """The counts of units that are cast."""
    if isinstance(type, Timestamp):
        return bounds(type.unit)
    return (0, DAY * PER_SECOND[type.unit] - 1) if isinstance(type, Time) else (-(2**63), 2**63 - 1)


def _unscaled(value: decimal.Decimal, scale: int) -> int:
    return int(value.scaleb(scale, context=decimal.Context(prec=100)))


def _decimal(count: int, places: int, to: Type) -> Any:
    if isinstance(to, Decimal):
        made = decimal.Decimal(count).scaleb(-places, context=decimal.Context(prec=100))
        return made if abs(count) < 10**to.precision else refuse(count)
    return _inside(count, to)


def _inside(value: int, to: Type) -> int:
    return value if not isinstance(to, Int) or to.low <= value <= to.high else refuse(value)


def _whole(value: float, mode: Mode, to: Type) -> int:
    if not math.isfinite(value) or abs(value) >= HUGE:
        raise ValueError(value)
    top, bottom = value.as_integer_ratio()
    return _inside(divided(top, bottom, mode, down=False), to)


# ---- SQL
def _sql(source: Type, to: Type, mode: Mode) -> Render:
    match source, to:
        case Decimal(_, scale), Decimal() | Int() | Integer():
            places = to.scale if isinstance(to, Decimal) else 0

            def number(v: str) -> str:
                unscaled = f"CAST(replace(CAST({v} AS VARCHAR), '.', '') AS HUGEINT)"
                count = _sql_divided(unscaled, 10 ** (scale - places), mode, down=False)
                if not isinstance(to, Decimal):
                    return f"TRY_CAST({count} AS {sql_scalar(to)})"
                return f"list_transform([{count}], lambda n_: TRY_CAST({_sql_scaled('n_', places)} AS {sql_scalar(to)}))[1]"

            return number
        case Float(), Int() | Integer():
            return lambda v: (
                f"CASE WHEN isfinite({v}) AND abs({v}) < 1e38::DOUBLE THEN {_sql_whole(f'CAST({v} AS DOUBLE)', mode, to)} END"
            )
        case Timestamp(unit, _), Date():

            def day(v: str) -> str:
                days = _sql_divided(sql_count(v, source), DAY * PER_SECOND[unit], mode, down=True)
                return f"CASE WHEN {sql_inside(v, source)} THEN DATE '1970-01-01' + CAST({days} AS INTEGER) END"

            return day
        case _:
            return lambda v: _sql_coarser(v, source, to, mode)


def _sql_scaled(count: str, places: int) -> str:
    """SQL of the text of an integer with its last `places` digits behind a point."""
    digits = (
        f"lpad(CAST(abs({count}) AS VARCHAR), CAST(greatest(length(CAST(abs({count}) AS VARCHAR)), {places + 1}) AS INTEGER), '0')"
    )
    written = f"left({digits}, -{places}) || '.' || right({digits}, {places})" if places else digits
    return f"CASE WHEN {count} < 0 THEN '-' ELSE '' END || {written}"


def _sql_whole(v: str, mode: Mode, to: Type) -> str:
    half = f"CASE WHEN abs({v} - trunc({v})) = 0.5 THEN 2 * round({v} / 2) ELSE round({v}) END"
    whole = {"truncate": f"trunc({v})", "half_up": f"round({v})", "half_even": half}[mode]
    return f"TRY_CAST(CAST({whole} AS HUGEINT) AS {sql_scalar(to)})"


def _sql_coarser(v: str, source: Type, to: Type, mode: Mode) -> str:
    by = PER_SECOND[_unit(source)] // PER_SECOND[_unit(to)]
    match source, to:
        case Timestamp(), Timestamp():
            inside = sql_inside(v, source)
            made = sql_made(_sql_divided(sql_count(v, source), by, mode, down=True), to)
        case Time(unit), Time(coarser):
            inside = sql_in_day(v, unit)
            out = _sql_divided(sql_time_count(v, unit), by, mode, down=True)
            clock = f"CAST(make_timestamp({out} * {10**6 // PER_SECOND[coarser]}) AS {sql_scalar(to)})"
            made = f"CASE WHEN {out} < {DAY * PER_SECOND[coarser]} THEN {clock} END"
        case _:
            inside = "true"
            made = f"CAST({_sql_divided(f'CAST({v} AS HUGEINT)', by, mode, down=False)} AS BIGINT)"
    return f"CASE WHEN {inside} THEN {made} END"


def _sql_divided(count: str, by: int, mode: Mode, *, down: bool) -> str:
    """As `divided`; DuckDB's own division of integers goes towards zero."""
    rest = f"(((({count}) % {by}) + {by}) % {by})"
    whole = f"((({count}) - {rest}) // {by})"
    later = "true" if down else f"({count}) >= 0"
    up = {
        "truncate": "0" if down else f"CASE WHEN {rest} <> 0 AND ({count}) < 0 THEN 1 ELSE 0 END",
        "half_even": f"CASE WHEN 2 * {rest} > {by} OR (2 * {rest} = {by} AND {whole} % 2 <> 0) THEN 1 ELSE 0 END",
        "half_up": f"CASE WHEN 2 * {rest} > {by} OR (2 * {rest} = {by} AND {later}) THEN 1 ELSE 0 END",
    }[mode]
    return f"({whole} + {up})"
