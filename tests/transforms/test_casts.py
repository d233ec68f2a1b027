"""The cast table: three interpreters say the same of every value, every success can be undone, and the docs say so, too."""

from __future__ import annotations

import itertools
import math
import os
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from instar.formats.errors import MigrationError
from instar.formats.schema import Type, type_text
from instar.formats.typetext import parse_type
from instar.transforms import casts
from instar.transforms.evaluate import duck, sql_types
from instar.transforms.evaluate.duck_arrays import from_duck, to_duck
from instar.transforms.evaluate.kernels import cast_array
from instar.transforms.evaluate.plain import from_python, to_python

D = Decimal
DOCS = Path(__file__).parents[2] / "docs" / "casts.md"

INTS = [
    0,
    1,
    -1,
    2,
    7,
    127,
    128,
    -128,
    -129,
    255,
    256,
    32767,
    65504,
    65505,
    2**24,
    2**24 + 1,
    2**31 - 1,
    -(2**31),
    2**31,
    2**32 - 1,
]
INTS += [2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**22, 10**23, 10**37, 10**38, 10**38 + 1, -(10**40)]
INTS += [99, 100, 12345, 1577836800, 1577836800000, 253402300799, 253402300800, -62135596800, -62135596801, 2**127, 2**127 - 1]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    0.1,
    1.5,
    2.5,
    1e-5,
    1.5e-7,
    5e-324,
    2.2250738585072014e-308,
    1e15,
    1e16,
    1e17,
    123456789012345680.0,
]
FLOATS += [
    1e22,
    1e23,
    6.7e16,
    2.0**53,
    2.0**63,
    -(2.0**63),
    2.0**64,
    9.999e37,
    1e38,
    1.7e308,
    65504.0,
    65505.0,
    65520.0,
    2.0**-14,
    2.0**-24,
]
FLOATS += [2.0**-25, 6.1e-5, 3.4028234663852886e38, 1e39, math.inf, -math.inf, math.nan, 255.0, 256.0, 99.99, 0.01, 123.456, 1 / 3]
SINGLES = [struct.unpack("<f", struct.pack("<f", x))[0] for x in FLOATS if abs(x) < 3.41e38 or not math.isfinite(x)]
SINGLES += [2.0**n for n in range(-149, 128)]
HALVES = [x for x in SINGLES if not math.isfinite(x) or x in (0.0, 1.0, -1.0, 0.5, 1.5, 2.5, 65504.0, 2.0**-14, 2.0**-24, 256.0)]
NUMBERS = [
    D("1.10"),
    D("1E+2"),
    D("1e-7"),
    D("0.1"),
    D("0.10000000000000001"),
    D("-0.5"),
    D("0.00"),
    D("-0"),
    D("1e400"),
    D("1e2000"),
]
NUMBERS += [D("123456789012345678901234567890.123"), D("0.30000000000000004"), D("1E-400"), D("5e-324"), D("99.99"), D("100.00")]
TEXTS: list[str] = [
    "0",
    "1",
    "-1",
    "007",
    "+5",
    " 5",
    "5 ",
    "-0",
    "1e3",
    "1_0",
    "127",
    "128",
    "-128",
    "255",
    "256",
    "2147483648",
    "9223372036854775807",
]
TEXTS += [
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "9" * 38,
    "9" * 1000,
    "9" * 1001,
]
TEXTS += [
    "-" + "9" * 1000,
    "0.5",
    ".5",
    "0.50",
    "1.5",
    "1.50",
    "-0.00",
    "0.00",
    "1.500",
    "1e+16",
    "1e16",
    "1E+16",
    "1e-05",
    "1e-5",
    "0.0001",
]
TEXTS += [
    "nan",
    "NaN",
    "-nan",
    "inf",
    "-inf",
    "Infinity",
    "-0.0",
    "0.1",
    "3.4028235e+38",
    "1e+39",
    "5e-324",
    "1e400",
    "16777217.0",
    "٣",
    "0x10",
]
TEXTS += [
    "true",
    "false",
    "True",
    "t",
    "",
    "é",
    "a\0b",
    "\U0001f600",
    "ß",
    "x",
    "y",
    "null",
    "2020-02-29",
    "2021-02-29",
    "0000-01-01",
]
TEXTS += [
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2020-1-1",
    "20200101",
    "epoch",
    "infinity",
    "-infinity",
    "today",
    "23:59:59",
    "24:00:00",
]
TEXTS += [
    "23:59:60",
    "12:00:00.5",
    "12:00:00.500",
    "12:00:00.500000",
    "12:00:00.500000000",
    "2020-02-29T12:00:00",
    "2020-02-29 12:00:00",
]
TEXTS += [
    "2020-02-29T12:00:00Z",
    "2020-02-29T12:00:00.123",
    "2020-02-29T12:00:00.123Z",
    "2020-02-29T12:00:00.123456",
    "1677-12-31T23:59:59.999999999",
]
TEXTS += [
    "2020-02-29T12:00:00.123456Z",
    "2020-02-29T12:00:00.123456789",
    "2020-02-29T12:00:00.123456789Z",
    "2020-02-30T12:00:00Z",
    "0000-12-31T00:00:00Z",
]
TEXTS += [
    "2016-12-31T23:59:60Z",
    "2020-02-29T12:00:00+00:00",
    "0001-01-01T00:00:00.000000Z",
    "2262-01-01T00:00:00.000000000",
    "1678-01-01T00:00:00.000000000",
]
TEXTS += [
    "6f1e2f0a-0000-4000-8000-00000000abcd",
    "6F1E2F0A-0000-4000-8000-00000000ABCD",
    "6f1e2f0a00004000800000000000abcd",
    "1.5\n",
    "5\n",
    "2020-02-29\n",
]
STAMPS = [
    0,
    1,
    -1,
    999,
    1000,
    1_000_000,
    1_000_000_000,
    86_400,
    86_400_000,
    86_400_000_000,
    86_400_000_000_000,
    -86_400,
    -86_400_000_000,
]


def stamps(unit: str) -> list[int]:
    """Around the ends of what is cast, and what DuckDB can hold of what is not."""
    from instar.formats.isotext import bounds

    low, high = bounds(unit)
    edge = [low, high, low + 1, high - 1, low - 1, high + 1]
    small = [n for n in STAMPS if unit != "s" or abs(n) < 10**12]
    return small + edge + [1_577_836_800 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] + n for n in (0, 1, 1000, 500_000)]


VALUES: dict[str, list[Any]] = {
    "null": [],
    "bool": [True, False],
    **{f"int{b}": [n for n in INTS if -(2 ** (b - 1)) <= n < 2 ** (b - 1)] for b in (8, 16, 32, 64)},
    **{f"uint{b}": [n for n in INTS if 0 <= n < 2**b] for b in (8, 16, 32, 64)},
    "integer": [*INTS, 10**999, 10**1000 - 1],
    "number": [*INTS, *NUMBERS],
    "half": HALVES,
    "float": SINGLES,
    "double": FLOATS,
    "decimal(5,2)": [D("0.00"), D("1.50"), D("-1.50"), D("999.99"), D("-0.01"), D("99.00"), D("128.00")],
    "decimal(2,2)": [D("0.00"), D("0.50"), D("-0.05"), D("0.99")],
    "decimal(38,0)": [D(n) for n in INTS if abs(n) < 10**38],
    "decimal(38,10)": [D("0E-10"), D("1.5000000000"), D("12345678901234567890.1234567890"), D("0.1000000000"), D("-99.9900000000")],
    "string": TEXTS,
    "bytes": [b"", b"ab", b"\xff", "é".encode(), b"a\0", b"abc", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"],
    "fixed(3)": [b"abc", b"\0\0\0", b"\xff\xff\xff"],
    "date": [0, -1, 18321, -719162, 2932896, -719163, 2932897, -106650, 106650],
    **{
        f"time({u})": [0, 1, 43200 * n, 86_400 * n - 1, 43200 * n + 5, 1000]
        for u, n in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
    },
    **{f"timestamp({u})": stamps(u) for u in ("s", "ms", "us", "ns")},
    **{f"timestamp({u}, UTC)": stamps(u) for u in ("s", "ms", "us", "ns")},
    "timestamp(us, Europe/Paris)": stamps("us"),
    **{f"duration({u})": [0, 1, -1, 1000, 10**6, 10**9, 2**63 - 1, -(2**63), -1500] for u in ("s", "ms", "us", "ns")},
    "uuid": ["6f1e2f0a-0000-4000-8000-00000000abcd", "6F1E2F0A-0000-4000-8000-00000000ABCD"],
    "enum(x, y)": ["x", "y"],
    "enum(y, é, 'z)": ["y", "é", "'z"],
}  # fmt: skip
TYPES = {text: parse_type(text) for text in VALUES}
EDGES: dict[str, list[Any]] = {"time(s)": [86_400], "time(us)": [86_400_000_000], "date": [2**31 - 1, -(2**31)]}
"""What a file may hold but DuckDB takes for an infinity or cannot hold at all: record and Arrow must refuse it."""

PAIRS = [(a, b) for a, b in itertools.product(TYPES, TYPES) if a != b and casts.rule_for(TYPES[a], TYPES[b])]


def by_record(values: list[Any], source: Type, to: Type) -> list[Any]:
    convert, out = casts.convert(source, to), []
    for value in values:
        try:
            out.append(convert(value))
        except (ValueError, OverflowError):
            out.append(None)
    return out


def by_arrow(values: list[Any], source: Type, to: Type) -> list[Any]:
    return to_python(cast_array(from_python(values, source), source, to), to)


def by_duckdb(values: list[Any], source: Type, to: Type) -> list[Any]:
    text = f"CAST({casts.render(source, to)('c0')} AS {sql_types.sql_type(to)})"
    out = duck.computed(text, [to_duck(from_python(values, source), source)], len(values))
    return to_python(from_duck(out, to), to)


def exactly(value: Any) -> Any:
    """Floats by their bits (any NaN is NaN), numbers by value, True apart from 1."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, bool):
        return repr(value)
    return value


def held(values: list[Any], type: Type) -> list[Any]:
    """The values that have a plain form: -0 and 1e2000 are numbers of JSON's that are only carried."""
    out = []
    for value in values:
        try:
            from_python([value], type)
            out.append(value)
        except Exception:
            assert type_text(type) in ("number", "integer", "string"), value
    return out


@pytest.mark.parametrize(("source", "to"), PAIRS)
def test_the_interpreters_agree_and_what_succeeds_can_be_undone(source: str, to: str) -> None:
    a, b = TYPES[source], TYPES[to]
    values = held(VALUES[source], a)
    record = by_record(values, a, b)
    arrow, sql = by_arrow(values, a, b), by_duckdb(values, a, b)
    for value, x, y, z in zip(values, record, arrow, sql, strict=True):
        assert exactly(x) == exactly(y), ("Arrow differs", value, x, y)
        assert exactly(x) == exactly(z), ("DuckDB differs", value, x, z)
    kept = [(value, x) for value, x in zip(values, record, strict=True) if x is not None]
    back = by_record([x for _, x in kept], b, a)
    for (value, x), again in zip(kept, back, strict=True):
        assert exactly(value) == exactly(again), ("not undone", value, x, again)


@pytest.mark.parametrize(("source", "to"), [(a, b) for a, b in PAIRS if a in EDGES])
def test_values_beyond_the_calendar_are_refused(source: str, to: str) -> None:
    a, b = TYPES[source], TYPES[to]
    if (source, to) in {("date", "date"), ("null", "null")}:
        return
    assert by_record(EDGES[source], a, b) == [None] * len(EDGES[source])
    assert by_arrow(EDGES[source], a, b) == [None] * len(EDGES[source])


@pytest.mark.parametrize(("source", "to"), PAIRS)
def test_every_pair_has_its_way_back(source: str, to: str) -> None:
    casts.check(TYPES[to], TYPES[source])


@pytest.mark.parametrize("text", ["007", "+5", " 5", "1e3", "1_0", "-0", "2.6", "", "٣"])
def test_only_canonical_text_becomes_an_integer(text: str) -> None:
    assert by_record([text], parse_type("string"), parse_type("int64")) == [None]


@pytest.mark.parametrize(
    ("source", "to", "words"),
    [
        ("timestamp(us)", "timestamp(us, UTC)", 'zone="UTC"'),
        ("bool", "date", "bool can become"),
        ("list<int32>", "string", "cast the fields inside"),
        ("json", "string", "carried as they are"),
        ("decimal(50,2)", "string", "can become"),
        ("date", "timestamp(us, UTC)", "can become"),
        ("timestamp(us)", "int32", "can become"),
    ],
)
def test_a_pair_outside_the_table_is_refused_with_a_way_out(source: str, to: str, words: str) -> None:
    with pytest.raises(MigrationError) as error:
        casts.check(parse_type(source), parse_type(to))
    assert source in error.value.message
    assert to in error.value.message
    assert words in error.value.hint


def test_a_type_becomes_itself() -> None:
    for type in TYPES.values():
        casts.check(type, type)


def rendered() -> str:
    """docs/casts.md, from the table."""
    kinds = dict.fromkeys(source for source, _ in casts.PAIRS)
    lines = [HEAD]
    for kind in kinds:
        lines.append(f"## from {NAMES.get(kind, kind)}\n\n| to | what passes |\n|---|---|")
        lines += [f"| {NAMES.get(b, b)} | {rule.meaning} |" for (a, b), rule in casts.PAIRS.items() if a == kind]
        lines.append("")
    return "\n".join(lines)


NAMES = {
    "int": "int8 … uint64", "decimal": "decimal(p,s)", "time": "time(u)", "timestamp": "timestamp(u[, tz])",
    "duration": "duration(u)", "fixed": "fixed(n)", "enum": "enum(…)",
}  # fmt: skip
HEAD = """# What `op.cast` does

<!-- Written by tests/transforms/test_casts.py: INSTAR_WRITE_DOCS=1 pytest tests/transforms/test_casts.py -k docs -->

One principle decides the whole table: **a cast that succeeds can be undone.** A value that the target cannot hold so that it
comes back the same is refused, with its record named; it is never rounded, cut, wrapped or guessed at. (`on_error="null"` makes
a null of it instead, and then the way back has lost it.) For every pair the table has the way back, and the same table holds in
Parquet, Avro and JSON and in the proof: the test that wrote this page runs every pair over awkward values as Python, Arrow and
DuckDB SQL, and compares them bit by bit. A pair on which the engines differ is left out.

- Text has one form for each value. `007`, `+5`, ` 12` and `1e3` are no integers, `1.5` is no decimal(10,2), `2020-1-1` no date.
- Dates and timestamps are cast within the years 0001 to 9999, those in nanoseconds within 1678 to 2261. A leap second and
  24:00:00 are no times. An instant is written in UTC, with a Z; which zone a wall time is of, only `zone=` can say.
- Rounding is asked for by `rounding=`, and is lossy.
- `integer` and `number` are JSON's, without bounds; more than 1,000 digits are only carried. -0 is no integer and no decimal.
- A null stays null, a missing key stays missing. A column of nulls only (`null`) becomes any type of the table.
- Not in the table: nested types, unions, decimals of more than 38 digits, and float to and from string (make it a double first).
"""


def test_the_docs_say_what_the_table_says() -> None:
    if os.environ.get("INSTAR_WRITE_DOCS"):
        DOCS.write_text(rendered(), encoding="utf-8")
    again = "INSTAR_WRITE_DOCS=1 pytest tests/transforms/test_casts.py -k docs"
    assert DOCS.read_text(encoding="utf-8") == rendered(), f"docs/casts.md is stale; write it anew: {again}"
