"""Instar's engine, as a worker of a run calls it: the mapping of the operations, then one rewrite a file."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench.task import Change, Task
from instar.formats.format import Stamp, format_named
from instar.transforms import operations as op
from instar.transforms.job import Options
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.request import rewrite_request


def work(task: Task) -> dict[str, str]:
    """What it tells is the way that the files went, and why."""
    format = format_named(task.format)
    ways, reasons = set[str](), set[str]()
    for source, target in task.pairs:
        schema = format.parse(Path(task.document).read_text()) if task.document else format.inspect(source).schema
        assert schema is not None
        mapping = chain(schema, operations(task.change))
        request = rewrite_request(
            format, mapping, source, target, memory=Options(workers=1).unit_memory, stamp=Stamp("bench", 2), progress=silent
        )
        done = format.rewrite(request)
        ways.add(done.way)
        reasons.add(done.why)
    return {"way": " and ".join(sorted(ways)), "why": "; ".join(sorted(reasons - {""}))}


def silent(rows: int, source_bytes: int) -> None:
    """Progress that nobody follows."""


def operations(change: Change) -> list[Operation]:
    return [
        *(op.drop(path) for path in change.drop),
        *(op.cast(path, to) for path, to in change.cast.items()),
        *(op.rename(path, to=to) for path, to in change.rename.items()),
        *(op.add(path, type, default=default) for path, (type, default) in change.add.items()),
        *([op.reorder(list(change.order))] if change.order else []),
    ]


def script(change: Change) -> str:
    """The same as a migration script."""
    lines = [
        *(f"op.drop({path!r})" for path in change.drop),
        *(f"op.cast({path!r}, {to!r})" for path, to in change.cast.items()),
        *(f"op.rename({path!r}, to={to!r})" for path, to in change.rename.items()),
        *(f"op.add({path!r}, {type!r}, default={default!r})" for path, (type, default) in change.add.items()),
        *([f"op.reorder({list(change.order)!r})"] if change.order else []),
    ]
    return f'"""{change.name}."""\n\nfrom instar import op\n\nupgrade = [\n' + "".join(f"    {line},\n" for line in lines) + "]\n"
