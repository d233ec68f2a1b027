"""What kind of file is this? By its first bytes; what its name ends in is a hint, for files that are damaged or empty."""

from __future__ import annotations

from pathlib import Path as FilePath

from .format import Format, format_named

HEAD = 1 << 16
_MAGICS = {b"PAR1": "parquet", b"PARE": "parquet", b"Obj\x01": "avro"}
_EXTENSIONS = {
    "parquet": (".parquet", ".parq", ".pq"),
    "avro": (".avro",),
    "json": tuple(f"{kind}{packed}" for kind in (".json", ".jsonl", ".ndjson", ".geojson") for packed in ("", ".gz", ".zst")),
}


def recognise(path: FilePath, size: int, format: Format) -> str | None:
    """The format a file has, or was meant to have by its name: `format.name`, another one, or None for a file that is no data.

    Raises:
        OSError: it cannot be read.
    """
    name = path.name
    with open(path, "rb", buffering=0) as stream:
        head = stream.read(HEAD)
        stream.seek(max(size - 4, 0))
        tail = stream.read(4)
    other = _foreign(head, name, format.name)
    if other is not None:
        return other
    if size and format.recognises(head, name):
        return format.name
    meant = _ends_as(name, format.name) or (not size and "." not in name) or _beheaded(head, tail) == format.name
    return format.name if meant else None


def _beheaded(head: bytes, tail: bytes) -> str | None:
    """The format of a file whose first bytes alone are damaged: such a one, too, is an error rather than no data."""
    if tail == b"PAR1":
        return "parquet"
    return "avro" if b"avro.schema" in head[:256] else None


def _foreign(head: bytes, name: str, format: str) -> str | None:
    """Another format: Parquet and Avro by their first bytes alone, JSON only where its name says so, too."""
    magic = next((kind for start, kind in _MAGICS.items() if head.startswith(start)), None)
    if magic not in (None, format):
        return magic
    if format != "json" and _ends_as(name, "json") and format_named("json").recognises(head, name):
        return "json"
    return None


def _ends_as(name: str, format: str) -> bool:
    return name.lower().endswith(_EXTENSIONS[format])
