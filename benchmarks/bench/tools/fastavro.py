"""fastavro: a reader, a function over dicts, a writer."""

from __future__ import annotations

import copy
from typing import Any

import fastavro

from benchmarks.bench.task import Change, Task
from benchmarks.bench.tools.by_hand import RECORDS

TYPES = {"string": "string", "int64": "long", "double": "double"}


def work(task: Task) -> None:
    change = RECORDS[task.change.name]
    for source, target in task.pairs:
        with source.open("rb") as old, target.open("wb") as new:
            reader = fastavro.reader(old)
            assert isinstance(reader.writer_schema, dict)
            schema = fastavro.parse_schema(changed(reader.writer_schema, task.change))
            fastavro.writer(new, schema, (change(record) for record in reader), codec=task.codec)  # type: ignore[arg-type]


def changed(schema: dict[str, Any], change: Change) -> dict[str, Any]:
    """The schema that comes out; of a nullable field the type beside null changes."""
    fields = {field["name"]: copy.deepcopy(field) for field in schema["fields"]}
    out = []
    for target, source in change.columns(list(fields)):
        if source is None:
            out.append({"name": target, "type": TYPES[change.add[target][0]]})
            continue
        field = fields[source] | {"name": target}
        if source in change.cast:
            made = TYPES[change.cast[source]]
            field["type"] = ["null", made] if isinstance(field["type"], list) else made
        out.append(field)
    return {"type": "record", "name": schema["name"], "fields": out}
