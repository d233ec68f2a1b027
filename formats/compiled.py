"""The compiled parts: small C modules, one a format, that are optional where Instar is installed.

Without one its format does the same work in Python, more slowly, and says so where it does.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

PARTS = {"avro": "instar.formats.avro._walk", "json": "instar.formats.json._scan", "parquet": "instar.formats.parquet._thrift"}
"""The module of each format that has one; they are built as `pyproject.toml` says."""


def compiled_part(format: str) -> ModuleType | None:
    """The format's compiled part; None where it was not built."""
    try:
        return import_module(PARTS[format])
    except ImportError:
        return None


def missing_parts() -> tuple[str, ...]:
    """The formats whose compiled part was not built here. Nothing is loaded but the formats' packages."""
    return tuple(format for format, module in PARTS.items() if find_spec(module) is None)


def without(format: str) -> str:
    """What to say of work that is done without the format's compiled part."""
    return f"the compiled part for {format} is missing: install Instar where there is a C compiler, or from a wheel, to be faster"
