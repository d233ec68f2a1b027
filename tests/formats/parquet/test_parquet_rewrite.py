"""Rewrites of real and awkward Parquet files: equal in values, alike in storage."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import DataError, FileError, SchemaError
from instar.formats.format import Rewrite, Stamp
from instar.formats.parquet import FORMAT
from instar.formats.parquet.footer import get, items, read_footer
from instar.formats.parquet.source import open_source
from instar.formats.schema import Field, Int, Record, schema

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
FILES = sorted((CONFORMANCE / "parquet-testing").rglob("*.parquet"))
NOT_FOR_DUCKDB = {  # it cannot read these sources
    "byte_stream_split_extended.gzip.parquet", "int96_from_spark.parquet", "ARROW-GH-43605.parquet", "map_no_value.parquet",
}  # fmt: skip
RENAMED = "renamed, and more"
TOO_BIG = "large_string_map.brotli.parquet"  # 2 GB of one string
DAMAGED = {
    "ARROW-GH-41317.parquet", "ARROW-GH-41321.parquet", "ARROW-GH-45185.parquet", "ARROW-GH-47662.parquet",
    "ARROW-RS-GH-6229-DICTHEADER.parquet", "ARROW-RS-GH-6229-LEVELS.parquet", "PARQUET-1481.parquet",
    "datapage_v1-corrupt-checksum.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet", "incorrect_map_schema.parquet",
}  # fmt: skip


ROUTE = pa.struct([("from", pa.string()), ("stops", pa.list_(pa.struct([("code", pa.string()), ("n", pa.uint16())])))])


def rich(*, nulls: bool = False) -> pa.Table:
    """Two row groups' worth of every kind of storage that is easily lost."""
    none = (lambda values: [None, *values[1:]]) if nulls else (lambda values: values)
    rows = 6
    arrays = {
        "id": pa.array(range(rows), pa.int32()),
        "at": pa.array(none([1000 * i for i in range(rows)]), pa.timestamp("ms")),
        "seen": pa.array(none([dt.datetime(2020, 1, 1, i) for i in range(rows)]), pa.timestamp("us", "Europe/Paris")),
        "kind": pa.array(none(["a", "b"] * 3), pa.dictionary(pa.int8(), pa.string())),
        "point": pa.array(none([[1.0, 2.0, 3.0]] * rows), pa.list_(pa.float32(), 3)),
        "big": pa.array(none(["x" * i for i in range(rows)]), pa.large_string()),
        "price": pa.array(none([decimal.Decimal(i) / 100 for i in range(rows)]), pa.decimal128(9, 2)),
        "tags": pa.array(none([[("k", i)] for i in range(rows)]), pa.map_(pa.string(), pa.int64())),
        "route": pa.array(none([{"from": "JFK", "stops": [{"code": "O", "n": i}]} for i in range(rows)]), ROUTE),
        "day": pa.array(none([dt.date(1969, 1, 1)] * rows)), "clock": pa.array(none([dt.time(1, 2, 3)] * rows), pa.time64("ns")),
        "span": pa.array(none(list(range(rows))), pa.duration("us")), "half": pa.array(none([1.5] * rows), pa.float16()),
        "nothing": pa.nulls(rows), "code": pa.array(none([b"abc"] * rows), pa.binary(3)),
        "uid": pa.array(none([bytes(16)] * rows), pa.uuid()),
    }  # fmt: skip
    ids = {name: {"PARQUET:field_id": str(i), "unit": "é"} for i, name in enumerate(arrays, 1)}
    fields = [pa.field(name, array.type, metadata=ids[name]) for name, array in arrays.items()]
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields, metadata={"owner": "ops", "raw": b"\xff\x00"}))


def write_rich(path: Path, *, nulls: bool = False, **options: Any) -> Path:
    sorting = [pq.SortingColumn(0), pq.SortingColumn(1, descending=True, nulls_first=True)]
    settings: dict[str, Any] = {
        "compression": "zstd",
        "row_group_size": 4,
        "sorting_columns": sorting,
        "write_page_index": True,
    } | options
    pq.write_table(rich(nulls=nulls), path, **settings)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- fidelity
@pytest.mark.parametrize("nulls", [False, True])
def test_an_identity_keeps_everything(tmp_path, rewrite, nulls) -> None:
    done = rewrite(write_rich(tmp_path / "a.parquet", nulls=nulls))
    assert done.unlike() == ()
    old, new = pq.ParquetFile(done.source), pq.ParquetFile(done.target)
    assert new.read().equals(old.read())
    assert [new.schema_arrow.field(i) for i in range(len(new.schema_arrow))] == list(old.schema_arrow)
    assert all(new.schema_arrow.field(f.name).metadata == f.metadata for f in old.schema_arrow)
    assert new.schema_arrow.metadata[b"owner"] == b"ops"
    assert new.schema_arrow.metadata[b"raw"] == b"\xff\x00"
    assert str(new.schema).splitlines()[1:] == str(old.schema).splitlines()[1:]
    assert [new.metadata.row_group(i).num_rows for i in range(2)] == [4, 2]
    assert new.metadata.row_group(1).sorting_columns == old.metadata.row_group(1).sorting_columns
    assert FORMAT.unkeepable(done.source, target=done.schema, carried=done.carried) == ()
    assert FORMAT.inspect(done.target).stamp == Stamp("flights", 2)


def test_with_and_without_nulls_one_arrow_schema_comes_out(tmp_path, rewrite) -> None:
    """The registered nullability decides, not whether a file happens to hold a null."""
    full = pa.schema([f.with_nullable(False) if f.name != "nothing" else f for f in rich().schema])
    pq.write_table(rich().cast(full), tmp_path / "full.parquet", compression="zstd", row_group_size=4)
    write_rich(tmp_path / "some.parquet", nulls=True)
    renamed = [rewrite(tmp_path / name, rename={"at": "departed"}, nullable=True) for name in ("full.parquet", "some.parquet")]
    schemas = [pq.read_schema(done.target) for done in renamed]
    assert schemas[0].remove_metadata().equals(schemas[1].remove_metadata(), check_metadata=True)
    assert all(done.unlike() == () for done in renamed)


def test_only_what_an_operation_named_changes(tmp_path, rewrite) -> None:
    done = rewrite(
        write_rich(tmp_path / "a.parquet"),
        rename={"at": "departed", "route": "way"}, drop=["big"], cast={"half": "double"}, add={"currency": ("string", "USD")},
    )  # fmt: skip
    assert done.unlike() == ()
    old, new = pq.read_table(done.source), pq.read_table(done.target)
    assert new.column("departed").equals(old.column("at"))
    assert new.column("way").equals(old.column("route"))
    assert new.column("half").to_pylist() == [1.5] * 6
    assert new.column("currency").to_pylist() == ["USD"] * 6
    assert new.schema.field("departed").metadata == old.schema.field("at").metadata
    assert "big" not in new.column_names
    sorting = pq.ParquetFile(done.target).metadata.row_group(0).sorting_columns
    assert [(c.column_index, c.descending) for c in sorting] == [(0, False), (1, True)]


def test_sort_order_ends_where_a_sort_column_goes(tmp_path, rewrite) -> None:
    write_rich(tmp_path / "a.parquet")
    second = rewrite(tmp_path / "a.parquet", drop=["at"])
    assert [c.column_index for c in pq.ParquetFile(second.target).metadata.row_group(0).sorting_columns] == [0]
    first = rewrite(tmp_path / "a.parquet", drop=["id"])
    assert not pq.ParquetFile(first.target).metadata.row_group(0).sorting_columns
    assert second.unlike() == first.unlike() == ()


CODECS = ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_codec_and_page_version_are_kept(tmp_path, rewrite, codec, version) -> None:
    done = rewrite(write_rich(tmp_path / "a", compression=codec, data_page_version=version, write_page_checksum=True))
    assert done.unlike() == ()
    again = rewrite(done.target)  # what was read off the first is still there
    assert digest(again.target) == digest(done.target)


def test_codec_and_dictionary_use_are_kept_column_by_column(tmp_path, rewrite) -> None:
    table = pa.table({"a": list(range(100)), "b": ["x"] * 100, 'c."d': [1.5] * 100, "e": list(range(100))})
    settings: dict[str, Any] = {
        "compression": {"a": "zstd", "b": "none", 'c."d': "gzip", "e": "snappy"}, "use_dictionary": ["b"],
        "column_encoding": {"a": "DELTA_BINARY_PACKED", 'c."d': "BYTE_STREAM_SPLIT"}, "write_statistics": ["a"],
    }  # fmt: skip
    pq.write_table(table, tmp_path / "a", **settings)
    done = rewrite(tmp_path / "a", rename={"a": "first"})
    assert done.unlike() == ()
    columns = [pq.ParquetFile(done.target).metadata.row_group(0).column(i) for i in range(4)]
    assert [c.compression for c in columns] == ["ZSTD", "UNCOMPRESSED", "GZIP", "SNAPPY"]
    assert [c.has_dictionary_page for c in columns] == [False, True, False, False]
    assert "DELTA_BINARY_PACKED" in columns[0].encodings
    assert "BYTE_STREAM_SPLIT" in columns[2].encodings
    assert [c.is_stats_set for c in columns] == [True, False, False, False]


def test_bloom_filters_are_kept(tmp_path, rewrite) -> None:
    table = pa.table({"a": list(range(1000)), "b": [str(i) for i in range(1000)]})
    pq.write_table(table, tmp_path / "a", bloom_filter_options={"b": {"ndv": 1000, "fpp": 0.01}})
    done = rewrite(tmp_path / "a", rename={"b": "c"})
    assert done.unlike() == ()
    assert FORMAT.unkeepable(done.source, target=done.schema, carried=done.carried) == ()
    sizes = [get(read_footer(path).metas(1)[0], 15) for path in (done.source, done.target)]
    assert sizes[0] == sizes[1]
    with duckdb.connect() as connection:
        query = f"SELECT a FROM read_parquet('{done.target}') WHERE c = '77'"
        assert connection.execute(query).fetchall() == [(77,)]


def test_a_file_without_arrow_hints_stays_without(tmp_path, rewrite) -> None:
    pq.write_table(pa.table({"a": [1], "t": pa.array([1], pa.timestamp("ms"))}), tmp_path / "a", store_schema=False)
    done = rewrite(tmp_path / "a", rename={"a": "b"})
    assert b"ARROW:schema" not in read_footer(done.target).key_values
    needed = rewrite(tmp_path / "a", add={"span": ("duration(us)", 5)})  # cannot be read back without
    assert b"ARROW:schema" in read_footer(needed.target).key_values
    assert done.unlike() == needed.unlike() == ()


def test_arrow_hints_follow_the_columns(tmp_path, rewrite) -> None:
    """A stale ARROW:schema makes readers give wrong types silently."""
    write_rich(tmp_path / "a.parquet")
    done = rewrite(tmp_path / "a.parquet", drop=["id", "at"], rename={"span": "length"})
    hints = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(read_footer(done.target).key_values[b"ARROW:schema"] or b"")))
    assert hints.names == pq.read_schema(done.target).names
    assert pq.read_schema(done.target).field("length").type == pa.duration("us")
    assert pq.read_schema(done.target).field("seen").type == pa.timestamp("us", "Europe/Paris")


def test_old_element_names_and_annotations_are_kept(tmp_path, rewrite) -> None:
    """Names of list items as old writers chose them, times without the UTC flag, and decimals as integers."""
    pq.write_table(
        rich(), tmp_path / "a", use_compliant_nested_type=False, store_decimal_as_integer=True, write_time_adjusted_to_utc=True
    )
    done = rewrite(tmp_path / "a", rename={"route": "way", "tags": "labels"})
    assert done.unlike() == ()
    text = str(pq.ParquetFile(done.target).schema)
    source = str(pq.ParquetFile(done.source).schema)
    assert text.replace("way", "route").replace("labels", "tags").splitlines()[1:] == source.splitlines()[1:]
    assert "isAdjustedToUTC=true, timeUnit=nanoseconds" in text


def test_new_constant_files_are_equal_each_time(tmp_path, rewrite) -> None:
    write_rich(tmp_path / "a.parquet")
    first = digest(rewrite(tmp_path / "a.parquet", rename={"at": "departed"}).target)
    assert first == digest(rewrite(tmp_path / "a.parquet", rename={"at": "departed"}).target)


# ---- key-values
def test_copies_of_the_schema_follow_or_go(tmp_path, rewrite) -> None:
    pandas = {
        "index_columns": ["i"],
        "columns": [{"name": "a", "field_name": "a", "pandas_type": "int64"}, {"name": None, "field_name": "i"}],
    }
    geo = {"version": "1.1.0", "primary_column": "g", "columns": {"g": {"encoding": "WKB"}, "gone": {"encoding": "WKB"}}}
    keys = {"pandas": json.dumps(pandas), "geo": json.dumps(geo), "org.apache.spark.sql.parquet.row.metadata": "{}", "mine": "ä"}
    table = pa.table({"a": [1], "i": [2], "g": [b"x"], "gone": [b"y"]}).replace_schema_metadata(keys)
    pq.write_table(table, tmp_path / "a")
    done = rewrite(tmp_path / "a", rename={"a": "b", "g": "shape"}, drop=["gone"])
    found = read_footer(done.target).key_values
    assert json.loads(found[b"pandas"] or b"")["columns"][0] == {"name": "b", "field_name": "b", "pandas_type": "int64"}
    assert json.loads(found[b"geo"] or b"") == {**geo, "primary_column": "shape", "columns": {"shape": {"encoding": "WKB"}}}
    assert b"org.apache.spark.sql.parquet.row.metadata" not in found
    assert found[b"mine"] == "ä".encode()
    assert any("spark" in note for note in done.rewritten.notes)
    assert done.unlike() == ()
    dropped = rewrite(tmp_path / "a", drop=["i"])
    assert b"pandas" not in read_footer(dropped.target).key_values
    assert pq.read_table(dropped.target).to_pandas is not None
    assert dropped.unlike() == ()


def test_stamps_are_replaced_never_carried(tmp_path, rewrite) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"instar.subject": "old", "instar.version": "9"})
    pq.write_table(table, tmp_path / "a")
    assert FORMAT.inspect(tmp_path / "a").stamp == Stamp("old", 9)
    assert FORMAT.inspect(rewrite(tmp_path / "a").target).stamp == Stamp("flights", 2)
    assert FORMAT.inspect(rewrite(tmp_path / "a", stamp=None).target).stamp is None


def test_a_chunks_own_key_values_are_kept(tmp_path, rewrite) -> None:
    path = CONFORMANCE / "parquet-testing" / "data" / "column_chunk_key_value_metadata.parquet"
    if not path.exists():
        pytest.skip(f"no conformance file {path}")
    done = rewrite(path, rename={"column1": "first"})
    chunks = [items(get(chunk, 3), 8) for chunk in items(read_footer(done.target).row_groups[0], 1)]
    assert chunks == [items(get(chunk, 3), 8) for chunk in items(read_footer(path).row_groups[0], 1)]
    assert chunks[0]
    assert done.unlike() == ()


# ---- awkward input
def test_zero_rows_and_zero_row_groups(tmp_path, rewrite) -> None:
    empty = rich().slice(0, 0)
    pq.write_table(empty, tmp_path / "rows", compression="zstd")
    pq.ParquetWriter(tmp_path / "groups", empty.schema).close()
    for name, groups in (("rows", read_footer(tmp_path / "rows").rows), ("groups", [])):
        done = rewrite(tmp_path / name, rename={"at": "departed"}, add={"x": ("int64", 1)})
        assert (done.rewritten.rows_in, done.rewritten.rows_out) == (0, 0)
        assert read_footer(done.target).rows == groups
        assert pq.read_table(done.target).num_rows == 0
        assert done.unlike() == ()


ODD = ['q"uote', "a.b", "a", "✈️", "select", "A", "list.element", "", " ", "[]", "x" * 300, "new\nline", "ä"]


def test_odd_names(tmp_path, rewrite) -> None:
    inner = pa.struct([pa.field(name, pa.int64()) for name in ODD])
    arrays = [pa.array([dict.fromkeys(ODD, i), None], inner) if i % 2 else pa.array([i, None], pa.int64()) for i in range(len(ODD))]
    pq.write_table(pa.Table.from_arrays(arrays, ODD), tmp_path / "a", compression="gzip")
    done = rewrite(tmp_path / "a", rename={"a": "A.", "A": "a", "a.b": 'b"'}, drop=["select"])
    old, new = pq.ParquetFile(done.source).read(), pq.ParquetFile(done.target).read()
    assert new.column(1).equals(old.column(1))
    assert new.column_names[:4] == ['q"uote', 'b"', "A.", "✈️"]
    assert new.columns == [c for c, name in zip(old.columns, ODD, strict=True) if name != "select"]
    assert done.unlike() == ()


def test_sliced_and_nested_nulls_keep_their_places(tmp_path, rewrite) -> None:
    rows = [None, {"a": None, "b": [None, {"c": 1}]}, {"a": 2, "b": None}, {"a": 3, "b": []}] * 3
    kind = pa.struct([pa.field("a", pa.int8()), pa.field("b", pa.list_(pa.struct([pa.field("c", pa.int8(), nullable=False)])))])
    pq.write_table(pa.table({"r": pa.array(rows, kind)}), tmp_path / "a", row_group_size=5)
    done = rewrite(tmp_path / "a", rename={"r": "s"}, convert=lambda batch: batch.slice(0).rename_columns(["s"]))
    assert pq.read_table(done.target).column("s").to_pylist() == rows
    assert done.unlike() == ()


def test_a_null_where_none_may_be_is_an_error_with_its_row(tmp_path, rewrite) -> None:
    pq.write_table(pa.table({"a": [1, None]}), tmp_path / "a")
    with pytest.raises(DataError, match="a null where the schema requires a value") as caught:
        rewrite(tmp_path / "a", nullable=False)
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (1, "a")
    kind = pa.struct([pa.field("x", pa.int8())])
    pq.write_table(pa.table({"r": pa.array([{"x": None}], kind)}), tmp_path / "b")
    source = open_source(tmp_path / "b").logical
    target = schema(source.record["r"].with_(type=Record((Field("x", Int(8)),))))
    carried = {("r",): ("r",), ("r", "x"): ("r", "x")}
    with pytest.raises(DataError, match=r"r\.x"):
        FORMAT.rewrite(Rewrite(tmp_path / "b", tmp_path / "c", lambda b: b, source, target, ("r",), carried, None, 1 << 30))


def test_types_parquet_does_not_have_are_refused_by_name(tmp_path, rewrite) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a")
    with pytest.raises(SchemaError, match=r"cannot hold t as timestamp\(s\)") as caught:
        rewrite(tmp_path / "a", add={"t": ("timestamp(s)", 5)})
    assert "timestamp(ms)" in caught.value.hint


def test_a_row_group_too_big_for_the_budget_is_split_and_named(tmp_path, rewrite) -> None:
    table = pa.table({f"c{i}": pa.array([float(n * i) for n in range(60_000)]) for i in range(40)})
    pq.write_table(table, tmp_path / "a", row_group_size=60_000, sorting_columns=[pq.SortingColumn(1)])
    done = rewrite(tmp_path / "a", rename={"c0": "z"}, memory=1)
    rows = read_footer(done.target).rows
    assert len(rows) > 1
    assert sum(rows) == 60_000
    assert done.rewritten.notes == (f"row group 0 (60,000 rows) does not fit the memory budget and was split into {len(rows)}",)
    assert pq.read_table(done.target).columns == table.columns
    assert done.unlike() == ()
    assert all(items(group, 4) for group in read_footer(done.target).row_groups)


def test_progress_ends_at_the_files_size(tmp_path, rewrite) -> None:
    told: list[tuple[int, int]] = []
    done = rewrite(write_rich(tmp_path / "a"), progress=lambda rows, size: told.append((rows, size)))
    assert sum(rows for rows, _ in told) == 6
    assert sum(size for _, size in told) == done.source.stat().st_size


def test_only_what_is_read_is_decoded(tmp_path, rewrite) -> None:
    """A damaged page of a dropped column is nobody's business."""
    pq.write_table(pa.table({"a": [1, 2], "b": ["x" * 1000] * 2}), tmp_path / "a", use_dictionary=False, compression="none")
    data = bytearray((tmp_path / "a").read_bytes())
    meta = read_footer(tmp_path / "a").metas(1)[0]
    start = get(meta, 9)
    data[start : start + 20] = b"\xff" * 20
    (tmp_path / "a").write_bytes(data)
    assert pq.read_table(rewrite(tmp_path / "a", drop=["b"]).target).to_pylist() == [{"a": 1}, {"a": 2}]
    with pytest.raises(FileError, match="cannot be read"):
        rewrite(tmp_path / "a", rename={"b": "c"})


# ---- real files
@pytest.mark.skipif(not FILES, reason=f"no conformance files in {CONFORMANCE}")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_conformance_files_come_out_equal_or_are_refused(path, rewrite, unkeepable) -> None:
    if path.name == TOO_BIG:
        pytest.skip("decodes to 2 GB")
    if path.name in DAMAGED:
        with pytest.raises(FileError) as caught:
            rewrite(path)
        assert caught.value.hint
        return
    names = open_source(path).logical.record.names
    lost = unkeepable(path)
    done = rewrite(path, rename={names[0]: RENAMED})
    assert {u.code for u in done.unlike()} <= lost | {"parquet.logical-type" if "parquet.physical-type" in lost else ""}
    if not lost and not open_source(path).int96:
        old, new = pq.ParquetFile(path), pq.ParquetFile(done.target)
        types = [[re.sub(r" \('.*?'\)", "", str(f.type)) for f in file.schema_arrow] for file in (old, new)]
        types[1][0] = types[1][0].replace(f"<{RENAMED}: ", f"<{names[0]}: ")  # the items of a bare repeated field
        assert types[0] == types[1]  # but for the name of a map's entries, which is its column's
        for theirs, ours in zip(old.read().columns, new.read().columns, strict=True):
            assert ours.equals(theirs) or ours.to_string(window=10**6) == theirs.to_string(window=10**6)  # NaN equals nothing
    if path.name not in NOT_FOR_DUCKDB:
        query = "SELECT * FROM read_parquet('{}', hive_partitioning=false)"
        with duckdb.connect() as connection:
            old_rows, new_rows = (connection.execute(query.format(file)).fetchall() for file in (path, done.target))
        assert str(new_rows) == str(old_rows)


@pytest.mark.skipif(not FILES, reason=f"no conformance files in {CONFORMANCE}")
def test_what_cannot_be_kept_is_said_before(unkeepable) -> None:
    folder = CONFORMANCE / "parquet-testing" / "data"
    expected = {
        "byte_array_decimal.parquet": set(),
        "old_list_structure.parquet": set(),
        "repeated_no_annotation.parquet": set(),
        "hadoop_lz4_compressed.parquet": {"parquet.codec"},
        "alltypes_plain.parquet": set(),
        "geospatial/crs-geography.parquet": set(),
    }
    for name, codes in expected.items():
        assert unkeepable(folder / name) == codes, name
    assert unkeepable(folder / "hadoop_lz4_compressed.parquet", []) == set()
