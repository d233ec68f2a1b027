"""A Parquet file's schema elements as DuckDB tells them."""

from __future__ import annotations

from pathlib import Path as FilePath

import duckdb

from .connection import file_literal
from .elements import Element


def read_elements(connection: duckdb.DuckDBPyConnection, file: FilePath) -> Element:
    """The root element of the file.

    Raises:
        duckdb.Error: it cannot be read.
    """
    rows = connection.execute(
        "SELECT name, type, type_length, repetition_type, converted_type, logical_type, scale, precision, num_children "
        f"FROM parquet_schema({file_literal(file)})"
    ).fetchall()
    found = iter(rows)

    def element() -> Element:
        name, physical, length, repetition, converted, logical, scale, precision, children = next(found)
        return Element(
            name, physical or "", int(length or 0), repetition or "REQUIRED", converted or "", logical or "", scale or 0,
            precision or 0, tuple(element() for _ in range(children or 0)),
        )  # fmt: skip

    return element()
