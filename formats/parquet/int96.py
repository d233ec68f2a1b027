"""INT96 timestamps: carried as their raw twelve bytes, decoded only where an operation touches them.

pyarrow reads INT96 as nanoseconds and wraps silently (the year 1 becomes 1754). In memory the footer therefore declares such a
leaf FIXED_LEN_BYTE_ARRAY(12), whose plain and dictionary encodings are byte for byte the same; the written file's footer is
declared back. Layout: 8 bytes nanoseconds of the day, 4 bytes Julian day, little endian (Apache Impala's and Hive's timestamps).
"""
# pyright: reportAttributeAccessIssue=false
# (the functions of pyarrow.compute are made when it is imported)

from __future__ import annotations

import pyarrow as pa

from instar.formats.compute import pc
from instar.formats.errors import DataError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, List, Map, Record, Timestamp, Type

from .footer import FIXED, INT96, Footer, as_fixed, flat, get, items, with_elements
from .thrift import I32, LIST, STRUCT, Struct

RAW = pa.binary(12)
MICROSECONDS = pa.timestamp("us")
STORAGE = {"parquet": "int96"}
_EPOCH = 2_440_588  # the Julian day of 1970-01-01
_DAY = 86_400_000_000
_MOST_DAYS = 106_640_000  # more than this around 1970 and int64 microseconds may not hold the sum


def int96_leaves(footer: Footer) -> tuple[int, ...]:
    """The ordinals of the leaves that are INT96."""
    return tuple(i for i, leaf in enumerate(footer.leaves) if leaf.physical == INT96)


def as_fixed_bytes(footer: Footer) -> Struct:
    """The footer with each INT96 leaf declared FIXED_LEN_BYTE_ARRAY(12)."""
    elements = [as_fixed(struct) if get(struct, 1) == INT96 else struct for struct in flat(footer.root)]
    return with_elements(_with_types(footer.struct, set(int96_leaves(footer)), FIXED), elements)


def as_int96(struct: Struct, leaves: set[int]) -> Struct:
    """The column chunks of a written footer declared INT96 again (its schema elements are another's business).

    INT96 has no order, so what a reader would prune by (statistics, column index) goes.
    """
    return _with_types(struct, leaves, INT96)


def _with_types(struct: Struct, leaves: set[int], physical: int) -> Struct:
    groups = [{**group, 1: (LIST, (STRUCT, _chunks(group, leaves, physical)))} for group in items(struct, 4)]
    return {**struct, 4: (LIST, (STRUCT, groups))} if 4 in struct else struct


def _chunks(group: Struct, leaves: set[int], physical: int) -> list[Struct]:
    chunks = items(group, 1)
    return [_chunk(chunk, physical) if leaf in leaves else chunk for leaf, chunk in enumerate(chunks)]


def _chunk(chunk: Struct, physical: int) -> Struct:
    meta = {number: held for number, held in get(chunk, 3, {}).items() if number != 12}
    bare = {number: held for number, held in chunk.items() if number not in (6, 7)}
    return {**bare, 3: (STRUCT, {**meta, 1: (I32, physical)})}


def with_timestamps(field: Field, at: Path, leaves: frozenset[Path]) -> Field:
    """The field with the INT96 places among `leaves` as timestamps in microseconds that remember their storage."""
    if at in leaves:
        extra = {key: value for key, value in field.extra.items() if key != "arrow"}
        return field.with_(type=Timestamp("us"), extra=extra | STORAGE)
    return field.with_(type=_below(field.type, at, leaves))


def _below(type: Type, at: Path, leaves: frozenset[Path]) -> Type:
    match type:
        case Record(fields):
            return Record(tuple(with_timestamps(f, (*at, f.name), leaves) for f in fields), type.name)
        case List(item):
            return List(with_timestamps(item, (*at, EACH_ITEM), leaves))
        case Map(value):
            return Map(with_timestamps(value, (*at, EACH_VALUE), leaves), type.key)
        case _:
            return type


# ---- values
def decoded(raw: pa.Array, *, path: Path = (), strict: bool) -> pa.Array:
    """Raw twelve bytes as timestamps in microseconds.

    `strict` refuses what microseconds do not hold; otherwise such a value is cut off at the range's end or to whole
    microseconds, which is good enough to recognise it by (see `merged`).

    Raises:
        DataError: with `strict`, the first value out of range or finer than microseconds; `where.row` is its row in the array.
    """
    day, nanos = _parts(raw)
    days = pc.subtract(day, _EPOCH)
    fits = pc.and_(pc.less_equal(pc.abs(days), _MOST_DAYS), pc.equal(_remainder(nanos), 0))
    if strict and not pc.all(fits, min_count=0).as_py():
        row = pc.index(fits, pa.scalar(False)).as_py()
        raise DataError(
            f"the INT96 timestamp 0x{raw[row].as_py().hex()} is out of the range, or finer, than microseconds can hold",
            hint="A column that no operation touches keeps such values exactly; repair them where they are written.",
        ).at(row=row, path=path_text(path) or None)
    near = pc.min_element_wise(pc.max_element_wise(days, -_MOST_DAYS), _MOST_DAYS)
    micros = pc.add(pc.multiply(near, _DAY), pc.divide(pc.subtract(nanos, _remainder(nanos)), 1000))
    return pc.if_else(pc.is_valid(raw), micros, pa.scalar(None, pa.int64())).cast(MICROSECONDS)


def _remainder(nanos: pa.Array) -> pa.Array:
    """What is left over whole microseconds, of the sign of the number (Arrow's division truncates)."""
    return pc.subtract(nanos, pc.multiply(pc.divide(nanos, 1000), 1000))


def _parts(raw: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Julian days and nanoseconds as int64, whatever stands below a null."""
    raw = pa.concat_arrays([raw]) if raw.offset else raw
    data = raw.buffers()[1]
    words = pa.Array.from_buffers(pa.int32(), 3 * (len(raw) + raw.offset), [None, data]).slice(3 * raw.offset)
    triples = pa.FixedSizeListArray.from_arrays(words, 3)
    low, high, day = (pc.list_element(triples, i).cast(pa.int64()) for i in range(3))
    unsigned = pc.bit_wise_and(low, 0xFFFFFFFF)
    return day, pc.bit_wise_or(pc.shift_left(high, 32), unsigned)


def encoded(times: pa.Array) -> pa.Array:
    """Timestamps in microseconds as INT96's twelve bytes."""
    out = [None if v is None else _bytes(v) for v in times.cast(pa.int64()).to_pylist()]
    return pa.array(out, RAW)


def _bytes(micros: int) -> bytes:
    days, rest = divmod(micros, _DAY)
    return (rest * 1000).to_bytes(8, "little") + (days + _EPOCH).to_bytes(4, "little", signed=True)


def merged(raw: pa.Array, shown: pa.Array, result: pa.Array) -> pa.Array:
    """The raw bytes where an operation left `shown` (what it was given for them) as it was, else the new time's bytes."""
    same = pc.fill_null(pc.equal(shown, result), False)
    both = pc.and_(pc.is_null(shown), pc.is_null(result))
    keep = pc.or_(same, both)
    if pc.all(keep, min_count=0).as_py():
        return raw
    return pc.if_else(keep, raw, encoded(result))
