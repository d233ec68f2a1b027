"""Parquet files that are not spliced but rewritten in full, odd ones that are spliced, and what files of one schema share."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.errors import DataError, UnreadableError
from instar.formats.format import Stamp
from instar.formats.parquet.chunks import Unspliceable, extent
from instar.formats.parquet.footer import Footer, get, items, read_footer, replace_footer
from instar.formats.parquet.page_index import moved
from instar.formats.parquet.source import Source
from instar.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, decode, encode
from instar.transforms.mapping import chain
from instar.transforms.run.request import rewrite_request
from tests.formats.parquet.splicing import CASES, FORMAT, STAMP, rewritten, table, write


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("spliced") / "a.parquet")


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


@pytest.mark.parametrize("more", [{}, {9: (I32, 5)}], ids=["plain", "odd"])
def test_an_offset_index_whose_pages_would_lie_nowhere_is_damaged(more: Any) -> None:
    for offset, by in ((10, -11), (-1, 5), (2**63 - 5, 5)):
        index = encode({1: (LIST, (STRUCT, [{1: (I64, offset), 2: (I32, 5), 3: (I64, 0), **more}]))})
        with pytest.raises(Unspliceable, match="lies nowhere"):
            moved(index, by)


def test_an_index_of_unknown_length_is_left_out_when_chunks_move(source: Path, tmp_path: Path) -> None:
    path, target = tmp_path / "odd.parquet", tmp_path / "o.parquet"
    shutil.copy(source, path)
    footer = read_footer(path)
    without = [[{n: held for n, held in chunk.items() if n not in (5, 7)} for chunk in items(g, 1)] for g in footer.row_groups]
    groups = [{**group, 1: (LIST, (STRUCT, chunks))} for group, chunks in zip(footer.groups, without, strict=True)]
    replace_footer(path, footer, {**footer.struct, 4: (LIST, (STRUCT, groups))})
    done, _ = rewritten(path, target, [op.drop("id")])
    assert done.way == "spliced"
    chunks = [chunk for group in read_footer(target).row_groups for chunk in items(group, 1)]
    assert not any(chunk.keys() & {4, 5, 6, 7} for chunk in chunks)
    assert pq.read_table(target).equals(pq.read_table(source).drop_columns(["id"]))


def test_column_orders_that_are_none_are_left_out(source: Path, tmp_path: Path) -> None:
    path, target = tmp_path / "odd.parquet", tmp_path / "o.parquet"
    shutil.copy(source, path)
    footer = read_footer(path)
    replace_footer(path, footer, {**footer.struct, 7: (LIST, (I32, [0] * len(footer.leaves)))})
    done, _ = rewritten(path, target, [op.drop("id")])
    assert (done.way, 7 in read_footer(target).bare) == ("spliced", False)
    assert pq.read_table(target).equals(pq.read_table(source).drop_columns(["id"]))


@pytest.mark.parametrize(("offset", "problem"), [(-5, "lies before the file"), (4, "of BloomFilterHeader")])
def test_a_bloom_filter_that_is_none_is_damage(offset: int, problem: str, source: Path, tmp_path: Path) -> None:
    def elsewhere(group: int, number: int, meta: Any) -> None:
        if 14 in meta:
            meta[14] = (I64, offset)

    odd = altered(source, tmp_path / "odd.parquet", elsewhere)
    with pytest.raises(UnreadableError, match=problem):
        rewritten(odd, tmp_path / "o.parquet", [op.cast("id", "string")])


@pytest.mark.parametrize("spliced", [True, False], ids=["spliced", "rewritten"])
def test_copies_of_the_schema_follow_columns_that_swap_their_names(spliced: bool, tmp_path: Path) -> None:
    geo = {"primary_column": "a", "columns": {"a": {"encoding": "WKB", "crs": "A"}, "b": {"encoding": "WKB", "crs": "B"}}}
    pandas = {"index_columns": ["a"], "columns": [{"name": "a", "metadata": 1}, {"name": "b", "metadata": 2}]}
    keys = {"geo": json.dumps(geo), "pandas": json.dumps(pandas)}
    path, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(pa.table({"a": [b"x"], "b": [b"y"]}).replace_schema_metadata(keys), path)
    ops = [op.rename("a", to="c"), op.rename("b", to="a"), op.rename("c", to="b")]
    _, mapping = rewritten(path, target, ops, spliced=spliced)
    found = {key: json.loads(read_footer(target).key_values[key.encode()] or b"") for key in keys}
    assert found["geo"] == {"primary_column": "b", "columns": {"b": geo["columns"]["a"], "a": geo["columns"]["b"]}}
    assert found["pandas"] == {"index_columns": ["b"], "columns": [{"name": "b", "metadata": 1}, {"name": "a", "metadata": 2}]}
    assert FORMAT.fidelity(path, target, target=mapping.target, carried=mapping.carried(), stamp=STAMP) == ()


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
