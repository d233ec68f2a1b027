"""The cast table over plain Arrow arrays: vector kernels for common pairs, the record rule over distinct values for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from instar.formats.bare import number
from instar.formats.compute import pc
from instar.formats.isotext import PER_SECOND, bounds
from instar.formats.schema import Bool, Bytes, Date, Float, Int, String, Timestamp, Type
from instar.transforms import casts
from instar.transforms.casts.ways import Way

from .plain import from_python, plain_type, to_python

Kernel = Callable[[pa.Array, Any, Any], pa.Array]


def cast_array(array: pa.Array, source: Type, to: Type) -> pa.Array:
    """A plain array of `source` as a plain one of `to`: null where the table refuses a value."""
    if source == to:
        return array
    if len(array) == array.null_count:
        return pa.nulls(len(array), plain_type(to))
    kernel = _KERNELS.get((source.__class__, to.__class__), by_distinct_values)
    return kernel(array, source, to)


def by_distinct_values(array: pa.Array, source: Type, to: Type, way: Way | None = None) -> pa.Array:
    """Each distinct value once, by the record rule. Floats are told apart by their bits."""
    keys = array.view(_BITS[array.type]) if array.type in _BITS else array
    encoded = keys.dictionary_encode()
    distinct = encoded.dictionary.view(array.type) if array.type in _BITS else encoded.dictionary
    convert, out = casts.convert(source, to, way), []
    for value in to_python(distinct, source):
        try:
            out.append(convert(value))
        except (ValueError, OverflowError):
            out.append(None)
    return from_python(out, to).take(encoded.indices)


_BITS = {pa.float16(): pa.uint16(), pa.float32(): pa.int32(), pa.float64(): pa.int64()}


def _where(test: pa.Array | None, array: pa.Array) -> pa.Array:
    return array if test is None else pc.if_else(test, array, pa.nulls(1, array.type)[0])


def _scalar(value: int | float, like: pa.Array) -> pa.Scalar:
    return number(value, like.type)


def _all_within(array: pa.Array, low: int, high: int) -> bool:
    """Are all of these integers? To look once costs less than to say of each whether it is."""
    found = pc.min_max(array)
    least, greatest = found["min"].as_py(), found["max"].as_py()
    return least is None or (low <= least and greatest <= high)


def _int_to_int(array: pa.Array, source: Int, to: Int) -> pa.Array:
    if _all_within(array, to.low, to.high):
        return array.cast(plain_type(to))
    if to.low > source.low:
        array = _where(pc.greater_equal(array, _scalar(to.low, array)), array)
    if to.high < source.high:
        array = _where(pc.less_equal(array, _scalar(to.high, array)), array)
    return array.cast(plain_type(to))


def _int_to_float(array: pa.Array, source: Int, to: Float) -> pa.Array:
    if to.bits == 16:
        return by_distinct_values(array, source, to)
    out = array.cast(plain_type(to), safe=False)
    exact = 1 << (53 if to.bits == 64 else 24)  # every integer up to there is a float
    if max(source.high, -source.low) <= exact or _all_within(array, -exact, exact):
        return out
    back = _where(pc.less(out, _scalar(float(source.high + 1), out)), out).cast(array.type, safe=False)
    return _where(pc.equal(back, array), out)


def _float_to_int(array: pa.Array, source: Float, to: Int) -> pa.Array:
    if source.bits == 16:
        array = array.cast(pa.float32())
    whole = pc.equal(array, pc.trunc(array))
    inside = pc.and_(pc.greater_equal(array, _scalar(float(to.low), array)), pc.less(array, _scalar(float(to.high + 1), array)))
    minus_zero = pc.less(pc.divide(_scalar(1.0, array), array), _scalar(0.0, array))
    there = pc.and_(pc.and_(whole, inside), pc.invert(pc.and_(pc.equal(array, _scalar(0.0, array)), minus_zero)))
    return _where(there, array).cast(plain_type(to))


def _float_to_float(array: pa.Array, source: Float, to: Float) -> pa.Array:
    if 16 in (source.bits, to.bits):
        return by_distinct_values(array, source, to)
    out = array.cast(plain_type(to), safe=False)
    return _where(pc.or_(pc.equal(out.cast(array.type), array), pc.is_nan(array)), out) if to.bits < source.bits else out


def _int_to_string(array: pa.Array, _: Int, __: String) -> pa.Array:
    return array.cast(pa.string())


_WIDE = pa.decimal128(38, 0)


def _string_to_int(array: pa.Array, _: String, to: Int) -> pa.Array:
    wide = _where(pc.match_substring_regex(array, r"\A(0|-?[1-9][0-9]{0,19})\z"), array).cast(_WIDE)
    low, high = pa.scalar(to.low, _WIDE), pa.scalar(to.high, _WIDE)
    return _where(pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high)), wide).cast(plain_type(to))


def _string_to_bytes(array: pa.Array, _: String, __: Bytes) -> pa.Array:
    return array.cast(pa.binary())


def _bool_to_string(array: pa.Array, _: Bool, __: String) -> pa.Array:
    return pc.if_else(array, "true", "false")


def _bounded(array: pa.Array, unit: str) -> pa.Array:
    """A timestamp's counts of units, null outside the years that are cast."""
    counts = array.cast(pa.int64())
    low, high = bounds(unit)
    return (
        counts
        if _all_within(counts, low, high)
        else _where(pc.and_(pc.greater_equal(counts, _scalar(low, counts)), pc.less_equal(counts, _scalar(high, counts))), counts)
    )


def _timestamp_to_timestamp(array: pa.Array, source: Timestamp, to: Timestamp) -> pa.Array:
    counts, (low, high) = _bounded(array, source.unit), bounds(to.unit)
    if (ratio := PER_SECOND[to.unit] // PER_SECOND[source.unit]) > 0:
        low, high = -(-low // ratio), high // ratio
        if not _all_within(counts, low, high):
            fits = pc.and_(pc.greater_equal(counts, _scalar(low, counts)), pc.less_equal(counts, _scalar(high, counts)))
            counts = _where(fits, counts)
        return pc.multiply(counts, _scalar(ratio, counts)).cast(plain_type(to))
    ratio = _scalar(PER_SECOND[source.unit] // PER_SECOND[to.unit], counts)
    out = pc.divide(counts, ratio)  # towards zero; where it is not whole, multiplying back shows it
    return _where(pc.equal(pc.multiply(out, ratio), counts), out).cast(plain_type(to))


def _timestamp_to_string(array: pa.Array, source: Timestamp, _: String) -> pa.Array:
    wall = _bounded(array, source.unit).cast(pa.timestamp(source.unit))
    return pc.strftime(wall, "%Y-%m-%dT%H:%M:%S" + ("Z" if source.zone else ""))


def _date_to_string(array: pa.Array, _: Date, __: String) -> pa.Array:
    days, (low, high) = array.cast(pa.int32()), bounds("s")
    inside = pc.and_(pc.greater_equal(days, low // 86_400), pc.less_equal(days, high // 86_400))
    return _where(inside, array).cast(pa.string())


_KERNELS: dict[tuple[type, type], Kernel] = {
    (Int, Int): _int_to_int,
    (Int, Float): _int_to_float,
    (Float, Int): _float_to_int,
    (Float, Float): _float_to_float,
    (Int, String): _int_to_string,
    (String, Int): _string_to_int,
    (String, Bytes): _string_to_bytes,
    (Bool, String): _bool_to_string,
    (Timestamp, Timestamp): _timestamp_to_timestamp,
    (Timestamp, String): _timestamp_to_string,
    (Date, String): _date_to_string,
}
