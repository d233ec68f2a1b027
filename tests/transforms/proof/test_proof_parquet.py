"""Proofs of real Parquet rewrites: right ones hold, damaged ones do not."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import Unit
from tests.faults import plant, possible
from tests.transforms.proof.conftest import problems

ROWS = 50


def awkward() -> pa.Table:
    """Columns of every kind that has its own trap, with nulls, empty lists, NaN and -0.0."""
    rows = range(ROWS)
    return pa.table(
        {
            "id": pa.array(rows, pa.int64()),
            "constant": pa.array(["same"] * ROWS),
            "float": pa.array([(1.5, None, math.nan, -0.0, 0.0)[i % 5] for i in rows]),
            "odd.\"'name": pa.array([f"é{i}" for i in rows]),
            "select": pa.array([i % 3 == 0 for i in rows]),
            "A": pa.array(rows, pa.int32()),
            "a": pa.array([float(i) for i in rows], pa.float32()),
            "🦋": pa.array([i % 7 for i in rows], pa.uint8()),
            "when": pa.array([i * 1000 for i in rows], pa.timestamp("ms")),
            "zoned": pa.array([i * 1_000_000 for i in rows], pa.timestamp("us", "Europe/Paris")),
            "far": pa.array([2**62 - i for i in rows], pa.timestamp("ms")),
            "day": pa.array([dt.date(2020, 1, 1)] * ROWS),
            "nanos": pa.array([i * 7 for i in rows], pa.time64("ns")),
            "lasted": pa.array(rows, pa.duration("s")),
            "money": pa.array([decimal.Decimal(i) / 100 for i in rows], pa.decimal128(12, 2)),
            "wide": pa.array([decimal.Decimal(i) for i in rows], pa.decimal256(60, 0)),
            "half": pa.array([float(i) for i in rows], pa.float32()).cast(pa.float16()),
            "kind": pa.array(["a", None] * (ROWS // 2)).dictionary_encode(),
            "point": pa.array([[i, i + 1] for i in rows], pa.list_(pa.float32(), 2)),
            "record": pa.array([None if i % 4 == 0 else {"x": i, "y": None if i % 3 else [i, None]} for i in rows]),
            "twins": pa.array([{"N": i, "n": str(i)} for i in rows]),
            "items": pa.array([(None, [], [None], [{"price": i, "name": "n"}])[i % 4] for i in rows]),
            "tags": pa.array([(None, [], [("k", i), ("l", None)])[i % 3] for i in rows], pa.map_(pa.string(), pa.int64())),
            "big": pa.array(["x"] * ROWS, pa.large_string()),
            "blob": pa.array([bytes([i]) for i in rows], pa.binary()),
            "fixed": pa.array([bytes([i] * 4) for i in rows], pa.binary(4)),
            "nothing": pa.nulls(ROWS),
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    pq.write_table(awkward(), path, row_group_size=20, compression="zstd")
    return path


OPERATIONS = [
    op.rename("constant", to="always"),
    op.cast("id", "string"),
    op.cast("🦋", "int64"),
    op.cast("items[].price", "string"),
    op.cast("tags{}", "string"),
    op.cast("record.x", "double"),
    op.derive("twice", "double", sql='float * 2 + "A"'),
    op.derive("sum", "int64", sql='list_sum(record.y)::BIGINT + "A"'),
    op.add("currency", "string", default="EUR"),
    op.add("record.added", "int32", default=7),
    op.drop("blob"),
    op.move("record.y", to="y"),
    op.move("A", to="inner.A"),
    op.require("day"),
]


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("operations", [[op.rename("id", to="key")], OPERATIONS], ids=["rename", "all"])
def test_a_right_rewrite_proves(file, staged, operations, level):
    proof = prove_file(*staged(file, "parquet", operations), level=level)
    assert problems(proof) == {}
    assert proof.fidelity == ()
    assert (proof.verdict, proof.rows_old, proof.rows_new) == ("proved", ROWS, ROWS)
    copied = len(operations) == 1 and level == "auto"
    assert {column.way for column in proof.columns} == ({"bytes"} if copied else {"sql", "bytes"})


def written_otherwise(unit: Unit) -> None:
    """The new file with the same values in other bytes."""
    pq.write_table(pq.read_table(unit.staged), unit.staged, compression="gzip", row_group_size=20)


@pytest.mark.parametrize("operations", [[op.rename("id", to="key")], OPERATIONS], ids=["rename", "all"])
def test_what_was_not_copied_is_read(file, staged, operations):
    unit, receipt = staged(file, "parquet", operations)
    written_otherwise(unit)
    proof = prove_file(unit, receipt)
    assert problems(proof) == {}
    assert {column.way for column in proof.columns} == {"sql", "bytes"}


@pytest.mark.parametrize("item", [pa.uuid(), pa.json_()], ids=str)
def test_lists_of_extensions_stand_beside_what_is_read_as_bits(tmp_path, staged, item):
    values = pa.array([bytes(16)] if item == pa.uuid() else ["{}"], item.storage_type)
    lists = pa.ListArray.from_arrays([0, 1], pa.ExtensionArray.from_storage(item, values))
    pq.write_table(pa.table({"l": lists, "half": pa.array([1.5], pa.float16()), "x": [1]}), tmp_path / "data.parquet")
    for operations in ([op.rename("x", to="y")], [op.cast("x", "string")]):
        assert prove_file(*staged(tmp_path / "data.parquet", "parquet", operations)).verdict == "proved"


@pytest.mark.parametrize("level", ["auto", "full"])
def test_what_becomes_null_within_a_record_proves(tmp_path, staged, level):
    """DuckDB does not bear a comparison of its type for nothing but NULL with a CASE of another type."""
    records = pa.array([{"t": 1, "x": 2}, None, {"t": 2, "x": 3}])
    pq.write_table(pa.table({"r": records, "n": [1, 2, None]}), tmp_path / "data.parquet")
    operations = [op.cast("r.t", "null", on_error="null"), op.cast("n", "null", on_error="null")]
    unit, receipt = staged(tmp_path / "data.parquet", "parquet", operations)
    assert (problems(proof := prove_file(unit, receipt, level=level)), proof.verdict) == ({}, "proved")
    table = pq.read_table(unit.staged)
    pq.write_table(table.set_column(1, "n", pa.array([None, 2, None])), unit.staged)
    assert "n" in str(prove_file(unit, receipt, level=level).failures)


@pytest.mark.parametrize("level", ["auto", "full"])
def test_nothing_is_required_below_a_null_record(tmp_path, staged, level):
    rows = [{"x": 1, "in": {"y": "a"}}, None, {"x": 2, "in": None}]
    inner = pa.struct([("y", pa.string())])
    table = pa.table({"r": pa.array(rows, pa.struct([("x", pa.int64()), ("in", inner)]))})
    pq.write_table(table, tmp_path / "data.parquet")
    required = [op.require("r.x"), op.require("r.in.y"), op.cast("r.x", "string")]
    for operations in (required[:1], required[:2], required):
        proof = prove_file(*staged(tmp_path / "data.parquet", "parquet", operations), level=level)
        assert (problems(proof), proof.verdict) == ({}, "proved")


def test_every_place_of_the_target_is_in_the_proof(file, staged):
    proof = prove_file(*staged(file, "parquet", OPERATIONS))
    paths = {column.path for column in proof.columns}
    assert {
        "always",
        "id",
        "record",
        "record.x",
        "record.added",
        "items",
        "tags",
        "inner",
        "inner.A",
        "y",
        '"odd.""\'name"',
    } <= paths
    assert "blob" not in paths


@pytest.mark.parametrize("fault", [f for f in possible("parquet") if f != "constant"])
def test_a_planted_fault_is_found(file, staged, fault):
    unit, receipt = staged(file, "parquet", [op.rename("id", to="key")])
    plant(fault, Path(unit.staged), "parquet")
    proof = prove_file(unit, receipt)
    assert proof.verdict == "failed"
    assert problems(proof)


@pytest.mark.parametrize("fault", ["value", "shifted"])
@pytest.mark.parametrize("column", ["key", "float", "odd.\"'name", "a", "when", "zoned", "far", "money", "lasted"])
def test_a_fault_is_named_by_its_column(file, staged, fault, column):
    unit, receipt = staged(file, "parquet", [op.rename("id", to="key"), op.cast("key", "string")])
    plant(fault, Path(unit.staged), "parquet", column=column)
    found = problems(prove_file(unit, receipt))
    assert len(found) == 1
    assert next(iter(found)).replace('""', '"').strip('"') == column


def test_a_replaced_constant_is_found(file, staged):
    unit, receipt = staged(file, "parquet", [op.rename("constant", to="always"), op.add("one", "int32", default=1)])
    for column in ("always", "one"):
        proof = prove_file(unit, receipt)
        assert proof.verdict == "proved"
        kept = Path(unit.staged).read_bytes()
        plant("constant", Path(unit.staged), "parquet", column=column)
        assert set(problems(prove_file(unit, receipt))) == {column}
        Path(unit.staged).write_bytes(kept)


def test_the_first_different_row_and_both_values_are_told(file, staged):
    unit, receipt = staged(file, "parquet", [op.cast("id", "string")])
    plant("value", Path(unit.staged), "parquet", column="id")
    (column,) = (c for c in prove_file(unit, receipt).columns if c.problem)
    assert (column.path, column.way, column.row) == ("id", "sql", ROWS - 1)
    assert column.problem == f"record {ROWS - 1} holds 4x, not {ROWS - 1}"


def pair(tmp_path: Path, staged, old: pa.Array, new: pa.Array):
    """A file of one column, rewritten, its new values then replaced."""
    path = tmp_path / "pair.parquet"
    pq.write_table(pa.table({"old": old}), path)
    unit, receipt = staged(path, "parquet", [op.rename("old", to="new")])
    schema = pq.read_schema(unit.staged)
    pq.write_table(pa.table([new.cast(schema.field(0).type)], schema=schema), unit.staged)
    return prove_file(unit, receipt)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([0.0], [-0.0]),
        ([math.nan], [1.0]),
        ([None], [0.0]),
        ([[0.0]], [[-0.0]]),
        ([[]], [None]),
        ([[None]], [[]]),
        ([{"a": None}], [None]),
        ([{"a": 0.0}], [{"a": -0.0}]),
        ([{"a": [1]}], [{"a": [2]}]),
        (["a"], ["a "]),
        ([""], [None]),
        ([b"a"], [b"b"]),
    ],
)
def test_values_that_look_alike_are_told_apart(tmp_path, staged, old, new):
    left = pa.array(old)
    if left.type == pa.null():
        left = pa.array(old, pa.float64())
    proof = pair(tmp_path, staged, left, pa.array(new, left.type))
    assert "new" in " ".join(problems(proof))


def test_nans_with_other_bits_are_told_apart(tmp_path, staged):
    odd = pa.array([0x7FF8000000000001], pa.int64()).view(pa.float64())
    assert problems(pair(tmp_path, staged, pa.array([math.nan]), pa.array([math.nan]))) == {}
    assert "new" in problems(pair(tmp_path, staged, pa.array([math.nan]), odd))


def test_no_rows_prove(tmp_path, staged):
    path = tmp_path / "none.parquet"
    pq.write_table(awkward().schema.empty_table(), path)
    proof = prove_file(*staged(path, "parquet", OPERATIONS))
    assert (proof.verdict, proof.rows_new) == ("proved", 0)


def test_text_that_is_not_utf8_is_compared_as_bytes(tmp_path, staged):
    path = tmp_path / "bad.parquet"
    text = pa.array([b"\xff\xfe", b"ok", b"more"]).view(pa.string())
    pq.write_table(pa.table({"text": text, "id": [1, 2, 3]}), path)
    unit, receipt = staged(path, "parquet", [op.rename("text", to="words")])
    written_otherwise(unit)
    proof = prove_file(unit, receipt)
    assert [(c.path, c.way, c.problem) for c in proof.columns] == [("words", "bytes", ""), ("id", "sql", "")]


def test_int96_is_compared_in_every_year(tmp_path, staged):
    path = tmp_path / "int96.parquet"
    days = [dt.datetime(1999, 1, 1, 1, 2, 3, 456789), dt.datetime(2020, 2, 29)]
    pq.write_table(pa.table({"at": pa.array(days, pa.timestamp("us"))}), path, use_deprecated_int96_timestamps=True)
    unit, receipt = staged(path, "parquet", [op.rename("at", to="when")])
    assert problems(prove_file(unit, receipt)) == {}
    pq.write_table(pq.read_table(unit.staged), unit.staged, compression="gzip", use_deprecated_int96_timestamps=True)
    assert problems(prove_file(unit, receipt)) == {}


def test_a_missing_column_is_a_problem_of_the_schema(file, staged):
    unit, receipt = staged(file, "parquet", [op.rename("id", to="key")])
    pq.write_table(pq.read_table(unit.staged).drop_columns(["money"]), unit.staged)
    proof = prove_file(unit, receipt)
    assert proof.verdict == "failed"
    assert "money" in " ".join(c.problem for c in proof.columns)


def test_a_receipt_that_says_otherwise_is_a_problem(file, staged):
    from dataclasses import replace

    unit, receipt = staged(file, "parquet", [op.rename("id", to="key")])
    assert prove_file(unit, replace(receipt, rows_out=ROWS + 1)).verdict == "failed"
