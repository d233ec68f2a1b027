"""Casts in a way that a script names: the interpreters agree on every value, and what is not lossy can be undone."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from typing import Any

import pytest

from instar.formats.errors import MigrationError
from instar.formats.schema import List, Type
from instar.formats.typetext import parse_type
from instar.transforms import casts
from instar.transforms.casts import rounding
from instar.transforms.casts.ways import InZone, Only, Piece, Way, Wrapped
from instar.transforms.evaluate import duck, sql_types
from instar.transforms.evaluate.duck_arrays import from_duck, to_duck
from instar.transforms.evaluate.plain import from_python, to_python
from instar.transforms.evaluate.ways import by_way, nulls_by
from instar.transforms.expression import Cast, Source

REFUSED = "refused"


def by_record(values: list[Any], source: Type, to: Type, way: Way) -> list[Any]:
    convert, out = casts.convert(source, to, way), []
    for value in values:
        try:
            out.append(convert(value))
        except (ValueError, OverflowError):
            out.append(REFUSED)
    return out


def by_arrow(values: list[Any], source: Type, to: Type, way: Way) -> list[Any]:
    array = from_python(values, source)
    made = to_python(by_way(array, Cast(Source(("x",), source), source, to, way=way)), to)
    nulls = nulls_by(way, array)
    allowed = [False] * len(values) if nulls is None else nulls.to_pylist()
    return [REFUSED if x is None and not null else x for x, null in zip(made, allowed, strict=True)]


def by_duckdb(values: list[Any], source: Type, to: Type, way: Way) -> list[Any]:
    given = to_duck(from_python(values, source), source)
    text = f"CAST({casts.render(source, to, way)('c0')} AS {sql_types.sql_type(to)})"
    made = to_python(from_duck(duck.computed(text, [given], len(values)), to), to)
    nulls = way.nulls("c0")
    allowed = duck.computed(nulls, [given], len(values)).to_pylist() if nulls else [False] * len(values)
    return [REFUSED if x is None and not null else x for x, null in zip(made, allowed, strict=True)]


def agreed(values: list[Any], source: str, to: str, way: Way) -> list[Any]:
    a, b = parse_type(source), parse_type(to)
    record, arrow, sql = (run(values, a, b, way) for run in (by_record, by_arrow, by_duckdb))
    for value, x, y, z in zip(values, record, arrow, sql, strict=True):
        assert x == y, ("Arrow differs", value, x, y)
        assert x == z, ("DuckDB differs", value, x, z)
    if way.loss is None and not isinstance(way, Piece):
        back = way.back()
        kept = [(v, x) for v, x in zip(values, record, strict=True) if x != REFUSED and x is not None]
        assert by_record([x for _, x in kept], b, a, back) == [v for v, _ in kept]  # type: ignore[arg-type]
    return record


# ---- zones
def seconds(text: str) -> int:
    return casts.convert(parse_type("string"), parse_type("timestamp(s)"))(text)


WALLS = [
    "2024-01-01T00:00:00", "2024-07-01T12:00:00", "2024-03-31T01:59:59", "2024-03-31T02:00:00", "2024-03-31T02:30:00",
    "2024-03-31T03:00:00", "2024-10-27T01:59:59", "2024-10-27T02:00:00", "2024-10-27T02:59:59", "2024-10-27T03:00:00",
    "1969-12-31T23:59:59", "1911-03-10T23:55:00", "1800-01-01T00:00:00", "2100-07-01T00:00:00", "2011-12-30T12:00:00",
    "2024-04-07T01:45:00", "2024-04-07T02:15:00",
]  # fmt: skip
ZONES = ["Europe/Paris", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_wall_times_of_a_zone_are_instants_where_the_clock_shows_them_once(zone: str, unit: str):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    walls = [seconds(text) * per + (per - 1 if per > 1 else 0) for text in WALLS]
    made = agreed(walls, f"timestamp({unit})", f"timestamp({unit}, UTC)", InZone(zone))
    agreed([x for x in made if x != REFUSED] + walls, f"timestamp({unit}, UTC)", f"timestamp({unit})", InZone(zone))


def test_what_the_clock_skips_or_shows_twice_is_refused():
    made = agreed([seconds(text) for text in WALLS[:10]], "timestamp(s)", "timestamp(s, Europe/Paris)", InZone("Europe/Paris"))
    assert [x == REFUSED for x in made] == [False, False, False, True, True, False, False, True, True, False]
    assert made[0] == seconds("2023-12-31T23:00:00")
    assert made[1] == seconds("2024-07-01T10:00:00")


def test_the_ends_of_the_calendar_are_refused():
    for unit in ("s", "us"):
        low, high = casts.times.bounds(unit)
        assert agreed([low, high], f"timestamp({unit})", f"timestamp({unit}, UTC)", InZone("Asia/Tokyo")) == [REFUSED, REFUSED]


@pytest.mark.parametrize("zone", ["Europe/Pariss", "", "+02:00", "../etc/passwd"])
def test_a_zone_must_exist(zone: str):
    with pytest.raises(MigrationError, match="there is no time zone"):
        InZone(zone)


# ---- rounding
CHANCE = random.Random(7)
DECIMALS = [Decimal(n).scaleb(-3) for n in (0, 1, -1, 499, 500, 501, -499, -500, -501, 1500, 2500, -1500, 999499, 999500, -999999)]
DECIMALS += [Decimal(CHANCE.randint(-(10**6) + 1, 10**6 - 1)).scaleb(-3) for _ in range(50)]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 0.49999999999999994, 127.4, 127.5, 1e10, 2.0**52 + 1, 2.0**62, 1e19, 1e37,
          1e39, float("inf"), float("nan"), -127.5, -128.5, -128.6]  # fmt: skip
COUNTS = [0, 1, -1, 499, 500, 501, 999, 1000, -499, -500, -501, -999, -1000, 1500, 2500, -1500, -2500, 86_400_000, -86_400_000]
COUNTS += [86_399_999, 43_200_000, 129_600_000, -43_200_000, 10**12 + 500]


@pytest.mark.parametrize("mode", rounding.MODES)
@pytest.mark.parametrize(
    ("source", "to", "values"),
    [
        ("decimal(6,3)", "decimal(6,1)", DECIMALS), ("decimal(6,3)", "decimal(4,0)", DECIMALS),
        ("decimal(6,3)", "decimal(2,2)", DECIMALS),
        ("decimal(6,3)", "int8", DECIMALS), ("decimal(6,3)", "integer", DECIMALS), ("decimal(6,3)", "decimal(6,2)", DECIMALS),
        ("decimal(38,3)", "decimal(38,2)", [*DECIMALS, Decimal("99999999999999999999999999999999999.995")]),
        ("decimal(38,37)", "decimal(37,36)", [Decimal("9." + "9" * 36 + "5"), Decimal("0.05" + "0" * 35)]),
        ("double", "int8", FLOATS), ("double", "int64", FLOATS), ("double", "integer", FLOATS), ("double", "uint64", FLOATS),
        ("float", "int32", [0.5, 1.5, -2.5, 2.0**31, 2.0**30 + 128]),
        ("timestamp(ms)", "timestamp(s)", COUNTS), ("timestamp(ms, UTC)", "timestamp(s, UTC)", COUNTS),
        ("timestamp(ns)", "timestamp(us)", COUNTS), ("timestamp(us)", "timestamp(ms)", COUNTS), ("timestamp(ms)", "date", COUNTS),
        ("time(ms)", "time(s)", [c for c in COUNTS if 0 <= c < 86_400_000]),
        ("time(ns)", "time(us)", [0, 499, 500, 1500, 86_399_999_999_999]),
        ("duration(ms)", "duration(s)", COUNTS),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)  # fmt: skip
def test_rounding_is_the_same_everywhere(mode: rounding.Mode, source: str, to: str, values: list[Any]):
    assert rounding.possible(parse_type(source), parse_type(to))
    made = agreed(values, source, to, rounding.Rounded(mode))
    back = casts.convert(parse_type(to), parse_type(source))
    for x in made:
        if x != REFUSED:
            back(x)


def test_what_rounding_means():
    def rounded(values: list[str], mode: rounding.Mode) -> list[str]:
        given = [Decimal(v) for v in values]
        return [str(x) for x in agreed(given, "decimal(6,1)", "decimal(6,0)", rounding.Rounded(mode))]

    given = ["0.4", "0.5", "1.5", "-0.5", "-1.5", "-1.6"]
    assert rounded(given, "truncate") == ["0", "0", "1", "0", "-1", "-1"]
    assert rounded(given, "half_even") == ["0", "0", "2", "0", "-2", "-2"]
    assert rounded(given, "half_up") == ["0", "1", "2", "-1", "-2", "-2"]
    expected: dict[rounding.Mode, list[int]] = {"truncate": [0, -1, -1], "half_even": [0, 0, -1], "half_up": [1, 0, -1]}
    for mode in rounding.MODES:
        assert agreed([500, -500, -501], "timestamp(ms)", "timestamp(s)", rounding.Rounded(mode)) == expected[mode]


# ---- pieces, lists
@pytest.mark.parametrize("separator", [",", " ", "''", "é🙂", "\0", "->", "--", "%s", "\\"])
def test_a_text_is_cut_in_as_many_pieces_as_were_asked_for(separator: str):
    texts = ["", "a", separator, f"a{separator}b", f"{separator}{separator}", f"x{separator}y{separator}z", "ab" + separator]
    first = agreed(texts, "string", "string", Piece(separator, 0, 2))
    assert first == [REFUSED, REFUSED, "", "a", REFUSED, REFUSED, "ab"]
    assert agreed(texts, "string", "string", Piece(separator, 2, 3))[4:6] == ["", "z"]


LISTS = [[], [1], [1, 2], [None], [None, 1], [1, None], [3, 4, 5]]


CHOICES = [*itertools.product(["fail", "null", "first", "last"], ["null", "fail"], [True, False])]


@pytest.mark.parametrize(("several", "empty", "nullable"), CHOICES)
def test_the_element_of_a_list(several: Any, empty: Any, nullable: bool):
    made = agreed(LISTS, "list<int64?>", "int64", Only(several, empty, nullable))
    nothing = None if empty == "null" else REFUSED
    expected = {
        "fail": [1, *[REFUSED] * 5], "null": [1, None, REFUSED, None, None, None], "first": [1, 1, None, None, 1, 3],
        "last": [1, 2, None, 1, None, 5],
    }[several]  # fmt: skip
    assert made == [nothing, *expected]


@pytest.mark.parametrize("type", ["int64", "string", "decimal(9,2)", "timestamp(us, UTC)", "bool"])
def test_a_list_of_one(type: str):
    value = {"int64": 1, "string": "é", "decimal(9,2)": Decimal("1.50"), "timestamp(us, UTC)": 7, "bool": False}[type]
    assert agreed([value], type, f"list<{type}>", Wrapped()) == [[value]]
    array = from_python([value, None], parse_type(type))
    to = parse_type(f"list<{type}>")
    assert isinstance(to, List)
    made = by_way(array, Cast(Source(("x",), parse_type(type)), parse_type(type), to, way=Wrapped()))
    assert to_python(made, to) == [[value], None]
