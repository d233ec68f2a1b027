"""Avro container files with neutral values: fastavro reads and writes records under another schema of the same binary form.

Without logical types it gives values as they are stored. A map has the bytes of a list of pairs, and comes as one; the branches of
a union are wrapped in records of one field, so that each value tells of which it is (Avro 1.12, "Binary Encoding").
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro

from instar.formats.schema import Field, List, Map, Record, Union
from tests.mutations.neutral import Pairs

_SYNC = 16


def read(path: Path, root: Field) -> list[Any]:
    """The records."""
    metadata, _, blocks = taken_apart(path.read_bytes())
    schema = fastavro.parse_schema(_bare(json.loads(metadata["avro.schema"]), iter(range(1 << 30))))
    records: list[Any] = []
    for count, stored in blocks:
        block = io.BytesIO(_plain(stored, metadata))
        records += [_neutral(fastavro.schemaless_reader(block, schema, None), root) for _ in range(count)]  # type: ignore[arg-type]
        if block.read(1):
            raise ValueError("a block has more bytes than its records")
    return records


def write(path: Path, like: Path, root: Field, records: Sequence[Any], together: int) -> None:
    """The records under the header of another file, so many in a block."""
    data = like.read_bytes()
    metadata, sync, _ = taken_apart(data)
    schema = fastavro.parse_schema(_bare(json.loads(metadata["avro.schema"]), iter(range(1 << 30))))
    out = io.BytesIO()
    out.write(data[: data.index(sync) + _SYNC])
    for first in range(0, len(records), together):
        block, some = io.BytesIO(), records[first : first + together]
        for record in some:
            fastavro.schemaless_writer(block, schema, _stored(record, root))
        stored = zlib.compress(block.getvalue(), 6, -15) if metadata.get("avro.codec") == b"deflate" else block.getvalue()
        out.write(_long(len(some)) + _long(len(stored)) + stored + sync)
    path.write_bytes(out.getvalue())


def created(path: Path, document: Any, root: Field, records: Sequence[Any], codec: str, together: int) -> None:
    """A new file."""
    header = io.BytesIO()
    fastavro.writer(header, document, [], codec=codec, sync_marker=b"0123456789abcdef", strict=False)
    path.write_bytes(header.getvalue())
    write(path, path, root, records, together)


# ---- the container
def taken_apart(data: bytes) -> tuple[dict[str, bytes], bytes, list[tuple[int, bytes]]]:
    """The metadata, the sync marker, and of each block how many records it holds in which bytes."""
    file, metadata, blocks = io.BytesIO(data), dict[str, bytes](), list[tuple[int, bytes]]()
    if file.read(4) != b"Obj\x01":
        raise ValueError("no Avro")
    while count := _number(file):
        for _ in range(count):
            key = file.read(_number(file)).decode()
            metadata[key] = file.read(_number(file))
    sync = file.read(_SYNC)
    while file.tell() < len(data):
        count = _number(file)
        stored = file.read(_number(file))
        if file.read(_SYNC) != sync:
            raise ValueError("a block does not end with the marker")
        blocks.append((count, stored))
    return metadata, sync, blocks


def _number(file: io.BytesIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)


def _long(value: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)  # type: ignore[arg-type]
    return out.getvalue()


def _plain(stored: bytes, metadata: dict[str, bytes]) -> bytes:
    return zlib.decompress(stored, -15) if metadata.get("avro.codec") == b"deflate" else stored


# ---- the schema
def _bare(node: Any, numbers: Iterator[int]) -> Any:
    """The schema without logical types; maps as lists of pairs, branches wrapped."""
    if isinstance(node, list):
        real = [branch for branch in node if branch != "null"]
        if len(real) < 2:
            return [_bare(branch, numbers) for branch in node]
        wrapped = iter([_record(f"branch{next(numbers)}", {f"b{i}": _bare(branch, numbers)}) for i, branch in enumerate(real)])
        return ["null" if branch == "null" else next(wrapped) for branch in node]
    if not isinstance(node, dict):
        return node
    match node["type"]:
        case "map":
            return {
                "type": "array",
                "items": _record(f"pair{next(numbers)}", {"key": "string", "value": _bare(node["values"], numbers)}),
            }
        case "array":
            return {"type": "array", "items": _bare(node["items"], numbers)}
        case "record":
            fields = [{"name": f["name"], "type": _bare(f["type"], numbers)} for f in node["fields"]]
            return {key: node[key] for key in ("type", "name", "namespace") if key in node} | {"fields": fields}
        case "fixed" | "enum":
            return {key: node[key] for key in ("type", "name", "namespace", "size", "symbols") if key in node}
        case inner:
            return _bare(inner, numbers)


def _record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": type} for key, type in fields.items()]}


# ---- values
def _neutral(value: Any, field: Field) -> Any:
    match field.type:
        case _ if value is None:
            return None
        case Record(fields):
            return {f.name: _neutral(value[f.name], f) for f in fields}
        case List(item):
            return [_neutral(inner, item) for inner in value]
        case Map(inner):
            return Pairs((pair["key"], _neutral(pair["value"], inner)) for pair in value)
        case Union(branches):
            ((name, inner),) = value.items()
            return {name: _neutral(inner, branches[int(name[1:])])}
        case _:
            return value


def _stored(value: Any, field: Field) -> Any:
    match field.type:
        case _ if value is None:
            return None
        case Record(fields):
            return {f.name: _stored(value[f.name], f) for f in fields}
        case List(item):
            return [_stored(inner, item) for inner in value]
        case Map(inner):
            return [{"key": key, "value": _stored(x, inner)} for key, x in value]
        case Union(branches):
            ((name, inner),) = value.items()
            return {name: _stored(inner, branches[int(name[1:])])}
        case _:
            return value
