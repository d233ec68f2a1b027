"""Natural Python values to Instar's own form and back: every type, its limits, what is refused."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal as Number
from typing import Any

import pytest

from instar.formats.errors import DataError, MigrationError
from instar.formats.schema import MISSING, Field, Json, List, Map, Record, String, Timestamp
from instar.formats.typetext import parse_field_type, parse_type
from instar.transforms.natural import from_natural, to_natural, zone_named

UTC = dt.UTC
PAIRS: list[tuple[str, Any, Any]] = [
    ("bool", True, True),
    ("int8", -128, -128),
    ("uint64", (1 << 64) - 1, (1 << 64) - 1),
    ("integer", 10**30, 10**30),
    ("number", 3, 3),
    ("number", Number("0.1"), 0.1),
    ("number", Number("12345678901234567890.5"), Number("12345678901234567890.5")),
    ("double", -0.0, -0.0),
    ("float", 0.5, 0.5),
    ("half", 1.5, 1.5),
    ("decimal(9,2)", Number("1.50"), Number("1.50")),
    ("string", "é🙂", "é🙂"),
    ("bytes", b"\xff", b"\xff"),
    ("fixed(2)", b"ab", b"ab"),
    ("enum(x, y)", "x", "x"),
    ("uuid", "12345678-1234-1234-1234-123456789abc", "12345678-1234-1234-1234-123456789abc"),
    ("date", -719162, dt.date(1, 1, 1)),
    ("date", 18292, dt.date(2020, 1, 31)),
    ("time(s)", 86399, dt.time(23, 59, 59)),
    ("time(ms)", 1, dt.time(0, 0, 0, 1000)),
    ("time(us)", 1, dt.time(0, 0, 0, 1)),
    ("time(ns)", 1, 1),
    ("timestamp(s)", -1, dt.datetime(1969, 12, 31, 23, 59, 59)),
    ("timestamp(ms)", 253402300799999, dt.datetime(9999, 12, 31, 23, 59, 59, 999000)),
    ("timestamp(us, UTC)", 1, dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    ("timestamp(ns, UTC)", 1, 1),
    ("duration(s)", -5, dt.timedelta(seconds=-5)),
    ("duration(us)", 1, dt.timedelta(microseconds=1)),
    ("duration(ns)", 7, 7),
    ("list<int32?>", [1, None], [1, None]),
    ("map<date>", {"k": 0}, {"k": dt.date(1970, 1, 1)}),
    ("record{a: date, b: list<time(ms)>?}", {"a": 0, "b": [1]}, {"a": dt.date(1970, 1, 1), "b": [dt.time(0, 0, 0, 1000)]}),
]


@pytest.mark.parametrize(("type", "own", "natural"), PAIRS)
def test_there_and_back(type: str, own: Any, natural: Any) -> None:
    field = parse_field_type(type)
    made = to_natural(field.type)(own)
    assert repr(made) == repr(natural)
    back = from_natural(field)(made)
    assert back == own
    assert back.__class__ is own.__class__
    assert repr(to_natural(field.type)(back)) == repr(natural)


@pytest.mark.parametrize(
    ("type", "given", "own"),
    [
        ("double", 3, 3.0),
        ("float", 0.1, 0.10000000149011612),
        ("number", Number("1.10"), Number("1.1")),
        ("number", 2.0, 2),
        ("number", -0.0, 0),
        ("date", "2020-01-31", 18292),
        ("timestamp(ms, UTC)", dt.datetime(1970, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), 0),
        ("uuid", uuid.UUID(int=1), str(uuid.UUID(int=1))),
        ("list<int32>", (1, 2), [1, 2]),
        ("record{a: int32?}", {}, {"a": None}),
        ("decimal(9,2)", 3, Number("3.00")),
    ],
)
def test_what_is_taken_beside(type: str, given: Any, own: Any) -> None:
    made = from_natural(parse_field_type(type))(given)
    assert repr(made) == repr(own)


@pytest.mark.parametrize(
    ("type", "given", "path"),
    [
        ("int8", 128, None),
        ("int8", 1.0, None),
        ("int8", True, None),
        ("int8", "1", None),
        ("int8", None, None),
        ("integer", 10**1000, None),
        ("number", math.nan, None),
        ("double", "1", None),
        ("double", 2**53 + 1, None),
        ("string", b"x", None),
        ("string", "\ud800", None),
        ("enum(x, y)", "z", None),
        ("enum(x, y)", ["x"], None),
        ("fixed(2)", b"abc", None),
        ("decimal(4,2)", Number("1.234"), None),
        ("decimal(4,2)", Number("100"), None),
        ("decimal(4,2)", 1.5, None),
        ("date", dt.datetime(2020, 1, 1), None),
        ("timestamp(us)", dt.datetime(2020, 1, 1, tzinfo=UTC), None),
        ("timestamp(us, UTC)", dt.datetime(2020, 1, 1), None),
        ("timestamp(ms)", dt.datetime(2020, 1, 1, 0, 0, 0, 1), None),
        ("time(ms)", dt.time(0, 0, 0, 1), None),
        ("duration(s)", dt.timedelta(microseconds=1), None),
        ("list<int32>", "12", None),
        ("list<int32>", [1, None], "[]"),
        ("map<int32>", {"a": "x"}, "{}"),
        ("record{a: int32}", [1], None),
        ("record{a: int32}", {}, "a"),
        ("record{a: int32}", {"a": 1, "b": 2}, None),
        ("record{a: list<record{b: int32}>}", {"a": [{"b": "x"}]}, "a[].b"),
    ],
)
def test_what_is_refused(type: str, given: Any, path: str | None) -> None:
    with pytest.raises(DataError) as error:
        from_natural(parse_field_type(type))(given)
    assert (error.value.where.path if error.value.where else None) == path
    assert error.value.hint


def test_numpy_scalars_are_taken() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    for type, given, own in (
        ("int64", numpy.int64(5), 5),
        ("double", numpy.float32(0.5), 0.5),
        ("bool", numpy.bool_(True), True),
        ("date", numpy.datetime64("2020-01-31"), 18292),
    ):
        made = from_natural(parse_field_type(type))(given)
        assert (made, made.__class__) == (own, own.__class__)


def test_moments_come_in_the_zone_of_their_type() -> None:
    paris = to_natural(Timestamp("s", "Europe/Paris"))(0)
    assert (paris.hour, paris.utcoffset()) == (1, dt.timedelta(hours=1))
    assert to_natural(Timestamp("s", "-02:30"))(0).utcoffset() == -dt.timedelta(hours=2, minutes=30)
    assert zone_named("Etc/UTC") is dt.UTC
    with pytest.raises(MigrationError, match="Nowhere"):
        zone_named("Nowhere/Land")


@pytest.mark.parametrize(("type", "own"), [("date", 10**7), ("timestamp(s)", 1 << 40), ("timestamp(us, UTC)", -(1 << 62))])
def test_what_datetime_does_not_reach_is_an_error_of_the_record(type: str, own: int) -> None:
    with pytest.raises(DataError, match="beyond"):
        to_natural(parse_type(type))(own)


def test_missing_keys_stay_missing_or_become_none() -> None:
    record = Record((Field("a", String(), optional=True), Field("b", String(), nullable=True)))
    assert to_natural(record)({"b": None}) == {"b": None}
    assert to_natural(record, every_key=True)({}) == {"a": None, "b": None}
    assert from_natural(Field("", record))({}) == {"b": None}
    assert from_natural(Field("a", String(), optional=True))(MISSING) is MISSING
    assert from_natural(Field("", record), unknown=True)({"c": 1, "b": "x"}) == {"b": "x"}


def test_containers_are_new_and_opaque_values_have_no_form() -> None:
    own = [["a"]]
    made = to_natural(parse_type("list<list<string>>"))(own)
    made[0].append("b")
    assert own == [["a"]]
    with pytest.raises(MigrationError, match="no Python form"):
        to_natural(List(Field("item", Map(Field("value", Json())))))
