"""Parquet pages that came with a checksum and do not have it any more: their damage is copied with them, and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet import thrift
from instar.formats.parquet.footer import get, read_footer
from instar.formats.parquet.thrift import I32, STRUCT
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.footers import transplanted

ROWS = 2_000


def written(path: Path, **options: Any) -> Path:
    table = pa.table(
        {
            "a": pa.array(range(ROWS), pa.int64()),
            "text": pa.array([None if i % 11 == 0 else f"t{i % 50}" for i in range(ROWS)]),
            "items": pa.array([[i, i + 1][: i % 3] for i in range(ROWS)]),
        }
    )
    pq.write_table(table, path, row_group_size=1_000, data_page_size=500, write_batch_size=50, write_page_checksum=True, **options)
    return path


def flip(path: Path, name: str, at: int) -> int:
    """Flips a bit of the chunk of that column in the second row group, `at` bytes before its end; where that is."""
    footer = read_footer(path)
    leaf = next(leaf.leaf for leaf in footer.leaves if leaf.path[0] == name.encode())
    assert leaf is not None
    meta = get(footer.chunks(leaf)[1], 3)
    end = (get(meta, 11, 0) or get(meta, 9)) + get(meta, 7)
    whole = bytearray(path.read_bytes())
    whole[end - at] ^= 4
    path.write_bytes(whole)
    return end - at


OPTIONS = {
    "zstd": {"compression": "zstd"},
    "plain": {"compression": "none", "use_dictionary": False},
    "v2": {"compression": "snappy", "data_page_version": "2.0"},
}


@pytest.mark.parametrize("operations", [[op.rename("a", to="key")], [op.drop("a")]], ids=["in place", "moved"])
@pytest.mark.parametrize("options", OPTIONS)
def test_files_with_checksums_prove(tmp_path: Path, staged: Callable[..., Any], options: str, operations: list[Any]) -> None:
    file = written(tmp_path / "data.parquet", **OPTIONS[options])
    assert prove_file(*staged(file, "parquet", operations)).verdict == "proved"
    assert prove_file(*staged(file, "parquet", [*operations, op.cast("text", "bytes")])).verdict == "proved"


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["text", "items"])
def test_a_flipped_bit_in_what_is_copied_is_told(
    tmp_path: Path, staged: Callable[..., Any], options: str, name: str, level: Any
) -> None:
    file = written(tmp_path / "data.parquet", **OPTIONS[options])
    at = flip(file, name, 3)
    proof = prove_file(*staged(file, "parquet", [op.drop("a")]), level=level)
    assert f"it is damaged: in row group 1 of column {name}" in proof.unread
    told = int(proof.unread.split("at byte ")[1].split(",")[0])
    assert at - 1_000 < told < at  # where the old file's page begins, not the new one's
    assert proof.unread.endswith("does not have the bytes that its CRC-32 was made of")


def test_checksums_of_a_late_column_alone_are_held(tmp_path: Path, staged: Callable[..., Any]) -> None:
    columns = {f"c{i:02d}": pa.array(range(i, ROWS + i), pa.int64()) for i in range(20)}
    for name in ("data", "donor"):
        pq.write_table(pa.table(columns), tmp_path / name, row_group_size=1_000, write_page_checksum=name == "donor")
    file = tmp_path / "data"
    transplanted(file, tmp_path / "donor", "c17")
    assert prove_file(*staged(file, "parquet", [op.rename("c01", to="key")])).verdict == "proved"
    flip(file, "c17", 40)
    proof = prove_file(*staged(file, "parquet", [op.rename("c01", to="key")]))
    assert "it is damaged: in row group 1 of column c17" in proof.unread


def test_damaged_page_headers_are_told(tmp_path: Path, staged: Callable[..., Any]) -> None:
    """No checksum covers a header; but what would lead readers to other bytes than the page's does."""
    path = written(tmp_path / "data.parquet", **OPTIONS["zstd"], write_statistics=False)
    whole, start = path.read_bytes(), get(get(read_footer(path).chunks(1)[0], 3), 11, 0)
    seen = 0
    for offset in range(16):
        data = bytearray(whole)
        data[start + offset] ^= 1 << offset % 8
        path.write_bytes(data)
        seen += bool(prove_file(*staged(path, "parquet", [op.rename("a", to="key")])).unread)
    assert seen >= 8  # the others: the size before compression, and what the checksum itself does not speak of


@pytest.mark.parametrize("options", OPTIONS)
def test_a_page_of_another_kind_or_length_is_told(tmp_path: Path, staged: Callable[..., Any], options: str) -> None:
    """Readers fail at it, or find values missing, and no checksum tells."""
    path = written(tmp_path / "data.parquet", **OPTIONS[options])
    whole, meta = path.read_bytes(), get(read_footer(path).chunks(0)[0], 3)
    at = get(meta, 9)
    header, end = thrift.decode(whole, at, {})
    body = 5 if 5 in header else 8
    said = thrift.decode(get(header, body))[0]
    for changed, told in (
        ({1: (I32, 1)}, "is of no kind that holds values"),
        ({body: (STRUCT, {**said, 1: (I32, get(said, 1) - 1)})}, "999 values, not the 1,000"),
    ):
        made = thrift.encode({**header, **changed})
        assert len(made) == end - at
        path.write_bytes(whole[:at] + made + whole[end:])
        unread = prove_file(*staged(path, "parquet", [op.drop("text")])).unread
        assert "in row group 0 of column a" in unread
        assert told in unread


def test_a_checksum_that_is_wrong_in_the_new_file_alone_is_a_fault(tmp_path: Path, staged: Callable[..., Any]) -> None:
    unit, receipt = staged(written(tmp_path / "data.parquet", **OPTIONS["plain"]), "parquet", [op.cast("a", "double")])
    new = Path(unit.staged)
    at = get(get(read_footer(new).chunks(0)[0], 3), 9)
    whole = bytearray(new.read_bytes())
    header, end = thrift.decode(bytes(whole), at, {})
    header[4] = (I32, header[4][1] ^ 1)
    made = thrift.encode(header)
    assert len(made) == end - at
    whole[at:end] = made
    new.write_bytes(whole)
    assert "in row group 0 page 0" in problems(prove_file(unit, receipt))["a"]
