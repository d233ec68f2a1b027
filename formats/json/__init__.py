"""JSON: schema documents are JSON Schema, data files are lines, arrays or single documents. `FORMAT` is the contract's object."""

from __future__ import annotations

from instar.formats.format import Format

from .file import JsonFormat

FORMAT: Format = JsonFormat()

__all__ = ["FORMAT", "JsonFormat"]
