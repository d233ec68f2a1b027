"""The compiled parts: small C modules, one a format, that are optional where Instar is installed.

Without one its format does the same work in Python, more slowly, and says so where it does.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

PARTS = {"avro": "instar.formats.avro._walk", "json": "instar.formats.json._scan", "parquet": "instar.formats.parquet._thrift"}
"""The module of each format that has one; they are built as `pyproject.toml` says."""


INTERFACES = {"avro": 2, "json": 2, "parquet": 5}
"""What a part's INTERFACE must be, where it has one: in a checkout it may have been built from an older source."""


def compiled_part(format: str) -> ModuleType | None:
    """The format's compiled part; None where it was not built, or for another machine, or from another source."""
    try:
        part = import_module(PARTS[format])
    except ImportError:
        return None
    return part if getattr(part, "INTERFACE", None) == INTERFACES.get(format) else None


def missing_parts() -> tuple[str, ...]:
    """The formats whose compiled part cannot be used here."""
    return tuple(format for format in PARTS if compiled_part(format) is None)


def without(format: str) -> str:
    """What to say of work that is done without the format's compiled part."""
    return f"the compiled part for {format} is missing: install Instar where there is a C compiler, or from a wheel, to be faster"
