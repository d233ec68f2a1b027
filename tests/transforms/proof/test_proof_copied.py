"""Parquet files of which column chunks were copied: proved by their bytes, and what would lead readers astray is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet import thrift
from instar.formats.parquet.footer import get, items, read_footer, replace_footer
from instar.formats.parquet.thrift import I16, I64, LIST, STRUCT, Struct
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems

ROWS = 3_000
META, OFFSET_INDEX, COLUMN_INDEX, BLOOM_FILTER, STATISTICS = 3, 4, 6, 14, 12


def table() -> pa.Table:
    rows = range(ROWS)
    record = pa.struct([("x", pa.int32()), ("deep", pa.struct([("y", pa.string())]))])
    return pa.table(
        {
            "gone": pa.array(["g" * (i % 7) for i in rows]),
            "a": pa.array([i * 3 for i in rows], pa.int64()),
            "b": pa.array([i * 5 for i in rows], pa.int64()),
            "text": pa.array([None if i % 11 == 0 else f"t{i % 50}" for i in rows]),
            "record": pa.array([None if i % 4 == 0 else {"x": i, "deep": {"y": str(i)} if i % 3 else None} for i in rows], record),
            "items": pa.array([(None, [], [None], [{"price": i, "name": "n"}])[i % 4] for i in rows]),
            "tags": pa.array([(None, [], [("k", i), ("l", None)])[i % 3] for i in rows], pa.map_(pa.string(), pa.int64())),
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Several row groups and pages, with page indexes and bloom filters."""
    path = tmp_path / "data.parquet"
    pq.write_table(
        table(), path, row_group_size=1_000, compression="zstd", write_page_index=True, data_page_size=800, write_batch_size=100,
        use_dictionary=["text"],  # type: ignore[arg-type]
        bloom_filter_options={"a": {"ndv": 1_000}, "b": {"ndv": 1_000}},
    )  # fmt: skip
    return path


RENAME = [op.rename("a", to="key")]
DROP = [op.drop("gone")]


def ways(proof: Any) -> dict[str, str]:
    return {column.path: column.way for column in proof.columns}


@pytest.mark.parametrize("operations", [RENAME, DROP, [op.reorder(["tags", "b", "a"])]], ids=["rename", "drop", "reorder"])
def test_what_was_copied_is_proved_by_its_bytes(file: Path, staged: Callable[..., Any], operations: list[Any]) -> None:
    proof = prove_file(*staged(file, "parquet", operations))
    assert (proof.verdict, proof.failures, proof.rows_new) == ("proved", (), ROWS)
    assert set(ways(proof).values()) == {"bytes"}
    assert {"b", "text", "record", "items", "tags"} <= set(ways(proof))


def test_inside_of_records_and_lists_too(file: Path, staged: Callable[..., Any]) -> None:
    operations = [op.rename("items[].price", to="cost"), op.drop("record.x"), op.rename("record.deep", to="inner")]
    proof = prove_file(*staged(file, "parquet", operations))
    assert proof.verdict == "proved"
    assert set(ways(proof).values()) == {"bytes"}


def test_what_was_computed_is_recomputed(file: Path, staged: Callable[..., Any]) -> None:
    operations = [
        op.cast("a", "string"), op.cast("tags{}", "string"), op.add("record.new", "int32", default=1), op.require("b"),
    ]  # fmt: skip
    proof = prove_file(*staged(file, "parquet", operations))
    assert proof.verdict == "proved"
    found = ways(proof)
    assert {path for path, way in found.items() if way == "sql"} == {"a", "b", "tags", "record.new"}
    assert found["record"] == found["record.x"] == "bytes"  # that it is there stands in the levels of each leaf in it


def test_level_full_reads_what_was_copied_as_well(file: Path, staged: Callable[..., Any]) -> None:
    proof = prove_file(*staged(file, "parquet", RENAME), level="full")
    assert proof.verdict == "proved"
    assert {(c.path, c.way) for c in proof.columns} >= {("b", "bytes"), ("b", "sql"), ("items", "bytes"), ("items", "sql")}


def test_a_rename_is_proved_without_duckdb(file: Path, staged: Callable[..., Any], tmp_path: Path) -> None:
    import pickle

    (tmp_path / "work").write_bytes(pickle.dumps(staged(file, "parquet", RENAME)))
    code = (
        "import pickle, sys; from instar.transforms.proof.integrity import prove_file;"
        f"proof = prove_file(*pickle.load(open({str(tmp_path / 'work')!r}, 'rb')));"
        "print(proof.verdict, 'duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["proved", "False"]


def test_other_row_groups_are_read(file: Path, staged: Callable[..., Any]) -> None:
    unit, receipt = staged(file, "parquet", RENAME)
    pq.write_table(pq.read_table(unit.staged), unit.staged, row_group_size=500, compression="zstd")
    proof = prove_file(unit, receipt)
    assert "sql" in ways(proof).values()
    assert not problems(proof)


# ---- faults
def changed(file: Path, change: Callable[[Struct, list[Struct]], Struct | None]) -> None:
    """The file with a footer changed: `change` gets it and the chunks of its second row group, by leaf."""
    footer = read_footer(file)
    struct = thrift.decode(thrift.encode(footer.struct))[0]
    made = change(struct, items(items(struct, 4)[1], 1))
    replace_footer(file, footer, made or struct)


def number(file: Path, name: str) -> int:
    return next(leaf.leaf for leaf in read_footer(file).leaves if leaf.name == name)  # type: ignore[return-value]


def swapped(file: Path, *at: int, inside: bool) -> None:
    """In one row group of the file, these fields of the chunks of `key` and `b`, one for the other."""

    def change(_: Struct, chunks: list[Struct]) -> None:
        structs = [chunks[number(file, name)] for name in ("key", "b")]
        one, other = (get(chunk, META) for chunk in structs) if inside else structs
        for field in at:
            one[field], other[field] = other[field], one[field]

    changed(file, change)


def moved(file: Path, field: int, by: int) -> None:
    """A field of the metadata of the chunk of `text` increased."""

    def change(_: Struct, chunks: list[Struct]) -> None:
        meta = get(chunks[number(file, "text")], META)
        meta[field] = (meta[field][0], meta[field][1] + by)

    changed(file, change)


def misplaced_page(file: Path, name: str) -> None:
    """One page location of a column's offset index, a little too far on."""
    footer = read_footer(file)
    chunk = footer.chunks(number(file, name))[1]
    offset, length = get(chunk, OFFSET_INDEX), get(chunk, OFFSET_INDEX + 1)
    whole = bytearray(file.read_bytes())
    index = thrift.decode(bytes(whole[offset : offset + length]))[0]
    page = items(index, 1)[-1]
    page[1] = (I64, page[1][1] + 1)
    made = thrift.encode(index)
    assert len(made) == length
    whole[offset : offset + length] = made
    file.write_bytes(whole)


def more_rows(struct: Struct, _: list[Struct]) -> None:
    group = items(struct, 4)[1]
    group[3] = (I64, group[3][1] + 1)
    struct[3] = (I64, struct[3][1] + 1)


def another_sum(struct: Struct, _: list[Struct]) -> None:
    struct[3] = (I64, struct[3][1] - 1)


def another_begin(struct: Struct, _: list[Struct]) -> None:
    group = items(struct, 4)[1]
    group[5] = (I64, group[5][1] + 5)


def in_group(file: Path, field: int, by: int) -> None:
    """A field of the second row group increased."""

    def change(struct: Struct, _: list[Struct]) -> None:
        group = items(struct, 4)[1]
        wire, value = group.get(field, (I16, 1))  # pyarrow gives no numbers
        group[field] = (wire, value + by)

    changed(file, change)


def another_offset(struct: Struct, chunks: list[Struct]) -> None:
    chunk = chunks[2]
    chunk[2] = (I64, get(get(chunk, META), 9) + 3)


def flipped(file: Path) -> None:
    """One bit of a copied chunk."""
    start = get(get(read_footer(file).chunks(number(file, "b"))[1], META), 9)
    whole = bytearray(file.read_bytes())
    whole[start + 60] ^= 1
    file.write_bytes(whole)


def other_encodings(_: Struct, chunks: list[Struct]) -> None:
    get(chunks[3], META)[13] = get(chunks[2], META)[13]


def other_order(struct: Struct, _: list[Struct]) -> None:
    struct[7] = (LIST, (STRUCT, [{9: (STRUCT, {})} for _ in struct[7][1][1]]))


FAULTS: dict[str, Callable[[Path], None]] = {
    "page elsewhere": lambda file: misplaced_page(file, "key"),
    "chunks swapped": lambda file: swapped(file, META, inside=False),
    "data swapped": lambda file: swapped(file, 9, inside=True),
    "offset indexes swapped": lambda file: swapped(file, OFFSET_INDEX, OFFSET_INDEX + 1, inside=False),
    "column indexes swapped": lambda file: swapped(file, COLUMN_INDEX, COLUMN_INDEX + 1, inside=False),
    "bloom filters swapped": lambda file: swapped(file, BLOOM_FILTER, inside=True),
    "statistics swapped": lambda file: swapped(file, STATISTICS, inside=True),
    "paths swapped": lambda file: swapped(file, 3, inside=True),
    "encodings": lambda file: changed(file, other_encodings),
    "order of bounds": lambda file: changed(file, other_order),
    "rows of a group": lambda file: changed(file, more_rows),
    "rows of the file": lambda file: changed(file, another_sum),
    "begin of a group": lambda file: changed(file, another_begin),
    "size of a group": lambda file: in_group(file, 2, -1),
    "compressed size of a group": lambda file: in_group(file, 6, 1),
    "number of a group": lambda file: in_group(file, 7, 1),
    "offset of a chunk": lambda file: changed(file, another_offset),
    "dictionary": lambda file: moved(file, 11, 1),
    "first page": lambda file: moved(file, 9, 1),
    "values": lambda file: moved(file, 5, 1),
    "size": lambda file: moved(file, 7, -1),
    "codec": lambda file: moved(file, 4, -1),
    "bit": flipped,
}


@pytest.mark.parametrize("operations", [RENAME, [*DROP, *RENAME]], ids=["in place", "moved"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_would_lead_readers_astray_is_found(file: Path, staged: Callable[..., Any], fault: str, operations: list[Any]) -> None:
    unit, receipt = staged(file, "parquet", operations)
    FAULTS[fault](Path(unit.staged))
    proof = prove_file(unit, receipt)
    assert proof.unread or problems(proof), proof.failures


def test_odd_sums_and_places_that_the_old_file_had_are_no_fault(file: Path, staged: Callable[..., Any]) -> None:
    for fault in ("compressed size of a group", "number of a group", "offset of a chunk"):
        FAULTS[fault](file)
    assert prove_file(*staged(file, "parquet", RENAME)).verdict == "proved"
    assert prove_file(*staged(file, "parquet", [*DROP, *RENAME])).verdict == "proved"


@pytest.mark.parametrize("fault", ["page elsewhere", "column indexes swapped", "offset indexes swapped"])
def test_an_index_of_a_computed_column_is_held_against_its_pages(file: Path, staged: Callable[..., Any], fault: str) -> None:
    unit, receipt = staged(file, "parquet", [op.cast("a", "int32"), op.rename("a", to="key")])
    assert prove_file(unit, receipt).verdict == "proved"
    FAULTS[fault](Path(unit.staged))
    assert {"key", "b"} & set(problems(prove_file(unit, receipt)))


def test_statistics_that_nobody_counted_are_found(file: Path, staged: Callable[..., Any], tmp_path: Path) -> None:
    bare = tmp_path / "bare.parquet"
    pq.write_table(table(), bare, row_group_size=1_000, write_statistics=False)
    others = get(read_footer(file).chunks(1)[0], META)[STATISTICS]
    unit, receipt = staged(bare, "parquet", RENAME)

    def added(_: Struct, chunks: list[Struct]) -> None:
        get(chunks[number(Path(unit.staged), "b")], META)[STATISTICS] = others

    assert prove_file(unit, receipt).verdict == "proved"
    changed(Path(unit.staged), added)
    assert pq.read_table(unit.staged, filters=[("b", "==", 1500 * 5)]).num_rows == 0  # though it is there
    assert set(problems(prove_file(unit, receipt))) == {"b"}


def test_a_dictionary_said_to_come_after_its_pages_hides_none_of_them(tmp_path: Path, staged: Callable[..., Any]) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(table().select(["a", "b"]), path, use_dictionary=False, compression="none")
    footer = read_footer(path)
    struct = thrift.decode(thrift.encode(footer.struct))[0]
    meta = get(items(items(struct, 4)[0], 1)[0], META)
    meta[11] = (I64, get(meta, 9) + 5_000)
    replace_footer(path, footer, struct)
    unit, receipt = staged(path, "parquet", RENAME)
    whole = bytearray(Path(unit.staged).read_bytes())
    whole[get(meta, 9) + 1_000] ^= 1
    Path(unit.staged).write_bytes(whole)
    proof = prove_file(unit, receipt)
    assert proof.unread or problems(proof)
