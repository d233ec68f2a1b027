"""Casts among dates, times, timestamps and durations. Only the years 0001 to 9999, which every format and engine can write."""

from __future__ import annotations

from instar.formats.isotext import (
    DAY,
    PER_SECOND,
    PLACES,
    bounds,
    date_of,
    date_pattern,
    date_text,
    ranged,
    time_of,
    time_pattern,
    time_text,
    timestamp_of,
    timestamp_pattern,
    timestamp_text,
)
from instar.formats.schema import Date, Duration, Int, Integer, String, Time, Timestamp, Type

from .rule import Convert, Render, Rule, refuse, sql_scalar
from .texts import sql_matched


def scaled(value: int, source: str, to: str) -> int:
    """The count of units, in other units.

    Raises:
        ValueError: it is not whole there.
    """
    out, rest = divmod(value * PER_SECOND[to], PER_SECOND[source])
    if rest:
        raise ValueError(value)
    return out


# ---- record rules
def _date_to_text(_: Date, __: String) -> Convert:
    return date_text


def _text_to_date(_: String, __: Date) -> Convert:
    return date_of


def _time_to_text(source: Time, _: String) -> Convert:
    return lambda v: time_text(v, source.unit)


def _text_to_time(_: String, to: Time) -> Convert:
    return lambda v: time_of(v, to.unit)


def _timestamp_to_text(source: Timestamp, _: String) -> Convert:
    return lambda v: timestamp_text(v, source)


def _text_to_timestamp(_: String, to: Timestamp) -> Convert:
    return lambda v: timestamp_of(v, to)


def _timestamp_to_timestamp(source: Timestamp, to: Timestamp) -> Convert:
    given, fit = bounds(source.unit), bounds(to.unit)
    return lambda v: ranged(scaled(ranged(v, *given), source.unit, to.unit), *fit)


def _time_to_time(source: Time, to: Time) -> Convert:
    return lambda v: scaled(ranged(v, 0, DAY * PER_SECOND[source.unit] - 1), source.unit, to.unit)


def _duration_to_duration(source: Duration, to: Duration) -> Convert:
    return lambda v: ranged(scaled(v, source.unit, to.unit), -(2**63), 2**63 - 1)


def _date_to_timestamp(_: Date, to: Timestamp) -> Convert:
    low, high = bounds(to.unit)
    return lambda v: ranged(v * DAY * PER_SECOND[to.unit], low, high)


def _timestamp_to_date(source: Timestamp, _: Date) -> Convert:
    def convert(value: int) -> int:
        days, rest = divmod(ranged(value, *bounds(source.unit)), DAY * PER_SECOND[source.unit])
        return days if rest == 0 else refuse(value)

    return convert


def _count(source: Type, to: Type) -> Convert:
    """A timestamp's or duration's count of units, or back."""
    low, high = next((bounds(t.unit) for t in (source, to) if isinstance(t, Timestamp)), (-(2**63), 2**63 - 1))
    return lambda v: ranged(v, low, high)


# ---- SQL rules
_FRACTION = {"s": "", "ms": ".%g", "us": ".%f", "ns": ".%n"}
"""strftime's names; nothing may follow %n, after which DuckDB 2.0 writes bytes that are no text."""
_US = {"s": 10**6, "ms": 10**3, "us": 1}


def sql_count(v: str, type: Timestamp) -> str:
    """SQL of a timestamp's count of units; right within `bounds`."""
    if type.unit == "ns":
        return f"epoch_ns({v})"
    return f"epoch_us({v})" if type.unit == "us" else f"epoch_us({v}) // {_US[type.unit]}"


def sql_made(count: str, to: Timestamp) -> str:
    """SQL of the timestamp with that count of units."""
    made = f"make_timestamp_ns({count})" if to.unit == "ns" else f"make_timestamp({count} * {_US[to.unit]})"
    return f"CAST({made} AS {sql_scalar(to)})"


def sql_inside(v: str, type: Timestamp) -> str:
    """SQL: is the timestamp within `bounds`? Compared as timestamps, since counting may overflow outside."""
    years = ("1678", "2261") if type.unit == "ns" else ("0001", "9999")
    places = 6 if type.zone and type.unit != "ns" else PLACES[type.unit]
    zone, fraction = "+00" if type.zone else "", f".{'9' * places}" if places else ""
    first, last = f"{years[0]}-01-01 00:00:00{zone}", f"{years[1]}-12-31 23:59:59{fraction}{zone}"
    kind = sql_scalar(type)
    return f"{v} BETWEEN CAST('{first}' AS {kind}) AND CAST('{last}' AS {kind})"


def _sql_scaled(count: str, source: str, to: str) -> tuple[str, str]:
    """(a condition under which the count is whole in the other unit, the count there)."""
    if PER_SECOND[to] >= PER_SECOND[source]:
        return "true", f"{count} * {PER_SECOND[to] // PER_SECOND[source]}"
    ratio = PER_SECOND[source] // PER_SECOND[to]
    return f"{count} % {ratio} = 0", f"{count} // {ratio}"


def _sql_date_to_text(_: Date, __: String) -> Render:
    return lambda v: f"CASE WHEN {v} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN strftime({v}, '%Y-%m-%d') END"


def _sql_text_to_date(_: String, __: Date) -> Render:
    return lambda v: sql_matched(v, date_pattern(), f"CASE WHEN NOT starts_with({v}, '0000') THEN TRY_CAST({v} AS DATE) END")


def _sql_timestamp_to_text(source: Timestamp, _: String) -> Render:
    bare = "TIMESTAMP_NS" if source.unit == "ns" else "TIMESTAMP"
    layout, zone = "%Y-%m-%dT%H:%M:%S" + _FRACTION[source.unit], " || 'Z'" if source.zone else ""
    return lambda v: f"CASE WHEN {sql_inside(v, source)} THEN strftime(CAST({v} AS {bare}), '{layout}'){zone} END"


def _sql_text_to_timestamp(_: String, to: Timestamp) -> Render:
    bare = sql_scalar(Timestamp(to.unit))

    def render(v: str) -> str:
        made = f"TRY_CAST(rtrim({v}, 'Z') AS {bare})"
        inside = f"NOT starts_with({v}, '0000') AND {sql_inside(made, Timestamp(to.unit))}"
        return sql_matched(v, timestamp_pattern(to), f"CASE WHEN {inside} THEN CAST({made} AS {sql_scalar(to)}) END")

    return render


def _sql_timestamp_to_timestamp(source: Timestamp, to: Timestamp) -> Render:
    low, high = bounds(to.unit)

    def render(v: str) -> str:
        whole, count = _sql_scaled(sql_count(v, source), source.unit, to.unit)
        seconds = PER_SECOND[source.unit]
        fits = ""
        if to.unit == "ns" and source.unit != "ns":
            fits = f" AND {sql_count(v, source)} BETWEEN {low // 10**9 * seconds} AND {(high + 1) // 10**9 * seconds - 1}"
        return f"CASE WHEN {sql_inside(v, source)}{fits} THEN CASE WHEN {whole} THEN {sql_made(count, to)} END END"

    return render


def _sql_date_to_timestamp(_: Date, to: Timestamp) -> Render:
    first, last = ("1678-01-01", "2261-12-31") if to.unit == "ns" else ("0001-01-01", "9999-12-31")
    return lambda v: f"CASE WHEN {v} BETWEEN DATE '{first}' AND DATE '{last}' THEN CAST({v} AS {sql_scalar(to)}) END"


def _sql_timestamp_to_date(source: Timestamp, _: Date) -> Render:
    day = DAY * PER_SECOND[source.unit]
    return lambda v: (
        f"CASE WHEN {sql_inside(v, source)} THEN CASE WHEN {sql_count(v, source)} % {day} = 0 THEN CAST({v} AS DATE) END END"
    )


def sql_time_count(v: str, unit: str) -> str:
    return f"epoch_ns({v})" if unit == "ns" else f"epoch_us({v}) // {_US[unit]}"


def _sql_time_to_time(source: Time, to: Time) -> Render:
    """DuckDB has one TIME for s, ms and µs; its 24:00:00 is no time of a day."""

    def render(v: str) -> str:
        whole, _ = _sql_scaled(sql_time_count(v, source.unit), source.unit, to.unit)
        return f"CASE WHEN {sql_in_day(v, source.unit)} AND {whole} THEN CAST({v} AS {sql_scalar(to)}) END"

    return render


def sql_in_day(v: str, unit: str) -> str:
    return f"{sql_time_count(v, unit)} < {DAY * PER_SECOND[unit]}"


def _sql_time_to_text(source: Time, _: String) -> Render:
    """The time of 1970-01-01, printed by strftime: a TIME's own text leaves out the fraction's last zeros."""
    made = "make_timestamp_ns(epoch_ns({v}))" if source.unit == "ns" else "make_timestamp(epoch_us({v}))"
    layout = "%H:%M:%S" + _FRACTION[source.unit]
    return lambda v: f"CASE WHEN {sql_in_day(v, source.unit)} THEN strftime({made.replace('{v}', v)}, '{layout}') END"


def _sql_text_to_time(_: String, to: Time) -> Render:
    return lambda v: sql_matched(v, time_pattern(to.unit), f"CASE WHEN {v} < '24' THEN TRY_CAST({v} AS {sql_scalar(to)}) END")


def _sql_duration_to_duration(source: Duration, to: Duration) -> Render:
    def render(v: str) -> str:
        whole, count = _sql_scaled(f"CAST({v} AS HUGEINT)", source.unit, to.unit)
        return f"CASE WHEN {whole} THEN TRY_CAST({count} AS BIGINT) END"

    return render


def _sql_timestamp_to_int(source: Timestamp, to: Type) -> Render:
    return lambda v: f"CASE WHEN {sql_inside(v, source)} THEN TRY_CAST({sql_count(v, source)} AS {sql_scalar(to)}) END"


def _sql_int_to_timestamp(source: Type, to: Timestamp) -> Render:
    low, high = bounds(to.unit)

    def render(v: str) -> str:
        count = f"TRY_CAST({v} AS BIGINT)"
        return f"CASE WHEN {count} BETWEEN {low} AND {high} THEN {sql_made(count, to)} END"

    return render


def _sql_tried(_: Type, to: Type) -> Render:
    return lambda v: f"TRY_CAST({v} AS {sql_scalar(to)})"


def possible(source: Type, to: Type) -> bool:
    """Of pairs of these kinds, the ones in the table: a zone is neither gained nor lost, and counts are 64 bits wide."""
    match source, to:
        case Timestamp(_, a), Timestamp(_, b):
            return bool(a) == bool(b)
        case (Timestamp(_, zone), Date()) | (Date(), Timestamp(_, zone)):
            return zone is None
        case ((Timestamp() | Duration()), Int() as number) | (Int() as number, (Timestamp() | Duration())):
            return number == Int(64)
        case ((Timestamp() | Duration()), Integer()):
            return True
        case _:
            return True


_COUNT = Rule("the count of units since 1970-01-01T00:00", _count, _sql_timestamp_to_int)
_FROM_COUNT = Rule("the count of units since 1970-01-01T00:00", _count, _sql_int_to_timestamp)
_UNITS = Rule("the count of units", _count, _sql_tried)

PAIRS: dict[tuple[str, str], Rule] = {
    ("date", "string"): Rule("2026-11-21", _date_to_text, _sql_date_to_text),
    ("string", "date"): Rule("as a date is written", _text_to_date, _sql_text_to_date),
    ("time", "string"): Rule("23:59:59.999, with the unit's places", _time_to_text, _sql_time_to_text),
    ("string", "time"): Rule("as a time is written; 24:00:00 and leap seconds are not", _text_to_time, _sql_text_to_time),
    ("time", "time"): Rule("where it is whole in the target's unit", _time_to_time, _sql_time_to_time),
    ("timestamp", "string"): Rule(
        "2026-11-21T23:59:59.999, with the unit's places; an instant in UTC, with Z", _timestamp_to_text, _sql_timestamp_to_text
    ),
    ("string", "timestamp"): Rule("as a timestamp is written", _text_to_timestamp, _sql_text_to_timestamp),
    ("timestamp", "timestamp"): Rule(
        "where it is whole in the target's unit; the same instant, or the same wall time",
        _timestamp_to_timestamp,
        _sql_timestamp_to_timestamp,
    ),
    ("date", "timestamp"): Rule("midnight, as a wall time", _date_to_timestamp, _sql_date_to_timestamp),
    ("timestamp", "date"): Rule("wall times of midnight", _timestamp_to_date, _sql_timestamp_to_date),
    ("timestamp", "int"): _COUNT,
    ("timestamp", "integer"): _COUNT,
    ("int", "timestamp"): _FROM_COUNT,
    ("integer", "timestamp"): _FROM_COUNT,
    ("duration", "duration"): Rule("where it is whole in the target's unit", _duration_to_duration, _sql_duration_to_duration),
    ("duration", "int"): _UNITS,
    ("duration", "integer"): _UNITS,
    ("int", "duration"): _UNITS,
    ("integer", "duration"): _UNITS,
}
