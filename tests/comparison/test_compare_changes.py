"""Every kind of change in one record of one file is found, in every format, by every way to compare, and told with its place."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from two_sides import COUNTS, FULL, IN_PLACE, KEYED, UNORDERED, Records, changed, records, written

import instar
from instar.transforms.comparison.report import ComparisonReport

ROW = 37


def _set(field: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record[field] = make(record[field])

    return change


def _part(record: dict[str, Any]) -> None:
    record["parts"] = [{**record["parts"][0], "weight": math.nextafter(record["parts"][0]["weight"], 100)}, *record["parts"][1:]]


def _entry(record: dict[str, Any]) -> None:
    record["labels"] = {**record["labels"], "b": 7}


def _place(record: dict[str, Any]) -> None:
    record["place"] = {**record["place"], "zip": None}


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "a value": ("small", _set("small", lambda v: v + 1)),
    "a null": ("small", _set("small", lambda v: None)),
    "one ulp": ("price", _set("price", lambda v: math.nextafter(v, math.inf))),
    "a float": ("ratio", _set("ratio", lambda v: v + 0.25)),
    "the last digit of a decimal": ("amount", _set("amount", lambda v: v + decimal.Decimal("0.0001"))),
    "another spelling in Unicode": ("name", _set("name", lambda v: unicodedata.normalize("NFD", v))),
    "text read as latin-1": ("name", _set("name", lambda v: v.encode().decode("latin-1"))),
    "a byte": ("raw", _set("raw", lambda v: v[:-1] + b"\xfe")),
    "a day": ("day", _set("day", lambda v: v + dt.timedelta(days=1))),
    "a unit wrong by 1000": ("seen", _set("seen", lambda v: v + dt.timedelta(microseconds=999))),
    "a zone shifted": ("at", _set("at", lambda v: v + dt.timedelta(hours=5))),
    "a bool": ("good", _set("good", lambda v: not v)),
    "the order of a list": ("tags", _set("tags", lambda v: v[::-1])),
    "an element dropped": ("tags", _set("tags", lambda v: v[:-1])),
    "a float inside a list": ("parts", _part),
    "the value of a map's entry": ("labels", _entry),
    "the order of a map": ("labels", _set("labels", lambda v: dict(reversed(v.items())))),
    "a field of a record": ("place.zip", _place),
    "a whole record": ("place", _set("place", lambda v: None)),
}
FORMATS = ("parquet", "avro", "ndjson")
SLOW = pytest.mark.slow
IN_TURN = [pytest.param("parquet"), pytest.param("avro", marks=SLOW), pytest.param("ndjson", marks=SLOW)]
PAIRS = [
    pytest.param(a, b, marks=() if (a, b) in (("avro", "parquet"), ("parquet", "ndjson"), ("ndjson", "avro")) else SLOW)
    for a in FORMATS
    for b in FORMATS
]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Unchanged records in every format, over two files."""
    folder = tmp_path_factory.mktemp("sides")
    return {format: written(folder / format, format, _files(records())) for format in FORMATS}


def _files(rows: Records) -> dict[str, Records]:
    return {"a": rows[:20], "b": rows[20:]}


def _told(report: ComparisonReport) -> dict[tuple[str, int | None], set[str]]:
    """By file and record the fields that are said to have changed."""
    assert all(row.kind == "changed" for row in report.rows)
    return {(row.new.file.split(".")[0], row.new.row): {f.path for f in row.fields} for row in report.rows if row.new}


@pytest.fixture(scope="module")
def spread() -> tuple[Records, dict[tuple[str, int | None], str]]:
    """Every change in a record of its own, in which it makes a difference; by its place the field."""
    rows, places = records(), {}
    for path, change in CHANGES.values():
        row = next(i for i in range(1, 60) if _place_of(i) not in places and _makes_a_difference(rows[i], change))
        rows, places[_place_of(row)] = changed(rows, row, change), path
    assert len(places) == len(CHANGES)
    assert list(rows[_OF_ORDER[1]]["labels"]) == ["b", "a"]
    return rows, places


_OF_ORDER = ("a", 17)
"""Where the order of a map's entries is changed."""


def _place_of(row: int) -> tuple[str, int | None]:
    return ("a", row) if row < 20 else ("b", row - 20)


def _makes_a_difference(record: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> bool:
    made = dict(record)
    try:
        change(made)
    except (TypeError, IndexError, AttributeError):  # there is a null, or nothing, to change
        return False
    return repr(made) != repr(record)


HOW = {"in place": IN_PLACE, "in full": FULL, "unordered": UNORDERED, "keyed": KEYED}


@pytest.mark.parametrize("format", ["parquet", pytest.param("avro", marks=SLOW), "ndjson"])
def test_every_change_is_found_and_located(
    format: str, sides: dict[str, Path], spread: tuple[Records, dict[tuple[str, int | None], str]], tmp_path: Path
) -> None:
    rows, places = spread
    new = written(tmp_path / "new", format, _files(rows))
    for old in (format, FORMATS[FORMATS.index(format) - 1]):
        for name, how in HOW.items():
            report = instar.compare(sides[old], new, examples=100, **how)
            found = _told(report)
            by_names = old == format == "ndjson" and name in ("unordered", "keyed")  # as objects, whose keys have no order there
            expected = {place for place in places if not (by_names and place == _OF_ORDER)}
            assert found.keys() == expected, (old, name, found.keys() ^ expected)
            for place, fields in found.items():
                path = places[place]
                assert fields, (old, name, place, report.rows)
                assert all(field == path or field.startswith(f"{path}.") for field in fields), (old, name, place, fields)


@pytest.mark.parametrize(("format", "other"), PAIRS)
def test_equal_records_are_the_same_in_all_pairs_of_formats(format: str, other: str, sides: dict[str, Path]) -> None:
    for how in (IN_PLACE, FULL, COUNTS, UNORDERED, KEYED):
        report = instar.compare(sides[format], sides[other], **how)
        assert report.ok, (how, report.problems, report.rows, [c for c in report.columns if not c.same])
        assert (report.old.rows, report.new.rows) == (60, 60)
        assert report.verdict == ("counts agree" if how.get("level") == "counts" else "same")


@pytest.mark.parametrize("format", IN_TURN)
def test_records_dropped_doubled_and_swapped(format: str, sides: dict[str, Path], tmp_path: Path) -> None:
    rows = records()
    cases = {
        "dropped": [*rows[:ROW], *rows[ROW + 1 :]],
        "doubled": [*rows[: ROW + 1], rows[ROW], *rows[ROW + 1 :]],
        "swapped": [*rows[:ROW], rows[ROW + 1], rows[ROW], *rows[ROW + 2 :]],
    }
    for name, made in cases.items():
        new = written(tmp_path / name, format, _files(made))
        in_place = instar.compare(sides[format], new)
        assert not in_place.ok
        assert any(row.kind == "changed" and row.new and row.new.row in (ROW - 20, ROW - 19) for row in in_place.rows), name
        anywhere = instar.compare(sides[format], new, unordered=True)
        keyed = instar.compare(sides[format], new, key="id")
        assert anywhere.ok == keyed.ok == (name == "swapped"), name
        if name == "dropped":
            assert [(row.kind, row.old and row.old.row) for row in anywhere.rows] == [("missing", ROW - 20)]
            assert [(row.kind, row.key) for row in keyed.rows] == [("missing", {"id": str(ROW)})]
        if name == "doubled":
            assert [(row.kind, row.times) for row in anywhere.rows] == [("extra", 1)]
            assert [(row.kind, row.key) for row in keyed.rows] == [("duplicated", {"id": str(ROW)})]
            assert any("not unique" in note for note in keyed.notes)


def test_values_swapped_between_columns_of_one_type(sides: dict[str, Path], tmp_path: Path) -> None:
    def swap(record: dict[str, Any]) -> None:
        record["name"], record["other"] = record["other"], record["name"]

    new = written(tmp_path / "new", "parquet", _files(changed(records(), ROW, swap)))
    for how in HOW.values():
        assert _told(instar.compare(sides["parquet"], new, **how)) == {("b", ROW - 20): {"name", "other"}}
    assert not instar.compare(sides["parquet"], new, level="counts").ok


@pytest.mark.parametrize("format", IN_TURN)
def test_a_negative_zero_is_not_zero(format: str, sides: dict[str, Path], tmp_path: Path) -> None:
    new = written(tmp_path / "new", format, _files(changed(records(), 40, _set("price", lambda v: -v))))
    for old in FORMATS:
        for how in (IN_PLACE, UNORDERED, KEYED):
            report = instar.compare(sides[old], new, **how)
            assert _told(report) == {("b", 20): {"price"}}, (old, how)
            (field,) = report.rows[0].fields
            assert field.old.lstrip("-") == field.new.lstrip("-") != field.new
        assert not instar.compare(sides[old], new, level="counts").ok


def test_nans_of_other_bits_are_other_values(tmp_path: Path) -> None:
    import struct

    def nan(bits: int) -> float:
        return struct.unpack("<d", struct.pack("<Q", bits))[0]

    rows = records(30)
    one, other = nan(0x7FF8000000000000), nan(0x7FF8000000000001)
    old = written(tmp_path / "old", "parquet", {"a": changed(rows, 3, _set("price", lambda v: one))})
    new = written(tmp_path / "new", "parquet", {"a": changed(rows, 3, _set("price", lambda v: other))})
    again = written(tmp_path / "again", "avro", {"a": changed(rows, 3, _set("price", lambda v: one))})
    for how in (IN_PLACE, UNORDERED, KEYED):
        assert not instar.compare(old, new, **how).ok
        assert instar.compare(old, again, **how).ok
