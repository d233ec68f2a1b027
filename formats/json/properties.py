"""What a JSON file is like besides its values: how its text lies, from the whole of it."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from .fidelity import form_of
from .rewrite import records


def properties(path: FilePath, name: str = "") -> dict[str, Any]:
    """See `Format.properties`.

    Raises:
        UnreadableError: the file is no JSON, or cannot be unpacked.
    """
    form = form_of(path, name or path.name)
    return {
        "bytes": path.stat().st_size,
        "records": sum(1 for _ in records(path)),
        "layout": form.layout.kind,
        "compression": form.layout.compression or "none",
        "byte order mark": form.layout.bom,
        "lines ending in LF": form.lf,
        "lines ending in CRLF": form.crlf,
        "newline at the end": form.ends,
    }
