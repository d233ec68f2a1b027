"""Spliced Parquet files: the values of a full rewrite, the very bytes of what is untouched, and everything found where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet import copying, scratch
from instar.formats.parquet.chunks import extent
from instar.formats.parquet.footer import get, items, read_footer
from instar.formats.parquet.thrift import decode
from instar.transforms.mapping import Mapping, chain
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.splice import splice_of
from tests.formats.parquet.splicing import CASES, FORMAT, ROWS, STAMP, rewritten, write


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("spliced") / "a.parquet")


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
