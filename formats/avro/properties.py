"""What an Avro file is like besides its values: from its header and the heads of its blocks."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from instar.formats.avro.container import CODEC, SCHEMA, opened
from instar.formats.avro.rewrite import header_schema
from instar.formats.format import span
from instar.formats.schema import Record


def properties(path: FilePath) -> dict[str, Any]:
    """See `Format.properties`.

    Raises:
        UnreadableError: the file is damaged.
    """
    with opened(path) as container:
        rows = [block.rows for block in container.blocks()]
        root = header_schema(container).root.type
        header = container.header
        return {
            "bytes": container.size,
            "records": sum(rows),
            "blocks": len(rows),
            "records per block": span(rows),
            "codec": header.codec.name,
            "sync marker": header.sync.hex(),
            "schema name": root.name if isinstance(root, Record) else "",
            "header keys": sorted(key for key in header.metadata if key not in (SCHEMA, CODEC)),
        }
