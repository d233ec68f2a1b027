"""Staging as a run does it, file by file: what the engine writes, with the hashes of old and new; flushing is the coordinator's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench.task import Task
from benchmarks.bench.tools.instar import operations
from instar.formats.format import Stamp, format_named
from instar.transforms.job import Options
from instar.transforms.mapping import chain
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Receipt, Unit


def work(task: Task) -> dict[str, str]:
    """What it tells is the way that the files went."""
    return {"way": " and ".join(sorted({receipt.way for _, receipt in staged(task)}))}


def staged(task: Task) -> Iterator[tuple[Unit, Receipt]]:
    """Every file's work, done, with its receipt."""
    format = format_named(task.format)
    for source, target in task.pairs:
        schema = format.parse(Path(task.document).read_text()) if task.document else format.inspect(source).schema
        assert schema is not None
        mapping, memory = chain(schema, operations(task.change)), Options(workers=1).unit_memory
        unit = Unit(source.name, str(source), str(target), task.format, mapping, None, Stamp("bench", 2), "bench", memory)
        yield unit, stage_file(unit)
