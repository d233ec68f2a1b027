"""What no operation names comes out as it went in: Parquet's storage, JSON's text, Avro's branches; up, down and back."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author
from support import tree

# ---- Parquet
IDS = {"id": 1, "moment": 2, "kind": 3, "vector": 4, "amount": 5, "note": 6, "inner": 7}


def rich_table(*, nulls: bool) -> pa.Table:
    """Sorted by `id`; every field has an id."""
    count = 1000
    inner = pa.struct([pa.field("code", pa.int16(), not nulls), pa.field("words", pa.list_(pa.string()))])
    values: dict[str, tuple[pa.DataType, list[Any]]] = {
        "id": (pa.int64(), list(range(count))),
        "moment": (pa.timestamp("ms"), [dt.datetime(2024, 1, 1) + dt.timedelta(milliseconds=i * 977) for i in range(count)]),
        "kind": (pa.dictionary(pa.int32(), pa.string()), [("bus", "tram", "ferry")[i % 3] for i in range(count)]),
        "vector": (pa.list_(pa.float32(), 3), [[i / 3, -i, 0.1] for i in range(count)]),
        "amount": (pa.decimal128(12, 2), [Decimal(i) / 100 for i in range(count)]),
        "note": (pa.string(), [f"note {i}" for i in range(count)]),
        "inner": (inner, [{"code": i % 100, "words": ["a"] * (i % 4)} for i in range(count)]),
    }
    arrays, fields = [], []
    for name, (type_, column) in values.items():
        shown = [None if nulls and name != "id" and i % 7 == 3 else value for i, value in enumerate(column)]
        arrays.append(pa.array(shown, type_))
        nullable = nulls and name != "id"
        fields.append(pa.field(name, type_, nullable, metadata={"PARQUET:field_id": str(IDS[name])}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"owner": "Ada", "empty": "", "ключ": "значение"}))


def write_rich(path: Path, *, nulls: bool) -> None:
    pq.write_table(
        rich_table(nulls=nulls), path, compression="zstd", row_group_size=600, sorting_columns=[pq.SortingColumn(0)],
        write_page_index=True,
    )  # fmt: skip


def storage(path: Path) -> dict[str, Any]:
    """What a footer says of how things are kept, by pyarrow; Instar's own stamp left out."""
    file = pq.ParquetFile(path)
    meta = file.metadata
    groups = [meta.row_group(g) for g in range(meta.num_row_groups)]
    leaves = {}
    for i in range(meta.num_columns):
        column, chunks = meta.schema.column(i), [group.column(i) for group in groups]
        leaves[column.path] = (
            column.physical_type, str(column.logical_type), column.length, [c.compression for c in chunks],
            [c.has_dictionary_page for c in chunks], [c.num_values for c in chunks], [c.has_offset_index for c in chunks],
        )  # fmt: skip
    return {
        "leaves": leaves,
        "rows": [group.num_rows for group in groups],
        "sorting": [group.sorting_columns for group in groups],
        "keys": {k: v for k, v in (meta.metadata or {}).items() if not k.startswith((b"instar.", b"ARROW:"))},
        "ids": {f.name: (f.metadata or {}).get(b"PARQUET:field_id") for f in file.schema_arrow},
        "version": meta.format_version,
    }


def chunk(path: Path, column: str, group: int) -> bytes:
    """The bytes of one column in one row group."""
    meta = pq.ParquetFile(path).metadata.row_group(group)
    found = next(meta.column(i) for i in range(meta.num_columns) if meta.column(i).path_in_schema == column)
    start = found.dictionary_page_offset if found.has_dictionary_page else found.data_page_offset
    return path.read_bytes()[start : start + found.total_compressed_size]


def test_a_rich_parquet_file_and_the_same_with_nulls_differ_only_in_what_an_operation_named(author: Author) -> None:
    data = author.data("trips")
    plain, holes = data / "plain.parquet", data / "holes.parquet"
    write_rich(plain, nulls=False)
    write_rich(holes, nulls=True)
    old = {path: (storage(path), pq.ParquetFile(path).read(), path.read_bytes()) for path in (plain, holes)}
    adopted = author.adopt("trips")
    assert adopted["files"] == 2
    assert not adopted["problems"]
    assert author.step("trips", 'op.rename("note", to="remark"), op.cast("inner.code", "int32")') == 2
    report = author.do("upgrade", "trips")
    assert report["proof"]["verdict"] == "proved"

    for path in (plain, holes):
        before, table, _ = old[path]
        after, new = storage(path), pq.ParquetFile(path).read()
        before["leaves"]["remark"] = before["leaves"].pop("note")
        before["ids"]["remark"] = before["ids"].pop("note")
        changed = before["leaves"].pop("inner.code"), after["leaves"].pop("inner.code")
        assert [leaf[0] for leaf in changed] == ["INT32", "INT32"]
        assert changed[0][2:] == changed[1][2:]
        assert after == before
        for name in table.column_names:
            renamed = "remark" if name == "note" else name
            was, now = table.column(name), new.column(renamed)
            if name == "inner":
                assert was.to_pylist() == now.to_pylist()
            else:
                assert was.type == now.type
                assert was.equals(now)
    assert len({pq.read_schema(path).remove_metadata() for path in (plain, holes)}) == 1
    for column in ("id", "moment", "kind", "amount"):
        path = holes
        path_before = author.folder / "before.parquet"
        path_before.write_bytes(old[path][2])
        assert [chunk(path, column, g) for g in (0, 1)] == [chunk(path_before, column, g) for g in (0, 1)]

    assert author.do("downgrade", "trips", "1")["losses"] == []
    for path in (plain, holes):
        before, table, _ = old[path]
        assert storage(path)["leaves"].keys() - {"remark"} == before["leaves"].keys() - {"remark"} | {"note", "inner.code"}
        assert pq.ParquetFile(path).read().to_pylist() == table.to_pylist()
    author.do("rollback", "trips")
    author.do("rollback", "trips")
    assert {path: path.read_bytes() for path in old} == {path: data for path, (_, _, data) in old.items()}


def write_int96(path: Path) -> list[dt.datetime | None]:
    moments = [dt.datetime(1, 1, 1), None, dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(2024, 2, 29, 12)]
    table = pa.table({"at": pa.array(moments, pa.timestamp("us")), "n": pa.array(range(4), pa.int32())})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(path).schema.column(0).physical_type == "INT96"
    return moments


def int96_bytes(path: Path) -> list[bytes]:
    """The stored chunks themselves: pyarrow reads year 1 as 1754, DuckDB does not read year 9999."""
    meta = pq.ParquetFile(path).metadata
    return [chunk(path, "at", g) for g in range(meta.num_row_groups)]


def test_int96_of_years_1_and_9999_survive_what_changes_another_column(author: Author) -> None:
    path = author.data("spark") / "a.parquet"
    write_int96(path)
    before = int96_bytes(path)
    author.adopt("spark")
    author.step("spark", 'op.rename("n", to="number"), op.cast("number", "int64"), op.add("source", "string", default="spark")')
    assert author.do("upgrade", "spark")["proof"]["verdict"] == "proved"
    assert int96_bytes(path) == before
    assert pq.ParquetFile(path).schema.column(0).physical_type == "INT96"
    author.do("downgrade", "spark", "1")
    assert int96_bytes(path) == before


def test_int96_of_years_1_and_9999_are_right_where_an_operation_touches_them(author: Author) -> None:
    path = author.data("spark") / "a.parquet"
    moments = write_int96(path)
    author.adopt("spark")
    author.step("spark", 'op.cast("at", "string"), op.derive("year", "int64", sql="year(at::TIMESTAMP)")')
    author.do("upgrade", "spark")
    shown = pq.ParquetFile(path).read().to_pylist()
    assert [row["year"] for row in shown] == [m and m.year for m in moments]
    assert [row["at"] and dt.datetime.fromisoformat(row["at"]) for row in shown] == moments


def twelve_byte_values(data: bytes) -> tuple[bytes, bytes]:
    """The compressed dictionary of a small chunk, and its indices at the end; the pages' headers between may differ."""
    at = data.index(b"<D")  # five values of twelve bytes, snappy
    return data[at : at + 58], data[-8:]


def test_spark_s_int96_beyond_microseconds_are_kept_exactly_or_refused_by_row(author: Author, conformance: Path) -> None:
    path = author.data("spark") / "int96.parquet"
    original = (conformance / "parquet-testing" / "data" / "int96_from_spark.parquet").read_bytes()
    path.write_bytes(original)
    name = pq.read_schema(path).names[0]
    author.adopt("spark")
    author.step("spark", 'op.add("source", "string", default="spark")')
    author.do("upgrade", "spark")
    scratch = author.folder / "original.parquet"
    scratch.write_bytes(original)
    assert twelve_byte_values(chunk(path, name, 0)) == twelve_byte_values(chunk(scratch, name, 0))

    author.do("rollback", "spark")
    author.step("spark", f'op.cast("{name}", "string")')
    error = author.refused("upgrade", "spark")
    assert error["where"]["file"] == "int96.parquet"
    assert isinstance(error["where"]["row"], int)
    assert path.read_bytes() == original


@pytest.mark.parametrize("name", ["hadoop_lz4_compressed.parquet", "non_hadoop_lz4_compressed.parquet"])
def test_what_a_rewrite_cannot_keep_is_refused_until_it_is_allowed_as_the_hint_says(
    name: str, author: Author, conformance: Path
) -> None:
    data = author.data("old times")
    path = data / name
    path.write_bytes((conformance / "parquet-testing" / "data" / name).read_bytes())
    rows = pq.ParquetFile(path).read().to_pylist()
    author.do("init", "--from", "data/old times", "--subject", "old")
    author.step("old", 'op.add("source", "string", default="x"), op.require("v11", fill=0.5)')
    before = tree(data)
    error = author.refused("upgrade", "old times")
    assert all(e["where"]["file"] == name for e in error.get("errors", [error]))
    assert error == author.refused("plan", "old times")
    assert tree(data) == before
    table, _, setting = error["hint"].partition("]")
    with (author.folder / "instar.toml").open("a") as file:
        file.write(f"\n{table[table.index('[') :]}]\n{setting.strip()}\n")
    report = author.do("upgrade", "old times")
    assert report["proof"]["verdict"] == "proved"
    expected = [{**row, "v11": 0.5 if row["v11"] is None else row["v11"]} for row in rows]
    assert [{k: v for k, v in row.items() if k != "source"} for row in pq.ParquetFile(path).read().to_pylist()] == expected


# ---- JSON
ODD = (
    b'{ "id":12345678901234567890123, "price": 1.10,"big":1e2 ,"caf\\u00e9":"\\u00e9\\/", '
    b'"inner": {"known" :1, "unknown":{"deep":[1.0, {"x" : 2E+0}]} } , "note":"n" }'
)


def lines(count: int) -> list[bytes]:
    return [b'{"id": %d, "price": %d.50, "big": 7, "caf\xc3\xa9": "x", "inner": {"known": %d}, "note": "n"}' % (i, i, i)
            for i in range(count)]  # fmt: skip


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_json_text_survives_up_and_down_unchanged(author: Author, ending: bytes) -> None:
    path = author.data("orders") / "a.ndjson"
    path.write_bytes(ending.join(lines(50)) + ending)
    author.adopt("orders")
    path.write_bytes(ending.join([*lines(50)[:20], ODD, b" ", *lines(5)]) + ending)
    before = path.read_bytes()
    assert author.do("status", "orders")["problems"] == []
    author.step("orders", 'op.rename("note", to="remark"), op.cast("inner.known", "string")')
    report = author.do("upgrade", "orders")
    assert report["proof"]["verdict"] == "proved"
    expected = before.replace(b'"note"', b'"remark"')
    for known in {*range(50), 1}:
        for old, new in ((b'"known": %d}', b'"known": "%d"}'), (b'"known" :%d,', b'"known" :"%d",')):
            expected = expected.replace(old % known, new % known)
    assert path.read_bytes() == expected
    author.do("downgrade", "orders", "1")
    assert path.read_bytes() == before


def test_a_key_first_seen_in_the_last_of_30_000_records_survives(author: Author) -> None:
    path = author.data("orders") / "a.ndjson"
    path.write_bytes(
        b"\n".join([*lines(29_999), b'{"id": 1, "price": 2, "big": 3, "caf\xc3\xa9": "", "note": "", "late": {"x": 1.0}}'])
    )
    before = path.read_bytes()
    author.adopt("orders")
    schema = json.loads((author.folder / "schemas" / "orders" / "v1.schema.json").read_text(encoding="utf-8"))
    assert "late" in schema["properties"]
    assert "late" not in schema["required"]
    assert "inner" not in schema["required"]
    author.step("orders", 'op.rename("late", to="latest"), op.rename("note", to="remark")')
    author.do("upgrade", "orders")
    assert path.read_bytes() == before.replace(b'"note"', b'"remark"').replace(b'"late"', b'"latest"')
    author.do("downgrade", "orders", "1")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "record", [b'{"id": 1, "note": "a", "note": "b"}', b'{"id": 1, "note": "a", "extra": {"k": 1, "\\u006b": 2}}']
)
def test_duplicate_keys_are_named(author: Author, record: bytes) -> None:
    path = author.data("orders") / "a.ndjson"
    path.write_bytes(b'{"id": 0, "note": "a"}\n')
    author.adopt("orders")
    author.step("orders", 'op.rename("note", to="remark")')
    path.write_bytes(b'{"id": 0, "note": "a"}\n' + record + b"\n")
    before = tree(author.data("orders"))
    error = author.refused("upgrade", "orders")
    assert error["where"]["file"] == "a.ndjson"
    assert "note" in error["message"] or '"k"' in error["message"] or "'k'" in error["message"]
    assert "twice" in error["message"] or "duplicate" in error["message"]
    assert tree(author.data("orders")) == before


# ---- Avro
UNION = {
    "type": "record", "name": "Event", "fields": [
        {"name": "id", "type": "long"},
        {"name": "value", "type": ["null", "int", "long", "string"]},
        {"name": "payload", "type": [
            {"type": "record", "name": "Created", "fields": [{"name": "by", "type": "string"}]},
            {"type": "record", "name": "Moved", "fields": [{"name": "by", "type": "string"}]},
            "string",
        ]},
    ],
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"id": 1, "value": ("int", 5), "payload": ("Created", {"by": "ada"})},
    {"id": 2, "value": ("long", 5), "payload": ("Moved", {"by": "ada"})},
    {"id": 3, "value": None, "payload": "plain"},
    {"id": 4, "value": "text", "payload": ("Moved", {"by": ""})},
]


def body(path: Path) -> bytes:
    """The blocks of an Avro file, its header cut off."""
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        sync = reader._header["sync"]  # type: ignore[attr-defined]
    return path.read_bytes().split(sync, 1)[1]


def test_an_avro_union_of_three_branches_keeps_its_branches(author: Author) -> None:
    """5 as an int and 5 as a long are the same to a reader of values, two records of one shape, too: the bytes tell."""
    path = author.data("events") / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(UNION), EVENTS, codec="null")
    before = body(path)
    author.adopt("events")
    author.step("events", 'op.rename("id", to="key"), op.cast("key", "string"), op.add("source", "string", default="x")')
    assert author.do("upgrade", "events")["proof"]["verdict"] == "proved"
    with path.open("rb") as file:
        reader = fastavro.reader(file, return_record_name=True)
        records: list[Any] = list(reader)
        schema: Any = reader.writer_schema
    assert [f["type"] for f in schema["fields"]][1] == ["null", "int", "long", "string"]
    assert [r["payload"] for r in records] == [e["payload"] for e in EVENTS]
    assert [r["key"] for r in records] == ["1", "2", "3", "4"]
    author.do("downgrade", "events", "1")
    assert body(path) == before
