"""DuckDB views of lists of files show what the files hold, in every format, whatever version each is at."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from support import field

from instar.formats.columnar import column_schema
from instar.formats.errors import FileError
from instar.formats.format import format_named
from instar.formats.schema import Field, Record, Schema
from instar.transforms.run.two_trees import TreeFile
from instar.transforms.tree_views import empty_views, tree_views

UTC = dt.UTC


def schema_of(*fields: Field) -> Schema:
    return Schema(Field("", Record(fields)))


def written(path: Path, format: str, schema: Schema, rows: list[dict[str, Any]], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = pa.RecordBatch.from_pylist(rows, schema=column_schema(schema))
    format_named(format).write(path, schema=schema, batches=iter([batch]), stamp=None, **more)
    return path


def tree_file(path: str, file: Path, format: str, version: int = 1) -> TreeFile:
    facts = format_named(format).inspect(file)
    return TreeFile(path, file, version, facts.schema, facts.layout, bool(facts.physical.get("bom")))


def shown(format: str, schemas: dict[int, Schema], files: list[TreeFile], query: str, **more: Any) -> list[tuple[Any, ...]]:
    with tree_views(
        format, schemas, {"new": files}, target=1, partitions=more.pop("partitions", {}), memory=256 << 20, **more
    ) as views:
        return views.connection.sql(query).project("CAST(COLUMNS(*) AS VARCHAR)").fetchall()


EVERY = schema_of(
    field("b", "bool", nullable=True),
    field("i", "int32"),
    field("l", "int64", nullable=True),
    field("f", "float", nullable=True),
    field("d", "double", nullable=True),
    field("n", "decimal(9,2)", nullable=True),
    field("s", "string", nullable=True),
    field("y", "bytes", nullable=True),
    field("day", "date", nullable=True),
    field("t", "time(us)", nullable=True),
    field("at", "timestamp(us, UTC)", nullable=True),
    field("local", "timestamp(us)", nullable=True),
    field("r", "record{x: int64?, in: record{when: date?}?}", nullable=True),
    field("many", "list<decimal(5,1)?>", nullable=True),
    field("by", "map<string, date?>", nullable=True),
    field("odd name's", "string", nullable=True),
)
ROW: dict[str, Any] = {
    "b": True,
    "i": -7,
    "l": 2**62 + 1,
    "f": 1.5,
    "d": 0.1,
    "n": Decimal("-12.30"),
    "s": "é'x\"\n",
    "y": b"\x00\xff",
    "day": dt.date(1969, 12, 31),
    "t": dt.time(23, 59, 59, 123456),
    "at": dt.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
    "local": dt.datetime(2024, 2, 29, 12, 0, 0, 1),
    "r": {"x": 5, "in": {"when": dt.date(2024, 1, 2)}},
    "many": [Decimal("1.5"), None],
    "by": [("k", dt.date(2024, 1, 2)), ("n", None)],
    "odd name's": "q",
}
SHOWN = (
    "true", "-7", "4611686018427387905", "1.5", "0.1", "-12.30", "é'x\"\n", "\\x00\\xFF", "1969-12-31", "23:59:59.123456",
    "2024-02-29 12:00:00.000001+00", "2024-02-29 12:00:00.000001", "{'x': 5, 'in': {'when': 2024-01-02}}", "[1.5, NULL]",
    "{k=2024-01-02, n=NULL}", "q",
)  # fmt: skip
NULLS = {f.name: None for f in EVERY.record.fields} | {"i": 0}


@pytest.mark.parametrize("format", ["parquet", "avro", "json"])
def test_every_type_is_shown_as_it_is(format: str, tmp_path: Path) -> None:
    named = {"odd name's": "odd"} if format == "avro" else {}
    schema = schema_of(*(f if f.name not in named else field(named[f.name], "string", nullable=True) for f in EVERY.record.fields))
    rows = [{named.get(name, name): value for name, value in row.items()} for row in (ROW, NULLS)]
    file = written(tmp_path / f"a.{format}", format, schema, rows)
    files = [tree_file(file.name, file, format)]
    assert shown(format, {1: schema}, files, "FROM new") == [SHOWN, (None, "0", *[None] * 14)]
    with tree_views(format, {1: schema}, {"new": files}, target=1, partitions={}, memory=256 << 20) as views:
        assert list(views.columns["new"]) == list(schema.record.names)
        with empty_views(format, {1: schema}, {"new": [1]}, {}) as empty:
            assert empty.columns == views.columns
            assert empty.connection.sql("FROM new").types == views.connection.sql("FROM new").types
            assert empty.connection.sql("FROM new").fetchall() == []
    assert shown(format, {1: schema}, files, "SELECT a.i FROM new a JOIN new b USING (i) ORDER BY 1") == [("-7",), ("0",)]


OLD = schema_of(field("id", "int64"), field("distance", "double", nullable=True), field("flight", "int32", nullable=True))
NEW = schema_of(field("id", "int64"), field("km", "double", nullable=True), field("flight", "string", nullable=True))


@pytest.mark.parametrize("format", ["parquet", "avro", "json"])
def test_files_of_two_versions_are_one_view_by_the_names_of_their_columns(format: str, tmp_path: Path) -> None:
    first = written(tmp_path / f"1.{format}", format, OLD, [{"id": 1, "distance": 2.5, "flight": 22}])
    second = written(tmp_path / f"2.{format}", format, NEW, [{"id": 2, "km": 3.5, "flight": "22a"}])
    files = [tree_file("1", first, format), tree_file("2", second, format, 2)]
    assert shown(format, {1: OLD, 2: NEW}, files, "FROM new ORDER BY id") == [("1", "2.5", "22", None), ("2", None, "22a", "3.5")]
    with empty_views(format, {1: OLD, 2: NEW}, {"old": {1, 2}}, {}) as views:
        assert views.columns["old"] == {"id": "BIGINT", "distance": "DOUBLE", "flight": "VARCHAR", "km": "DOUBLE"}


@pytest.mark.parametrize(
    ("types", "common"),
    [
        (("int32", "int64"), "BIGINT"),
        (("int64", "double"), "DOUBLE"),
        (("date", "int32"), "VARCHAR"),
        (("string", "bool"), "VARCHAR"),
        (("record{a: int32?}", "record{a: int64?, b: string?}"), "STRUCT(a BIGINT, b VARCHAR)"),
    ],
)
def test_a_column_of_two_types_has_the_one_that_holds_both(types: tuple[str, str], common: str) -> None:
    schemas = {number: schema_of(field("x", type, nullable=True)) for number, type in enumerate(types, 1)}
    with empty_views("parquet", schemas, {"old": {1, 2}}, {}) as views:
        assert str(views.connection.sql("FROM old").types[0]) == common


@pytest.mark.parametrize("format", ["parquet", "avro", "json"])
def test_folders_are_columns_of_the_types_that_are_said(format: str, tmp_path: Path) -> None:
    schema = schema_of(field("x", "int64"))
    files = []
    for folder in ("year=2024/of=a%20b", "year=__HIVE_DEFAULT_PARTITION__/of=[1]"):
        path = f"{folder}/f.{format}"
        files.append(tree_file(path, written(tmp_path / path, format, schema, [{"x": len(files)}, {"x": 7}]), format))
    rows = shown(format, {1: schema}, files, "FROM new ORDER BY ALL", partitions={"year": "int32"})
    assert rows == [("0", "2024", "a b"), ("1", None, "[1]"), ("7", "2024", "a b"), ("7", None, "[1]")]
    assert shown(format, {1: schema}, files, "SELECT sum(year) FROM new", partitions={"year": "int32"}) == [("4048",)]


@pytest.mark.parametrize("pack", ["lines", "array", "gz", "bom", "document"])
def test_json_is_read_however_it_lies(pack: str, tmp_path: Path) -> None:
    schema = schema_of(field("big", "integer", optional=True), field("x", "number"), field("any", "json", nullable=True))
    if pack == "bom":  # what is shown as JSON is not to be had of batches
        schema = schema_of(*schema.record.fields[:2])
    record = '{"x": 1e2,\n "big": 12345678901234567890123, "any": {"k": [1]}, "unknown": {}}'
    line = record.replace("\n", "")
    texts = {"lines": f"{line}\n\n{line}", "array": f"[{line}, {line}]", "gz": f"{line}\n{line}\n", "bom": f"{line}\n{line}\n"}
    data = texts.get(pack, record).encode()
    file = tmp_path / "a.json"
    file.write_bytes(gzip.compress(data) if pack == "gz" else b"\xef\xbb\xbf" + data if pack == "bom" else data)
    files = [tree_file("a.json", file, "json")]
    assert files[0].bom == (pack == "bom")
    expected = ("12345678901234567890123", "100.0", '{"k":[1]}')[: len(schema.record.fields)]
    assert set(shown("json", {1: schema}, files, "FROM new")) == {expected}


def test_what_duckdb_cannot_show_is_left_out_and_named(tmp_path: Path) -> None:
    schema = schema_of(field("a", "int64"), field("A", "int64"), field("wide", "decimal(60,2)", nullable=True), field("x", "int64"))
    file = written(tmp_path / "a.parquet", "parquet", schema, [{"a": 1, "A": 2, "wide": None, "x": 3}])
    with tree_views(
        "parquet", {1: schema}, {"new": [tree_file("a", file, "parquet")]}, target=1, partitions={}, memory=256 << 20
    ) as views:
        assert views.connection.sql("FROM new").fetchall() == [(3,)]
        assert set(views.hidden["new"]) == {"a", "A", "wide"}


@pytest.mark.parametrize("format", ["parquet", "avro", "json"])
def test_nothing_else_can_be_read_or_set(format: str, tmp_path: Path) -> None:
    schema = schema_of(field("x", "int64"))
    file = written(tmp_path / f"[1].{format}", format, schema, [{"x": 1}])
    written(tmp_path / f"1.{format}", format, schema, [{"x": 2}])
    secret = tmp_path / "secret.txt"
    secret.write_text("s")
    files = [tree_file("a", file, format)]
    with tree_views(format, {1: schema}, {"new": files}, target=1, partitions={}, memory=256 << 20, threads=2) as views:
        assert views.connection.sql("FROM new").fetchall() == [(1,)]
        for query in (f"FROM read_text('{secret}')", f"FROM read_{format if format != 'avro' else 'csv'}('{tmp_path}/1.{format}')"):
            with pytest.raises(duckdb.PermissionException):
                views.connection.sql(query).fetchall()
        with pytest.raises(duckdb.Error):
            views.connection.execute("SET enable_external_access = true")


def test_only_the_wanted_columns_of_batches_are_decoded(tmp_path: Path) -> None:
    schema = schema_of(field("x", "int64"), field("y", "string"))
    file = written(tmp_path / "a.avro", "avro", schema, [{"x": 1, "y": "a"}] * 3)
    files = [tree_file("a", file, "avro")]
    assert shown("avro", {1: schema}, files, "SELECT sum(x) FROM new", wanted={"x"}) == [("3",)]
    assert shown("avro", {1: schema}, files, "SELECT count(*) FROM new", wanted=set()) == [("3",)]
    with pytest.raises(duckdb.BinderException, match="y"):
        shown("avro", {1: schema}, files, "SELECT y FROM new", wanted={"x"})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")
@pytest.mark.parametrize("format", ["avro", "json"])
def test_a_file_whose_name_is_no_utf_8_is_read_all_the_same(format: str, tmp_path: Path) -> None:
    schema, files = schema_of(field("a", "int64")), list[TreeFile]()
    for number, name in enumerate((os.fsdecode(b"\xff.data"), "b.data")):
        files.append(tree_file(name, written(tmp_path / name, format, schema, [{"a": number}]), format))
    assert shown(format, {1: schema}, files, "SELECT a FROM new ORDER BY a") == [("0",), ("1",)]


@pytest.mark.parametrize("layout", ["lines", "array", "document"])
def test_memory_does_not_grow_with_the_files_or_the_threads(layout: str, tmp_path: Path) -> None:
    text = {"lines": '{"a": 1}\n{"a": 1}\n', "array": '[{"a": 1}, {"a": 1}]', "document": '{"a": 1}'}[layout]
    for i in range(40):
        (tmp_path / f"{i}.json").write_text(text)
    files = [tree_file(path.name, path, "json") for path in sorted(tmp_path.iterdir())]
    query = "SELECT count(*), (SELECT count(*) FROM new n JOIN new o ON n.a = o.a) FROM new"
    count = len(files) * text.count("a")
    assert shown("json", {1: schema_of(field("a", "int64"))}, files, query, threads=8) == [(str(count), str(count**2))]


def test_a_side_without_files_is_an_empty_view(tmp_path: Path) -> None:
    assert shown("parquet", {1: NEW}, [], "SELECT km FROM new") == []


def test_a_file_that_duckdb_cannot_even_open_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(FileError, match=r"^the old files cannot be read: .*a\.parquet"):  # noqa: SIM117
        with tree_views("parquet", {1: NEW}, {"old": [TreeFile("a.parquet", file, 1)]}, target=1, partitions={}, memory=256 << 20):
            pass


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    schema = schema_of(field("x", "string"))
    file = written(tmp_path / "a.avro", "avro", schema, [{"x": "a" * 100}] * 3)
    found = tree_file("k=1/a.avro", file, "avro")
    file.write_bytes(file.read_bytes()[:-40])
    with tree_views("avro", {1: schema}, {"new": [found]}, target=1, partitions={}, memory=256 << 20) as views:
        with pytest.raises(duckdb.Error):
            views.connection.sql("FROM new").fetchall()
        assert views.fault is not None
        assert str(views.fault).startswith("k=1/a.avro: the file ends")
