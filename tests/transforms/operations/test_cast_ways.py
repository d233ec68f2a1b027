"""cast with a zone or with rounding: what passes in every interpreter, and what the way back knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from instar import op
from instar.formats.errors import InstarError, MigrationError
from instar.formats.schema import Schema
from instar.transforms.mapping import chain
from tests.transforms.operations.agreed import agreed, back, of, target

ZONED: Any = "timestamp(us, UTC)"
WALL = of(t="timestamp(us)")


def test_wall_times_become_instants_of_the_zone_that_the_script_names():
    wall, noon = of(t="timestamp(ms)?"), [{"t": 1_720_000_000_123}, {"t": None}]
    step = op.cast("t", ZONED, zone="Europe/Paris")
    assert target(wall, step) == {"t": "timestamp(us, UTC)?"}
    assert agreed(wall, [step], *noon) == [{"t": (1_720_000_000_123 - 7_200_000) * 1000}, {"t": None}]
    assert back(wall, [step], *noon) == (noon, ())
    assert agreed(wall, [op.cast("t", "timestamp(ms, Asia/Tokyo)", zone="Asia/Tokyo")], *noon)[0] == {
        "t": 1_720_000_000_123 - 32_400_000
    }


def test_instants_become_wall_times():
    zoned, rows = of(t="timestamp(us, UTC)"), [{"t": 1_720_000_000_000_001}]
    step = op.cast("t", "timestamp(us)", zone="America/New_York")
    assert agreed(zoned, [step], *rows) == [{"t": 1_720_000_000_000_001 - 4 * 3_600_000_000}]
    assert back(zoned, [step], *rows) == (rows, ())


def test_a_wall_time_that_the_zone_skips_or_has_twice_is_refused_or_becomes_null():
    skipped, twice = 1_711_852_200, 1_729_996_200  # 2024-03-31 02:30, 2024-10-27 02:30
    s = of(t="timestamp(s)")
    for value in (skipped, twice):
        assert agreed(s, [op.cast("t", "timestamp(s, UTC)", zone="Europe/Paris")], {"t": value}) == "refused"
        step = op.cast("t", "timestamp(s, UTC)", zone="Europe/Paris", on_error="null")
        assert agreed(s, [step], {"t": value}) == [{"t": None}]


def test_from_zone_to_zone_no_value_changes():
    s = of(t="timestamp(us, UTC)")
    step = op.cast("t", "timestamp(us, Europe/Paris)")
    assert agreed(s, [step], {"t": 5}) == [{"t": 5}]
    assert back(s, [step], {"t": 5}) == ([{"t": 5}], ())


@pytest.mark.parametrize(
    ("source", "to", "value", "more", "out"),
    [
        ("decimal(9,3)", "decimal(9,1)", Decimal("2.650"), {"rounding": "half_even"}, Decimal("2.6")),
        ("decimal(9,3)", "decimal(9,1)", Decimal("2.650"), {"rounding": "half_up"}, Decimal("2.7")),
        ("double", "int32", 2.6, {"rounding": "truncate"}, 2),
        ("timestamp(us, UTC)", "timestamp(ms, UTC)", -1, {"rounding": "truncate"}, -1),
        ("timestamp(us)", "date", -1, {"rounding": "truncate"}, -1),
        ("time(us)", "time(s)", 1_500_000, {"rounding": "half_even"}, 2),
    ],
)
def test_rounding_is_asked_for_and_declared_lossy(source: str, to: str, value: Any, more: dict[str, Any], out: Any):
    s = of(v=source + "?")
    assert agreed(s, [op.cast("v", to)], {"v": value}) == "refused"
    assert agreed(s, [op.cast("v", to, **more)], {"v": value}, {"v": None}) == [{"v": out}, {"v": None}]
    _, losses = back(s, [op.cast("v", to, **more)], {"v": value})
    assert losses == ("v: what was rounded away",)


def test_a_zone_and_rounding_go_together():
    step = op.cast("t", "timestamp(s, UTC)", zone="Europe/Paris", rounding="truncate")
    assert agreed(of(t="timestamp(ms)"), [step], {"t": 1999}) == [{"t": -3599}]


def test_what_does_not_fit_after_rounding_is_refused():
    for mode in ("half_even", "half_up"):
        assert agreed(of(v="decimal(4,2)"), [op.cast("v", "decimal(3,1)", rounding=mode)], {"v": Decimal("99.99")}) == "refused"
    assert agreed(of(v="double"), [op.cast("v", "int8", rounding="truncate", on_error="null")], {"v": 128.0}) == [{"v": None}]


@pytest.mark.parametrize(
    ("source", "make", "words", "hint"),
    [
        (WALL, lambda: op.cast("t", ZONED), "no cast from timestamp(us) to timestamp(us, UTC)", 'zone="Europe/Paris"'),
        (WALL, lambda: op.cast("t", ZONED, zone="Paris"), "no time zone 'Paris'", "IANA"),
        (WALL, lambda: op.cast("t", "string", zone="UTC"), "zone says nothing about", "leave it out"),
        (WALL, lambda: op.cast("t", "timestamp(ms)", zone="UTC"), "zone says nothing about", "leave it out"),
        (of(t="int64"), lambda: op.cast("t", "int32", rounding="truncate"), "nothing to round from int64 to", "Leave rounding"),
        (of(t="double"), lambda: op.cast("t", "int32", rounding="down"), "rounding is 'down'", "'truncate'"),  # type: ignore[arg-type]
        (of(t="int64"), lambda: op.cast("t", "string?"), "'string?' ends in '?'", "op.allow_null('t')"),
        (of(t="int64?"), lambda: op.cast("t", "varchar"), "'varchar' is not one of Instar's type names", "string"),
    ],
)  # fmt: skip
def test_refusals(source: Schema, make: Any, words: str, hint: str):
    with pytest.raises(InstarError) as error:
        chain(source, [make()])
    assert words in error.value.message
    assert hint in error.value.hint


def test_text_becomes_an_enum_and_an_enum_another():
    s = of(v="string?")
    rows = [{"v": "x"}, {"v": None}]
    assert agreed(s, [op.cast("v", "enum(x, y)")], *rows) == rows
    assert back(s, [op.cast("v", "enum(x, y)"), op.cast("v", "enum(y, x, z)")], *rows) == (rows, ())
    assert agreed(s, [op.cast("v", "enum(x, y)")], {"v": "z"}) == "refused"
    assert agreed(of(v="enum(x, y)"), [op.cast("v", "enum(y, z)")], {"v": "x"}) == "refused"
    with pytest.raises(MigrationError, match="is enum"):
        chain(of(v="enum(x, y)"), [op.cast("v", "enum(x, y)")])
