"""Avro container files as fastavro can be asked to read them exactly: logical types off, union branches told apart.

The header and the blocks are taken apart here (Avro 1.12, "Object Container Files"), so that fastavro gets the same records under
another schema of the same binary form: without logical types it gives values as stored, and a union's branch that is wrapped in a
record of one field has the same bytes and comes as {"b2": value}. A map has the bytes of a list of pairs, and comes as one: a dict
would not show that a key is there twice.
"""

from __future__ import annotations

import io
import json
import lzma
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, BinaryIO

from instar.formats.avro.walk import MOST_EMPTY_ITEMS

_SYNC = 16
_NOT_NEEDED = ("logicalType", "precision", "scale", "default", "doc", "aliases", "order")


class Damaged(ValueError):
    """The file is no whole Avro container. `place`: the block and the record, where they are known: words that quote no value."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message, place)
        self.place = place

    def __str__(self) -> str:
        return str(self.args[0])


def header_of(file: BinaryIO) -> tuple[dict[str, bytes], bytes]:
    """The metadata and the sync marker; the file then stands at its first block."""
    if file.read(4) != b"Obj\x01":
        raise Damaged("it does not begin with Obj\\x01")
    metadata: dict[str, bytes] = {}
    while count := _long(file):
        if count < 0:
            count, _ = -count, _long(file)
        for _ in range(count):
            key = _exactly(file, _long(file)).decode()
            metadata[key] = _exactly(file, _long(file))
    return metadata, _exactly(file, _SYNC)


def schema_of(path: FilePath) -> Any:
    """The schema in the file's header, as JSON."""
    with path.open("rb") as file:
        return json.loads(header_of(file)[0]["avro.schema"])


def records(path: FilePath, left_out: frozenset[int] = frozenset()) -> Iterator[Any]:
    """Every record in order, but for those numbered: stored values, a value of a union of several branches as a dict of one, a map
    as a list of {"k": key, "v": value}."""
    import fastavro

    from .avro_columns import misnaming

    number = 0
    with path.open("rb") as file:
        metadata, sync = header_of(file)
        document = told_apart(json.loads(metadata["avro.schema"]), iter(range(1 << 30)))
        schema, misnames = fastavro.parse_schema(document), misnaming(document)
        decompress = decompressor(metadata.get("avro.codec", b"null").decode())
        for position, (count, data) in enumerate(blocks(file, sync)):
            try:
                plain = bounded(count, decompress(data))
                for record in _of_block(count, plain, schema):
                    if number not in left_out:
                        yield record
                    number += 1
            except DECODING as error:
                place = f"block {position} is damaged in record {number}"
                raise Damaged(f"{place}: {_in_words(error)}", place) from error
            if misnames(count, plain):
                place = f"block {position} is damaged"
                raise Damaged(f"{place}: {_MISNAMED}", place)


_TOLD = (ValueError, EOFError, zlib.error, lzma.LZMAError, struct.error)
"""What fastavro and the codecs raise of bytes that make no sense, and say in words."""
DECODING = (*_TOLD, IndexError, KeyError, OverflowError, MemoryError)
"""What reading damaged values raises."""


_MISNAMED = "it has a symbol of an enum, or a branch of a union, that there is not"


def _in_words(error: Exception) -> str:
    """What is wrong with the bytes, where the reader only trips over it."""
    match error:
        case IndexError():
            return _MISNAMED
        case EOFError():
            return f"it has a value that would not end within the block ({error})"
        case _ if isinstance(error, _TOLD):
            return str(error)
        case _:
            return f"it has a length that cannot be ({type(error).__name__})"


def bounded(count: int, data: bytes) -> bytes:
    """The data of a block that is said to hold so many records.

    Raises:
        Damaged: they are more than it can hold. (Records of only null have no bytes; no more of them are read than staging reads.)
    """
    if count > max(len(data), MOST_EMPTY_ITEMS):
        raise Damaged(f"it says that it holds {count} records in {len(data)} bytes")
    return data


def _of_block(count: int, data: bytes, schema: Any) -> Iterator[Any]:
    import fastavro

    block = io.BytesIO(data)
    for _ in range(count):
        yield fastavro.schemaless_reader(block, schema, None)  # type: ignore[arg-type]
    if block.read(1):
        raise Damaged("it holds more bytes than its records")


def count(path: FilePath) -> int:
    """The number of records, as the blocks say it."""
    return sum(counts(path))


def counts(path: FilePath) -> list[int]:
    """The number of records of each block, as the blocks say it."""
    with path.open("rb") as file:
        _, sync = header_of(file)
        return [rows for rows, _ in blocks(file, sync)]


def blocks(file: BinaryIO, sync: bytes) -> Iterator[tuple[int, bytes]]:
    """Each block's number of records, and its data as stored; the file stands at the first.

    Raises:
        Damaged: a block is not whole.
    """
    number = 0
    while file.peek(1) if isinstance(file, io.BufferedReader) else True:
        try:
            found = _block(file, sync)
        except Damaged as error:
            place = f"block {number} is damaged"
            raise Damaged(f"{place}: {error}", place) from None
        yield found
        number += 1


def _block(file: BinaryIO, sync: bytes) -> tuple[int, bytes]:
    rows, size = _long(file), _long(file)
    if min(rows, size) < 0:
        raise Damaged(f"it says that it holds {rows} records in {size} bytes")
    data = _exactly(file, size)
    if _exactly(file, _SYNC) != sync:
        raise Damaged("it does not end with the sync marker")
    return rows, data


def _exactly(file: BinaryIO, size: int) -> bytes:
    try:
        data = file.read(size) if size >= 0 else b""
    except (MemoryError, OverflowError):  # no file has so many
        data = b""
    if len(data) != size:
        raise Damaged("it ends too early")
    return data


def _long(file: BinaryIO) -> int:
    shift = value = 0
    while True:
        byte = _exactly(file, 1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)


def long_at(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and the position after it.

    Raises:
        IndexError: the bytes end before it does.
    """
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def decompressor(codec: str) -> Any:
    """The function from a block's data as stored to what it holds.

    Raises:
        Damaged: there is no such codec.
    """
    import bz2

    import cramjam

    known = {
        "null": lambda data: data,
        "deflate": lambda data: zlib.decompress(data, -15),
        "bzip2": bz2.decompress,
        "xz": lzma.decompress,
        "snappy": _snappy,
        "zstandard": lambda data: bytes(cramjam.zstd.decompress(data)),
    }
    if codec not in known:
        raise Damaged(f"the codec {codec!r} is not known")
    return known[codec]


def _snappy(data: bytes) -> bytes:
    import cramjam

    plain = bytes(cramjam.snappy.decompress_raw(data[:-4]))
    if zlib.crc32(plain) != int.from_bytes(data[-4:], "big"):
        raise Damaged("a block's checksum is wrong")
    return plain


def told_apart(node: Any, numbers: Iterator[int]) -> Any:
    """A schema of the same binary form: what says more than that left out, the branches of real unions wrapped."""
    if isinstance(node, list):
        real = [branch for branch in node if branch != "null" and branch != {"type": "null"}]
        if len(real) < 2:
            return [told_apart(branch, numbers) for branch in node]
        wrapped = (_wrapped(i, told_apart(branch, numbers), next(numbers)) for i, branch in enumerate(real))
        return [next(wrapped) if branch in real else branch for branch in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("type"), dict | list):  # an object around a type that only repeats it
        return told_apart(node["type"], numbers)
    plain = {key: value for key, value in node.items() if key not in _NOT_NEEDED}
    if plain.get("type") == "map":
        pair = [{"name": "k", "type": "string"}, {"name": "v", "type": told_apart(plain["values"], numbers)}]
        return {"type": "array", "items": {"type": "record", "name": f"instar_pair_{next(numbers)}", "fields": pair}}
    if "items" in plain:
        plain["items"] = told_apart(plain["items"], numbers)
    if isinstance(plain.get("fields"), list):
        plain["fields"] = [{"name": f["name"], "type": told_apart(f["type"], numbers)} for f in plain["fields"]]
    return plain


def _wrapped(index: int, branch: Any, number: int) -> dict[str, Any]:
    """`index` counts the branches that are not null: where null stands is no part of a value."""
    return {"type": "record", "name": f"instar_branch_{number}", "fields": [{"name": f"b{index}", "type": branch}]}
