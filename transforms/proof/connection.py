"""The DuckDB connection a proof works in: sealed off save for its files, UTC, bounded memory, one thread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path as FilePath

import duckdb

_LEAST = 64 << 20  # DuckDB refuses to plan with much less


_UNTRUSTING = "statistics_propagation, compressed_materialization"
"""Optimizers that conclude from what a file says of its values (DuckDB 2.0 takes isnan to be false wherever there are a min and a
max): a proof looks at the values."""


def sealed(
    *files: FilePath,
    memory: int,
    lossless: bool = False,
    threads: int = 1,
    trusting: bool = False,
    folders: Sequence[FilePath] = (),
) -> duckdb.DuckDBPyConnection:
    """A new in-memory connection that can read `files`, what is in `folders`, and nothing else; `memory` in bytes.

    `lossless`: what it gives as Arrow arrays comes back to DuckDB as the very types. `trusting`: queries are planned by the files'
    statistics, as DuckDB does by itself.

    Prefetching is off because DuckDB would load a whole row group's compressed columns at once (measured: 204 MB against 12 MB for
    two files of 100 MB, at no cost in time), the thread count is 1 by default because a positional scan has one anyway.
    """
    connection = duckdb.connect(config={"threads": threads, "memory_limit": f"{max(memory, _LEAST)}B"})
    for setting in (
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",  # it is drawn on standard output, where an answer goes
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_file_cache = false",
        "disable_parquet_prefetching = true",
        "enable_geoparquet_conversion = false",
        "temp_directory = ''",
        f"arrow_lossless_conversion = {str(lossless).lower()}",
        f"disabled_optimizers = '{'' if trusting else _UNTRUSTING}'",
        f"allowed_paths = {allowed(files)}",
        f"allowed_directories = {allowed(folders)}",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def cleared(connection: duckdb.DuckDBPyConnection) -> None:
    """Take out of a connection all that was registered in it."""
    for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
        connection.unregister(name)


def allowed(paths: Sequence[FilePath]) -> str:
    """The paths as DuckDB's list of what may be read: as they are, and as they are asked for."""
    return "[" + ", ".join(f"{text_literal(str(path))}, {file_literal(path)}" for path in paths if can_be_named(path)) + "]"


def can_be_named(path: FilePath) -> bool:
    """Can DuckDB be told of a file? Not of a name that is not UTF-8: others read such for it."""
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def text_literal(text: str) -> str:
    """Text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: FilePath) -> str:
    """A file's path as an SQL string that means this file only: DuckDB takes every path for a pattern, of which `f[1]` is `f1`."""
    return text_literal(re.sub(r"[*?[]", r"[\g<0>]", str(path)))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
