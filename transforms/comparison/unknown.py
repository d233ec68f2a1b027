"""Keys of JSON records that the other side has no column for."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.path import path_text

from .report import Problem
from .sides import Side


def unknown_keys(side: Side) -> Iterator[Problem]:
    """Each by the first record that has it. A side that carries its own schema has none.

    Raises:
        UnreadableError, DataError: a file is no JSON; names the record.
    """
    if side.format.name != "json":
        return
    from instar.formats.json.survey import survey

    found = survey((file.path, side.path(file), side.mapping.source) for file in side.files)
    for path, where in found.unknown.items():
        yield Problem(f"record {where.row} has this key, which the other side has no column for", where.file or "", path_text(path))
