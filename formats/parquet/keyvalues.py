"""A file's key-values across a migration: all are kept, but those that repeat the schema follow it or go.

Some systems keep their own copy of the schema among the key-values. A stale copy makes readers give wrong types or names, so
`pandas` and `geo` are rewritten where that is safe, and the others are dropped when names or types change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from instar.formats.format import Stamp

from .source import ARROW_SCHEMA, SUBJECT, VERSION

SCHEMA_KEYS = {
    b"parquet.avro.schema", b"avro.schema", b"iceberg.schema", b"parquet.proto.descriptor", b"parquet.proto.class",
    b"org.apache.spark.sql.parquet.row.metadata", b"org.apache.spark.sql.parquet.row.attributes", b"huggingface",
    b"parquet.thrift.descriptor", b"hoodie_bloom_filter_type_code", b"hoodie_min_record_key", b"hoodie_max_record_key",
}  # fmt: skip

Renames = Mapping[str, str]
"""Old → new name of every top-level column that is carried whole and unchanged in type."""


def carried_key_values(
    old: Mapping[bytes, bytes | None], renames: Renames, *, changed: bool, stamp: Stamp | None, hinted: bool
) -> tuple[dict[bytes, bytes | None], tuple[str, ...]]:
    """The new file's key-values in the old order, and notes about those that were dropped.

    `changed`: do names or types differ between the files, or is anything under another name; `hinted`: is there to be an
    ARROW:schema (its value is made of the others).
    """
    kept: dict[bytes, bytes | None] = {}
    notes: list[str] = []
    for key, value in old.items():
        if key in (SUBJECT, VERSION):
            continue
        if key == ARROW_SCHEMA:
            if hinted:
                kept[key] = None
        elif changed and key in (b"pandas", b"geo"):
            fixed = _followed(key, value, renames)
            if fixed is None:
                notes.append(f"the key-value {key.decode()} described the old schema and was left out")
            else:
                kept[key] = fixed
        elif changed and key in SCHEMA_KEYS:
            notes.append(f"the key-value {key.decode()} described the old schema and was left out")
        else:
            kept[key] = value
    if hinted:
        kept.setdefault(ARROW_SCHEMA, None)
    if stamp is not None:
        kept |= {SUBJECT: stamp.subject.encode(), VERSION: str(stamp.version).encode()}
    return kept, tuple(notes)


def _followed(key: bytes, value: bytes | None, renames: Renames) -> bytes | None:
    """The value with its column names followed, or None where it cannot be."""
    try:
        document = json.loads(value or b"")
        made = _pandas(document, renames) if key == b"pandas" else _geo(document, renames)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # not what the key promises: nobody could read it before either
    return None if made is None else json.dumps(made).encode()


def _pandas(document: dict[str, Any], renames: Renames) -> dict[str, Any] | None:
    """pandas' description (the pandas project's developer docs): columns by field_name, index columns by name or range."""
    index = document["index_columns"]
    if any(isinstance(name, str) and name not in renames for name in index):
        return None
    columns = []
    for column in document["columns"]:
        field = column.get("field_name", column["name"])
        if field in renames:
            new = renames[field]
            named = new if column["name"] == field else column["name"]
            columns.append({**column, "name": named, **({"field_name": new} if "field_name" in column else {})})
    indexes = [renames[name] if isinstance(name, str) else name for name in index]
    return {**document, "index_columns": indexes, "columns": columns}


def _geo(document: dict[str, Any], renames: Renames) -> dict[str, Any] | None:
    """GeoParquet's description (geoparquet.org, "File metadata"): columns by name, one of them primary."""
    columns = {renames[name]: held for name, held in document["columns"].items() if name in renames}
    if document["primary_column"] not in renames or any("covering" in held for held in columns.values()):
        return None
    return {**document, "primary_column": renames[document["primary_column"]], "columns": columns}
