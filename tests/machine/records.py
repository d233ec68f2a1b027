"""Records of three versions in three formats: written and read by libraries that know nothing of Instar, converted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Records = tuple[Record, ...]
SUFFIX = {"parquet": ".parquet", "avro": ".avro", "json": ".ndjson"}
FIELDS = {1: ("id", "text"), 2: ("id", "words", "note"), 3: ("id", "words", "twice")}
STEPS = {
    2: ('op.rename("text", to="words"), op.add("note", "string", default="-")', "{}"),
    3: ('op.drop("note"), op.derive("twice", "int64", sql="id * 2")', '{"note": "\'?\'"}'),
}
"""Scripts: the text between the brackets of `upgrade`, and that of `downgrade`."""


def at_version(records: Records, old: int, new: int) -> Records:
    """The same records as the scripts say they are at another version."""
    for version in range(old, new):
        records = tuple(_up(record, version) for record in records)
    for version in range(old, new, -1):
        records = tuple(_down(record, version) for record in records)
    return records


def _up(record: Record, version: int) -> Record:
    if version == 1:
        return {"id": record["id"], "words": record["text"], "note": "-"}
    return {"id": record["id"], "words": record["words"], "twice": record["id"] * 2}


def _down(record: Record, version: int) -> Record:
    if version == 2:
        return {"id": record["id"], "text": record["words"]}
    return {"id": record["id"], "words": record["words"], "note": "?"}


def version_of(records: Records) -> int:
    names = set(records[0])
    return next(version for version, fields in FIELDS.items() if set(fields) == names)


def fresh(first: int, count: int, version: int) -> Records:
    """Records that nobody else has."""
    return at_version(tuple({"id": first + n, "text": f"word {first + n}"} for n in range(count)), 1, version)


def write(path: Path, format: str, records: Records) -> None:
    names = list(records[0])
    if format == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [pa.field(n, pa.int64() if n in ("id", "twice") else pa.string(), nullable=n not in ("note",)) for n in names]
        with path.open("wb") as file:
            pq.write_table(pa.Table.from_pylist(list(records), pa.schema(fields)), file)
    elif format == "avro":
        import fastavro

        fields = [{"name": n, "type": "long" if n in ("id", "twice") else "string"} for n in names]
        with path.open("wb") as file:
            schema = {"type": "record", "name": "Event", "fields": fields}
            fastavro.writer(file, schema, records, sync_marker=b"0123456789abcdef")
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def read(path: Path, format: str) -> Records:
    if format == "parquet":
        import pyarrow.parquet as pq

        with path.open("rb") as file:
            return tuple(pq.ParquetFile(file).read().to_pylist())
    if format == "avro":
        import fastavro

        with path.open("rb") as file:
            return tuple(fastavro.reader(file))  # type: ignore[arg-type]
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
