"""polars: a lazy scan into a streaming sink (Parquet, JSON lines), eager reading and writing for Avro."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.bench.task import Change, Task

TYPES: dict[str, Any] = {
    "string": pl.String, "int64": pl.Int64, "double": pl.Float64, "bytes": pl.Binary,
    "timestamp(ns, UTC)": pl.Datetime("ns", "UTC"),
}  # fmt: skip


ZONED = pl.Datetime("ms", "UTC")
"""It reads such columns of Avro and cannot write them; without their zone it can."""


def work(task: Task) -> None:
    for source, target in task.pairs:
        if task.format == "parquet":
            frame = pl.scan_parquet(source, hive_partitioning=False)
            codec: Any = task.codec
            level = 1 if codec == "zstd" else None
            chosen = frame.select(selection(task.change, frame.collect_schema().names()))
            chosen.sink_parquet(target, compression=codec, compression_level=level, row_group_size=task.options["row_group"])
        elif task.format == "json":
            columns = {name: TYPES[type] for name, type in json.loads(Path(task.options["columns"]).read_text()).items()}
            pl.scan_ndjson(source, schema=columns).select(selection(task.change, list(columns))).sink_ndjson(target)
        else:
            table = pl.read_avro(source)
            chosen = table.select(selection(task.change, table.columns))
            zoned = [pl.col(name).dt.replace_time_zone(None) for name, type in chosen.schema.items() if type == ZONED]
            chosen.with_columns(zoned).write_avro(target, "uncompressed" if task.codec == "null" else "deflate")


def selection(change: Change, names: list[str]) -> list[pl.Expr]:
    out = []
    for target, source in change.columns(names):
        if source is None:
            type, value = change.add[target]
            expression = pl.lit(value, dtype=TYPES[type])
        else:
            expression = pl.col(source)
            if source in change.cast:
                expression = expression.cast(TYPES[change.cast[source]])
        out.append(expression.alias(target))
    return out
