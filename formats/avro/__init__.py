"""Avro: `.avsc` schema documents and object container files. `FORMAT` is the format of the contract in `formats/format.py`."""

from __future__ import annotations

from instar.formats.avro.file import FORMAT

__all__ = ["FORMAT"]
