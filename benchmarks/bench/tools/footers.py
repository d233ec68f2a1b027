"""pyarrow reading every footer, one after the other, and its schema: what must be read to know what the files are."""

from __future__ import annotations

import pyarrow.parquet as pq

from benchmarks.bench.task import Task


def work(task: Task) -> dict[str, int]:
    return {"files": sum(pq.read_metadata(source).schema.to_arrow_schema() is not None for source in task.share)}
