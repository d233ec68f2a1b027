"""JSON values against another format's types: read as these where they say that, told as they stand where they do not."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import said

import instar
from instar.formats.schema import Timestamp
from instar.transforms.comparison.report import ComparisonReport
from instar.transforms.proof.json_named import named_reader


def against(tmp_path: Path, values: pa.Array, texts: list[str], **how: Any) -> ComparisonReport:
    """One column in Parquet, and lines of JSON that have these texts in its place."""
    pq.write_table(pa.table({"id": range(len(values)), "v": values}), tmp_path / "a.parquet")
    lines = (f'{{"id": {i}, "v": {text}}}\n' for i, text in enumerate(texts))
    (tmp_path / "b.ndjson").write_text("".join(lines))
    return instar.compare(tmp_path / "a.parquet", tmp_path / "b.ndjson", **how)


@pytest.mark.parametrize("how", [{}, {"unordered": True}, {"examples": 0}])
def test_a_value_that_is_not_of_its_type_is_told_as_it_stands(tmp_path: Path, how: dict[str, Any]) -> None:
    amounts = pa.array([Decimal("1.00"), Decimal("2.00")], pa.decimal128(10, 2))
    report = against(tmp_path, amounts, ['"1.00"', "2"], **how)
    assert not report.ok
    assert ("b.ndjson", "v", 'on the new side record 0: "1.00" is no number') in [
        (p.file, p.path, p.problem) for p in report.problems
    ]
    told = [(f.old, f.new) for row in report.rows for f in row.fields] or [row.values["v"] for row in report.rows]
    asked: dict[str, list[Any]] = {"unordered": ["1.00", '"1.00"'], "examples": []}
    assert told == asked.get(next(iter(how), ""), [("1.00", '"1.00"')])
    if "examples" in how:
        assert any(p.problem == 'record 0 holds "1.00", not 1.00' for p in report.problems)
    turned = instar.compare(tmp_path / "b.ndjson", tmp_path / "a.parquet", **how)
    assert ("b.ndjson", 'on the old side record 0: "1.00" is no number') in [(p.file, p.problem) for p in turned.problems]


def test_a_tagged_value_that_is_not_of_its_type_is_not_shown(tmp_path: Path) -> None:
    secret = pa.field("v", pa.int64(), metadata={"instar.tags": json.dumps(["pii"])})
    pq.write_table(pa.table({"id": [1], "v": [5]}, schema=pa.schema([pa.field("id", pa.int64()), secret])), tmp_path / "a.parquet")
    (tmp_path / "b.ndjson").write_text('{"id": 1, "v": "secret"}\n')
    for how in ((), ("--unordered",), ("--examples", "0")):
        answer = said("verify", "a.parquet", "b.ndjson", *how, "--json", at=tmp_path)
        assert answer.code == 1
        assert "secret" not in answer.out + answer.err
        assert "not shown" in answer.out or "hidden" in answer.out


NOON = 1_577_880_001_500_000  # 2020-01-01T12:00:01.5Z in us


@pytest.mark.parametrize(
    ("text", "instant", "found"),
    [
        ("2020-01-01T13:00:01.5+01:00", True, NOON),
        ("2020-01-01T13:00:01+01:00", True, NOON - 500_000),
        ("2020-01-01t12:00:01.500000000z", True, NOON),
        ("2020-01-01 07:30:01.5-0430", True, NOON),
        ("2020-01-01 12:00:01.5+00", True, NOON),
        ("0001-01-01T00:00:00.000001+01:00", True, -62_135_600_399_999_999),
        ("2020-01-01T12:00:01.5", False, NOON),
        ("2020-01-01T12:00:01.5", True, "has no offset from UTC, as an instant has"),
        ("2020-01-01T12:00:01.5Z", False, "has an offset from UTC, as only an instant has"),
        ("2020-01-01T12:00:00.1500000001", False, "is finer than us"),
        ("2020-01-01T12:00:01.1_5", False, "is no time"),
        ("2020-01-01T12:00:61.5", False, "is no time"),
        ("2020-01-01T12:00:01+25:00", True, "is no time"),
        ("2020-02-30T12:00:01.5", False, '"2020-02-30" is no date'),
        ("noon", False, "is no time"),
    ],
)
def test_moments_are_read_with_their_offsets_and_fractions(text: str, instant: bool, found: int | str) -> None:
    read = named_reader(Timestamp("us", "UTC" if instant else None))
    assert read is not None
    if isinstance(found, int):
        assert read(text) == found
        return
    with pytest.raises(ValueError, match=found):
        read(text)


def test_an_instant_with_an_offset_is_the_same_and_its_digits_at_another_offset_are_not(tmp_path: Path) -> None:
    instants = pa.array([NOON, NOON, NOON], pa.timestamp("us", "UTC"))
    texts = ["2020-01-01T13:00:01.5+01:00", "2020-01-01T12:00:01.5+01:00", "noon"]
    report = against(tmp_path, instants, [json.dumps(text) for text in texts])
    assert [row.new and row.new.row for row in report.rows] == [1, 2]
    assert [(p.file, p.path, p.problem) for p in report.problems] == [
        ("b.ndjson", "v", 'on the new side record 2: "noon" is no time')
    ]


@pytest.mark.parametrize(
    ("values", "texts", "problem"),
    [
        (pa.array([["a", "b", "c"]]), ['"abc"'], '"abc" is no list'),
        (pa.array([["a"]]), ['{"a": 1}'], '{"a":1} is no list'),
        (pa.array([[{"n": 1}]]), ["[[1]]"], "[1] is no record"),
        (pa.array([{"n": 1}]), ["[1]"], "what is around it is no record"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), ['[["a", 1]]'], '[["a",1]] is no map'),
        (pa.array([300], pa.int16()), ["99999"], "99999 does not fit int16"),
        (pa.array([dt.date(2020, 1, 1)]), ['"20200101"'], '"20200101" is no date'),
        (pa.array([dt.time(1, 2)], pa.time64("us")), ['"01:02:00Z"'], "has an offset from UTC"),
        (pa.array([b"ab"]), ['"YW="'], '"YW=" is no base64'),
        (pa.array([2.0**53]), ["9007199254740993"], "9007199254740993 has more digits than a double"),
        (pa.array([Decimal("1.10")], pa.decimal256(50, 2)), ["1.101"], "1.101 does not fit decimal(50,2)"),
        (pa.array([Decimal("1.00")], pa.decimal128(10, 2)), ["1.001"], "1.001 does not fit decimal(10,2)"),
    ],
)
def test_what_looks_like_a_value_of_another_type_is_none(tmp_path: Path, values: pa.Array, texts: list[str], problem: str) -> None:
    report = against(tmp_path, values, texts)
    assert not report.ok
    assert [problem in p.problem for p in report.problems] == [True], report.problems


def test_long_numbers_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    doubles = pa.array([2.0**53, 12345678901234567168.0, 1e22, 0.1, 3.0])
    assert against(tmp_path, doubles, ["9007199254740992", "12345678901234567000", "1" + "0" * 22, "0.1", "3"]).ok
    assert against(tmp_path, pa.array([Decimal("1.10")], pa.decimal256(50, 2)), ["1.1"]).ok
