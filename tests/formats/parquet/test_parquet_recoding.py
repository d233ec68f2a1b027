"""Columns of which only the dictionaries are encoded are what they are when all of their pages are: values, schema, footer."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import DataError
from instar.formats.format import Rewritten, format_named
from instar.formats.parquet import recoding, scratch, thrift
from instar.formats.parquet.chunks import extent
from instar.formats.parquet.footer import get, items, read_footer
from instar.formats.parquet.recoding import Recoded
from instar.transforms import operations as op
from instar.transforms.mapping import Operation, chain
from instar.transforms.proof.database import Room
from instar.transforms.proof.parquet import prove
from instar.transforms.run.request import rewrite_request

pytestmark = pytest.mark.skipif(thrift.compiled is None, reason="dictionaries alone are encoded by the help of the compiled part")
ROWS, GROUP = 2_400, 1_000
COLUMN_INDEX, OFFSET_INDEX = 6, 4


def column(type: pa.DataType, values: Sequence[Any]) -> pa.Array:
    draw = random.Random(len(values))
    return pa.array([draw.choice(values) for _ in range(ROWS)], type)


def moments(unit: Any, zone: str | None = None) -> pa.Array:
    return column(pa.int64(), [0, 10**9, 86_400_000, None]).cast(pa.timestamp(unit, zone))


TABLE = pa.table({
    "tiny": column(pa.int8(), [None, -3, 5]),
    "small": column(pa.int16(), range(-150, 150)),
    "unsigned": column(pa.uint32(), [0, 7, 2**32 - 1]),
    "whole": column(pa.int64(), [1, -5, 2**40, None]),
    "whole again": column(pa.int32(), [9, 10, 100, None]),
    "float": column(pa.float32(), [-1.5, 0.5, None]),
    "zeros": column(pa.float32(), [0.0, 2.5]),
    "not a number": column(pa.float32(), [math.nan, 2.5]),
    "text": column(pa.string(), ["", "a", "éé", None]),
    "digits": column(pa.string(), ["9", "10", "-3", None]),
    "bytes": column(pa.binary(), [b"", b"\xff", b"a"]),
    "day": column(pa.date32(), [0, 100, -5, None]),
    "moment": moments("ms"),
    "moment there": moments("us", "Europe/Paris"),
    "decimal": column(pa.decimal128(9, 2), [Decimal("1.50"), Decimal("-2.25")]),
    "left": column(pa.int32(), [4]),
})  # fmt: skip
SCHEMA = TABLE.schema.set(1, pa.field("small", pa.int16(), nullable=False))

CHANGES: dict[str, tuple[Operation, ...]] = {
    "wider": (op.cast("tiny", "int32"), op.cast("small", "int64"), op.cast("unsigned", "int64"), op.cast("whole again", "double")),
    "text of numbers": (op.cast("whole", "string"), op.cast("small", "string"), op.cast("unsigned", "string")),
    "floats": (op.cast("float", "double"), op.cast("zeros", "double"), op.cast("not a number", "double")),
    "text": (op.cast("text", "bytes"), op.map_values("digits", {"9": "z", "10": "y", "-3": "x"})),
    "text to numbers": (op.cast("digits", "int64"),),
    "time": (op.cast("day", "timestamp(us)"), op.cast("moment", "timestamp(us)"), op.cast("moment there", "timestamp(ns, UTC)")),
    "time as text": (op.cast("day", "string"),),
    "decimals": (op.cast("decimal", "decimal(12,3)"), op.cast("whole again", "decimal(20,0)")),
    "renamed, dropped, added": (
        op.drop("left"), op.cast("whole", "string"), op.rename("whole", to="text of it"), op.add("new", "string", default="x"),
    ),
}  # fmt: skip

STORED: dict[str, dict[str, Any]] = {
    "as usual": {},
    "uncompressed": {"compression": "none"},
    "zstd": {"compression": "zstd"},
    "gzip": {"compression": "gzip"},
    "brotli": {"compression": "brotli"},
    "lz4": {"compression": "lz4"},
    "pages of version 2": {"data_page_version": "2.0", "compression": "zstd"},
    "checksums": {"write_page_checksum": True},
    "checksums, version 2": {"write_page_checksum": True, "data_page_version": "2.0"},
    "many pages": {"max_rows_per_page": 120},
    "no statistics": {"write_statistics": False},
}


def done(source: Path, target: Path, operations: Sequence[Operation], proved: bool = True) -> Rewritten:
    format = format_named("parquet")
    schema = format.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, operations)
    made = format.rewrite(rewrite_request(format, mapping, source, target, memory=1 << 30, stamp=None, progress=lambda *_: None))
    found = prove(source, target, mapping, room=Room(1 << 30, (source, target)), full=True) if proved else None
    assert not [outcome for _, outcome in (found.outcomes if found else ()) if outcome.problem]
    return made


@pytest.fixture
def recoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The columns of which only dictionaries were encoded."""
    found: list[str] = []
    whole = scratch.recoded

    def told(*args: Any) -> Iterator[Recoded]:
        for made in whole(*args):
            found.extend(made.part.target_schema.record.names)
            yield made

    monkeypatch.setattr(scratch, "recoded", told)
    return found


@pytest.fixture
def by_pages(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path, Sequence[Operation]], Rewritten]:
    """The same with all pages encoded."""

    def run(source: Path, target: Path, operations: Sequence[Operation]) -> Rewritten:
        with monkeypatch.context() as patch:
            patch.setattr(scratch, "recoded", lambda *_: ())
            return done(source, target, operations, proved=False)

    return run


def told(path: Path) -> list[object]:
    """What the footer says of each chunk but for where it is, and how much text is in it."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    return [
        (c.path_in_schema, c.physical_type, c.num_values, c.compression, sorted(c.encodings), c.has_dictionary_page,
         repr(c.statistics.to_dict()) if c.statistics else None)
        for c in chunks
    ]  # fmt: skip


def rows(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute("select columns(*)::varchar from read_parquet(?)", [str(path)]).fetchall()


def data_pages(path: Path, name: str) -> list[bytes]:
    """The bodies of a column's pages but for the first, which is its dictionary."""
    footer, data, found = read_footer(path), path.read_bytes(), list[bytes]()
    leaf = next(e.leaf for e in footer.columns if e.name == name)
    assert leaf is not None
    for meta in footer.metas(leaf):
        at, stop = extent(meta)
        while at < stop:
            header, begin = thrift.decode(data, at)
            at = begin + get(header, 3)
            if 7 not in header:
                found.append(data[begin:at])
    return found


PAIRS = [(change, "as usual") for change in CHANGES] + [("text of numbers", stored) for stored in STORED if stored != "as usual"]
PAIRS += [("floats", "no statistics"), ("time", "many pages"), ("decimals", "checksums, version 2")]


@pytest.mark.parametrize(("change", "stored"), PAIRS)
def test_new_dictionaries_give_what_new_pages_do(
    change: str, stored: str, tmp_path: Path, recoded: list[str], by_pages: Callable[..., Rewritten]
) -> None:
    source, new, other = tmp_path / "source.parquet", tmp_path / "new.parquet", tmp_path / "other.parquet"
    pq.write_table(TABLE.cast(SCHEMA), source, row_group_size=GROUP, **STORED[stored])
    assert done(source, new, CHANGES[change]).way == "spliced"
    assert by_pages(source, other, CHANGES[change]).way == "spliced"
    assert recoded
    found, wanted = pq.read_table(new, page_checksum_verification=True), pq.read_table(other)
    found.validate(full=True)
    assert found.schema.equals(wanted.schema, check_metadata=True)
    assert repr(found.to_pylist()) == repr(wanted.to_pylist())  # NaN is NaN, and 0.0 not -0.0
    assert told(new) == told(other)
    assert [e.struct for e in read_footer(new).leaves] == [e.struct for e in read_footer(other).leaves]
    assert repr(rows(new)) == repr(rows(other))
    assert pl.read_parquet(new).equals(pl.read_parquet(other))


def test_data_pages_are_the_old_ones(tmp_path: Path, recoded: list[str]) -> None:
    source, new = tmp_path / "source.parquet", tmp_path / "new.parquet"
    pq.write_table(TABLE, source, row_group_size=GROUP, max_rows_per_page=100)
    done(source, new, [op.cast("whole", "string"), op.rename("whole", to="text of it")])
    assert recoded == ["text of it"]
    assert len(data_pages(source, "whole")) > 20
    assert data_pages(new, "text of it") == data_pages(source, "whole")


def test_pages_are_encoded_as_the_old_ones_say(tmp_path: Path, recoded: list[str]) -> None:
    source, new = tmp_path / "source.parquet", tmp_path / "new.parquet"
    pq.write_table(TABLE.select(["whole"]), source, version="1.0")
    done(source, new, [op.cast("whole", "string")])
    assert recoded == ["whole"]
    assert set(pq.read_metadata(new).row_group(0).column(0).encodings) == {"PLAIN_DICTIONARY", "RLE"}
    assert pq.read_table(new)["whole"].to_pylist() == [None if x is None else str(x) for x in TABLE["whole"].to_pylist()]


# ---- what the bounds say
def statistics(path: Path, name: str) -> dict[int, Any]:
    footer = read_footer(path)
    leaf = next(e.leaf for e in footer.columns if e.name == name)
    assert leaf is not None
    wire, held = footer.metas(leaf)[0][12]
    said = thrift.decode(held)[0] if wire & thrift.RAW else held
    return {number: value for number, (_, value) in said.items()}


def with_unused(path: Path, values: Sequence[Any], used: Sequence[int], type: pa.DataType) -> None:
    """A file whose dictionary has more values than occur."""
    coded = pa.DictionaryArray.from_arrays(pa.array(used, pa.int32()), pa.array(values, type))
    pq.write_table(pa.table({"a": coded}), path, store_schema=False)


def test_values_that_do_not_occur_are_in_no_bounds(tmp_path: Path, recoded: list[str]) -> None:
    with_unused(tmp_path / "source", ["m", "a", "z"], [0, 0, 0], pa.string())
    done(tmp_path / "source", tmp_path / "new", [op.map_values("a", {"m": "n", "a": "b", "z": "z"})])
    assert recoded == ["a"]
    assert pq.read_table(tmp_path / "new")["a"].to_pylist() == ["n"] * 3
    assert statistics(tmp_path / "new", "a") == {3: 0, 5: b"n", 6: b"n", 7: True, 8: True}


def test_bounds_of_numbers_are_values_that_occur(tmp_path: Path, recoded: list[str]) -> None:
    with_unused(tmp_path / "source", ["5", "1", "30", "200"], [2, 0, 2], pa.string())
    done(tmp_path / "source", tmp_path / "new", [op.cast("a", "int64")])
    assert recoded == ["a"]
    found = pq.read_metadata(tmp_path / "new").row_group(0).column(0).statistics
    assert (found.min, found.max, found.null_count) == (5, 30, 0)


def test_zeros_are_bounds_on_both_sides(tmp_path: Path, recoded: list[str]) -> None:
    pq.write_table(pa.table({"a": pa.array([0.0, 0.0], pa.float32())}), tmp_path / "source")
    done(tmp_path / "source", tmp_path / "new", [op.cast("a", "double")])
    assert recoded == ["a"]
    found = statistics(tmp_path / "new", "a")
    assert (found[6], found[5]) == (struct.pack("<d", -0.0), struct.pack("<d", 0.0))


def test_a_long_text_is_no_bound(tmp_path: Path, recoded: list[str]) -> None:
    pq.write_table(pa.table({"a": ["x", "y", "x"]}), tmp_path / "source")
    done(tmp_path / "source", tmp_path / "new", [op.map_values("a", {"x": "x" * 5000, "y": "y"})])
    assert recoded == ["a"]
    assert statistics(tmp_path / "new", "a") == {3: 0, 5: b"y", 7: True}


def page_index(path: Path, name: str) -> list[Any]:
    """Of each chunk the first rows of its pages, and what its column index says."""
    footer, data, found = read_footer(path), path.read_bytes(), list[Any]()
    leaf = next(e.leaf for e in footer.columns if e.name == name)
    assert leaf is not None
    for chunk in footer.chunks(leaf):
        offsets = thrift.decode(data, get(chunk, OFFSET_INDEX))[0]
        rows = [get(location, 3) for location in items(offsets, 1)]
        found.append((rows, thrift.decode(data, get(chunk, COLUMN_INDEX))[0]))
    return found


SORTED = pa.table({
    "up": sorted(range(900), key=lambda x: x // 100),
    "down": [900 - x // 90 for x in range(900)],
    "empty pages": pa.array([x % 7 if x > 120 and x // 100 != 3 else None for x in range(900)], pa.int32()),
    "any": [x * 7919 % 13 for x in range(900)],
})  # fmt: skip


@pytest.mark.parametrize("to", ["string", "double"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_page_index_is_of_the_new_values(
    to: str, version: str, tmp_path: Path, recoded: list[str], by_pages: Callable[..., Rewritten]
) -> None:
    source, new, other = tmp_path / "source.parquet", tmp_path / "new.parquet", tmp_path / "other.parquet"
    pages: dict[str, Any] = {"write_page_index": True, "max_rows_per_page": 100, "data_page_version": version}
    pq.write_table(SORTED, source, row_group_size=450, compression="zstd", **pages)
    change = [op.cast(name, to) for name in SORTED.column_names]
    done(source, new, change)
    by_pages(source, other, change)
    assert set(recoded) == set(SORTED.column_names)
    for name in SORTED.column_names:  # the other file's pages are larger
        for rows, index in page_index(new, name):
            assert rows == [0, 100, 200, 300, 400]
            assert set(index) >= {1, 2, 3, 4, 5}
    assert told(new) == told(other)
    column = page_index(new, "empty pages")[0][1]
    assert (column[1][1][1], column[5][1][1]) == ([True, False, False, True, False], [100, 21, 0, 100, 0])
    assert (column[2][1][1][0], column[2][1][1][1]) == (b"", b"0" if to == "string" else struct.pack("<d", -0.0))
    orders = [[index[4][1] for _, index in page_index(new, name)] for name in SORTED.column_names]
    assert orders[1] == [2, 2]
    for low in (3, 450, 890):
        wanted = [row for row in pq.read_table(other).to_pylist() if row["up"] == (str(low) if to == "string" else low)]
        with duckdb.connect() as connection:
            text = connection.execute("select * from read_parquet(?) where up = ?", [str(new), str(low) if to == "string" else low])
            names = [each[0] for each in text.description or ()]
            assert [dict(zip(names, row, strict=True)) for row in text.fetchall()] == wanted
        assert pq.read_table(new, filters=[("up", "==", wanted[0]["up"])]).to_pylist() == wanted


# ---- what is done in another way
WHOLE = pa.table({"a": pa.array([1, 2, None] * 500, pa.int32()), "b": pa.array(["x", "y", "x"] * 500)})

OTHERWISE: dict[str, tuple[pa.Table, dict[str, Any], tuple[Operation, ...]]] = {
    "plain pages": (WHOLE, {"use_dictionary": False}, (op.cast("a", "string"),)),
    "pages after a full dictionary": (
        pa.table({"a": range(5000), "b": range(5000)}), {"dictionary_pagesize_limit": 1000}, (op.cast("a", "string"),),
    ),
    "not a number": (TABLE.select(["not a number"]), {}, (op.cast("not a number", "double"),)),
    "a bloom filter": (WHOLE, {"bloom_filter_options": {"a": {"ndv": 10, "fpp": 0.01}}}, (op.cast("a", "string"),)),
    "truth": (WHOLE, {}, (op.map_values("b", {"x": "true", "y": "false"}), op.cast("b", "bool"))),
    "merged values": (WHOLE, {}, (op.map_values("b", {"x": "z", "y": "z"}),)),
    "a value that becomes null": (WHOLE, {}, (op.cast("b", "int32", on_error="null"),)),
    "a null that becomes a value": (WHOLE, {}, (op.cast("a", "string"), op.require("a", fill="none"))),
    "null allowed": (
        pa.table({"a": pa.array([1, 2], pa.int32())}, schema=pa.schema([pa.field("a", pa.int32(), nullable=False)])), {},
        (op.cast("a", "string"), op.allow_null("a")),
    ),
    "nothing but null": (pa.table({"a": pa.nulls(50, pa.int32()), "b": range(50)}), {}, (op.cast("a", "string"),)),
    "no rows": (WHOLE.slice(0, 0), {}, (op.cast("a", "string"),)),
    "12 bytes": (
        pa.table({"a": moments("us"), "b": pa.nulls(ROWS)}), {"use_deprecated_int96_timestamps": True}, (op.cast("a", "string"),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", OTHERWISE)
def test_what_is_odd_is_encoded_whole(why: str, tmp_path: Path, recoded: list[str], by_pages: Callable[..., Rewritten]) -> None:
    table, options, change = OTHERWISE[why]
    source, new, other = tmp_path / "source.parquet", tmp_path / "new.parquet", tmp_path / "other.parquet"
    pq.write_table(table, source, **options)
    made, wanted = done(source, new, change), by_pages(source, other, change)
    assert recoded == []
    assert (made.way, new.read_bytes()) == (wanted.way, other.read_bytes())


def test_columns_that_can_be_done_so_are_beside_others(tmp_path: Path, recoded: list[str]) -> None:
    table = pa.table({"every": pa.array([x / 3 for x in range(6000)]), "few": [x % 9 for x in range(6000)], "same": ["x"] * 6000})
    pq.write_table(table, tmp_path / "source", dictionary_pagesize_limit=2000)
    change = [op.cast("every", "string"), op.cast("few", "string"), op.map_values("same", {"x": "y"})]
    assert done(tmp_path / "source", tmp_path / "new", change).way == "spliced"
    assert set(recoded) == {"few", "same"}
    found = pq.read_table(tmp_path / "new")
    assert found["few"].to_pylist() == [str(x % 9) for x in range(6000)]
    assert found["same"].to_pylist() == ["y"] * 6000


def test_columns_that_do_not_fit_together_are_done_one_by_one(
    tmp_path: Path, recoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({name: [x % 90 for x in range(900)] for name in ("a", "b", "c", "d")})
    pq.write_table(table, tmp_path / "source", row_group_size=200)
    monkeypatch.setattr(recoding, "_TOGETHER", 30_000)
    files: list[Any] = []
    unnamed = scratch._unnamed  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(scratch, "_unnamed", lambda folder: files.append(unnamed(folder)) or files[-1])
    done(tmp_path / "source", tmp_path / "new", [op.cast(name, "string") for name in table.column_names])
    assert sorted(recoded) == ["a", "b", "c", "d"]
    assert 1 < len(files) < 5
    found = pq.read_table(tmp_path / "new")
    assert all(found[name].to_pylist() == [str(x % 90) for x in range(900)] for name in table.column_names)


def test_no_more_of_a_column_is_read_than_fits(tmp_path: Path, recoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    source, new, asked = tmp_path / "source", tmp_path / "new", list[Any]()
    pq.write_table(TABLE.select(["whole"]), source, row_group_size=100)  # sixty dictionaries
    whole = recoding.references

    def counted(*args: Any) -> Any:
        asked.append(args)
        return whole(*args)

    monkeypatch.setattr(recoding, "references", counted)
    monkeypatch.setattr(recoding, "_TOGETHER", 5_000)
    done(source, new, [op.cast("whole", "string")])
    assert recoded == []
    assert 1 < len(asked) < 15


def test_a_refused_value_is_told_with_its_row(tmp_path: Path) -> None:
    values = ["1"] * 3000 + ["no"] + ["2"] * 10
    pq.write_table(pa.table({"a": values}), tmp_path / "source", row_group_size=1000)
    with pytest.raises(DataError) as refused:
        done(tmp_path / "source", tmp_path / "new", [op.map_values("a", {"1": "I", "2": "II"})])
    assert refused.value.where is not None
    assert refused.value.where.row == 3000


def test_a_refused_value_that_does_not_occur_is_not_told(tmp_path: Path, recoded: list[str]) -> None:
    with_unused(tmp_path / "source", ["1", "no"], [0, 0, 0], pa.string())
    done(tmp_path / "source", tmp_path / "new", [op.map_values("a", {"1": "I"})])
    assert recoded == []
    assert pq.read_table(tmp_path / "new")["a"].to_pylist() == ["I"] * 3


# ---- damage
