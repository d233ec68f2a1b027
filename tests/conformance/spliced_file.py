"""One Parquet or Avro file by simple changes, spliced where it can be and rewritten in full, called by `limits.Nursery`.

No run around it: what a format does of a file by itself, and says of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  loaded before the fork, it is not loaded for every file again
import fastavro  # noqa: F401
import pyarrow.parquet  # noqa: F401

from instar import op
from instar.formats.errors import InstarError
from instar.formats.format import Format, Rewrite, Stamp, format_named
from instar.formats.path import path_text
from instar.formats.schema import Record, Schema
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.request import rewrite_request
from instar.transforms.run.splice import splice_of
from tests.conformance.parquet_pages import check_copied

RENAMED, ADDED = "renamed_by_instar", "added_by_instar"
STAMP = Stamp("conformance", 2)
MEMORY = 1 << 28


def main(file: str, folder: str) -> dict[str, Any]:
    """For each change: `way` and `why`, or why it was `refused`; what would be `lost`, and in what the new file is `unlike` the old
    one (codes); how many chunks were `copied` in every byte (Parquet); and `whole`, why a full rewrite is refused.

    The new files are `CHANGE.spliced` and `CHANGE.rewritten`.
    """
    source, format = Path(file), format_named(Path(file).suffix.removeprefix("."))
    try:
        schema = format.inspect(source).schema
    except InstarError as error:
        return {"every change": {"refused": error.message}}
    assert schema is not None
    return {name: _outcome(format, source, schema, made, Path(folder) / name) for name, made in _changes(schema)}


def _changes(schema: Schema) -> Iterator[tuple[str, Sequence[Operation]]]:
    yield "nothing", ()
    if isinstance(schema.root.type, Record):
        first, *others = (path_text((name,)) for name in schema.record.names)
        yield "rename", [op.rename(first, to=RENAMED)]
        if others:
            yield "drop", [op.drop(first)]
        yield "add", [op.add(ADDED, "string", default="new")]


def _outcome(format: Format, source: Path, schema: Schema, operations: Sequence[Operation], target: Path) -> dict[str, Any]:
    mapping = chain(schema, operations)
    requests = [
        rewrite_request(format, mapping, source, target.with_suffix(end), memory=MEMORY, stamp=STAMP, progress=_silent)
        for end in (".spliced", ".rewritten")
    ]
    splice = splice_of(format, mapping)
    told: dict[str, Any] = {}
    try:
        found = format.unkeepable(source, target=mapping.target, carried=mapping.carried(), splice=splice)
        told["lost"] = sorted({lost.code for lost in found})
    except InstarError as error:
        told["lost"] = [error.message]
    done, whole = _done(format, requests[0]), _done(format, replace(requests[1], splice=None))
    if "way" in done:
        new = format.fidelity(source, requests[0].target, target=mapping.target, carried=mapping.carried(), stamp=STAMP)
        told["unlike"] = sorted({found.code for found in new})
    if format.name == "parquet" and done.get("way") == "spliced":
        told["copied"] = check_copied(source, requests[0].target, dict(mapping.untouched()))
    return {**told, **done, "whole": whole.get("refused", "")}


def _done(format: Format, request: Rewrite) -> dict[str, Any]:
    try:
        done = format.rewrite(request)
    except InstarError as error:
        return {"refused": error.message}
    return {"way": done.way, "why": done.why, "rows": [done.rows_in, done.rows_out]}


def _silent(rows: int, size: int) -> None:
    pass
