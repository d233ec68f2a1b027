"""The checksums that files carry are verified wherever they are read: a flip that nothing else would show is found by them."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from damaged import KINDS, avro, lines

from instar.formats.avro.codecs import Garbled, codec_named
from instar.formats.errors import UnreadableError
from instar.formats.format import format_named
from instar.formats.json.streams import blocks
from instar.formats.recognise import recognise

SYNC = bytes(range(100, 116))


def text_of(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    return b"".join(blocks(path))


def packed(kind: str) -> bytes:
    if kind == "gz":
        return gzip.compress(lines(), mtime=0)
    return zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(lines())


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_the_checksum_at_the_end_of_a_stream(kind: str, tmp_path: Path) -> None:
    path, whole = tmp_path / f"a.ndjson.{kind}", packed(kind)
    assert text_of(path, whole) == lines()
    ends = range(len(whole) - (8 if kind == "gz" else 4), len(whole))  # gzip: CRC-32 and length; zstandard: the low bytes of xxh64
    for at in ends:
        with pytest.raises(UnreadableError, match=r"a\.ndjson"):
            text_of(path, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    for cut in (*ends, len(whole) // 2):
        with pytest.raises(UnreadableError, match=r"cut off|damaged"):
            text_of(path, whole[:cut])


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_several_members_and_what_is_behind_them(kind: str, tmp_path: Path) -> None:
    path, whole = tmp_path / f"a.ndjson.{kind}", packed(kind)
    assert text_of(path, whole + whole) == 2 * lines()
    for behind in (b"x", b"\n", whole[:1], whole[:-1], whole[:40]):
        with pytest.raises(UnreadableError, match=r"cut off|damaged"):
            text_of(path, whole + behind)
    if kind == "gz":
        assert text_of(path, whole + bytes(512)) == lines()  # tapes are padded with zeros; gzip itself takes it
        with pytest.raises(UnreadableError):
            text_of(path, whole + bytes(512) + b"x")


@pytest.mark.parametrize("name", ["snappy.avro", "zstandard-crc.avro", "xz.avro"])
def test_the_checksums_of_avro_s_blocks(name: str, tmp_path: Path) -> None:
    """Of the bytes behind the header every one is covered: by a checksum, the sync marker, or a length."""
    format, path, whole = format_named("avro"), tmp_path / "a.avro", KINDS[name].whole()
    path.write_bytes(whole)
    schema = format.inspect(path).schema
    assert schema is not None
    start, chance = whole.index(SYNC) + len(SYNC), random.Random(5)
    for _ in range(60):
        at = chance.randrange(start, len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
        with pytest.raises(UnreadableError):
            sum(b.num_rows for b in format.read(path, schema=schema, columns=["id"], memory=1 << 26))


def test_zstandard_blocks_that_are_written_have_a_checksum() -> None:
    packed = codec_named("zstandard").compress(b"abc" * 100)
    assert packed[4] & 4  # Frame_Header_Descriptor's Content_Checksum_flag (RFC 8878 section 3.1.1.1.1)
    with pytest.raises(Garbled):
        codec_named("zstandard").decompress(packed[:-1] + bytes([packed[-1] ^ 1]))


@pytest.mark.parametrize("page", ["data", "dictionary"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_checksums_of_parquet_s_pages(page: str, version: str, tmp_path: Path) -> None:
    format, path, sink = format_named("parquet"), tmp_path / "a.parquet", io.BytesIO()
    table = pa.table({"a": [f"value number {i % 7}" for i in range(200)]})
    pq.write_table(
        table, sink, compression="none", use_dictionary=page == "dictionary", write_page_checksum=True, data_page_version=version
    )
    whole = sink.getvalue()
    at = whole.index(b"value number 3")
    path.write_bytes(whole[: at + 13] + b"5" + whole[at + 14 :])
    schema = format.inspect(path).schema
    assert schema is not None
    assert pq.ParquetFile(path).read().num_rows == 200  # who does not ask for checksums sees another value
    with pytest.raises(UnreadableError, match="CRC checksum verification failed"):
        list(format.read(path, schema=schema, columns=["a"], memory=1 << 26))


@pytest.mark.parametrize(("format", "whole"), [("parquet", KINDS["snappy.parquet"].whole), ("avro", lambda: avro("null"))])
def test_a_file_that_only_its_first_bytes_could_tell_is_data_all_the_same(
    format: str, whole: Callable[[], bytes], tmp_path: Path
) -> None:
    """Hive's names have no extension: with a damaged head such a file must not pass for something that is not data."""
    path = tmp_path / "000000_0"
    path.write_bytes(b"\x00" + whole()[1:])
    assert recognise(path, path.stat().st_size, format_named(format)) == format
    with pytest.raises(UnreadableError):
        format_named(format).inspect(path)
    path.write_bytes(b"notes on this folder\n")
    assert recognise(path, path.stat().st_size, format_named(format)) is None
