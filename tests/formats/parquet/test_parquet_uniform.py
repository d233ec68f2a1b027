"""Columns that are one value in every record: a few bytes a page, and the very file that is made by writing each row."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.format import Stamp, format_named
from instar.formats.parquet import scratch, uniform
from instar.formats.parquet.footer import Footer, get, parse_footer, read_footer
from instar.transforms.mapping import chain
from instar.transforms.run.request import rewrite_request

FORMAT = format_named("parquet")
INNER = "record{a: int64, b: string?, c: record{d: double}?}"
ADDS: list[Any] = [
    op.add("text", "string", default="USD"),
    op.add("empty", "string", default=""),
    op.add("nothing", "string?"),
    op.add("whole", "int64", default=-5),
    op.add("small", "uint8?", default=200),
    op.add("zero", "double", default=0.0),
    op.add("minus_zero", "double", default=-0.0),
    op.add("single", "float?", default=1.5),
    op.add("nan", "double", default=math.nan),
    op.add("yes", "bool", default=True),
    op.add("no", "bool?", default=False),
    op.add("unknown", "bool?"),
    op.add("money", "decimal(9,2)", default=Decimal("-12.30")),
    op.add("much", "decimal(38,10)?", default=Decimal("12345678901234567890.5")),
    op.add("day", "date", default=dt.date(1969, 7, 20)),
    op.add("moment", "timestamp(us, UTC)?", default=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    op.add("raw", "bytes", default=b"\x00\xff"),
    op.add("four", "fixed(4)?", default=b"abcd"),
    op.add("record", INNER, default={"a": 1, "b": None, "c": {"d": 2.5}}),
    op.add("no_record", f"{INNER}?"),
    op.add("no_list", "list<int64>?"),
    op.add("empty_list", "list<int64>", default=[]),
    op.add("one_item", "list<string?>", default=["x"]),
    op.add("null_item", "list<string?>", default=[None]),
    op.add("empty_map", "map<int64>", default={}),
    op.add("one_entry", "map<int64?>", default={"k": 1}),
]
STORED: dict[str, dict[str, Any]] = {
    "zstd": {"compression": "zstd"},
    "snappy, second pages": {"compression": "snappy", "data_page_version": "2.0", "write_page_index": True},
    "gzip, checksums": {"compression": "gzip", "write_page_checksum": True, "write_page_index": True},
    "none, checksums, second pages": {"compression": "none", "write_page_checksum": True, "data_page_version": "2.0"},
    "brotli": {"compression": "brotli", "write_page_index": True, "write_statistics": False},
    "lz4": {"compression": "lz4", "row_group_size": 20_000, "data_page_version": "2.0", "write_page_checksum": True},
    "small groups": {"row_group_size": 7, "rows": 31},
    "one row": {"rows": 1, "write_page_index": True},
    "whole pages": {"rows": 80_000, "row_group_size": 40_000, "write_page_index": True},
}


def source(path: Path, rows: int = 65_001, **options: Any) -> Path:
    """A file of one column, in row groups of different lengths."""
    pq.write_table(pa.table({"id": pa.array(range(rows), pa.int32())}), path, **{"row_group_size": 30_000, **options})
    return path


def spliced(path: Path, target: Path, ops: Sequence[Any]) -> Path:
    schema = FORMAT.inspect(path).schema
    assert schema is not None
    mapping = chain(schema, ops)
    request = rewrite_request(FORMAT, mapping, path, target, memory=1 << 30, stamp=Stamp("s", 2), progress=lambda rows, size: None)
    assert FORMAT.rewrite(request).way == "spliced"
    return target


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[uniform.Uniform | None]:
    """What was made of samples."""
    found: list[uniform.Uniform | None] = []

    def spied(sample: bytes, lengths: Sequence[int]) -> uniform.Uniform | None:
        found.append(uniform.uniform(sample, lengths))
        return found[-1]

    monkeypatch.setattr(scratch, "uniform", spied)
    return found


def row_by_row(path: Path, target: Path, ops: Sequence[Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patched:
        patched.setattr(scratch, "uniform", lambda sample, lengths: None)
        return spliced(path, target, ops)


@pytest.mark.parametrize("stored", STORED)
def test_the_file_is_that_of_writing_every_row(
    stored: str, tmp_path: Path, made: list[uniform.Uniform | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source(tmp_path / "a", **STORED[stored])
    new = spliced(path, tmp_path / "new", ADDS)
    assert made[0] is not None
    written = row_by_row(path, tmp_path / "written", ADDS, monkeypatch)
    assert new.read_bytes() == written.read_bytes(), first_difference(new, written)


def first_difference(new: Path, written: Path) -> str:
    for leaf in range(len(read_footer(new).leaves)):
        for mine, theirs in zip(read_footer(new).chunks(leaf), read_footer(written).chunks(leaf), strict=True):
            if {**mine, 2: 0} != {**theirs, 2: 0}:
                return f"{read_footer(new).leaves[leaf].path}:\n{mine}\n{theirs}"
    return "in the pages"


def test_readers_find_the_value_in_every_record(tmp_path: Path, made: list[uniform.Uniform | None]) -> None:
    new = spliced(source(tmp_path / "a", write_page_index=True), tmp_path / "new", ADDS)
    assert made[0] is not None
    values = pq.read_table(new).slice(64_999).to_pylist()
    assert len({repr(value | {"id": 0}) for value in values}) == 1
    assert values[0] | {"nan": None} == pq.read_table(new).slice(0, 1).to_pylist()[0] | {"id": 64_999, "nan": None}
    told = duckdb.execute(f"SELECT * EXCLUDE (id, nan, moment), count(*) FROM read_parquet('{new}') GROUP BY ALL").fetchall()
    assert [row[-1] for row in told] == [65_001]
    where = "text = 'USD' AND whole = -5 AND yes AND nothing IS NULL AND id > 64998"
    assert duckdb.execute(f"SELECT id FROM read_parquet('{new}') WHERE {where} ORDER BY id").fetchall() == [(64_999,), (65_000,)]
    plain = [name for name in pq.read_schema(new).names if name != "id"]
    frame = pl.scan_parquet(new)
    assert frame.filter(pl.col("text") == "USD", pl.col("money") == Decimal("-12.30")).select(pl.len()).collect().item() == 65_001
    first = frame.select(plain).head(1).collect().rows()[0]
    for name, value in zip(plain, first, strict=True):
        if name not in ("nan", "no_record", "empty_map", "one_entry"):  # which polars shows in forms of its own
            assert value == values[0][name], name


def bits(path: Path) -> bytes:
    (buffer,) = [each for each in pq.read_table(path, columns=["x"])["x"].chunk(0).slice(0, 1).buffers() if each is not None][-1:]
    return buffer.to_pybytes()[:8]


def test_values_that_look_alike_do_not_meet(tmp_path: Path) -> None:
    path = source(tmp_path / "a", rows=8)
    found = [
        bits(spliced(path, tmp_path / f"{number}", [op.add("x", type, default=value)]))
        for number, (type, value) in enumerate(
            [("double", 0.0), ("double", -0.0), ("double", math.nan), ("double", 1.0), ("int64", 1), ("int64", 0), ("double", 0.0)]
        )
    ]
    assert found[0] == found[5] == found[6] == bytes(8)
    assert found[1] == bytes(7) + b"\x80"
    assert len({*found}) == 5


def test_lists_of_several_items_are_written_row_by_row(
    tmp_path: Path, made: list[uniform.Uniform | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = [*ADDS[:2], op.add("two", "list<int64>", default=[1, 2])]
    path = source(tmp_path / "a")
    new = spliced(path, tmp_path / "new", ops)
    assert made == [None]
    assert new.read_bytes() == row_by_row(path, tmp_path / "written", ops, monkeypatch).read_bytes()
    assert pq.read_table(new)["two"].to_pylist() == [[1, 2]] * 65_001


def test_a_file_without_rows(tmp_path: Path, made: list[uniform.Uniform | None]) -> None:
    pq.ParquetWriter(tmp_path / "a", pa.schema([("id", pa.int32())])).close()
    new = spliced(tmp_path / "a", tmp_path / "new", ADDS)
    assert pq.read_table(new).num_rows == 0
    assert not made


def test_a_long_value_is_not_held_for_each_length_of_row_group(tmp_path: Path, made: list[uniform.Uniform | None]) -> None:
    ops = [op.add("long", "string", default="x" * 2_500_000)]
    new = spliced(source(tmp_path / "a", rows=9, row_group_size=9), tmp_path / "new", ops)
    assert made.pop() is not None
    assert pq.read_table(new)["long"].to_pylist() == ["x" * 2_500_000] * 9
    new = spliced(source(tmp_path / "b", rows=9, row_group_size=5), tmp_path / "new", ops)
    assert not made
    assert pq.read_table(new)["long"].to_pylist() == ["x" * 2_500_000] * 9


def test_a_value_is_not_held_for_each_of_many_pages(
    tmp_path: Path, made: list[uniform.Uniform | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_SMALL", 500)
    ops = [op.add("word", "string", default="x" * 100)]
    for pages, held in ((2, True), (9, False)):
        rows = pages * uniform.PAGE_ROWS
        new = spliced(source(tmp_path / "a", rows=rows, row_group_size=rows), tmp_path / "new", ops)
        assert bool(made) is held
        made.clear()
        assert pq.read_table(new)["word"].unique().to_pylist() == ["x" * 100]


# ---- samples
def sample(**options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": pa.array(options.pop("values", ["USD"]))}), sink, **{"compression": "none", **options})
    return sink.getvalue().to_pybytes()


def test_what_is_not_known_in_a_sample_is_not_repeated() -> None:
    assert uniform.uniform(sample(), (3,)) is not None
    unlike = [
        sample(bloom_filter_options={"x": {"ndv": 10}}),
        sample(use_dictionary=False),
        sample(values=[["a", "b"]]),
        sample(use_dictionary=False, column_encoding={"x": "DELTA_BYTE_ARRAY"}),
        sample(values=[7], use_dictionary=False),
    ]
    assert [uniform.uniform(each, (3,)) for each in unlike] == [None] * len(unlike)


def test_a_sample_whose_pages_are_not_understood_is_not_repeated() -> None:
    whole = sample()
    meta = get(read_footer_of(whole).chunks(0)[0], 3)
    page = whole[get(meta, 9) : get(meta, 9) + 60]
    body = get(meta, 9) + page.index(b"\x02\x00\x00\x00\x02\x01\x01\x02\x00")  # a run of level 1, width 1, a run of entry 0
    assert uniform.uniform(bytes([*whole[: body + 5], 0, 0, *whole[body + 7 :]]), (3,)) is None  # a null, and a value
    for at in range(9):
        other = bytearray(whole)
        other[body + at] ^= 4
        assert uniform.uniform(bytes(other), (3,)) is None, at


def read_footer_of(data: bytes) -> Footer:
    length = int.from_bytes(data[-8:-4], "little")
    return parse_footer(data[-8 - length : -8], Path("sample"))
