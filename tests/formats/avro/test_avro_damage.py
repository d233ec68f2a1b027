"""Damaged files: every truncation and flipped bit is an error with its place or reads as other values; none hangs or crashes."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.codecs import codec_named
from instar.formats.avro.container import block_bytes, header_bytes, long_bytes, opened
from instar.formats.errors import DataError, FileError, InstarError

if TYPE_CHECKING:
    from tests.formats.avro.conftest import Files

SYNC = bytes(range(16))
NODE = {
    "type": "record", "name": "Node",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "tags", "type": {"type": "map", "values": ["int", "string"]}},
        {"name": "children", "type": {"type": "array", "items": "Node"}},
        {"name": "ok", "type": "boolean"},
    ],
}  # fmt: skip


def nodes(count: int) -> list[dict[str, Any]]:
    leaf = {"id": 1, "name": None, "kind": "A", "tags": {}, "children": [], "ok": True}
    return [{**leaf, "id": i, "name": f"n{i}", "tags": {"k": i, "t": "x"}, "children": [leaf] * (i % 3)} for i in range(count)]


def through(path: Any, files: Files) -> None:
    """Read everything there is: facts, each record opened and decoded, and written again."""
    facts = FORMAT.inspect(path)
    assert facts.schema is not None
    values = FORMAT.values(facts.schema, facts.schema)
    decode, encode = values.decoder(facts.schema.root), values.encoder(facts.schema.root)
    files.rewrite(path, lambda rows: [encode(decode(row)) for row in rows])


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_truncated_anywhere_is_an_error_that_names_the_file(codec: str, files: Files) -> None:
    whole = _compressed(files, codec)
    cuts = sorted({*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1, len(whole) - 17})
    ends = _block_ends(whole, files)
    for cut in cuts:
        if cut not in ends:
            path = files.raw(whole[:cut])
            with pytest.raises(FileError) as caught:
                FORMAT.inspect(path)
            assert caught.value.where is not None
            assert caught.value.where.file == str(path)
            assert "byte" in caught.value.message
            assert caught.value.hint


def _compressed(files: Files, codec: str) -> bytes:
    plain = files.write(NODE, nodes(60), sync_interval=300)
    with opened(plain) as container:
        head = header_bytes({**container.header.metadata, "avro.codec": codec.encode()}, SYNC)
        blocks = [block_bytes(b.rows, codec_named(codec).compress(container.data(b)), SYNC) for b in container.blocks()]
    assert len(blocks) > 3
    return head + b"".join(blocks)


def _block_ends(whole: bytes, files: Files) -> set[int]:
    """Where a file may end and still be one: behind a block."""
    with opened(files.raw(whole)) as container:
        return {container.header.size, *(b.start + b.size + 16 for b in container.blocks())}


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_flipped_bits_never_crash_or_hang(codec: str, files: Files) -> None:
    whole = _compressed(files, codec)
    chance = random.Random(7)
    found = 0
    for _ in range(120):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        started = time.monotonic()
        found += _refused(bytes(damaged), files)
        assert time.monotonic() - started < 5
    assert found > (20 if codec == "null" else 40)


def _refused(content: bytes, files: Files) -> bool:
    try:
        through(files.raw(content), files)
    except InstarError:
        return True
    return False


def test_random_bytes_in_a_block_never_crash(files: Files) -> None:
    chance = random.Random(3)
    refused = sum(_refused_block(chance.randbytes(chance.randrange(1, 60)), chance.randrange(1, 5), files) for _ in range(200))
    assert refused > 190


def _refused_block(data: bytes, rows: int, files: Files) -> bool:
    try:
        through(files.blocks(NODE, (rows, data)), files)
    except InstarError:
        return True
    return False


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"PAR1PAR1", "not an Avro file"),
        (b"Obj\x01", "within the header"),
        (b"Obj\x01\x02", "within the header"),
        (b"Obj\x01" + b"\xff" * 11, "10 bytes"),
        (b"Obj\x01\x02" + long_bytes(1 << 60), "bytes follow"),
        (b"Obj\x01\x00" + SYNC, "no avro.schema"),
        (header_bytes({"avro.schema": b'"int"', "avro.codec": b"lz4"}, SYNC), "'lz4'"),
        (header_bytes({"avro.schema": b'"ints"'}, SYNC), "'ints'"),
        (header_bytes({"avro.schema": b"\xff"}, SYNC), "UTF-8"),
        (header_bytes({"avro.schema": b'"int"'}, SYNC) + block_bytes(1, b"\x02", bytes(16)), "block 0 does not end"),
        (header_bytes({"avro.schema": b'"int"'}, SYNC) + block_bytes(-1, b"\x02", SYNC), "-1 records"),
        (header_bytes({"avro.schema": b'"int"'}, SYNC) + b"\x02" + long_bytes(-5), "-5 bytes"),
        (header_bytes({"avro.schema": b'"int"'}, SYNC) + b"\x02" + long_bytes(1 << 50), "cut off"),
        (header_bytes({"avro.schema": b'"int"'}, SYNC) + b"\n", "within block 0"),
    ],
)
def test_each_fault_of_the_container_is_named(content: bytes, problem: str, files: Files) -> None:
    path = files.raw(content)
    with pytest.raises(FileError) as caught:
        FORMAT.inspect(path)
    assert problem in caught.value.message
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "rows", "data", "problem"),
    [
        ("int", 5, b"\x02\x02", "5 records in 2 bytes"),
        ("int", 1, b"\x02\x02", "1 bytes behind"),
        ("int", 1, b"\x80", "ends beyond"),
        ("null", 1 << 40, b"", "records in 0 bytes"),
        ("string", 1, b"\x01", "length of -1"),
        ("string", 1, long_bytes(1 << 62), "ends beyond"),
        ("bytes", 2, b"\x08a", "ends beyond|behind|records"),
        ({"type": "array", "items": "int"}, 1, long_bytes(1 << 60), "list of"),
        ({"type": "array", "items": "null"}, 1, long_bytes(1 << 60) + b"\x00", "list of"),
        ({"type": "array", "items": "int"}, 1, long_bytes(-1) + long_bytes(99), "block of 99 bytes"),
        ({"type": "map", "values": "null"}, 1, long_bytes(1 << 60), "list of"),
        (["int", "string"], 1, b"\x04\x00", "index 2"),
        (["null", "string"], 1, b"\x03", "index -2"),
        ({"type": "fixed", "name": "F", "size": 1 << 40}, 1, b"\x00", "1 records in 1 bytes"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_each_fault_of_a_block_is_named(schema: Any, rows: int, data: bytes, problem: str, inside: bool, files: Files) -> None:
    whole = {"type": "record", "name": "R", "fields": [{"name": "f", "type": schema}]} if inside else schema
    path = files.blocks(whole, (rows, data))
    with pytest.raises(FileError, match=problem):
        files.rewrite(path)


def test_endless_recursion_is_an_error(files: Files) -> None:
    nested = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}
    with pytest.raises(FileError, match="deep"):
        files.rewrite(files.blocks(nested, (1, b"\x02" * 200_000 + b"\x00")))
    endless = {"type": "record", "name": "N", "fields": [{"name": "n", "type": "N"}]}
    with pytest.raises(FileError, match="deep"):
        files.rewrite(files.blocks(endless, (1, b"")))


def test_a_snappy_block_with_a_wrong_checksum_or_a_false_length(files: Files) -> None:
    packed = codec_named("snappy").compress(b"\x02" * 50)
    for wrong, problem in (
        (packed[:-1] + bytes([packed[-1] ^ 1]), "CRC-32"),
        (b"\xff\xff\xff\xff\x0f" + packed, "cannot hold"),
        (b"", "block 0"),
    ):
        path = files.raw(header_bytes({"avro.schema": b'"int"', "avro.codec": b"snappy"}, SYNC) + block_bytes(50, wrong, SYNC))
        assert FORMAT.count(path) == 50
        with pytest.raises(FileError, match=problem):
            files.rewrite(path)


def test_what_is_read_wrong_in_a_batch_leaves_the_source_alone(files: Files) -> None:
    path = files.write(NODE, nodes(10))
    before = path.read_bytes()

    def fails(rows: list[Any]) -> list[Any]:
        raise DataError("no")

    with pytest.raises(DataError, match="no"):
        files.rewrite(path, fails)
    assert path.read_bytes() == before
    assert json.loads(FORMAT.render(FORMAT.infer([path]))) == NODE


def test_a_missing_file_and_a_folder(files: Files) -> None:
    for path in (files.folder / "none.avro", files.folder):
        with pytest.raises(FileError, match="cannot be read"):
            FORMAT.inspect(path)
