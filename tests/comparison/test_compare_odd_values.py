"""Odd values that are the same, and odd values that are not, all at once: JSON against JSON, and JSON against Parquet."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from two_sides import IN_PLACE, KEYED, UNORDERED, How

import instar

SAME_TEXTS: dict[str, tuple[bytes, bytes]] = {
    "escape of a slash": (b'{"a":"a\\/b"}\n', b'{"a":"a/b"}\n'),
    "byte order mark": (b'{"a":1}\n', b'\xef\xbb\xbf{"a":1}\n'),
    "CRLF": (b'{"a":1}\n{"a":2}\n', b'{"a":1}\r\n{"a":2}\r\n'),
    "no newline at the end": (b'{"a":1}\n', b'{"a":1}'),
    "blank lines": (b'{"a":1}\n{"a":2}\n', b'\n{"a":1}\n\n \n{"a":2}\n\n'),
    "an array": (b'{"a":1}\n{"a":2}\n', b'[{"a":1},{"a":2}]'),
    "white space": (b'{"a":1,"b":[1,2]}\n', b'{ "a" : 1 , "b" : [ 1 , 2 ] }\n'),
    "next line, a character": ('{"a":"x\u0085y"}\n'.encode(), '{"a":"x\u0085y"}\n'.encode()),
}
OTHER_TEXTS: dict[str, tuple[bytes, bytes]] = {
    "-0": (b'{"a":-0}\n', b'{"a":0}\n'),
    "-0.0": (b'{"a":-0.0}\n', b'{"a":0.0}\n'),
    "1.0": (b'{"a":1.0}\n', b'{"a":1}\n'),
    "1E2": (b'{"a":1E2}\n', b'{"a":1e2}\n'),
    "1.10": (b'{"a":1.10}\n', b'{"a":1.1}\n'),
    "many digits": (b'{"a":12345678901234567890123}\n', b'{"a":12345678901234567890124}\n'),
    "beyond a double": (b'{"a":9007199254740993}\n', b'{"a":9007199254740992}\n'),
    "a digit that no double has": (b'{"a":0.1}\n', b'{"a":0.10000000000000000001}\n'),
    "exponents": (b'{"a":1e400}\n', b'{"a":1e401}\n'),
    "two forms of Unicode": ('{"a":"é"}\n'.encode(), '{"a":"e\u0301"}\n'.encode()),
    "NUL": (b'{"a":"x\\u0000y"}\n', b'{"a":"x\\u0000z"}\n'),
    "cut at NUL": (b'{"a":"x\\u0000y"}\n', b'{"a":"x"}\n'),
    "missing": (b'{"a":null,"b":1}\n', b'{"b":1}\n'),
    "null as text": (b'{"a":null}\n', b'{"a":"null"}\n'),
    "empty text": (b'{"b":1}\n', b'{"a":"","b":1}\n'),
    "empty list and null": (b'{"a":[]}\n', b'{"a":null}\n'),
    "empty list and object": (b'{"a":[]}\n', b'{"a":{}}\n'),
    "list of null": (b'{"a":[]}\n', b'{"a":[null]}\n'),
    "list of lists": (b'{"a":[[]]}\n', b'{"a":[]}\n'),
    "true as text": (b'{"a":true}\n', b'{"a":"true"}\n'),
    "true and 1": (b'{"a":1}\n', b'{"a":true}\n'),
    "number as text": (b'{"a":1}\n', b'{"a":"1"}\n'),
    "order of keys": (b'{"a":1,"b":2}\n', b'{"b":2,"a":1}\n'),
    "order of keys within": (b'{"a":{"a":1,"b":2}}\n', b'{"a":{"b":2,"a":1}}\n'),
    "order of a list": (b'{"a":[1,2]}\n', b'{"a":[2,1]}\n'),
    "key in capitals": (b'{"a":1}\n', b'{"A":1}\n'),
    "key with a blank": (b'{"a":1}\n', b'{"a ":1}\n'),
    "empty key": (b'{"":1}\n', b'{"":2}\n'),
    "key with a dot": (b'{"a.b":1}\n', b'{"a":{"b":1}}\n'),
    "keys that differ by case": (b'{"a":1,"A":2}\n', b'{"a":2,"A":1}\n'),
    "a record more": (b'{"a":1}\n', b'{"a":1}\n{"a":1}\n'),
    "line separator": ('{"a":"x\u2028y"}\n'.encode(), b'{"a":"x y"}\n'),
    "blank at the end": (b'{"a":"x"}\n', b'{"a":"x "}\n'),
}  # fmt: skip


def test_texts_of_json(tmp_path: Path) -> None:
    """Pairs of one record each are lines of one file, all others are files."""
    lines = {name: pair for name, pair in OTHER_TEXTS.items() if pair[1].count(b"\n") == 1}
    files = {"lines": (b"".join(a for a, _ in lines.values()), b"".join(b for _, b in lines.values()))}
    files |= {name: pair for name, pair in (SAME_TEXTS | OTHER_TEXTS).items() if name not in lines}
    for side in (0, 1):
        folder = tmp_path / ("old", "new")[side]
        folder.mkdir()
        for name, pair in files.items():
            (folder / f"{name}.ndjson").write_bytes(pair[side])
    report = instar.compare(tmp_path / "old", tmp_path / "new", examples=1000)
    told = {row.new.file.removesuffix(".ndjson"): row.new.row for row in report.rows if row.new and row.new.file != "lines.ndjson"}
    assert {*told, *(problem.file.removesuffix(".ndjson") for problem in report.problems)} == OTHER_TEXTS.keys() - lines.keys()
    rows = {row.new.row for row in report.rows if row.new and row.new.file == "lines.ndjson"}
    assert [name for number, name in enumerate(lines) if number not in rows] == []


INT, MAP = pa.int64(), pa.map_(pa.string(), pa.int64())
PRICE, LONG = pa.decimal128(10, 2), pa.decimal256(50, 2)
SAME_VALUES: list[tuple[Any, pa.DataType, str | None]] = [
    (5, INT, "5.0"), (2**63 - 1, INT, "9223372036854775807"), (2**64 - 1, pa.uint64(), "18446744073709551615"), (None, INT, None),
    (-0.0, pa.float64(), "-0.0"), (3.0, pa.float64(), "3"), (1e22, pa.float64(), "1" + "0" * 22), (0.1, pa.float32(), "0.1"),
    (2.0**53, pa.float64(), "9007199254740992"), (12345678901234567168.0, pa.float64(), "12345678901234567000"),
    (Decimal("1.00"), PRICE, "1"), (Decimal("1.00"), PRICE, "1e0"), (Decimal("1.10"), LONG, "1.1"), (Decimal("0.00"), PRICE, "-0"),
    ("a\0b", pa.string(), '"a\\u0000b"'), (b"\0\xff", pa.binary(), '"AP8="'), ([1, None], pa.list_(INT), "[1,null]"),
    ([-0.0], pa.list_(pa.float64()), "[-0.0]"), ({"a": None}, pa.struct([("a", INT)]), "{}"), ([], MAP, "{}"),
    ([("a", None)], MAP, '{"a":null}'), (dt.datetime(1, 1, 1), pa.timestamp("us"), '"0001-01-01T00:00:00"'),
    (dt.datetime(2020, 1, 1), pa.timestamp("us", "Europe/Berlin"), '"2020-01-01T01:00:00+01:00"'),
    (dt.time(23, 59, 59, 999999), pa.time64("us"), '"23:59:59.999999"'), (dt.timedelta(microseconds=5), pa.duration("us"), "5.0"),
]  # fmt: skip
OTHER_VALUES: list[tuple[Any, pa.DataType, str | None]] = [
    (5, INT, "5.5"), (5, INT, '"5"'), (1, INT, "true"), (2**63 - 1, INT, "9223372036854775808"), (2**64 - 1, pa.uint64(), "-1"),
    (None, INT, "0"), (-0.0, pa.float64(), "0"), (0.0, pa.float64(), "-0"), (0.1, pa.float64(), "0.10000000000000002"),
    (float("nan"), pa.float64(), "null"), (float("nan"), pa.float64(), '"NaN"'), (float("inf"), pa.float64(), "1e400"),
    (2.0**53, pa.float64(), "9007199254740993"), (16777216.0, pa.float32(), "16777217"), (Decimal("1.00"), PRICE, "1.001"),
    (Decimal("1.00"), PRICE, '"1.00"'), (Decimal("1.10"), LONG, "1.101"), (True, pa.bool_(), "1"), ("5", pa.string(), "5"),
    ("", pa.string(), "null"), ("null", pa.string(), "null"), ("a\0b", pa.string(), '"a"'), (b"\0\xff", pa.binary(), '"AP8"'),
    (b"\xfb\xff", pa.binary(), '"-_8="'), ([1, None], pa.list_(INT), "[1]"), ([], pa.list_(INT), "null"),
    ([1], pa.list_(INT), "[1.5]"),
    (["a", "b"], pa.list_(pa.string()), '"ab"'), (["a"], pa.list_(pa.string()), '{"a":1}'),
    ([-0.0], pa.list_(pa.float64()), "[0.0]"),
    (None, pa.struct([("a", INT)]), "{}"), ({"a": None}, pa.struct([("a", INT)]), "null"),
    ({"a": 1}, pa.struct([("a", INT)]), "[1]"),
    ([("a", 1), ("b", 2)], MAP, '{"b":2,"a":1}'), ([("a", None)], MAP, "{}"), ([], MAP, "null"),
    (dt.date(2020, 2, 29), pa.date32(), '"20200229"'),
    (dt.datetime(2020, 1, 1), pa.timestamp("us"), '"2020-01-01T00:00:00Z"'),
    (dt.datetime(2020, 1, 1), pa.timestamp("us"), "1577836800000000"),
    (dt.datetime(2020, 1, 1), pa.timestamp("us", "UTC"), '"2020-01-01T00:00:00+01:00"'),
    (dt.time(1), pa.time64("us"), '"25:00:00"'),
]  # fmt: skip


def test_values_of_json_and_parquet(tmp_path: Path) -> None:
    cases = {f"c{i}": case for i, case in enumerate([*SAME_VALUES, *OTHER_VALUES])}
    pq.write_table(pa.table({name: pa.array([value], type) for name, (value, type, _) in cases.items()}), tmp_path / "a.parquet")
    members = ",".join(f'"{name}":{text}' for name, (_, _, text) in cases.items() if text is not None)
    (tmp_path / "a.ndjson").write_text(f"{{{members}}}\n")
    keyed: How = {"key": "c0"}
    for old, new, how in (("parquet", "ndjson", IN_PLACE), ("ndjson", "parquet", IN_PLACE), ("parquet", "ndjson", keyed)):
        report = instar.compare(tmp_path / f"a.{old}", tmp_path / f"a.{new}", **how)
        told = {c.path.partition(".")[0] for c in report.columns if not c.same}
        told |= {p.path.partition(".")[0] for p in report.problems}
        expected = list(cases)[len(SAME_VALUES) :]
        assert [cases[name] for name in cases if (name in told) != (name in expected)] == [], (old, new, how)


def test_the_sign_of_a_zero_within_a_list_is_told_among_other_changes(tmp_path: Path) -> None:
    for name, zero, other in (("old", -0.0, 5), ("new", 0.0, 6)):
        table = pa.table({"id": [1], "other": [other], "zeros": [[zero, 1.0]], "same": ["x"], "too": ["y"], "as well": ["z"]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    for how in (KEYED, UNORDERED):
        (row,) = instar.compare(tmp_path / "old.parquet", tmp_path / "new.parquet", **how).rows
        assert [(f.path, f.old, f.new) for f in row.fields] == [("other", "5", "6"), ("zeros", "[-0.0, 1.0]", "[0.0, 1.0]")]


def test_a_field_of_what_is_no_record_is_told_without_what_stands_around_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "a": pa.array([{"n": 1}])}), tmp_path / "old.parquet")
    (tmp_path / "new.ndjson").write_text('{"id":1,"a":["SECRET"]}\n')
    for how in (IN_PLACE, KEYED, UNORDERED):
        report = instar.compare(tmp_path / "old.parquet", tmp_path / "new.ndjson", **how)
        told = {p.path: p.problem for p in report.problems}
        assert told["a.n"] == "on the new side record 0: what is around it is no record"
        assert [(f.path, f.old, f.new) for row in report.rows for f in row.fields] == [("a.n", "1", "null")]
