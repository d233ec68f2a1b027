"""`Format.read`: some columns of a file, in file order, the others not decoded."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.avro.container import SCHEMA, Container, block_bytes, header_bytes
from instar.formats.errors import DataError, FileError, SchemaError
from instar.formats.format import Range, format_named
from instar.formats.schema import Schema

MEMORY = 100_000_000


def schema_of(path: Path, format: str) -> Schema:
    facts = format_named(format).inspect(path)
    return facts.schema or format_named(format).infer([path])


def read(path: Path, format: str, columns: Sequence[str], schema: Schema | None = None, **more: Any) -> pa.Table:
    given = {"memory": MEMORY, **more}
    batches = list(format_named(format).read(path, schema=schema or schema_of(path, format), columns=columns, **given))
    for batch in batches:
        batch.validate(full=True)
    return pa.Table.from_batches(batches)


def avro(path: Path, fields: list[Any], records: list[Any], codec: str = "null") -> Path:
    out = io.BytesIO()
    schema = {"type": "record", "name": "R", "fields": fields}
    fastavro.writer(out, schema, records, codec=codec, sync_interval=64)
    path.write_bytes(out.getvalue())
    return path


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in records))
    return path


# ---- Parquet
@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Three row groups of two columns that hardly compress, and one that does."""
    noise = [bytes((i * 7919 + j * 104729) % 251 for j in range(64)).hex() for i in range(9_000)]
    table = pa.table(
        {"id": pa.array(range(9_000), pa.int64()), "noise": noise, "kept": pa.array([i % 5 for i in range(9_000)], pa.int32())}
    )
    path = tmp_path / "wide.parquet"
    pq.write_table(table, path, row_group_size=3_000, compression="none", use_dictionary=False)
    return path


def bytes_read(work: Any) -> int:
    """Bytes that this process reads while `work` runs, the page cache included."""
    path = Path("/proc/self/io")
    if not path.exists():
        pytest.skip("only Linux counts the bytes a process reads")

    def count() -> int:
        return int(path.read_text().split()[1])

    before = count()
    work()
    return count() - before


def test_parquet_columns_come_in_file_order_and_storage(wide: Path) -> None:
    table = read(wide, "parquet", ["kept", "id"])
    assert table.equals(pq.read_table(wide, columns=["id", "kept"]))
    assert table.schema.names == ["id", "kept"]


def test_parquet_reads_nothing_of_other_columns(wide: Path) -> None:
    read(wide, "parquet", ["kept"])  # what is imported on the way is not counted
    assert bytes_read(lambda: read(wide, "parquet", ["kept"])) < 220_000 < wide.stat().st_size // 4


def test_parquet_rows_without_columns_are_counted(wide: Path) -> None:
    assert read(wide, "parquet", []).num_rows == 9_000


def test_parquet_batches_stay_small_where_memory_is(wide: Path) -> None:
    batches = list(format_named("parquet").read(wide, schema=schema_of(wide, "parquet"), columns=["noise"], memory=2_000_000))
    assert max(batch.nbytes for batch in batches) < 200_000
    assert pa.Table.from_batches(batches).equals(pq.read_table(wide, columns=["noise"]))


def test_parquet_row_groups_that_hold_nothing_wanted_are_left_out(wide: Path) -> None:
    asked: list[Mapping[str, Range]] = []

    def may_hold(ranges: Mapping[str, Range]) -> bool:
        asked.append(ranges)
        return ranges["id"].high >= 7_000

    table = read(wide, "parquet", ["id", "noise"], may_hold=may_hold)
    assert table.column("id").to_pylist() == list(range(6_000, 9_000))
    assert asked[0] == {"id": Range(0, 2_999, nulls=False)}  # of text nothing is said: its bounds may be shortened


def test_parquet_statistics_of_times_and_nulls(tmp_path: Path) -> None:
    times = [dt.datetime(2020, 1, 1), None]
    table = pa.table({
        "us": pa.array(times, pa.timestamp("us", "UTC")),
        "ns": pa.array(times, pa.timestamp("ns")),
        "day": pa.array([dt.date(2020, 1, 1)] * 2),
        "none": pa.array([None, None], pa.int8()),
        "real": pa.array([1.0, float("nan")]),
    })  # fmt: skip
    path = tmp_path / "times.parquet"
    pq.write_table(table, path)
    found: list[Mapping[str, Range]] = []
    read(path, "parquet", table.schema.names, may_hold=lambda ranges: bool(found.append(ranges)) or True)
    assert set(found[0]) == {"us", "ns", "day", "none"}
    assert found[0]["none"] == Range(None, None, nulls=True)
    day = pa.scalar(dt.date(2020, 1, 1))
    assert found[0]["day"] == Range(day, day, nulls=False)
    assert all(found[0][name].nulls for name in ("us", "ns"))
    assert pa.scalar(found[0]["ns"].low, pa.timestamp("ns")).value == pa.scalar(times[0], pa.timestamp("ns")).value


def test_int96_is_shown_as_timestamps_and_refused_where_they_do_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    table = pa.table({"t": pa.array([0, 1_000], pa.timestamp("ns")), "n": [1, 2]})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    assert read(path, "parquet", ["t"]).column("t").cast(pa.int64()).to_pylist() == [0, 1]
    pq.write_table(pa.table({"t": pa.array([0, 1], pa.timestamp("ns"))}), path, use_deprecated_int96_timestamps=True)
    with pytest.raises(DataError, match="INT96") as caught:
        read(path, "parquet", ["t"])
    assert caught.value.where is not None
    assert caught.value.where.row == 1


# ---- Avro
FIELDS: list[Any] = [
    {"name": "id", "type": "long"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "what", "type": ["null", "string", {"type": "record", "name": "Made", "fields": [{"name": "by", "type": "string"}]}]},
    {"name": "again", "type": ["null", "Made"]},
    {"name": "day", "type": [{"type": "int", "logicalType": "date"}, "null"]},
    {"name": "tags", "type": {"type": "map", "values": "int"}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
]


def record(i: int) -> dict[str, Any]:
    what: Any = [None, "text", {"by": "ada"}][i % 3]
    return {
        "id": i, "at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=i), "price": Decimal(i).scaleb(-2),
        "what": what, "again": {"by": "bob"} if i % 2 else None, "day": dt.date(2020, 1, 1) if i % 2 else None, "tags": {"n": i},
        "kind": "AB"[i % 2],
    }  # fmt: skip


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_avro_columns_are_what_fastavro_reads(tmp_path: Path, codec: str) -> None:
    records = [record(i) for i in range(10_000)]
    path = avro(tmp_path / "a.avro", FIELDS, records, codec)
    names = [field["name"] for field in FIELDS]
    rows = read(path, "avro", names, memory=5_000_000).to_pylist()
    assert len(rows) == len(records)
    for row, given in zip(rows, records, strict=True):
        what = given["what"]
        branches = {"string": what if isinstance(what, str) else None, "Made": what if isinstance(what, dict) else None}
        assert row["what"] == (None if what is None else branches)
        assert row["tags"] == list(given["tags"].items())
        for name in ("id", "at", "price", "again", "day", "kind"):
            assert row[name] == given[name], name


def test_avro_fields_that_nobody_asks_for_are_stepped_over(tmp_path: Path) -> None:
    """A text that is not UTF-8 is no fault of a column that is not read."""
    out = io.BytesIO()
    schema = {"type": "record", "name": "R", "fields": [{"name": "bad", "type": "bytes"}, {"name": "n", "type": "int"}]}
    fastavro.writer(out, schema, [{"bad": b"\xff", "n": 7}])
    path = tmp_path / "a.avro"
    _with_string_schema(out.getvalue(), path)
    assert read(path, "avro", ["n"]).to_pylist() == [{"n": 7}]
    with pytest.raises(DataError, match="UTF-8") as caught:
        read(path, "avro", ["bad"])
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (0, "bad")


def _with_string_schema(content: bytes, path: Path) -> None:
    """The file with its bytes field declared a string."""
    path.write_bytes(content)
    with path.open("rb") as file:
        container = Container(file, path)
        metadata = dict(container.header.metadata)
        blocks = [(block.rows, container.stored(block)) for block in container.blocks()]
    metadata[SCHEMA] = metadata[SCHEMA].replace(b'"bytes"', b'"string"')
    sync = container.header.sync
    path.write_bytes(header_bytes(metadata, sync) + b"".join(block_bytes(rows, data, sync) for rows, data in blocks))


def test_avro_a_recursive_type_is_refused_only_where_it_is_asked_for(tmp_path: Path) -> None:
    fields = [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "R"]}]
    path = avro(tmp_path / "a.avro", fields, [{"n": 1, "next": {"n": 2, "next": None}}])
    assert read(path, "avro", ["n"]).to_pylist() == [{"n": 1}]
    with pytest.raises(SchemaError, match="holds itself"):
        read(path, "avro", ["next"])


def test_avro_damage_names_the_record(tmp_path: Path) -> None:
    path = avro(tmp_path / "a.avro", [{"name": "n", "type": "string"}], [{"n": "x" * 30} for _ in range(20)])
    content = bytearray(path.read_bytes())
    content[content.rindex(b"x" * 30) - 1] = 0x7F
    path.write_bytes(bytes(content))
    with pytest.raises(FileError, match="cannot be read"):
        read(path, "avro", ["n"])


def test_a_file_of_another_schema_than_it_was_found_with_is_refused(tmp_path: Path) -> None:
    first = avro(tmp_path / "a.avro", [{"name": "n", "type": "int"}], [{"n": 1}])
    second = avro(tmp_path / "b.avro", [{"name": "n", "type": "string"}], [{"n": "1"}])
    with pytest.raises(FileError, match="found with"):
        read(second, "avro", ["n"], schema_of(first, "avro"))


# ---- JSON
def json_schema(properties: dict[str, Any], required: Sequence[str] = ()) -> Schema:
    return format_named("json").parse(json.dumps({"type": "object", "properties": properties, "required": list(required)}))


def test_json_keys_become_columns_and_missing_ones_nulls(tmp_path: Path) -> None:
    schema = json_schema({
        "id": {"type": "integer"}, "score": {"type": "number"}, "any": {},
        "deep": {"type": "object", "properties": {"x": {"type": "string"}}},
        "open": {"type": "object"}, "list": {"type": "array", "items": {"type": "boolean"}},
    })  # fmt: skip
    path = lines(
        tmp_path / "a.ndjson",
        '{"id": 12345678901234567890123, "score": -0.0, "any": {"k": [1, 2.50]}, "deep": {"x": "é", "y": 1}, "unknown": 1}',
        '{"id": 1.0, "score": 1e2, "any": null, "open": {"k":  1}, "list": [true, false]}',
        "{}",
    )
    assert read(path, "json", ["id", "score", "any", "deep", "open", "list"], schema).to_pylist() == [
        {"id": "12345678901234567890123", "score": "-0", "any": '{"k": [1, 2.50]}', "deep": {"x": "é"}, "open": None, "list": None},
        {"id": "1", "score": "100", "any": None, "deep": None, "open": '{"k":  1}', "list": [True, False]},
        {"id": None, "score": None, "any": None, "deep": None, "open": None, "list": None},
    ]


def test_json_values_of_other_keys_are_not_decoded(tmp_path: Path) -> None:
    schema = json_schema({"n": {"type": "integer"}, "text": {"type": "string"}})
    path = lines(tmp_path / "a.ndjson", {"n": 1, "text": "x"}, {"n": 2, "text": 3})
    assert read(path, "json", ["n"], schema).column("n").to_pylist() == ["1", "2"]
    with pytest.raises(DataError, match="expected string") as caught:
        read(path, "json", ["text"], schema)
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (1, "text")


def test_json_layout_goes_by_the_name_it_is_told(tmp_path: Path) -> None:
    """One line is a document, or the first of lines: the name tells, and where the path has none it is given."""
    schema = json_schema({"n": {"type": "integer"}})
    path = lines(tmp_path / "nameless", '{"n": 1}')
    assert read(path, "json", ["n"], schema, name="a.ndjson").num_rows == 1


def test_json_a_required_key_that_is_null_is_refused(tmp_path: Path) -> None:
    schema = json_schema({"n": {"type": "integer"}}, ["n"])
    path = lines(tmp_path / "a.ndjson", {"n": 1}, {"m": 2})
    with pytest.raises(DataError, match="required") as caught:
        read(path, "json", ["n"], schema)
    assert caught.value.where is not None
    assert caught.value.where.row == 1


def test_json_records_are_numbered_through_the_whole_file(tmp_path: Path) -> None:
    schema = json_schema({"n": {"type": "integer"}})
    path = lines(tmp_path / "a.ndjson", *[{"n": i} for i in range(12_000)], {"n": "x"})
    with pytest.raises(DataError) as caught:
        read(path, "json", ["n"], schema)
    assert caught.value.where is not None
    assert caught.value.where.row == 12_000
