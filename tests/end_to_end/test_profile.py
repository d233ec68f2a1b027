"""What report.json says of the distributions of computed columns: what is there, and never a value of a field tagged pii."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import field

from instar.formats.plain import from_python
from instar.transforms import profile as module
from instar.transforms.distribution import BINS, distribution


def of(type: str, values: list[Any]) -> dict[str, Any]:
    made = field("x", type)
    return distribution("x", made, [from_python(values, made.type)])


def test_numbers_have_bounds_and_bins() -> None:
    said = of("int32?", [1, 2, 2, None, 3])
    assert (said["count"], said["nulls"], said["distinct"], said["min"], said["max"]) == (5, 1, 3, "1", "3")
    assert said["bins"] == [{"from": str(n), "to": str(n + 1), "count": count} for n, count in ((1, 1), (2, 2), (3, 1))]
    many = of("double", [n / 7 for n in range(1000)])
    assert len(many["bins"]) == BINS
    assert sum(bin["count"] for bin in many["bins"]) == 1000
    assert max(bin["count"] for bin in many["bins"]) == 50
    odd = of("double", [1.5, math.nan, math.inf, 2.5])
    assert (odd["count"], odd["min"], odd["max"], sum(bin["count"] for bin in odd["bins"])) == (4, "1.5", "inf", 2)
    assert of("double", [math.nan])["bins"] is None
    assert of("int64", [-(2**62), 2**62])["bins"][0]["count"] == 1
    assert of("integer", [10**30, 1])["max"] == str(10**30)
    assert of("decimal(20,2)", [])["bins"] is None
    assert (of("null", [None])["distinct"], of("null", [None])["nulls"]) == (0, 1)


def test_times_have_bins_that_read_as_times() -> None:
    days = of("date", [(dt.date(2026, 1, 1) - dt.date(1970, 1, 1)).days + n for n in range(60)])
    assert (days["min"], days["max"], days["bins"][0]) == (
        "2026-01-01",
        "2026-03-01",
        {"from": "2026-01-01", "to": "2026-01-04", "count": 3},
    )
    moments = of("timestamp(ns, UTC)", [0, 10**18])
    assert moments["bins"][0]["from"].startswith("1970-01-01 00:00:00")
    assert [bin["count"] for bin in moments["bins"] if bin["count"]] == [1, 1]


def test_texts_have_the_most_frequent_ones() -> None:
    said = of("string", ["b", "a", "b", "x" * 100])
    assert [(top["value"][:3], top["count"]) for top in said["top"]] == [("b", 2), ("a", 1), ("xxx", 1)]
    assert max(len(top["value"]) for top in said["top"]) == 60
    assert (said["min"], said["distinct"], said["bins"]) == ("a", 3, None)
    assert len(of("string", [str(n) for n in range(50)])["top"]) == 10
    assert of("bytes", [b"a"])["top"] is None


def left_by(author: Author) -> Any:
    (path,) = (author.folder / "data/.instar/sales/runs").glob("*/report.json")
    return json.loads(path.read_text(encoding="utf-8"))


def with_sales(author: Author, table: pa.Table, operation: str) -> Path:
    data = author.data("sales")
    for number in range(3):
        pq.write_table(table, data / f"{number}.parquet")
    author.adopt("sales")
    author.step("sales", operation)
    return data


def test_only_what_is_computed_is_looked_at(author: Author) -> None:
    records = [{"n": n, "in": {"d": float(n)}, "tags": [n, None], "same": n} for n in range(10)]
    casts = 'op.cast("n", "string"), op.cast("in.d", "int32"), op.cast("tags[]", "string"), '
    with_sales(author, pa.Table.from_pylist(records), casts + 'op.rename("same", to="other"), op.add("one", "string", default="x")')
    author.do("upgrade", "sales")
    said = left_by(author)["profile"]
    assert (said["records"], said["of"], said["files"], said["unseen"]) == (30, 30, 3, [])
    assert [(c["path"], [s["path"] for s in c["sources"]]) for c in said["columns"]] == [
        ("n", ["n"]), ("in.d", ["in.d"]), ("tags[]", ["tags[]"]),
    ]  # fmt: skip
    inside, listed = said["columns"][1:]
    assert (inside["sources"][0]["type"], inside["after"]["type"], inside["after"]["max"]) == ("double", "int32", "9")
    assert (listed["after"]["count"], listed["after"]["nulls"], listed["sources"][0]["nulls"]) == (60, 30, 30)


def test_a_run_that_only_copies_looks_at_nothing(author: Author) -> None:
    with_sales(author, pa.table({"n": [1, 2]}), 'op.rename("n", to="m"), op.add("one", "string", default="x")')
    answer = author.do("upgrade", "sales")
    assert left_by(author)["profile"] is None
    assert "profile" not in answer["seconds"]


def test_a_sample_is_bounded_and_even(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 100)
    monkeypatch.setitem(module.READ, "parquet", 600)
    data = author.data("sales")
    for number in range(3):
        pq.write_table(
            pa.table({"n": list(range(number * 1000, number * 1000 + 1000))}), data / f"{number}.parquet", row_group_size=50
        )
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "string")')
    author.do("upgrade", "sales")
    said = left_by(author)["profile"]
    assert (said["records"], said["of"], said["files"]) == (102, 3000, 3)
    (source,) = said["columns"][0]["sources"]
    assert (source["count"], source["distinct"], source["min"], source["max"]) == (102, 102, "0", "2798")
    assert [bin["count"] > 0 for bin in source["bins"]].count(True) > 8  # of each file some row groups from its beginning on


def test_of_very_many_files_some_are_looked_at(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.READ, "parquet", 20)
    data = author.data("sales")
    for number in range(20):
        pq.write_table(pa.table({"n": [number, number]}), data / f"{number:02}.parquet")
    author.adopt("sales")
    author.step("sales", 'op.cast("n", "string")')
    author.do("upgrade", "sales")
    said = left_by(author)["profile"]
    assert (said["records"], said["of"], said["files"]) == (20, 40, 10)
    assert said["columns"][0]["sources"][0]["bins"][-1]["count"] == 2


def test_a_field_that_is_tagged_is_not_looked_at(author: Author) -> None:
    table = pa.table({"name": pa.array(["Ada Lovelace", "Grace Hopper"]), "age": [36, 85]})
    operations = 'op.set_tag("name", "pii"), op.derive("initial", "string", sql="name[1:1]"), op.cast("age", "string")'
    with_sales(author, table, operations)
    author.step("sales", 'op.derive("short", "string", sql="name[1:7]")')
    author.do("upgrade", "sales")
    said = left_by(author)["profile"]
    hidden = {column["path"]: column["after"]["hidden"] for column in said["columns"]}
    assert hidden == {"initial": True, "age": False, "short": True}
    text = (author.folder / "data/.instar/sales/runs").rglob("*")
    assert not [path for path in text if path.is_file() and path.suffix == ".json" and b"Lovelace" in path.read_bytes()]
    for column in said["columns"]:
        for side in (*column["sources"], column["after"]):
            assert not side["hidden"] or (side["min"], side["top"], side["bins"], side["count"]) == (None, None, None, 0)
