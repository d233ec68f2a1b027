"""Drill-down: a failed check names the first records that differ, each with its row group or block and both values."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastavro.write import Writer

from instar import op
from instar.formats.errors import Collected, ProofError
from instar.formats.schema import Field, Integer, Number, Record, Schema
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.shown import shown
from instar.transforms.report import Proof

ROWS = 100
FAR = "x" * 100
CHANGED = (41, 42, 43, 77, 78, 79, 99)
SCHEMA = Schema(Field("", Record((Field("id", Integer()), Field("price", Number())))))
AVRO = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}, {"name": "price", "type": "double"}]}


def written(path: Path, format: str, records: list[Any]) -> None:
    """In row groups, or blocks, of thirty."""
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path, row_group_size=30)
    elif format == "avro":
        with path.open("wb") as file:
            writer = Writer(file, AVRO, sync_marker=b"s" * 16)
            for i, record in enumerate(records):
                writer.write(record)
                if i % 30 == 29:
                    writer.dump()
            writer.flush()
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))


def damaged(path: Path, format: str, *, rows: int = ROWS) -> None:
    """The staged file with other prices in the records that are to be CHANGED, or cut off after so many."""
    if format == "parquet":
        table = pq.read_table(path)
        prices = [p + 1 if i in CHANGED else p for i, p in enumerate(table["price"].to_pylist())]
        pq.write_table(table.set_column(1, "price", pa.array(prices)).slice(0, rows), path, row_group_size=30)
        return
    if format == "avro":
        reader: Any = fastavro.reader(io.BytesIO(path.read_bytes()))
        records, schema = cast(list[Any], list(reader)), reader.writer_schema
    else:
        records, schema = [json.loads(line) for line in path.read_text().splitlines()], cast(Any, None)
    changed: list[Any] = [{**r, "price": r["price"] + 1} if i in CHANGED else r for i, r in enumerate(records)][:rows]
    if format == "avro":
        with path.open("wb") as file:
            writer = Writer(file, schema, sync_marker=b"s" * 16, metadata={"instar.subject": "subject"})
            for i, record in enumerate(changed):
                writer.write(record)
                if i % 30 == 29:
                    writer.dump()
            writer.flush()
    else:
        written(path, format, changed)


@pytest.fixture(params=["parquet", "avro", "json"])
def format(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def proof(tmp_path, staged, format):
    path = tmp_path / f"data.{format}"
    written(path, format, [{"id": i, "price": float(i)} for i in range(ROWS)])
    unit, receipt = staged(path, format, [op.rename("id", to="number")], SCHEMA if format == "json" else None)

    def prove(*, rows: int = ROWS, **options):
        damaged(Path(unit.staged), format, rows=rows)
        return prove_file(unit, receipt, **options)

    return prove


@pytest.mark.parametrize("level", ["auto", "full"])
def test_the_first_records_that_differ_are_shown_with_both_values(proof, format, level):
    for column in (c for c in proof(level=level, examples=4).columns if c.path == "price"):
        if not column.problem:
            continue
        assert (column.row, column.differing) == (41, len(CHANGED))
        groups = (None,) * 4 if format == "json" else (1, 1, 1, 2)
        assert [(e.row, e.group, e.expected, e.actual) for e in column.examples] == [
            (row, group, f"{row}.0", f"{row + 1}.0") for row, group in zip(CHANGED[:4], groups, strict=True)
        ]
        return
    pytest.fail("the price is not said to differ")


def test_none_are_shown_where_none_are_asked_for(proof):
    (column,) = (c for c in proof(examples=0).columns if c.path == "price")
    assert (column.examples, column.row, column.differing) == ((), 41, 7)
    assert "record 41 holds 42.0, not 41.0 (7 records differ)" in column.problem


def test_what_is_missing_is_no_null(proof):
    found = {c.path: c for c in proof(rows=98).columns}
    assert found["number"].problem == "record 98 is missing"
    assert [(e.row, e.expected, e.actual) for e in found["number"].examples] == [(98, "98", "no record"), (99, "99", "no record")]


def test_an_error_has_them_for_people_and_programs(proof, format):
    error = Proof.of([proof(examples=2)]).error()
    errors = error.errors if isinstance(error, Collected) else (error,)
    (shown,) = (e.examples for e in errors if isinstance(e, ProofError) and e.examples)
    unit = {"parquet": {"unit": "row group"}, "avro": {"unit": "block"}}.get(format, {})
    group = {"group": 1 if unit else None, **unit}
    assert shown == (
        {"row": 41, **group, "old": "41.0", "new": "42.0"},
        {"row": 42, **group, "old": "42.0", "new": "43.0"},
    )


def test_hidden_values_are_in_no_example(tmp_path, staged):
    path = tmp_path / "data.parquet"
    written(path, "parquet", [{"id": i, "price": float(i)} for i in range(ROWS)])
    unit, receipt = staged(path, "parquet", [op.rename("id", to="number"), op.set_tag("price", "pii")])
    damaged(Path(unit.staged), "parquet")
    (column,) = (c for c in prove_file(unit, receipt).columns if c.path == "price" and c.examples)
    assert {(e.expected, e.actual, e.hidden) for e in column.examples} == {("", "", True)}
    assert [(e.row, e.group) for e in column.examples] == [(41, 1), (42, 1), (43, 1), (77, 2), (78, 2)]
    assert column.examples[0].as_json() == {"row": 41, "group": 1, "unit": "row group", "old": None, "new": None}


@pytest.mark.parametrize(
    ("expected", "actual", "texts"),
    [
        ("3", "4", ("3", "4")),
        (None, "4", ("null", "4")),
        (None, "null", ("null", "'null'")),
        ("", None, ("''", "null")),
        ("Café", "Cafe\u0301", ("'Caf\\xe9'", "'Cafe\\u0301'")),
        ("a b", "a  b", ("'a b'", "'a  b'")),
        ("a", "a\n", ("'a'", "'a\\n'")),
        ("nan", "nan", ("'nan'", "'nan' in other bits")),
        (b"\x00\xff", b"\x00\xfe", ("\\x00\\xff", "\\x00\\xfe")),
        ("x" * 100, "y" * 100, ("x" * 59 + "…", "y" * 59 + "…")),
        (f"{FAR}1{FAR}", f"{FAR}2{FAR}", (f"…{'x' * 20}1{'x' * 37}…", f"…{'x' * 20}2{'x' * 37}…")),
    ],
)  # fmt: skip
def test_two_values_that_differ_are_seen_to(expected, actual, texts):
    assert shown(expected, actual) == texts
    assert all(len(text) <= 60 for text in texts)


INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
STORED: dict[str, tuple[Any, list[Any], tuple[str, str]]] = {
    "date": ({"type": "int", "logicalType": "date"}, [0, 1], ("1970-01-01", "1970-01-02")),
    "time": ({"type": "int", "logicalType": "time-millis"}, [1, 3_600_000], ("00:00:00.001", "01:00:00.000")),
    "instant": (INSTANT, [0, 1], ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.001Z")),
    "no instant": (INSTANT, [0, 1 << 60], ("1970-01-01T00:00:00.000Z", str(1 << 60))),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, [b"\x01", b"\xff"], ("0.01", "-0.01")),
    "list": ({"type": "array", "items": "long"}, [[1, 2], [2, 1]], ("[1, 2]", "[2, 1]")),
    "map": ({"type": "map", "values": ["null", "long"]}, [{"a": 1}, {"a": None}], ("[{k: a, v: 1}]", "[{k: a, v: null}]")),
    "branch": (["int", "string"], [1, "1"], ("{b0: 1}", "{b1: 1}")),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED)
def test_what_avro_stores_is_told_as_what_it_means(kind, tmp_path, staged):
    type, values, texts = STORED[kind]
    plain = {"type": type["type"]} if isinstance(type, dict) and "logicalType" in type else type
    path = tmp_path / "data.avro"

    def write(at: Path, name: str, value: Any) -> bytes:
        """fastavro writes what is stored; the header says what it means."""
        fields = [{"name": "id", "type": "long"}, {"name": name, "type": plain}]
        with at.open("wb") as file:
            records = [{"id": i, name: value if i == 3 else values[0]} for i in range(9)]
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records, sync_marker=b"s" * 16)
        return at.read_bytes()

    def blocks(data: bytes) -> bytes:
        return data[data.index(b"s" * 16) :]

    data = write(path, "value", values[0])
    document = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}, {"name": "value", "type": type}]}
    with path.open("wb") as file:
        fastavro.writer(file, document, [], sync_marker=b"s" * 16)
    path.write_bytes(path.read_bytes() + blocks(data)[16:])
    unit, receipt = staged(path, "avro", [op.rename("value", to="v")])
    new = Path(unit.staged).read_bytes()
    Path(unit.staged).write_bytes(new.replace(blocks(new), blocks(write(tmp_path / "other", "v", values[1]))))
    (column,) = (c for c in prove_file(unit, receipt).columns if c.problem)
    assert [(e.row, e.group, e.expected, e.actual) for e in column.examples] == [(3, 0, *texts)]
