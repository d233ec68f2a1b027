"""The DuckDB connection for whole sides: sealed like a proof's, but it may keep on disk what memory does not hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path as FilePath

import duckdb

from instar.formats.errors import RunError
from instar.transforms.proof.connection import allowed, text_literal

_LEAST = 128 << 20
_MOST_THREADS = 4


@contextmanager
def spilling(files: Sequence[FilePath], *, memory: int, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads `files` and nothing else, within `memory` bytes, and writes only to a folder of its own in the
    system's temporary directory, which is gone at the end. It takes at most nine tenths of what is free there.

    Raises:
        RunError: the folder cannot be made.
    """
    try:
        folder = FilePath(tempfile.mkdtemp(prefix="instar-verify-"))
    except OSError as error:
        raise RunError(f"nothing can be kept in {tempfile.gettempdir()}: {error}", hint="Name another folder by TMPDIR.") from error
    try:
        free = shutil.disk_usage(folder).free * 9 // 10
        config = {"threads": max(1, min(threads, _MOST_THREADS)), "memory_limit": f"{max(memory, _LEAST)}B"}
        with closing(duckdb.connect(folder / "rows.duckdb", config=config)) as connection:
            _seal(connection, files, folder, free)
            yield connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seal(connection: duckdb.DuckDBPyConnection, files: Sequence[FilePath], folder: FilePath, free: int) -> None:
    for setting in (
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_file_cache = false",
        "disable_parquet_prefetching = true",
        "enable_geoparquet_conversion = false",
        "preserve_insertion_order = false",
        f"temp_directory = {text_literal(str(folder / 'spilled'))}",
        f"max_temp_directory_size = '{free}B'",
        "arrow_lossless_conversion = true",
        # what a file says of its values is not to be relied on: wrong statistics must not change what is compared
        "disabled_optimizers = 'statistics_propagation, compressed_materialization'",
        f"allowed_paths = {allowed(files)}",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
