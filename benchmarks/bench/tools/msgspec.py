"""A loop over dicts by msgspec: decode, a function, encode. It keeps values, not their text."""

from __future__ import annotations

import msgspec

from benchmarks.bench.task import Task
from benchmarks.bench.tools.by_hand import RECORDS


def work(task: Task) -> None:
    change, decode, encode = RECORDS[task.change.name], msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    for source, target in task.pairs:
        with source.open("rb", 1 << 20) as old, target.open("wb", 1 << 20) as new:
            write = new.write
            for line in old:
                write(encode(change(decode(line))) + b"\n")
