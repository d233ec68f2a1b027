"""Decimals in storage that pyarrow's writer would not choose: DuckDB's sixteen bytes, wide integers, bytes of any length."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.format import Rewrite
from instar.formats.parquet import FORMAT
from instar.formats.parquet.decimals import stored
from instar.formats.parquet.footer import flat, get, read_footer, replace_footer, with_elements
from instar.formats.parquet.source import open_source
from instar.formats.parquet.thrift import I32, Struct, decode
from instar.formats.schema import Record, Schema

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
BYTES = CONFORMANCE / "parquet-testing" / "data" / "byte_array_decimal.parquet"
SIGNS = ["0", "1", "-1", "127", "-128", "128", "-129", "255", "-256", "32767", "-32768", "32768"]


def by_duckdb(path: Path, select: str, **more: str) -> Path:
    options = "".join(f", {key} {value}" for key, value in more.items())
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet{options})")
    return path


def rows(path: Path) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()


def physical(path: Path) -> list[tuple[str, int]]:
    schema = pq.ParquetFile(path).schema
    return [(schema.column(i).physical_type, schema.column(i).length) for i in range(len(schema.names))]


def sixteen_bytes(path: Path) -> list[bytes]:
    """The stored values of the first column: one chunk, one page, neither dictionary nor compression."""
    (meta,) = read_footer(path).metas(0)
    count = sum(value is not None for value in pq.read_table(path).column(0).to_pylist())
    page = path.read_bytes()[get(meta, 9) : get(meta, 9) + get(meta, 7)][-16 * count :]
    return [page[i : i + 16] for i in range(0, len(page), 16)]


def page_statistics(path: Path) -> Struct:
    """Of the first page of the first column."""
    header, _ = decode(path.read_bytes(), get(read_footer(path).metas(0)[0], 9))
    return get(get(header, 5), 5, {})


def as_decimal(path: Path, precision: int, scale: int) -> Path:
    """The file with its first leaf declared a decimal, in the way that old writers do."""
    footer = read_footer(path)
    first = footer.leaves[0].struct
    decimal = {n: v for n, v in first.items() if n != 10} | {6: (I32, 5), 7: (I32, scale), 8: (I32, precision)}
    elements = [decimal if struct is first else struct for struct in flat(footer.root)]
    replace_footer(path, footer, with_elements(footer.struct, elements))
    return path


# ---- one array
@pytest.mark.parametrize("precision", [19, 25, 38])
def test_sixteen_bytes_are_the_number_s_own(precision: int) -> None:
    most = 10**precision - 1
    values = [*map(int, SIGNS), most, -most]
    array = pa.array([None, *map(Decimal, values), None], pa.decimal128(precision, 0))
    expected = [None, *(v.to_bytes(16, "big", signed=True) for v in values), None]
    assert stored(array, pa.binary(16)).to_pylist() == expected
    assert stored(array.slice(3, 5), pa.binary(16)).to_pylist() == expected[3:8]
    assert stored(array.slice(0, 0), pa.binary(16)).type == pa.binary(16)


@pytest.mark.parametrize(("type", "length"), [(pa.decimal128(9, 2), 5), (pa.decimal128(38, 2), 20), (pa.decimal256(70, 2), 32)])
def test_any_width_extends_the_sign(type: pa.DataType, length: int) -> None:
    values = [Decimal(v) / 100 for v in SIGNS]
    made = stored(pa.array([*values, None], type), pa.binary(length)).to_pylist()
    assert made == [*(int(v).to_bytes(length, "big", signed=True) for v in SIGNS), None]


def test_bytes_of_any_length_are_the_fewest_that_hold_the_number() -> None:
    values = [*map(int, SIGNS), 10**37, -(10**37)]
    made = stored(pa.array([*map(Decimal, values), None], pa.decimal128(38, 0)), pa.binary()).to_pylist()
    assert made == [*(v.to_bytes(((v if v >= 0 else ~v).bit_length() + 8) // 8, "big", signed=True) for v in values), None]


def test_integers_are_the_unscaled_number() -> None:
    array = pa.array([Decimal("-1.25"), None, Decimal("3.00")], pa.decimal128(5, 2))
    assert stored(array, pa.int64()).equals(pa.array([-125, None, 300], pa.int64()))
    assert stored(array, pa.int32()).equals(pa.array([-125, None, 300], pa.int32()))


# ---- files of DuckDB's
@pytest.mark.parametrize("precision", range(19, 39))
def test_duckdb_s_decimals_are_kept_as_they_are_stored(tmp_path, rewrite, precision) -> None:
    number = f"((range - 500)::HUGEINT * {10 ** (precision - 4)})::DECIMAL({precision}, 1)"
    select = f"SELECT CASE WHEN range % 7 <> 3 THEN {number} END AS d, range AS n FROM range(1000)"
    source = by_duckdb(tmp_path / "a.parquet", select, compression="uncompressed", dictionary_size_limit="1")
    assert physical(source)[0] == ("FIXED_LEN_BYTE_ARRAY", 16)
    done = rewrite(source, rename={"n": "number", "d": "price"})
    assert FORMAT.unkeepable(source, target=done.schema, carried=done.carried) == ()
    assert done.unlike() == ()
    assert physical(done.target) == physical(source)
    assert sixteen_bytes(done.target) == sixteen_bytes(source)
    assert rows(done.target) == rows(source)
    assert pq.ParquetFile(done.target).schema_arrow.field("price").type == pa.decimal128(precision, 1)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (-100, 0), (-50, 50)], ids=["positive", "negative", "both"])
def test_statistics_are_right(tmp_path, rewrite, low, high) -> None:
    """pyarrow would find the least and greatest of plain bytes, among which negative ones are the greatest."""
    source = by_duckdb(tmp_path / "a.parquet", f"SELECT nullif(range, {low + 9})::DECIMAL(30, 2) AS d FROM range({low}, {high})")
    done = rewrite(source)
    found = pq.ParquetFile(done.target).metadata.row_group(0).column(0).statistics
    assert found.null_count == 1
    assert (found.min, found.max) == (Decimal(low), Decimal(high - 1))
    assert page_statistics(done.target) == {}
    with duckdb.connect() as connection:
        count = connection.execute(f"SELECT count(*) FROM read_parquet('{done.target}') WHERE d < {low + 5}").fetchone()
    assert count == (5,)


def test_statistics_of_nulls_only_and_of_split_row_groups(tmp_path, rewrite) -> None:
    nothing = by_duckdb(tmp_path / "a.parquet", "SELECT NULL::DECIMAL(30, 2) AS d FROM range(3)")
    found = pq.ParquetFile(rewrite(nothing).target).metadata.row_group(0).column(0).statistics
    assert (found.null_count, found.has_min_max) == (3, False)
    count = 400_000
    large = by_duckdb(
        tmp_path / "b.parquet", f"SELECT (range - 10)::DECIMAL(30, 2) AS d, md5(range::VARCHAR) AS t FROM range({count})",
        row_group_size=str(count),
    )  # fmt: skip
    meta = pq.ParquetFile(rewrite(large, memory=1).target).metadata
    groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
    assert len(groups) > 1
    rows = [0]
    for group in groups:
        rows.append(rows[-1] + group.num_rows)
        found = group.column(0).statistics
        assert (found.min, found.max) == (Decimal(rows[-2] - 10), Decimal(rows[-1] - 11))


def test_int96_has_no_statistics_in_its_pages(tmp_path, rewrite) -> None:
    table = pa.table({"at": pa.array([1, 2, None], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a", use_deprecated_int96_timestamps=True)
    assert page_statistics(rewrite(tmp_path / "a").target) == {}


def test_the_page_index_has_no_bounds_in_another_order(tmp_path, rewrite) -> None:
    source = tmp_path / "a.parquet"
    values = pa.array([int(v).to_bytes(16, "big", signed=True) for v in SIGNS], pa.binary(16))
    pq.write_table(pa.table({"d": values}), source, store_schema=False, write_page_index=True)
    as_decimal(source, 30, 0)
    done = rewrite(source)
    assert done.unlike() == ()
    chunk = read_footer(done.target).chunks(0)[0]
    assert 4 in chunk  # where the pages are
    assert not {6, 7} & set(chunk)  # their bounds
    assert pq.read_table(done.target)["d"].to_pylist() == [Decimal(v) for v in SIGNS]


def test_no_rows_are_enough(tmp_path, rewrite) -> None:
    source = by_duckdb(tmp_path / "a.parquet", "SELECT 1::DECIMAL(20, 3) AS d, 2 AS n WHERE false")
    done = rewrite(source, rename={"n": "m"})
    assert done.unlike() == ()
    assert physical(done.target) == physical(source)


def test_nested_decimals_are_kept_even_where_what_is_around_them_changes(tmp_path, rewrite) -> None:
    n = "(CASE WHEN range % 3 = 0 THEN NULL ELSE range - 5 END)::DECIMAL(25, 2)"
    select = f"SELECT {{'d': {n}, 'y': range}} AS s, [{n}, 7] AS l, map {{range::DECIMAL(20, 0): {n}}} AS m, [{{'a': {n}}}] AS r"
    source = by_duckdb(tmp_path / "a.parquet", f"{select} FROM range(10)")
    done = rewrite(source, rename={"s": "t", "m": "o"})
    assert FORMAT.unkeepable(source, target=done.schema, carried=done.carried) == ()
    assert done.unlike() == ()
    assert physical(done.target) == physical(source)
    assert rows(done.target) == rows(source)

    old = open_source(source).logical
    inner = old.record["s"].type
    assert isinstance(inner, Record)
    changed = old.record["s"].with_(type=Record((inner["d"].with_(name="e"),)))
    target = Schema(old.root.with_(type=Record((changed,))))

    def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
        column = batch.column("s")
        return pa.RecordBatch.from_arrays([pa.StructArray.from_arrays([column.field("d")], names=["e"])], names=["s"])

    carried = {("s",): ("s",), ("s", "e"): ("s", "d")}
    new = tmp_path / "b.parquet"
    FORMAT.rewrite(Rewrite(source, new, convert, old, target, ("s",), carried, None, 1 << 30))
    assert FORMAT.unkeepable(source, target=target, carried=carried) == ()
    assert FORMAT.fidelity(source, new, target=target, carried=carried, stamp=None) == ()
    assert physical(new) == [("FIXED_LEN_BYTE_ARRAY", 16)]
    assert [row[0]["e"] for row in rows(new)] == [row[0]["d"] for row in rows(source)]


def test_what_an_operation_fills_is_stored_alike(tmp_path, rewrite) -> None:
    source = by_duckdb(tmp_path / "a.parquet", "SELECT nullif(range, 2)::DECIMAL(22, 2) AS d FROM range(4)")

    def filled(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([batch.column(0).fill_null(Decimal("-0.01"))], names=["d"])

    done = rewrite(source, convert=filled, nullable=False)
    assert physical(done.target) == physical(source)
    assert [row[0] for row in rows(done.target)] == [Decimal(v) for v in ("0.00", "1.00", "-0.01", "3.00")]


def test_a_decimal_that_is_not_carried_does_not_count(tmp_path, rewrite) -> None:
    source = by_duckdb(tmp_path / "a.parquet", "SELECT 1.5::DECIMAL(30, 1) AS d, 2 AS n")
    assert rows(rewrite(source, cast={"d": "string"}).target) == [("1.5", 2)]
    assert rows(rewrite(source, drop=["d"]).target) == [(2,)]


# ---- other writers'
def test_narrow_decimals_in_wide_integers_are_kept_beside_others(tmp_path, rewrite) -> None:
    source = tmp_path / "a.parquet"
    other = pa.array([Decimal("1.5"), None], pa.decimal128(12, 1))
    pq.write_table(pa.table({"d": pa.array([-125, 300], pa.int64()), "other": other}), source, store_schema=False)
    as_decimal(source, 5, 2)
    assert physical(source) == [("INT64", 0), ("FIXED_LEN_BYTE_ARRAY", 6)]
    done = rewrite(source, rename={"d": "e"})
    assert done.unlike() == ()
    assert physical(done.target) == physical(source)
    assert pq.read_table(done.target)["e"].to_pylist() == [Decimal("-1.25"), Decimal("3.00")]
    found = pq.ParquetFile(done.target).metadata.row_group(0).column(0).statistics
    assert (found.min, found.max) == (Decimal("-1.25"), Decimal("3.00"))


def test_bytes_of_any_length_are_kept_as_such(tmp_path, rewrite) -> None:
    source = tmp_path / "a.parquet"
    values = [b"\x00", b"\xff", b"\x00\x80", b"\xff\x7f", None]
    pq.write_table(pa.table({"d": pa.array(values, pa.binary())}), source, store_schema=False)
    as_decimal(source, 9, 0)
    done = rewrite(source)
    assert done.unlike() == ()
    assert physical(done.target) == [("BYTE_ARRAY", 0)]
    assert pq.read_table(done.target)["d"].to_pylist() == [Decimal(0), Decimal(-1), Decimal(128), Decimal(-129), None]
    found = pq.ParquetFile(done.target).metadata.row_group(0).column(0).statistics
    assert found is None or not found.has_min_max


@pytest.mark.skipif(not BYTES.exists(), reason=f"no conformance file {BYTES}")
def test_a_real_file_of_them_comes_out_the_same(rewrite) -> None:
    done = rewrite(BYTES, rename={"value": "v"})
    assert done.unlike() == ()
    assert physical(done.target) == physical(BYTES)
    assert rows(done.target) == rows(BYTES)


def test_too_few_bytes_for_what_is_declared_are_still_refused(tmp_path, rewrite) -> None:
    """Whatever an operation fills in must fit."""
    source = tmp_path / "a.parquet"
    pq.write_table(pa.table({"d": pa.array([b"\x01", b"\xff"], pa.binary(1))}), source, store_schema=False)
    as_decimal(source, 9, 0)
    (lost,) = FORMAT.unkeepable(source, target=open_source(source).logical, carried={("d",): ("d",)})
    assert lost.code == "parquet.physical-type"
    assert "values and its type stay the same" in lost.message
