"""Footers whose bytes are a struct, but not the one that Parquet's definition describes: refused by name, whatever they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar.formats.errors import UnreadableError
from instar.formats.parquet import FORMAT
from instar.formats.parquet.footer import framed, parse_footer
from instar.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Struct


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
    assert FORMAT.count(damaged(tmp_path, change)) == 4
