"""Spliced Parquet files: the values of a full rewrite, the very bytes of what is untouched, and everything found where it is."""

from __future__ import annotations

import datetime as dt
import gc
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.errors import DataError
from instar.formats.format import Rewritten, Stamp, format_named
from instar.formats.parquet import copying, scratch
from instar.formats.parquet.chunks import extent
from instar.formats.parquet.footer import Footer, get, items, read_footer, replace_footer
from instar.formats.parquet.page_index import moved
from instar.formats.parquet.source import Source
from instar.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, decode, encode
from instar.transforms.mapping import Mapping, chain
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.splice import splice_of

FORMAT = format_named("parquet")
ROWS, GROUP = 2500, 1000
STAMP = Stamp("set", 2)
DEEP = pa.struct([("x", pa.int64()), ("y", pa.string()), ("deep", pa.struct([("z", pa.float64())]))])
PAIR = pa.struct([("a", pa.int64()), ("b", pa.string())])


def table() -> pa.Table:
    n = range(ROWS)
    return pa.table(
        {
            "id": pa.array(n, pa.int64()),
            "s": pa.array([f"c{i % 50}" if i % 7 else None for i in n]),
            "u": pa.array([f"u{i}" for i in n]),
            "st": pa.array([None if i % 17 == 0 else {"x": i, "y": f"y{i % 5}", "deep": {"z": float(i)}} for i in n], DEEP),
            "li": pa.array([None if i % 13 == 0 else list(range(i % 4)) for i in n], pa.list_(pa.int64())),
            "ls": pa.array([[{"a": i, "b": str(j)} for j in range(i % 3)] for i in n], pa.list_(PAIR)),
            "m": pa.array([[(f"k{j}", {"a": i, "b": "x"}) for j in range(i % 3)] for i in n], pa.map_(pa.string(), PAIR)),
            "day": pa.array([dt.date(2020, 1, 1)] * ROWS),
            "f": pa.array([i / 3 for i in n]),
        }
    )


def write(path: Path, **options: Any) -> Path:
    settings: dict[str, Any] = {"compression": "zstd", "row_group_size": GROUP, "write_page_index": True,
                                "write_page_checksum": True, "max_rows_per_page": 100,
                                "sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(2)],
                                "bloom_filter_options": {"id": {"ndv": GROUP}, "u": {"ndv": GROUP}}}  # fmt: skip
    pq.write_table(table(), path, **(settings | options))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("spliced") / "a.parquet")


def rewritten(source: Path, target: Path, ops: Sequence[Any], *, spliced: bool = True) -> tuple[Rewritten, Mapping]:
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, ops)
    request = rewrite_request(FORMAT, mapping, source, target, memory=1 << 30, stamp=STAMP, progress=lambda rows, size: None)
    return FORMAT.rewrite(request if spliced else replace(request, splice=None)), mapping


CASES: dict[str, list[Any]] = {
    "stamp": [],
    "rename": [op.rename("id", to="key"), op.rename("st", to="inside")],
    "swap": [op.rename("s", to="t"), op.rename("u", to="s"), op.rename("t", to="u")],
    "rename inside": [op.rename("st.x", to="xx"), op.rename("st.deep.z", to="zz"), op.rename("ls[].a", to="aa")],
    "drop": [op.drop("f"), op.drop("s")],
    "drop inside": [op.drop("st.x"), op.drop("ls[].b"), op.drop("m{}.a")],
    "reorder": [op.reorder(["u", "m", "id"])],
    "add": [op.add("c", "string", default="USD"), op.add("n", "double?"), op.add("k", "int32", default=7)],
    "add inside": [op.add("st.c", "string", default="q"), op.add("ls[].c", "int64", default=1)],
    "cast": [op.cast("id", "string"), op.cast("li[]", "string")],
    "cast inside": [op.cast("st.x", "string"), op.cast("ls[].a", "string"), op.cast("m{}.a", "string")],
    "derive": [op.derive("g", "string?", sql="s || '-' || u")],
    "move": [op.move("id", to="route.id"), op.move("st.deep", to="deep")],
    "require": [op.require("s", fill="?")],
    "chain": [op.rename("s", to="t"), op.drop("u"), op.add("k", "int32", default=1), op.cast("id", "string"),
              op.cast("st.x", "string"), op.rename("st.y", to="why"), op.rename("t", to="tt"),
              op.set_doc("tt", "a letter"), op.cast("k", "int64")],
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_splice_is_a_full_rewrite_to_every_reader(case: str, source: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    done, mapping = rewritten(source, one, CASES[case])
    assert (done.way, done.why, done.rows_in, done.rows_out) == ("spliced", "", ROWS, ROWS)
    assert rewritten(source, other, CASES[case], spliced=False)[0].way == "rewritten"
    found, expected = (pq.ParquetFile(path, page_checksum_verification=True).read() for path in (one, other))
    assert found.schema.equals(expected.schema, check_metadata=True)
    assert found.equals(expected)
    assert in_duckdb(f"FROM '{one}'").equals(in_duckdb(f"FROM '{other}'"))
    assert pl.read_parquet(one).equals(pl.read_parquet(other))
    assert FORMAT.fidelity(source, one, target=mapping.target, carried=mapping.carried(), stamp=STAMP) == ()
    assert list(tmp_path.iterdir()) in ([one, other], [other, one])
    judge_places(one)
    judge_untouched(source, one, mapping)
    again = tmp_path / "again.parquet"
    rewritten(source, again, CASES[case])
    assert again.read_bytes() == one.read_bytes()


def in_duckdb(query: str) -> pa.Table:
    with duckdb.connect(config={"threads": 1}) as connection:
        return connection.sql(query).to_arrow_table()


def judge_places(path: Path) -> None:
    """Every chunk's pages fill it, and every page index and bloom filter is about them."""
    data, footer = path.read_bytes(), read_footer(path)
    for group in footer.row_groups:
        chunks = items(group, 1)
        begins = [extent(get(chunk, 3))[0] for chunk in chunks]
        assert get(group, 5) in (None, begins[0])
        for chunk in chunks:
            meta = get(chunk, 3)
            pages = pages_of(data, *extent(meta))
            assert get(meta, 9) == pages[0][0]
            assert sum(values for _, _, values in pages) == get(meta, 5)
            locations = items(decode(data, get(chunk, 4))[0], 1)
            assert [(get(each, 1), get(each, 2)) for each in locations] == [page[:2] for page in pages]
            assert len(items(decode(data, get(chunk, 6))[0], 1)) == len(pages)
            if 14 in meta:
                header, end = decode(data, get(meta, 14))
                assert end + get(header, 1) == get(meta, 14) + get(meta, 15)


def pages_of(data: bytes, at: int, stop: int) -> list[tuple[int, int, int]]:
    """The data pages of a chunk: where each is, its length with its header, its values."""
    found = []
    while at < stop:
        header, end = decode(data, at)
        length = end - at + get(header, 3)
        if get(header, 1) in (0, 3):
            found.append((at, length, get(get(header, 5 if get(header, 1) == 0 else 8), 1)))
        at += length
    assert at == stop
    return found


def judge_untouched(source: Path, target: Path, mapping: Mapping) -> None:
    """The chunks of untouched leaves are the same bytes, and say the same of themselves but for where they are."""
    old, new = read_footer(source), read_footer(target)
    leaves = {leaf.path: leaf.leaf for leaf in old.leaves}, {leaf.path: leaf.leaf for leaf in new.leaves}
    untouched = {
        place: origin for place, origin in mapping.untouched().items() if all(isinstance(s, str) for s in (*place, *origin))
    }
    assert untouched
    for place, origin in untouched.items():
        ours, theirs = (leaves[i][tuple(str(s).encode() for s in path)] for i, path in ((1, place), (0, origin)))
        assert ours is not None
        assert theirs is not None
        for a, b in zip(new.metas(ours), old.metas(theirs), strict=True):
            assert chunk_bytes(target, a) == chunk_bytes(source, b)
            placed = {3, 9, 10, 11, 14, 15}
            assert {k: v for k, v in a.items() if k not in placed} == {k: v for k, v in b.items() if k not in placed}


def chunk_bytes(path: Path, meta: Any) -> bytes:
    start, stop = extent(meta)
    return path.read_bytes()[start:stop]


def test_filters_find_what_they_should(source: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.parquet"
    rewritten(source, one, [op.drop("s"), op.rename("u", to="name"), op.cast("day", "string"), op.reorder(["name"])])
    assert pq.read_table(one, filters=[("id", "==", 1234)], columns=["id"]).num_rows == 1
    for where in ("name = 'u2345'", "id BETWEEN 990 AND 990"):
        assert in_duckdb(f"SELECT id FROM '{one}' WHERE {where}").num_rows == 1
    assert pl.scan_parquet(one).filter(pl.col("name") == "u2345").select("id").collect().to_series().to_list() == [2345]
    with duckdb.connect() as connection:
        excluded = f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{one}', 'id', 12345678)"
        assert {row[0] for row in connection.sql(excluded).fetchall()} == {True}


def test_what_is_encoded_follows_the_chunk_that_it_is_made_of(tmp_path: Path) -> None:
    source = write(tmp_path / "a.parquet", compression={"id": "gzip", "s": "brotli"}, use_dictionary=["s"], data_page_version="2.0")
    rewritten(source, tmp_path / "b.parquet", [op.cast("id", "string"), op.derive("t", "string?", sql="lower(s)")])
    group = pq.ParquetFile(tmp_path / "b.parquet").metadata.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert (found["id"].compression, found["id"].has_dictionary_page, found["id"].has_offset_index) == ("GZIP", False, True)
    assert (found["t"].compression, found["t"].has_dictionary_page) == ("BROTLI", True)
    footer = read_footer(tmp_path / "b.parquet")
    assert 14 in footer.metas(0)[0]
    header, _ = decode((tmp_path / "b.parquet").read_bytes(), get(footer.metas(0)[0], 9))
    assert get(header, 1) == 3
    assert 4 in header


def test_only_what_is_needed_is_read(source: Path) -> None:
    """Of a record the leaf that a cast reads; of one that gets a new leaf, any one."""
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    splice = splice_of(FORMAT, chain(schema, [op.cast("st.x", "string"), op.add("ls[].c", "int64", default=1)]))
    assert splice is not None
    assert splice.part is not None
    record = splice.part.source_schema.record
    assert record.names == ("st", "ls")
    assert record["st"].type.names == ("x",)  # type: ignore[attr-defined]
    assert splice.part.target_schema.record["st"].type.names == ("x",)  # type: ignore[attr-defined]
    assert splice.part.target_schema.record["ls"].type.item.type.names == ("c",)  # type: ignore[attr-defined]


def test_columns_that_do_not_fit_together_are_encoded_one_after_the_other(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = [op.cast("id", "string"), op.derive("g", "string", sql="u || '!'"), op.cast("f", "string"), op.cast("st.x", "string")]
    monkeypatch.setattr(scratch, "recoded", lambda *_: ())
    rewritten(source, tmp_path / "together.parquet", ops)
    monkeypatch.setattr(scratch, "_TOGETHER", 20_000)
    made: list[str] = []
    once = scratch._encoded
    monkeypatch.setattr(
        scratch, "_encoded", lambda s, r, part, *more: made.append(part.target_schema.record.names) or once(s, r, part, *more)
    )
    assert rewritten(source, tmp_path / "apart.parquet", ops)[0].way == "spliced"
    assert sorted(name for names in made for name in names) == ["f", "g", "id", "st"]
    assert len(made) > 1
    assert pq.read_table(tmp_path / "apart.parquet").equals(pq.read_table(tmp_path / "together.parquet"))


def test_without_the_systems_own_copying(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(source, tmp_path / "one.parquet", CASES["chain"])

    def refused(*arguments: Any) -> int:
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.copy_file_range", refused)
    rewritten(source, tmp_path / "other.parquet", CASES["chain"])
    monkeypatch.setattr(copying, "_BY_SYSTEM", False)
    rewritten(source, tmp_path / "third.parquet", CASES["chain"])
    assert len({(tmp_path / f"{name}.parquet").read_bytes() for name in ("one", "other", "third")}) == 1


@pytest.mark.parametrize(("operation", "copy"), [(op.rename("u", to="v"), True), (op.drop("u"), False)])
def test_it_says_how_far_the_new_file_is_the_old_one(operation: Any, copy: bool, source: Path, tmp_path: Path) -> None:
    done, _ = rewritten(source, tmp_path / "new", [operation])
    old, new = source.read_bytes(), (tmp_path / "new").read_bytes()
    assert done.alike == (read_footer(source).start if copy else 0)
    assert old[: done.alike] == new[: done.alike]


def test_progress_tells_every_row_and_byte_once(source: Path, tmp_path: Path) -> None:
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    told: list[tuple[int, int]] = []
    for ops in (CASES["rename"], CASES["cast"]):
        told.clear()
        request = rewrite_request(FORMAT, chain(schema, ops), source, tmp_path / "o.parquet", memory=1 << 30, stamp=None,
                                  progress=lambda rows, size: told.append((rows, size)))  # fmt: skip
        FORMAT.rewrite(request)
        assert (sum(rows for rows, _ in told), sum(size for _, size in told)) == (ROWS, source.stat().st_size)


# ---- what is rewritten in full
def altered(source: Path, path: Path, change: Any) -> Path:
    """A copy whose footer says otherwise: `change` is given each row group's and leaf's number, and its ColumnMetaData."""
    shutil.copy(source, path)
    footer: Footer = read_footer(path)
    groups = []
    for group in footer.row_groups:
        chunks = []
        for number, chunk in enumerate(items(group, 1)):
            new, meta = dict(chunk), dict(get(chunk, 3))
            change(len(groups), number, meta)
            chunks.append({**new, 3: (STRUCT, meta)})
        groups.append({**group, 1: (LIST, (STRUCT, chunks))})
    replace_footer(path, footer, {**footer.struct, 4: (LIST, (STRUCT, groups))})
    return path


def longer(group: int, number: int, meta: Any) -> None:
    if (group, items(meta, 3)) == (2, [b"f"]):
        meta[7] = (I64, meta[7][1] + 10)


def overlapping(group: int, number: int, meta: Any) -> None:
    if number == 2:
        meta[7] = (I64, meta[7][1] + 10)


def unknown(group: int, number: int, meta: Any) -> None:
    if number == 2:
        meta[16] = (STRUCT, {3: (LIST, (I64, [1, 2, 3, 4, 5, 6]))})


@pytest.mark.parametrize(
    ("change", "why"), [(longer, "is damaged"), (overlapping, "overlap"), (unknown, "the size statistics of u are not")]
)
def test_chunks_that_are_not_to_be_trusted(change: Any, why: str, source: Path, tmp_path: Path) -> None:
    odd = altered(source, tmp_path / "odd.parquet", change)
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    mapping = chain(schema, [op.drop("s")])
    request = rewrite_request(FORMAT, mapping, odd, tmp_path / "o.parquet", memory=1 << 30, stamp=STAMP, progress=lambda r, s: None)
    if change is unknown:
        with pytest.raises(Exception, match="histogram"):
            FORMAT.rewrite(request)
        return
    done = FORMAT.rewrite(request)
    assert done.way == "rewritten"
    assert why in done.why
    assert pq.read_table(tmp_path / "o.parquet").equals(pq.read_table(source).drop_columns(["s"]))


def test_old_parquet_mr(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    shutil.copy(source, path)
    footer = read_footer(path)
    replace_footer(path, footer, {**footer.struct, 6: (BINARY, b"parquet-mr version 1.2.8")})
    done, _ = rewritten(path, tmp_path / "o.parquet", [op.rename("f", to="g")])
    assert (done.way, "wrong length" in done.why) == ("rewritten", True)


def test_a_refused_value_goes_the_way_that_tells_its_row(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        rewritten(source, tmp_path / "o.parquet", [op.cast("u", "int64")])
    assert told.value.where is not None
    assert told.value.where.row == 0


def test_a_file_without_records_or_row_groups(tmp_path: Path) -> None:
    for name, rows in (("none", table().slice(0, 0)), ("bare", None)):
        path = tmp_path / f"{name}.parquet"
        if rows is None:
            pq.ParquetWriter(path, table().schema).close()
        else:
            pq.write_table(rows, path)
        for case in ("rename", "chain", "add"):
            done, mapping = rewritten(path, tmp_path / "o.parquet", CASES[case])
            assert done.rows_out == 0
            assert pq.read_table(tmp_path / "o.parquet").column_names == list(mapping.target.record.names)


# ---- pieces
@pytest.mark.parametrize("spliced", [True, False], ids=["spliced", "rewritten"])
def test_an_order_that_filled_nulls_stand_in_is_declared_no_more(spliced: bool, tmp_path: Path) -> None:
    path, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    rows = pa.table({"id": [1, 1, 1, 2], "at": [None, None, 1, 2], "to": [5, 6, 7, 8], "more": [1, 2, 3, 4]})
    pq.write_table(rows, path, sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(1, nulls_first=True), pq.SortingColumn(2)])
    for filled, kept in (("at", [0]), ("to", [0, 1, 2]), ("id", [0, 1, 2])):
        done, mapping = rewritten(path, target, [op.drop("more"), op.require(filled, fill=99)], spliced=spliced)
        assert done.way == ("spliced" if spliced else "rewritten")
        assert [column.column_index for column in pq.read_metadata(target).row_group(0).sorting_columns] == kept
        assert FORMAT.fidelity(path, target, target=mapping.target, carried=mapping.carried(), stamp=STAMP) == ()


def test_a_column_chunk_without_pages_stays_within_the_file(tmp_path: Path) -> None:
    path, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    rows = table().select(["u", "id"])
    with pq.ParquetWriter(path, rows.schema) as writer:
        for each in (rows, rows.slice(0, 0), rows.slice(0, 3)):
            writer.write_table(each)
    end = read_footer(path).start

    def emptied(group: int, number: int, meta: Any) -> None:
        if group == 1:
            meta |= {6: (I64, 0), 7: (I64, 0), 9: (I64, end)}
            del meta[11]

    done, _ = rewritten(altered(path, tmp_path / "c.parquet", emptied), target, [op.drop("u")])
    assert (done.way, done.why) == ("spliced", "")
    new = read_footer(target)
    assert all(extent(meta)[1] <= new.start for meta in new.metas(0))
    assert pq.read_table(target).equals(pa.concat_tables([rows, rows.slice(0, 3)]).select(["id"]))


def test_an_offset_index_moves_whatever_its_form() -> None:
    locations = [{1: (I64, 4 + 1000 * i), 2: (I32, 1000), 3: (I64, 50 * i)} for i in range(40)]
    for count in (0, 1, 14, 15, 40):
        struct = {1: (LIST, (STRUCT, locations[:count])), 2: (LIST, (I64, list(range(count))))}
        found, _ = decode(moved(encode(struct), 1_000_000))
        assert items(found, 2) == list(range(count))
        assert [get(each, 1) for each in items(found, 1)] == [1_000_004 + 1000 * i for i in range(count)]
    odd = {1: (LIST, (STRUCT, [{**locations[1], 9: (I32, 5)}]))}
    assert decode(moved(encode(odd), -4))[0] == {1: (LIST, (STRUCT, [{**odd[1][1][1][0], 1: (I64, 1000)}]))}


# ---- files of one schema
def test_a_design_is_not_that_of_a_file_with_other_key_values_stamp_or_order(tmp_path: Path) -> None:
    """What files have alike is found once; what differs must not be taken from the file before."""
    plain = pa.table({"a": [1], "b": ["x"]})
    ops = [op.rename("a", to="c")]
    for number, metadata in enumerate([{"k": "1"}, {"k": "2"}, {}, {"k": "1"}]):
        path = tmp_path / f"{number}"
        pq.write_table(plain.replace_schema_metadata(metadata), path)
        rewritten(path, tmp_path / f"{number} new", ops)
        found = pq.read_metadata(tmp_path / f"{number} new").metadata or {}
        assert found.get(b"k") == (metadata["k"].encode() if metadata else None)
    path = tmp_path / "0"
    for subject in ("one", "two"):
        schema = FORMAT.inspect(path).schema
        assert schema is not None
        request = rewrite_request(
            FORMAT, chain(schema, ops), path, tmp_path / "n", memory=1 << 30, stamp=Stamp(subject, 2), progress=lambda r, s: None
        )
        assert FORMAT.rewrite(request).way == "spliced"
        stamp = FORMAT.inspect(tmp_path / "n").stamp
        assert stamp is not None
        assert stamp.subject == subject
    for change, names in (([op.rename("a", to="d")], ["d", "b"]), ([op.reorder(["b", "a"])], ["b", "a"]), (ops, ["c", "b"])):
        rewritten(path, tmp_path / "n", change)
        assert pq.read_schema(tmp_path / "n").names == names
    required = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
    pq.write_table(plain.cast(required), path)
    rewritten(path, tmp_path / "n", ops)
    assert not pq.read_schema(tmp_path / "n").field("c").nullable


def test_files_whose_designs_are_remembered_are_not_kept(source: Path, tmp_path: Path) -> None:
    def held() -> int:
        gc.collect()
        return sum(type(each) is Source for each in gc.get_objects())

    before = held()
    rewritten(source, tmp_path / "n", [op.rename("id", to="not_kept")])
    assert held() == before
