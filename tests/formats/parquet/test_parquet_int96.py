"""INT96: carried byte for byte, decoded only where touched, refused by row where microseconds do not hold a value."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import DataError, FileError
from instar.formats.format import Rewrite
from instar.formats.parquet import FORMAT
from instar.formats.parquet.footer import INT96, flat, get, read_footer, replace_footer, with_elements
from instar.formats.parquet.int96 import as_int96, decoded, encoded
from instar.formats.parquet.source import open_source
from instar.formats.parquet.thrift import I32
from instar.formats.path import EACH_ITEM
from instar.formats.schema import List, Record, Schema, Timestamp

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
SPARK = CONFORMANCE / "parquet-testing" / "data" / "int96_from_spark.parquet"

YEAR_1, YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999
TIMES = [YEAR_1, None, 0, -1, YEAR_9999, 1_704_141_296_123_456]
FINER = (123_456_789).to_bytes(8, "little") + (2_460_000).to_bytes(4, "little")
BEYOND = (0).to_bytes(8, "little") + (2_000_000_000).to_bytes(4, "little", signed=True)


def write(path: Path, **columns: pa.Array) -> Path:
    """A file whose twelve-byte columns are declared INT96."""
    pq.write_table(pa.table(columns), path, store_schema=False, row_group_size=4)
    footer = read_footer(path)
    twelve = {i for i, leaf in enumerate(footer.leaves) if get(leaf.struct, 2) == 12}
    elements = [{**s, 1: (I32, INT96)} if get(s, 2) == 12 else s for s in flat(footer.root)]
    elements = [{n: v for n, v in s.items() if n != 2} for s in elements]
    replace_footer(path, footer, with_elements(as_int96(footer.struct, twelve), elements))
    return path


def raw(path: Path) -> list[list[object]]:
    """The raw bytes of a file's INT96 columns, nested ones as Python values."""
    source = open_source(path)
    with source.reader() as reader:
        table = reader.read()
    return [table.column(str(p[0])).to_pylist() for p in sorted(source.int96, key=str)]


def column(*more: bytes) -> pa.Array:
    return pa.concat_arrays([encoded(pa.array(TIMES, pa.timestamp("us"))), pa.array(more, pa.binary(12))])


def test_raw_bytes_and_times_are_two_forms_of_one() -> None:
    times = pa.array([*TIMES, *range(-5_000_000_000, 5_000_000_000, 999_999_937)], pa.timestamp("us"))
    assert decoded(encoded(times), strict=True).equals(times)
    assert decoded(encoded(times).slice(2, 3), strict=True).equals(times.slice(2, 3))


def test_pyarrow_and_duckdb_read_what_is_encoded(tmp_path) -> None:
    write(tmp_path / "a", t=encoded(pa.array([0, 1_704_141_296_123_456, YEAR_9999], pa.timestamp("us"))))
    found = pq.read_table(tmp_path / "a", coerce_int96_timestamp_unit="us").column("t").cast(pa.int64()).to_pylist()
    assert found == [0, 1_704_141_296_123_456, YEAR_9999]
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT epoch_us(t::TIMESTAMP) FROM read_parquet('{tmp_path / 'a'}')").fetchall()
    assert [us for (us,) in rows][:2] == [0, 1_704_141_296_123_456]


def test_the_file_says_timestamps_and_remembers_its_storage(tmp_path) -> None:
    field = (FORMAT.inspect(write(tmp_path / "a", t=column())).schema or pytest.fail("no schema")).record["t"]
    assert field.type == Timestamp("us")
    assert field.extra["parquet"] == "int96"


def test_untouched_values_are_carried_byte_for_byte(tmp_path, rewrite) -> None:
    """Years 1 and 9999, finer than microseconds, out of range; beside an ordinary timestamp."""
    size = len(TIMES) + 2
    plain = pa.array(range(size), pa.timestamp("ms"))
    source = write(tmp_path / "a", t=column(FINER, BEYOND), plain=plain, n=pa.array(range(size)))
    done = rewrite(source, rename={"t": "at", "plain": "p"}, cast={"n": "string"})
    assert raw(done.target) == raw(source)
    assert done.unlike() == ()
    assert open_source(done.target).int96 == {("at",)}
    assert pq.read_table(done.target, columns=["p"]).column(0).cast(pa.int64()).to_pylist() == list(range(size))
    assert all(not {6, 7} & set(chunk) for chunk in read_footer(done.target).chunks(0))
    assert all(12 not in meta for meta in read_footer(done.target).metas(0))


def test_a_touched_value_is_decoded_or_refused_by_row(tmp_path, rewrite) -> None:
    source = write(tmp_path / "a", t=column())
    assert pq.read_table(rewrite(source, cast={"t": "timestamp(us)"}).target).column("t").cast(pa.int64()).to_pylist() == TIMES
    for odd in (FINER, BEYOND):
        write(tmp_path / "b", t=column(odd))
        with pytest.raises(DataError, match="out of the range, or finer") as caught:
            rewrite(tmp_path / "b", cast={"t": "timestamp(us)"})
        assert caught.value.where is not None
        assert (caught.value.where.row, caught.value.where.path) == (len(TIMES), "t")  # in the second row group
        with pytest.raises(DataError, match="out of the range"):
            rewrite(tmp_path / "b", touched=frozenset({("t",)}))
        assert raw(rewrite(tmp_path / "b", touched=frozenset()).target) == raw(tmp_path / "b")


def test_what_an_operation_fills_is_written_as_int96(tmp_path, rewrite) -> None:
    source = write(tmp_path / "a", t=column(BEYOND))

    def filled(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([batch.column(0).fill_null(pa.scalar(YEAR_1, pa.timestamp("us")))], names=["t"])

    done = rewrite(source, convert=filled, nullable=False)
    expected = [encoded(pa.array([YEAR_1], pa.timestamp("us")))[0].as_py() if v is None else v for v in raw(source)[0]]
    assert raw(done.target) == [expected]


def test_nested_int96_is_carried_with_its_column_or_refused_by_name(tmp_path, rewrite) -> None:
    rows = [[{"t": v, "n": i}] if i % 2 else None for i, v in enumerate(column(BEYOND).to_pylist())]
    kind = pa.list_(pa.struct([pa.field("t", pa.binary(12)), pa.field("n", pa.int64())]))
    source = write(tmp_path / "a", r=pa.array(rows, kind), x=pa.array(range(len(rows))))
    done = rewrite(source, rename={"r": "s"})
    assert raw(done.target) == raw(source)
    assert done.unlike() == ()
    old = open_source(source).logical
    assert isinstance(old.record["r"].type, List)
    item = old.record["r"].type.item
    assert isinstance(item.type, Record)
    renamed = item.with_(type=Record((item.type["t"].with_(name="at"), item.type["n"])))
    target = Schema(old.root.with_(type=Record((old.record["r"].with_(type=List(renamed)),))))
    carried = {("r",): ("r",), ("r", EACH_ITEM): ("r", EACH_ITEM), ("r", EACH_ITEM, "at"): ("r", EACH_ITEM, "t"),
               ("r", EACH_ITEM, "n"): ("r", EACH_ITEM, "n")}  # fmt: skip
    with pytest.raises(FileError, match=r"r\[\]\.at is an INT96 timestamp inside r"):
        FORMAT.rewrite(Rewrite(source, tmp_path / "b", lambda b: b, old, target, ("r",), carried, None, 1 << 30))


@pytest.mark.skipif(not SPARK.exists(), reason=f"no conformance file {SPARK}")
def test_sparks_file_is_kept_exactly_or_refused_by_row(rewrite) -> None:
    done = rewrite(SPARK, rename={"a": "b"})
    assert raw(done.target) == raw(SPARK)
    assert done.unlike() == ()
    with pytest.raises(DataError, match="0x0060b9c76ee2ffffa8abb0f9") as caught:
        rewrite(SPARK, cast={"a": "timestamp(us)"})
    assert caught.value.where is not None
    assert caught.value.where.row == 5


def test_pyarrows_own_int96_with_hints(tmp_path, rewrite) -> None:
    table = pa.table({"t": pa.array([dt.datetime(2020, 1, 1), None], pa.timestamp("us", "UTC")), "n": [1, 2]})
    pq.write_table(table, tmp_path / "a", use_deprecated_int96_timestamps=True)
    done = rewrite(tmp_path / "a", rename={"n": "m"})
    assert raw(done.target) == raw(tmp_path / "a")
    assert done.unlike() == ()
    assert (
        pq.read_table(done.target).column("t").cast(pa.int64()).to_pylist()
        == pq.read_table(tmp_path / "a").column("t").cast(pa.int64()).to_pylist()
    )
