"""A new Avro file of record batches in their plain form (`formats/columnar.py`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any

import pyarrow as pa

from instar.formats.avro.codecs import CODECS, codec_named
from instar.formats.avro.container import CODEC, SCHEMA, block_bytes, header_bytes, long_bytes
from instar.formats.avro.render import header_text
from instar.formats.avro.rewrite import SUBJECT, VERSION
from instar.formats.avro.values import AvroValues
from instar.formats.errors import DataError, UsageError, suggestion
from instar.formats.format import Stamp
from instar.formats.path import quoted_name
from instar.formats.schema import Field, Record, Schema, Union
from instar.formats.shown_values import python_values

_BLOCK = 1 << 16  # bytes of records in a block, as Avro's own writers have it
_ROWS = 4096  # that are Python objects at once


def write(path: FilePath, *, schema: Schema, batches: Iterator[pa.RecordBatch], stamp: Stamp | None, compression: str = "") -> int:
    """See `Format.write`. The sync marker is a hash of the header, so that the same records give the same bytes."""
    codec = _codec(compression)
    metadata = {SCHEMA: header_text(schema).encode(), CODEC: codec.name.encode()}
    if stamp is not None:
        metadata |= {SUBJECT: stamp.subject.encode(), VERSION: str(stamp.version).encode()}
    sync = hashlib.sha256(header_bytes(metadata, b"")).digest()[:16]
    records = _Records(schema)
    rows = 0
    with open(path, "wb") as file:
        file.write(header_bytes(metadata, sync))
        waiting: list[bytes] = []
        size = 0
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS):
                for record in records.of(batch.slice(start, _ROWS), rows):
                    waiting.append(record)
                    size += len(record)
                    if size >= _BLOCK:
                        file.write(block_bytes(len(waiting), codec.compress(b"".join(waiting)), sync))
                        waiting, size = [], 0
                rows += min(_ROWS, batch.num_rows - start)
        if waiting:
            file.write(block_bytes(len(waiting), codec.compress(b"".join(waiting)), sync))
    return rows


def _codec(compression: str) -> Any:
    name = {"": "deflate", "none": "null", "zstd": "zstandard", "gzip": "deflate"}.get(compression, compression)
    if name not in CODECS:
        raise UsageError(f"Avro has no compression {compression!r}", hint=suggestion(compression, [*CODECS, "none", "zstd"]))
    return codec_named(name)


class _Records:
    """Batches to the bytes of each record: a column's values are encoded, then joined in the schema's order."""

    def __init__(self, schema: Schema) -> None:
        values = _Shown(schema, schema)
        self.fields = schema.record.fields
        self.encoders = [values.encoder(f) for f in self.fields]
        self.seal = values.sealer(schema.root)

    def of(self, batch: pa.RecordBatch, before: int) -> Iterator[bytes]:
        """`before`: how many records of the file came before these."""
        columns = [self._encoded(batch.column(i), f, i, before) for i, f in enumerate(self.fields)]
        names = [f.name for f in self.fields]
        for row, raws in enumerate(zip(*columns, strict=True) if columns else [()] * batch.num_rows):
            try:
                yield self.seal(None, dict(zip(names, raws, strict=True)))
            except DataError as error:
                raise error.at(row=before + row) from error.__cause__

    def _encoded(self, array: pa.Array, field: Field, i: int, before: int) -> list[Any]:
        encode, out = self.encoders[i], []
        try:
            for value in python_values(array, field):
                out.append(encode(value))
        except DataError as error:
            raise error.at(row=before + len(out), path=quoted_name(field.name)) from error.__cause__
        return out


class _Shown(AvroValues):
    """Encodes values as columns show them: a union's is a dict of its branches, of which one is there."""

    def encoder(self, field: Field) -> Callable[[Any], Any]:
        if field.type == Record(()):
            return lambda value: None if value is None else b""
        if not isinstance(field.type, Union):
            return super().encoder(field)
        branches = [(b.name, self.encoder(b)) for b in field.type.branches]

        def encoded(value: Any) -> Any:
            if value is None:
                return None
            for index, (name, encode) in enumerate(branches):
                if value[name] is not None:
                    return long_bytes(index) + encode(value[name])
            raise DataError("a union's value is of none of its branches", hint="Allow null (op.allow_null), or repair it.")

        return encoded
