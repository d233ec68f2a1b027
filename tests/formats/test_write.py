"""New files of record batches in every format: every type comes back as it was given, and bytes are a function of the records."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.columnar import column_schema
from instar.formats.errors import DataError, UsageError
from instar.formats.format import Stamp, format_named
from instar.formats.plain import from_python
from instar.formats.schema import Field, Record, Schema, Type, Union, field_text, schema
from instar.formats.storage import stored
from instar.formats.typetext import parse_type

VALUES: dict[str, list[Any]] = {
    "bool": [True, False],
    "int8": [-128, 127],
    "uint64": [0, 2**64 - 1],
    "int64": [-(2**63), 2**63 - 1],
    "integer": [0, -(10**25)],
    "number": [0, Decimal("-1.5"), 10**25],
    "half": [0.5, 65504.0],
    "float": [0.5, 3.4028234663852886e38],
    "double": [0.1, -1e300, 5e-324],
    "decimal(10,2)": [Decimal("1.50"), Decimal("-99999999.99")],
    "decimal(50,3)": [Decimal("1." + "0" * 3), Decimal("9" * 47 + ".999")],
    "string": ["", 'é\n"\\', "\U0001f98b"],
    "bytes": [b"", b"\x00\xff"],
    "fixed(3)": [b"abc", b"\x00\x00\x00"],
    "date": [0, -719162],
    "time(s)": [0, 86399],
    "time(ms)": [0, 86399999],
    "time(us)": [1],
    "time(ns)": [1],
    "timestamp(s)": [0, -1],
    "timestamp(ms)": [0, -1],
    "timestamp(us, UTC)": [0, -1],
    "timestamp(ns)": [0, -1],
    "timestamp(s, Europe/Paris)": [0, -1],
    "timestamp(us, +02:00)": [0, -1],
    "duration(ms)": [0, -(2**63)],
    "uuid": ["0f8fad5b-d9cb-469f-a165-70867728950e"],
    "enum(open, closed)": ["open", "closed"],
    "json": ['{"a":1.50}', "[]", "3"],
    "list<int8?>": [[], [1, None, -1]],
    "map<date?>": [{}, {"a": 1, "é": None}],
    "record{a: int8?, b: list<record{c: string}>}": [{"a": None, "b": []}, {"a": 1, "b": [{"c": "x"}, {"c": ""}]}],
}
FORMATS = ("parquet", "avro", "json")


def batches(given: Schema, columns: dict[str, list[Any]], size: int = 2) -> Iterator[pa.RecordBatch]:
    arrow = column_schema(given)
    arrays = [stored(_shown(columns[f.name], f.type), arrow.field(f.name).type) for f in given.record.fields]
    whole = pa.RecordBatch.from_arrays(arrays, schema=arrow)
    for start in range(0, whole.num_rows, size):
        yield whole.slice(start, size)


def _shown(values: list[Any], type: Type) -> pa.Array:
    text = type == parse_type("json")
    return pa.array(values, pa.string()) if text else from_python(values, type)


def written(tmp_path: Path, name: str, given: Schema, columns: dict[str, list[Any]], **more: Any) -> Path:
    format = format_named(name)
    path = tmp_path / f"out.{name}"
    count = format.write(path, schema=given, batches=batches(given, columns), stamp=more.pop("stamp", None), **more)
    assert count == len(next(iter(columns.values())))
    return path


def read(path: Path, name: str, given: Schema) -> pa.Table:
    format = format_named(name)
    own = format.inspect(path).schema or given
    found = format.read(path, schema=own, columns=own.record.names, memory=1 << 28)
    arrow = column_schema(given)
    rows = [pa.RecordBatch.from_arrays([stored(b.column(f.name), f.type) for f in arrow], schema=arrow) for b in found]
    return pa.Table.from_batches(rows, arrow)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", VALUES)
def test_every_type_comes_back(text: str, name: str, tmp_path: Path) -> None:
    values = [*VALUES[text], None, *VALUES[text]]
    given = schema(Field("x", parse_type(text), nullable=True), Field("n", parse_type("int32")))
    if text.startswith(("time(s", "timestamp(s")) and name == "parquet":
        named = Field("x", parse_type(text), nullable=True, extra={"metadata": [["instar.type", text]]})
        given = schema(named, given.record["n"])
    columns = {"x": values, "n": list(range(len(values)))}
    path = written(tmp_path, name, given, columns)
    table = read(path, name, given)
    assert table.equals(pa.Table.from_batches(list(batches(given, columns)))), table
    facts = format_named(name).inspect(path)
    if facts.schema is not None:
        assert [field_text(f) for f in facts.schema.record.fields] == [field_text(f) for f in given.record.fields]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_records_give_the_same_bytes_and_the_stamp_is_kept(name: str, tmp_path: Path) -> None:
    given = schema(Field("x", parse_type("string")))
    columns = {"x": [str(i) for i in range(5000)]}
    stamp = Stamp("s", 3)
    first = written(tmp_path, name, given, columns, stamp=stamp).read_bytes()
    path = written(tmp_path, name, given, columns, stamp=stamp)
    assert path.read_bytes() == first
    assert format_named(name).inspect(path).stamp == (None if name == "json" else stamp)
    assert format_named(name).count(path) == 5000


@pytest.mark.parametrize("name", FORMATS)
def test_no_records_make_a_valid_file(name: str, tmp_path: Path) -> None:
    given = schema(Field("x", parse_type("string")))
    for more in ({}, {"layout": "array"}):
        path = written(tmp_path, name, given, {"x": []}, **more)
        assert format_named(name).count(path) == 0


CODECS = {
    "parquet": ["zstd", "snappy", "gzip", "none"],
    "avro": ["deflate", "snappy", "zstandard", "zstd", "none", "bzip2", "xz"],
    "json": ["none", "gzip", "zstd"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_compressions(name: str, tmp_path: Path) -> None:
    given = schema(Field("x", parse_type("int32")))
    for codec in CODECS[name]:
        path = written(tmp_path, name, given, {"x": list(range(100))}, compression=codec)
        assert read(path, name, given).column("x").to_pylist() == list(range(100))
    with pytest.raises(UsageError, match="no compression"):
        written(tmp_path, name, given, {"x": [1]}, compression="lzma")


def test_other_readers_read_avro(tmp_path: Path) -> None:
    union = Union((Field("int", parse_type("int32")), Field("string", parse_type("string"))))
    given = schema(Field("u", union, nullable=True), Field("d", parse_type("date")), Field("big", parse_type("uint64")))
    arrow = column_schema(given)
    rows = [{"u": {"int": 1, "string": None}, "d": dt.date(2026, 1, 1), "big": 2**64 - 1},
            {"u": {"int": None, "string": "é"}, "d": dt.date(1, 1, 1), "big": 0},
            {"u": None, "d": dt.date(2000, 1, 1), "big": 5}]  # fmt: skip
    path = tmp_path / "a.avro"
    format_named("avro").write(path, schema=given, batches=iter(pa.Table.from_pylist(rows, arrow).to_batches()), stamp=None)
    with path.open("rb") as file:
        found: list[Any] = list(fastavro.reader(file))
    assert [r["u"] for r in found] == [1, "é", None]
    assert [r["d"] for r in found] == [r["d"] for r in rows]
    assert [r["big"] for r in found] == [Decimal(2**64 - 1), 0, 5]


def test_a_json_array_and_keys_that_are_left_out(tmp_path: Path) -> None:
    inner = Record((Field("k", parse_type("int8"), optional=True), Field('a{b}"c', parse_type("int8"), nullable=True)))
    given = schema(
        Field("x", parse_type("int8"), optional=True),
        Field("r", inner, nullable=True),
        Field("l", parse_type("list<int8?>"), optional=True),
    )
    columns = {"x": [None, 1, None], "r": [{"k": None, 'a{b}"c': 2}, None, {"k": 1, 'a{b}"c': None}], "l": [[None], None, []]}
    for layout, load in (("array", json.load), ("lines", lambda f: [json.loads(line) for line in f])):
        path = written(tmp_path, "json", given, columns, layout=layout)
        with path.open(encoding="utf-8") as file:
            assert load(file) == [{"r": {'a{b}"c': 2}, "l": [None]}, {"x": 1, "r": None}, {"r": {"k": 1, 'a{b}"c': None}, "l": []}]


@pytest.mark.parametrize(
    ("text", "values", "path"),
    [
        ("double", [1.0, 2.0, float("nan")], "x"),
        ("list<double>", [[1.0], [], [2.0, float("inf")]], "x[]"),
        ("map<record{a: double?}>", [{}, {"k": {"a": 1.0}}, {"k": {"a": 1.0}, "l": {"a": float("nan")}}], "x{}.a"),
        ("date", [0, 1, 2932897], "x"),
        ("json", ["1", "2", "{"], "x"),
    ],
)
def test_what_json_cannot_hold_names_record_and_field(text: str, values: list[Any], path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        written(tmp_path, "json", schema(Field("x", parse_type(text))), {"x": values})
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (2, path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["parquet", "avro"])
def test_a_null_where_a_value_is_required_names_the_record(name: str, tmp_path: Path) -> None:
    given = schema(Field("x", parse_type("int8")))
    arrow = pa.schema([pa.field("x", pa.int8())])
    rows = iter(
        [
            pa.record_batch([pa.array([1, 2], pa.int8())], schema=arrow),
            pa.record_batch([pa.array([1, None], pa.int8())], schema=arrow),
        ]
    )
    with pytest.raises(DataError, match="null") as caught:
        format_named(name).write(tmp_path / "x", schema=given, batches=rows, stamp=None)
    assert caught.value.where is not None
    assert caught.value.where.row == 3


def test_parquet_row_groups_hold_many_batches(tmp_path: Path) -> None:
    given = schema(Field("x", parse_type("int64")))
    path = written(tmp_path, "parquet", given, {"x": list(range(1000))})
    found = pq.ParquetFile(path)
    assert found.metadata.num_row_groups == 1
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
