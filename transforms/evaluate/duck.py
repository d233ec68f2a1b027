"""DuckDB as Instar uses it: one closed connection for each thread of a process."""

from __future__ import annotations

import threading
from typing import Any

import duckdb
import pyarrow as pa

_here = threading.local()


def connect(memory: int | None = None, threads: int = 1) -> duckdb.DuckDBPyConnection:
    """A new in-memory connection: UTC, no access to files or network, no extensions fetched, its configuration locked.

    `memory` in bytes; None leaves DuckDB's own limit.
    """
    config: dict[str, Any] = {
        "threads": threads,
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    if memory is not None:
        config["memory_limit"] = f"{max(memory, 64 << 20)}B"
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it is drawn on standard output, where an answer goes
    connection.execute("SET lock_configuration = true")
    return connection


def connection() -> duckdb.DuckDBPyConnection:
    """This thread's connection, made on first use."""
    found = getattr(_here, "connection", None)
    if found is None:
        found = _here.connection = connect()
    return found


def computed(expression: str, columns: list[pa.Array], rows: int) -> pa.Array:
    """One SQL expression over columns named c0, c1, …; as many values as there are rows.

    Raises:
        duckdb.Error: as DuckDB says it.
    """
    columns = columns or [pa.nulls(rows, pa.int8())]
    table = pa.table(columns, names=[f"c{i}" for i in range(len(columns))])
    duck = connection()
    duck.register("batch", table)
    try:
        out = duck.sql(f"SELECT {expression} AS x FROM batch").to_arrow_table().column(0)
    finally:
        duck.unregister("batch")
    return out.combine_chunks()
