"""A bare loop: orjson.loads, a function over dicts, orjson.dumps. It keeps values, not their text."""

from __future__ import annotations

import orjson

from benchmarks.bench.task import Task
from benchmarks.bench.tools.by_hand import RECORDS


def work(task: Task) -> None:
    change, loads, dumps = RECORDS[task.change.name], orjson.loads, orjson.dumps
    for source, target in task.pairs:
        with source.open("rb", 1 << 20) as old, target.open("wb", 1 << 20) as new:
            write = new.write
            for line in old:
                write(dumps(change(loads(line))) + b"\n")
