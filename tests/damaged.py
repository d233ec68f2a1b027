"""Small files of every format, codec and checksum, and what truncations and flipped bits make of them."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

ROWS = 60
STEP = """
    op.rename("name", to="title"),
    op.derive("next_id", "int64", sql="id + 1"),
    op.drop("spare"),
"""
"""The migration that every damaged file is put through: all other fields are only carried."""

SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": "string"},
        {"name": "score", "type": "double"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {
            "name": "at",
            "type": {"type": "record", "name": "At", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "string"}]},
        },
        {"name": "spare", "type": "string"},
        {"name": "ok", "type": "boolean"},
    ],
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    return [
        {
            "id": 1000 + i * 37,
            "name": f"name {i % 9}",
            "score": i / 7,
            "note": None if i % 4 == 0 else f"a note of {i}",
            "tags": [f"t{j}" for j in range(i % 3)],
            "at": {"x": i * i, "y": "abcdefgh"[i % 8] * 3},
            "spare": "0123456789"[: i % 10],
            "ok": i % 3 == 0,
        }
        for i in range(ROWS)
    ]


# ---- whole files
def parquet(**options: Any) -> bytes:
    fields = [("id", pa.int64()), ("name", pa.string()), ("score", pa.float64()), ("note", pa.string()),
              ("tags", pa.list_(pa.string())),
              ("at", pa.struct([("x", pa.int32()), ("y", pa.string())])), ("spare", pa.string()), ("ok", pa.bool_())]  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(), schema=pa.schema(fields)), sink, row_group_size=ROWS // 2, **options)
    return sink.getvalue()


def avro(codec: str) -> bytes:
    sink = io.BytesIO()
    fastavro.writer(
        sink, fastavro.parse_schema(SCHEMA), rows(), codec=codec, sync_interval=1200, sync_marker=bytes(range(100, 116))
    )
    return sink.getvalue()


def avro_checked() -> bytes:
    """Blocks of zstandard with its checksum, which fastavro does not write."""
    schema, sync, sink = fastavro.parse_schema(SCHEMA), bytes(range(100, 116)), io.BytesIO()
    fastavro.writer(sink, schema, [], codec="zstandard", sync_marker=sync)
    for start in range(0, ROWS, 20):
        plain = io.BytesIO()
        for row in rows()[start : start + 20]:
            fastavro.schemaless_writer(plain, schema, row)
        stored = packed(plain.getvalue(), checksum=True)
        fastavro.schemaless_writer(sink, "long", 20)
        fastavro.schemaless_writer(sink, "bytes", stored)
        sink.write(sync)
    return sink.getvalue()


def lines() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows()).encode()


def array() -> bytes:
    return ("[\n " + ",\n ".join(json.dumps(row) for row in rows()) + "\n]\n").encode()


def document() -> bytes:
    return (json.dumps(rows()[7], indent=2) + "\n").encode()


def packed(text: bytes, *, checksum: bool) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=checksum, write_content_size=False).compress(text)


def members(text: bytes) -> bytes:
    """Two gzip members, as `cat a.gz b.gz` makes them."""
    middle = text.index(b"\n", len(text) // 2) + 1
    return gzip.compress(text[:middle], mtime=0) + gzip.compress(text[middle:], mtime=0)


@dataclass(frozen=True)
class Kind:
    """One way to write a file. `checked`: a checksum covers its data, so that hardly a flip in them goes unseen."""

    format: str
    name: str
    whole: Callable[[], bytes]
    checked: bool = False


CRC = {"write_page_checksum": True}
PLAIN = {"use_dictionary": False, "compression": "none"}
DELTA = {
    "use_dictionary": False,
    "column_encoding": {"id": "DELTA_BINARY_PACKED", "name": "DELTA_BYTE_ARRAY", "score": "BYTE_STREAM_SPLIT"},
}

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("parquet", "plain.parquet", lambda: parquet(**PLAIN)),
        Kind("parquet", "plain-crc.parquet", lambda: parquet(**PLAIN, **CRC), checked=True),
        Kind("parquet", "snappy.parquet", lambda: parquet(compression="snappy")),
        Kind(
            "parquet", "snappy-v2-crc.parquet", lambda: parquet(compression="snappy", data_page_version="2.0", **CRC), checked=True
        ),
        Kind("parquet", "zstd-crc.parquet", lambda: parquet(compression="zstd", **CRC), checked=True),
        Kind("parquet", "gzip.parquet", lambda: parquet(compression="gzip")),
        Kind("parquet", "lz4-v2.parquet", lambda: parquet(compression="lz4", data_page_version="2.0", data_page_size=64)),
        Kind("parquet", "brotli.parquet", lambda: parquet(compression="brotli")),
        Kind("parquet", "delta.parquet", lambda: parquet(compression="snappy", **DELTA)),
        *(
            Kind("avro", f"{codec}.avro", lambda codec=codec: avro(codec), checked=codec in ("snappy", "bzip2", "xz"))
            for codec in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")
        ),
        Kind("avro", "zstandard-crc.avro", avro_checked, checked=True),
        Kind("json", "lines.ndjson", lines),
        Kind("json", "lines.ndjson.gz", lambda: gzip.compress(lines(), mtime=0), checked=True),
        Kind("json", "members.ndjson.gz", lambda: members(lines()), checked=True),
        Kind("json", "lines.ndjson.zst", lambda: packed(lines(), checksum=True), checked=True),
        Kind("json", "unchecked.ndjson.zst", lambda: packed(lines(), checksum=False)),
        Kind("json", "array.json", array),
        Kind("json", "array.json.gz", lambda: gzip.compress(array(), mtime=0), checked=True),
        Kind("json", "document.json", document),
    )
}


# ---- damage
def damage(kind: Kind, number: int) -> tuple[str, bytes]:
    """The damaged file of that number (the same ever after), and what was done to it: every fifth is cut off, of the others a
    bit is flipped, or up to three."""
    chance, whole = random.Random(f"{kind.name} {number}"), kind.whole()
    if number % 5 == 0:
        end = chance.randrange(len(whole))
        return f"cut off at {end} of {len(whole)}", whole[:end]
    data, places = bytearray(whole), []
    for _ in range(1 if number % 5 < 4 else 3):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        data[at] ^= 1 << bit
        places.append(f"{at}.{bit}")
    return f"flipped {', '.join(places)} of {len(whole)}", bytes(data)
