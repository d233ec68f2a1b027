"""Footers whose bytes are a struct, but not the one that Parquet's definition describes: refused by name, whatever they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damaged import KINDS, ROWS, damage

from instar import op
from instar.formats.errors import UnreadableError
from instar.formats.parquet import FORMAT, scratch
from instar.formats.parquet.footer import framed, parse_footer
from instar.formats.parquet.levels import values_of
from instar.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Struct
from tests.formats.parquet.splicing import rewritten


def damaged(folder: Path, change: Callable[[Struct], Struct]) -> Path:
    """A file of two row groups, its footer changed."""
    path = folder / "f.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3, 4], "b": [["x"], [], None, ["y", "z"]]}), path, row_group_size=2)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:start] + framed(change(parse_footer(data[start:-8], path).struct)))
    return path


def element(number: int, value: tuple[int, Any]) -> Callable[[Struct], Struct]:
    """The first column's schema element with another field."""

    def change(struct: Struct) -> Struct:
        elements = list(struct[2][1][1])
        elements[1] = {**elements[1], number: value}
        return {**struct, 2: (LIST, (STRUCT, elements))}

    return change


def chunk(number: int, value: tuple[int, Any]) -> Callable[[Struct], Struct]:
    """The first column chunk's metadata with another field."""

    def change(struct: Struct) -> Struct:
        groups = list(struct[4][1][1])
        chunks = list(groups[0][1][1][1])
        chunks[0] = {**chunks[0], 3: (STRUCT, {**chunks[0][3][1], number: value})}
        groups[0] = {**groups[0], 1: (LIST, (STRUCT, chunks))}
        return {**struct, 4: (LIST, (STRUCT, groups))}

    return change


def without(number: int) -> Callable[[Struct], Struct]:
    return lambda struct: {key: value for key, value in struct.items() if key != number}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without(1), "FileMetaData has no field 1"),
        (without(3), "FileMetaData has no field 3"),
        (lambda struct: {**struct, 3: (I64, 5)}, "its row groups hold 4 rows, but the file 5"),
        (lambda struct: {**struct, 3: (I32, 4)}, "field 3 of FileMetaData"),
        (lambda struct: {**struct, 5: (LIST, (I32, [1, 2]))}, "field 5 of FileMetaData"),
        (lambda struct: {**struct, 6: (I64, 4)}, "field 6 of FileMetaData"),
        (element(4, (BINARY, b"n\xe1me")), "is not UTF-8"),
        (element(4, (I32, 7)), "field 4 of SchemaElement"),
        (element(1, (I32, 8)), "no physical type 8"),
        (element(3, (I32, 5)), "no repetition 5"),
        (element(5, (I32, -1)), "-1 children"),
        (chunk(14, (BINARY, b"\x05")), "field 14 of ColumnMetaData"),
        (chunk(9, (BINARY, b"\x05")), "field 9 of ColumnMetaData"),
        (chunk(2, (LIST, (BINARY, [b"x"]))), "field 2 of ColumnMetaData"),
    ],
)
def test_a_footer_of_another_form_is_refused(change: Callable[[Struct], Struct], problem: str, tmp_path: Path) -> None:
    path = damaged(tmp_path, change)
    with pytest.raises(UnreadableError) as caught:
        FORMAT.inspect(path)
    assert problem in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.file == str(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda struct: struct,
        lambda struct: {**struct, 3: (I64, 0)},
        lambda struct: {**struct, 77: (I32, 1)},
        chunk(33, (BINARY, b"")),
    ],
)
def test_what_some_writers_leave_out_or_add_is_no_damage(change: Callable[[Struct], Struct], tmp_path: Path) -> None:
    path = damaged(tmp_path, change)
    assert FORMAT.count(path) == FORMAT.inspect(path).rows == 4


NESTED = {
    "flat": pa.array([1, None, 3, 4, 5]),
    "lists": pa.array([[1, 2], [], None, [None], [3]]),
    "deep": pa.array([[[1], []], [], None, [None, [2, 3, 4]], [[]]]),
    "maps": pa.array(
        [[("a", [1, 2])], [], None, [("b", None), ("c", [])], [("d", [5])]], pa.map_(pa.string(), pa.list_(pa.int8()))
    ),
    "records": pa.array(
        [{"x": 1, "y": ["a", "b"]}, None, {"x": None, "y": None}, {"x": 2, "y": []}, {"x": 3, "y": [None, "c", "d"]}]
    ),
    "fixed": pa.array([[1, 2], None, [3, 4], [5, 6], None], pa.list_(pa.int16(), 2)),
    "words": pa.array(["a", None, "a", "b", "a"]).dictionary_encode(),
}


@pytest.mark.parametrize("name", sorted(NESTED))
def test_values_are_counted_as_footers_count_them(name: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({name: NESTED[name]}), tmp_path / "f.parquet")
    group = pq.read_metadata(tmp_path / "f.parquet").row_group(0)
    assert list(values_of(NESTED[name])) == [group.column(i).num_values for i in range(group.num_columns)]
    assert list(values_of(NESTED[name].slice(1, 3))) == list(
        values_of(pa.array(NESTED[name].slice(1, 3).to_pylist(), NESTED[name].type))
    )


def test_a_record_more_in_one_column_is_damage(tmp_path: Path) -> None:
    """A flipped repetition level makes two records of one: readers that go on into the next row group shift all that follow."""
    kind = KINDS["lz4-v2.parquet"]
    path = tmp_path / kind.name
    path.write_bytes(damage(kind, 157)[1])
    schema = FORMAT.inspect(path).schema
    assert schema is not None
    assert sum(b.num_rows for b in FORMAT.read(path, schema=schema, columns=["id", "name"], memory=1 << 26)) == ROWS
    with pytest.raises(UnreadableError, match=r"tags.list.element holds 40 values in row group 0, of which its records are 38"):
        list(FORMAT.read(path, schema=schema, columns=["tags"], memory=1 << 26))


@pytest.mark.parametrize(
    ("leaf", "byte", "problem"),
    [
        (2, -1, r"could not verify page integrity.* \(row group 1, column s\.b\)"),
        (2, 1, r"\(row group 1, column s\.b\)"),  # no type of page: readers pass over it
        (3, 1, "z holds 20 values in row group 1, of which its records are 0"),
    ],
    ids=["page", "type in a record", "type"],
)
def test_the_column_that_is_damaged_is_named_and_no_other(leaf: int, byte: int, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    table = pa.table({"a": range(40), "s": [{"a": i, "b": i * 7919} for i in range(40)], "z": range(40)})
    pq.write_table(table, path, row_group_size=20, compression="none", use_dictionary=False, write_page_checksum=True)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(leaf)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + (byte if byte > 0 else chunk.total_compressed_size + byte)] ^= 1
    path.write_bytes(data)
    schema = FORMAT.inspect(path).schema
    assert schema is not None
    with pytest.raises(UnreadableError, match=problem):
        list(FORMAT.read(path, schema=schema, columns=["a", "s", "z"], memory=1 << 26))


@pytest.mark.parametrize("whole", [False, True], ids=["dictionaries alone", "all pages"])
@pytest.mark.parametrize("form", ["text", "categories"])
def test_a_reference_to_what_a_dictionary_does_not_have_is_damage(
    form: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyarrow does not look whether there is such an entry where it gives dictionaries."""
    path, text = tmp_path / "a.parquet", pa.array([f"v{i % 5}" for i in range(5000)])
    table = pa.table({"id": range(5000), "s": text if form == "text" else text.dictionary_encode()})
    pq.write_table(table, path, compression="none")
    data, chunk = bytearray(path.read_bytes()), pq.read_metadata(path).row_group(0).column(1)
    end = chunk.dictionary_page_offset + chunk.total_compressed_size
    data[end - 11 : end - 9] = b"\xff\xff"  # references are of three bits
    path.write_bytes(data)
    if whole:
        monkeypatch.setattr(scratch, "recoded", lambda *_: ())
    for ops in ([op.map_values("s", {"v1": "a", "v2": "a"}, otherwise="keep")], [op.cast("s", "bytes")]):
        with pytest.raises(UnreadableError, match=r"Index not in dictionary bounds.* \(row group 0, column s\)"):
            rewritten(path, tmp_path / "b.parquet", ops)
    schema = FORMAT.inspect(path).schema
    assert schema is not None
    with pytest.raises(UnreadableError, match="Index not in dictionary bounds"):
        list(FORMAT.read(path, schema=schema, columns=["s"], memory=1 << 28))
