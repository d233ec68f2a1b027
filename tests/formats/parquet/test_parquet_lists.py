"""Lists in the forms that old writers gave them: two levels, or a bare repeated field. They stay so."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.parquet.footer import Element, get, read_footer, replace_footer, with_elements
from instar.formats.parquet.source import open_source
from instar.formats.parquet.thrift import BINARY, I32, LIST, Struct

ROWS = [None, [], [{"x": 1, "y": "a"}], [{"x": 2, "y": None}, {"x": None, "y": "é"}]]


def two_levels(path: Path, name: bytes) -> Path:
    """A file with `optional group a (LIST) { repeated group NAME { optional x, optional y } }`: parquet-avro's and Hive's form."""
    item = pa.struct([("x", pa.int64()), ("y", pa.string())])
    table = pa.table({"a": pa.array(ROWS, pa.list_(pa.field("element", item, nullable=False))), "n": [1, 2, 3, 4]})
    pq.write_table(table, path, store_schema=False)
    footer = read_footer(path)
    wrapper = footer.columns[0].children[0]
    item_element = wrapper.children[0]
    elements = [_renamed(e, item_element, name) for e in footer.root.walk() if e is not wrapper]
    struct = with_elements(footer.struct, elements)
    for group in get(struct, 4)[1]:
        for chunk in get(group, 1)[1]:
            meta = get(chunk, 3)
            path_in_schema = get(meta, 3)[1]
            if path_in_schema[0] == b"a":
                meta[3] = (LIST, (BINARY, [b"a", name, path_in_schema[-1]]))
    replace_footer(path, footer, struct)
    return path


def _renamed(element: Element, item: Element, name: bytes) -> Struct:
    return {**element.struct, 3: (I32, 2), 4: (BINARY, name)} if element is item else element.struct


def shape(path: Path) -> list[tuple[str, ...]]:
    """Every element's path, with its repetition."""
    return [(*(p.decode() for p in e.path), "roR"[e.repetition]) for e in read_footer(path).root.walk() if e.path]


def by_duckdb(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"FROM read_parquet('{path}')").fetchall()


@pytest.mark.parametrize(("name", "after"), [(b"array", "array"), (b"a_tuple", "b_tuple"), (b"bag", "bag")])
def test_a_list_of_two_levels_stays_one(tmp_path: Path, rewrite, unkeepable, name: bytes, after: str) -> None:
    path = two_levels(tmp_path / "old.parquet", name)
    assert pq.read_table(path)["a"].to_pylist() == ROWS
    assert unkeepable(path) == set()
    done = rewrite(path, rename={"a": "b"})
    assert done.unlike() == ()
    assert shape(done.target) == [("b", "o"), ("b", after, "R"), ("b", after, "x", "o"), ("b", after, "y", "o"), ("n", "o")]
    assert pq.read_table(done.target)["b"].to_pylist() == ROWS
    assert [row[0] for row in by_duckdb(done.target)] == ROWS


def test_items_that_may_be_null_need_three_levels(tmp_path: Path, unkeepable) -> None:
    """A version may say of an item that it may be null, because files of it have such lists; two levels cannot."""
    from instar.formats.parquet import FORMAT
    from instar.formats.schema import Schema

    path = two_levels(tmp_path / "old.parquet", b"array")
    source = open_source(path)
    column = source.logical.record["a"]
    item = column.type.item.with_(nullable=True)  # type: ignore[union-attr]
    fields = (column.with_(type=type(column.type)(item)), source.logical.record["n"])  # type: ignore[call-arg]
    target = Schema(source.logical.root.with_(type=type(source.logical.record)(fields)))
    found = FORMAT.unkeepable(path, target=target, carried={place: place for place in source.places})
    assert [unlike.code for unlike in found] == ["parquet.legacy-list"]


@pytest.mark.parametrize("name", ["old_list_structure", "repeated_no_annotation", "repeated_primitive_no_list"])
def test_old_files_keep_their_levels(conformance: Path, rewrite, name: str) -> None:
    path = conformance / "parquet-testing" / "data" / f"{name}.parquet"
    first = open_source(path).logical.record.names[0]
    done = rewrite(path, rename={first: "renamed"})
    assert done.unlike() == ()
    assert [("renamed", *line[1:]) if line[0] == first else line for line in shape(path)] == shape(done.target)
    assert str(by_duckdb(done.target)) == str(by_duckdb(path))


def test_statistics_of_a_bare_repeated_field_are_its_own(conformance: Path, rewrite) -> None:
    path = conformance / "parquet-testing" / "data" / "repeated_primitive_no_list.parquet"
    done = rewrite(path)
    old, new = (pq.ParquetFile(file).metadata.row_group(0).column(0) for file in (path, done.target))
    values = [value for row in pq.read_table(path)[0].to_pylist() for value in row]
    assert new.path_in_schema == old.path_in_schema == "Int32_list"
    assert (new.statistics.min, new.statistics.max) == (min(values), max(values))
