"""Proofs of real Avro rewrites: right ones hold, damaged ones do not."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from pathlib import Path
from typing import Any

import fastavro
import pytest

from instar import op
from instar.transforms.proof.integrity import prove_file
from tests.faults import plant, possible
from tests.transforms.proof.conftest import problems

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "namespace": "com.example",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "constant", "type": "string"},
        {"name": "count", "type": ["null", "int"], "default": None},
        {"name": "ratio", "type": "float"},
        {"name": "price", "type": ["double", "null"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "money", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "wide", "type": {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 1}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "raw", "type": "bytes"},
        {
            "name": "place",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "Place",
                    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]}],
                },
            ],
        },
        {
            "name": "payload",
            "type": [
                "null",
                "int",
                "long",
                "string",
                {"type": "record", "name": "Created", "fields": [{"name": "id", "type": "long"}]},
                {"type": "record", "name": "Deleted", "fields": [{"name": "id", "type": "long"}]},
            ],
        },
        {
            "name": "tree",
            "type": {
                "type": "record",
                "name": "Tree",
                "fields": [{"name": "v", "type": "int"}, {"name": "below", "type": {"type": "array", "items": "Tree"}}],
            },
        },
        {"name": "scores", "type": {"type": "map", "values": ["null", "int"]}},
        {
            "name": "items",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Item",
                    "fields": [{"name": "n", "type": "int"}, {"name": "t", "type": "string"}],
                },
            },
        },
        {"name": "again", "type": ["null", "Created"], "default": None},
    ],
}


def record(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "constant": "same",
        "count": None if i % 3 == 0 else i,
        "ratio": (0.5, -0.0, math.inf)[i % 3],
        "price": (None, 1.5, math.nan, -0.0)[i % 4],
        "at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=i),
        "day": None if i % 2 else dt.date(2020, 1, 1 + i % 28),
        "money": decimal.Decimal(i) / 100,
        "wide": decimal.Decimal(10**40 + i),
        "kind": "AB"[i % 2],
        "hash": bytes([i] * 4),
        "raw": bytes([i, 255]),
        "place": None if i % 4 == 0 else {"x": i, "y": None if i % 3 else "é"},
        "payload": (None, 5, "text", ("com.example.Created", {"id": i}), ("com.example.Deleted", {"id": i}))[i % 5],
        "tree": {"v": i, "below": [{"v": 1, "below": []}] * (i % 3)},
        "scores": {"a": i, "b": None} if i % 2 else {},
        "items": [{"n": i, "t": "x"}] * (i % 3),
        "again": {"id": i} if i % 2 else None,
    }


OPERATIONS = [
    op.rename("constant", to="always"),
    op.cast("id", "string"),
    op.cast("count", "int64"),
    op.cast("place.x", "double"),
    op.cast("items[].n", "int64"),
    op.cast("scores{}", "string"),
    op.cast("at", "timestamp(us, UTC)"),
    op.derive("twice", "double", sql="price * 2"),
    op.derive("year", "int64", sql="year(at)"),
    op.add("currency", "string", default="EUR"),
    op.add("place.z", "int32", default=0),
    op.drop("raw"),
    op.move("ratio", to="place.ratio", where_null="drop"),
]


@pytest.fixture(params=["null", "deflate"])
def file(tmp_path: Path, request) -> Path:
    path = tmp_path / "data.avro"
    with path.open("wb") as opened:
        fastavro.writer(opened, SCHEMA, map(record, range(40)), codec=request.param, sync_interval=500)
    return path


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("operations", [[op.rename("id", to="key")], OPERATIONS], ids=["rename", "all"])
def test_a_right_rewrite_proves(file, staged, operations, level):
    proof = prove_file(*staged(file, "avro", operations), level=level)
    assert problems(proof) == {}
    assert proof.fidelity == ()
    assert (proof.verdict, proof.rows_old, proof.rows_new) == ("proved", 40, 40)


@pytest.mark.parametrize("fault", possible("avro"))
def test_a_planted_fault_is_found(file, staged, fault):
    unit, receipt = staged(file, "avro", [op.rename("id", to="key")])
    plant(fault, Path(unit.staged), "avro")
    found = problems(prove_file(unit, receipt))
    assert found
    if fault == "unit":
        assert list(found) == ["at"]


@pytest.mark.parametrize("column", ["key", "count", "price", "at", "money", "hash", "raw", "always"])
def test_a_changed_value_is_named_by_its_column(file, staged, column):
    unit, receipt = staged(file, "avro", [op.rename("id", to="key"), op.rename("constant", to="always")])
    plant("value", Path(unit.staged), "avro", column=column)
    assert list(problems(prove_file(unit, receipt))) == [column]


def test_another_branch_of_a_union_is_found(tmp_path, staged):
    """int 5 is not long 5, and a Created is not a Deleted, though they look alike."""
    path = tmp_path / "union.avro"
    schema = {"type": "record", "name": "R", "fields": [{"name": "u", "type": ["null", "int", "long"]}]}
    with path.open("wb") as opened:
        fastavro.writer(opened, schema, [{"u": 5}])
    unit, receipt = staged(path, "avro", [op.rename("u", to="v")])
    assert problems(prove_file(unit, receipt)) == {}
    data = Path(unit.staged).read_bytes()
    sync = data[-16:]
    body = data.rindex(b"\x02\x04\x02\x0a" + sync)  # one record of two bytes: branch 1, 5
    Path(unit.staged).write_bytes(data[:body] + b"\x02\x04\x04\x0a" + sync)
    assert list(problems(prove_file(unit, receipt))) == ["v"]


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("12", "13", "money"),
        ('"date"', '"datx"', "day"),
        ('"A","B"', '"B","A"', "kind"),
        ('"long","string"', '"string","long"', "payload<string>"),
    ],
)
def test_a_header_that_means_something_else_is_found(tmp_path, staged, right, wrong, place):
    path = tmp_path / "data.avro"
    with path.open("wb") as opened:
        fastavro.writer(opened, SCHEMA, map(record, range(4)))
    unit, receipt = staged(path, "avro", [op.rename("id", to="key")])
    data = Path(unit.staged).read_bytes()
    spaced = right.encode() not in data
    old, new = (text.replace(",", ", ").encode() if spaced else text.encode() for text in (right, wrong))
    assert old in data
    Path(unit.staged).write_bytes(data.replace(old, new, 1))
    assert place in problems(prove_file(unit, receipt))


def test_no_records_prove(tmp_path, staged):
    path = tmp_path / "none.avro"
    with path.open("wb") as opened:
        fastavro.writer(opened, SCHEMA, [])
    proof = prove_file(*staged(path, "avro", OPERATIONS))
    assert (proof.verdict, proof.rows_new) == ("proved", 0)
