"""DuckDB: COPY (SELECT …) TO, one a file, with as many threads as there are cores; or one of all files, a new file a thread."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from benchmarks.bench.task import Change, Task

TYPES = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bytes": "BLOB", "timestamp(ns, UTC)": "TIMESTAMPTZ_NS"}


def work(task: Task) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {len(task.cores)}; SET TimeZone = 'UTC'")
        if task.options.get("at_once"):
            at_once(connection, task)
            return
        for source, target in task.pairs:
            reading, names = source_of(connection, task, source)
            chosen = selection(task.change, names)
            connection.execute(f"COPY (SELECT {chosen} FROM {reading}) TO {quoted(str(target))} ({written(task)})")


def at_once(connection: duckdb.DuckDBPyConnection, task: Task) -> None:
    """Parquet only; which rows are in which file is lost, and so is their order."""
    names = source_of(connection, task, Path(task.sources[0]))[1]
    reading = f"read_parquet([{', '.join(map(quoted, task.sources))}], hive_partitioning = false)"
    form = f"{written(task)}, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE"
    connection.execute(f"COPY (SELECT {selection(task.change, names)} FROM {reading}) TO {quoted(task.target)} ({form})")


def source_of(connection: duckdb.DuckDBPyConnection, task: Task, source: Path) -> tuple[str, list[str]]:
    """What it reads from, and its columns. JSON lines get the columns' types told: nothing is guessed."""
    if task.format == "json":
        columns = json.loads(Path(task.options["columns"]).read_text())
        types = ", ".join(f"{quoted(name)}: {quoted(TYPES[type])}" for name, type in columns.items())
        return f"read_json({quoted(str(source))}, format = 'newline_delimited', columns = {{{types}}})", list(columns)
    reading = f"read_parquet({quoted(str(source))}, hive_partitioning = false)"
    return reading, [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {reading}").fetchall()]


def selection(change: Change, names: list[str]) -> str:
    out = []
    for target, source in change.columns(names):
        if source is None:
            type, value = change.add[target]
            expression = f"{quoted(value) if isinstance(value, str) else value}::{TYPES[type]}"
        elif change.cast.get(source) == "bytes":
            expression = f"encode({identifier(source)})"
        elif source in change.cast:
            expression = f"{identifier(source)}::{TYPES[change.cast[source]]}"
        else:
            expression = identifier(source)
        out.append(f"{expression} AS {identifier(target)}")
    return ", ".join(out)


def written(task: Task) -> str:
    """The codec at pyarrow's level, for the same work; JSON as it is."""
    if task.format == "json":
        return "FORMAT json"
    level = ", COMPRESSION_LEVEL 1" if task.codec == "zstd" else ""
    return f"FORMAT parquet, COMPRESSION {task.codec}{level}, ROW_GROUP_SIZE {task.options['row_group']}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
