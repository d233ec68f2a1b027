"""Avro files made by fastavro, and rewriting them."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.container import block_bytes, header_bytes
from instar.formats.format import Rewrite, Rewritten
from instar.formats.schema import Schema

SYNC = bytes(range(16))


class Files:
    """A folder of Avro files: written by fastavro, rewritten by the format under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()

    def path(self) -> Path:
        return self.folder / f"{next(self.numbers)}.avro"

    def write(self, schema: Any, records: Iterable[Any], codec: str = "null", **more: Any) -> Path:
        out = io.BytesIO()
        fastavro.writer(out, schema, records, codec=codec, sync_marker=SYNC, **more)
        return self.raw(out.getvalue())

    def raw(self, content: bytes) -> Path:
        path = self.path()
        path.write_bytes(content)
        return path

    def blocks(self, schema: Any, *blocks: tuple[int, bytes], **metadata: bytes) -> Path:
        """A file with exactly these uncompressed blocks."""
        head = header_bytes({"avro.schema": json.dumps(schema).encode(), **metadata}, SYNC)
        return self.raw(head + b"".join(block_bytes(rows, data, SYNC) for rows, data in blocks))

    def read(self, path: Path, **options: Any) -> list[Any]:
        """The records as fastavro reads them."""
        with open(path, "rb") as stream:
            return list(fastavro.reader(stream, **options))

    def rewrite(
        self, source: Path, convert: Callable[[Any], Any] = lambda rows: rows, target: Schema | None = None, **more: Any
    ) -> tuple[Path, Rewritten]:
        schema = FORMAT.inspect(source).schema
        assert schema is not None
        given: dict[str, Any] = {"reads": (), "carried": {}, "stamp": None, "memory": 1 << 24, **more}
        out = self.path()
        return out, FORMAT.rewrite(Rewrite(source, out, convert, schema, target or schema, **given))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
