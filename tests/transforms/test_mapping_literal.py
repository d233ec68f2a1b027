"""Literals in scripts: checked against their type, in one form."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest

from instar.formats.errors import MigrationError
from instar.formats.schema import Field, Record, String, Union
from instar.formats.typetext import parse_field_type
from instar.transforms.literal import literal


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [
        ("bool", True, True),
        ("int8", -128, -128),
        ("uint64", 2**64 - 1, 2**64 - 1),
        ("integer", 10**30, 10**30),
        ("number", 1.1, Decimal("1.1")),
        ("number", 10**23, 10**23),
        ("double", 1, 1.0),
        ("double", math.inf, math.inf),
        ("float", 0.1, 0.10000000149011612),
        ("half", 0.5, 0.5),
        ("decimal(5,2)", "1.5", Decimal("1.50")),
        ("decimal(5,2)", -999, Decimal("-999.00")),
        ("decimal(38,0)", Decimal(10**37), Decimal(10**37)),
        ("string", "é😀", "é😀"),
        ("bytes", b"\x00", b"\x00"),
        ("fixed(2)", b"ab", b"ab"),
        ("uuid", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("enum(A, B)", "B", "B"),
        ("date", "1970-01-02", 1),
        ("date", dt.date(1969, 12, 31), -1),
        ("date", 7, 7),
        ("time(ms)", "00:00:01.5", 1500),
        ("time(us)", dt.time(0, 0, 0, 7), 7),
        ("timestamp(s)", "1970-01-02", 86400),
        ("timestamp(us)", dt.datetime(1970, 1, 1, 0, 0, 1), 10**6),
        ("timestamp(ns)", "1970-01-01T00:00:00.123456789", 123456789),
        ("timestamp(ms, UTC)", "1970-01-01T01:00:00+01:00", 0),
        ("timestamp(ms, Europe/Paris)", "1970-01-01T00:00:00Z", 0),
        ("timestamp(us, UTC)", dt.datetime(1970, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), 0),
        ("timestamp(us)", "0001-01-01T00:00:00", -62135596800 * 10**6),
        ("duration(s)", dt.timedelta(minutes=1), 60),
        ("list<int8?>", [1, None], [1, None]),
        ("map<date>", {"a": "1970-01-01"}, {"a": 0}),
        ("record{a: int8, b: string?}", {"a": 1}, {"a": 1, "b": None}),
        ("string?", None, None),
    ],
)
def test_a_literal_has_one_form(type: str, given: Any, value: Any):
    field = parse_field_type(type)
    found = literal(given, field)
    assert found == value
    assert found.__class__ is value.__class__
    assert literal(found, field) == found


@pytest.mark.parametrize(
    ("type", "given"),
    [
        ("bool", 1), ("int8", True), ("int8", 128), ("uint8", -1), ("int64", 1.0), ("int64", "1"), ("integer", 1.5),
        ("number", math.nan), ("float", 1e39), ("half", 70000.0), ("float", 2**24 + 1), ("double", "1"), ("double", 2**53 + 1),
        ("double", 10**400), ("decimal(5,2)", 1.5), ("decimal(5,2)", "1.234"), ("decimal(5,2)", "1234"),
        ("decimal(5,2)", "abc"), ("decimal(5,2)", "NaN"), ("string", 5), ("string", "\ud800"), ("bytes", "text"),
        ("fixed(2)", b"abc"), ("uuid", "1234"), ("enum(A, B)", "C"), ("date", "2020-02-30"), ("date", "01/02/2020"),
        ("date", dt.datetime(2020, 1, 1)), ("date", 2**31), ("time(s)", "24:00:00"), ("time(s)", "00:00:00.5"),
        ("time(s)", 86400), ("time(us)", dt.time(1, tzinfo=dt.UTC)), ("timestamp(s)", "2020-01-01T00:00:00.5"),
        ("timestamp(us)", "2020-01-01T00:00:00Z"), ("timestamp(us, UTC)", "2020-01-01T00:00:00"),
        ("timestamp(us, UTC)", "2020-01-01"), ("timestamp(ns)", "3000-01-01T00:00:00"), ("timestamp(us)", "yesterday"),
        ("timestamp(us)", dt.date(2020, 1, 1)), ("duration(s)", "1m"), ("duration(s)", dt.timedelta(milliseconds=1)),
        ("list<int8>", [None]), ("list<int8>", "ab"), ("map<int8>", {1: 1}), ("record{a: int8}", {}),
        ("record{a: int8}", {"a": 1, "b": 2}), ("string", None), ("json", {}), ("null", 1),
    ],
)  # fmt: skip
def test_a_value_that_its_type_does_not_hold_is_refused(type: str, given: Any):
    with pytest.raises(MigrationError) as error:
        literal(given, parse_field_type(type))
    assert error.value.hint


def test_optional_keys_of_a_record_may_be_left_out():
    record = Record((Field("a", String(), optional=True), Field("b", String(), default="d")))
    assert literal({}, Field("", record)) == {"b": "d"}


def test_a_union_has_no_literals_but_null():
    field = Field("", Union((Field("a", String()),)), nullable=True)
    assert literal(None, field) is None
    with pytest.raises(MigrationError):
        literal("x", field)
