"""What only the records themselves tell of JSON files: keys that no schema names, and which fields are missing, null, or both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from instar.formats.errors import DataError, InstarError, Where
from instar.formats.path import EACH_ITEM, EACH_VALUE, Path, path_text
from instar.formats.schema import Field, Json, List, Map, Record, Reference, Schema

from .check import record_reader
from .rewrite import records


@dataclass
class Survey:
    """`unknown`: where a key that no schema names was first met, by its path. `missing`, `null`: the fields that were so."""

    unknown: dict[Path, Where] = field(default_factory=dict)
    missing: dict[Path, Where] = field(default_factory=dict)
    null: dict[Path, Where] = field(default_factory=dict)

    def problems(self, format: str) -> list[InstarError]:
        """What a format without missing keys, and with a schema for all of them, cannot hold."""
        out: list[InstarError] = []
        for path, where in self.unknown.items():
            hint = "Name it in the source's schema (`--schema`, or a new version), or drop it there."
            out.append(
                DataError(f"the key {path_text(path)} is named by no schema; {format} has no place for it", hint=hint, where=where)
            )
        for path in (path for path in self.missing if path in self.null):
            hint = f"Fill it in a migration: op.require({path_text(path)!r}, fill=…), or drop it."
            cannot = f"{format} cannot tell apart" if format not in ("json", "ndjson") else "a conversion does not keep apart"
            problem = f"{path_text(path)} is missing in some records and null in others, which {cannot}"
            out.append(DataError(problem, hint=hint, where=self.missing[path]))
        return out


def survey(files: Iterable[tuple[str, FilePath, Schema]]) -> Survey:
    """All records of the files: each with its name for messages, its path, and its schema.

    Raises:
        UnreadableError, DataError: a file is no JSON; names the record.
    """
    found = Survey()
    for name, path, schema in files:
        read, looker = record_reader(), _Looker(found, schema)
        row = 0
        try:
            for row, text in enumerate(records(path)):
                looker.look(read(text), schema.root, (), name, row)
        except DataError as error:
            raise error.at(file=name, row=row) from None
    return found


@dataclass(frozen=True)
class _Looker:
    found: Survey
    schema: Schema

    def look(self, value: Any, field: Field, path: Path, file: str, row: int) -> None:
        kind = field.type
        while isinstance(kind, Reference) and kind.name in self.schema.definitions:
            kind = self.schema.definitions[kind.name].type
        match kind, value:
            case Record() as record, dict():
                self.record(value, record, path, file, row)
            case List(item), list():
                for each in value:
                    self.look(each, item, (*path, EACH_ITEM), file, row)
            case Map(of), dict():
                for each in value.values():
                    self.look(each, of, (*path, EACH_VALUE), file, row)

    def record(self, value: dict[str, Any], record: Record, path: Path, file: str, row: int) -> None:
        for key in value:
            if key not in record and (*path, key) not in self.found.unknown:
                self.found.unknown[*path, key] = Where(file=file, row=row, path=path_text((*path, key)))
        for f in record.fields:
            here = (*path, f.name)
            if f.name not in value:
                self.found.missing.setdefault(here, Where(file=file, row=row, path=path_text(here)))
            elif value[f.name] is None:
                if not isinstance(f.type, Json) or f.optional:
                    self.found.null.setdefault(here, Where(file=file, row=row, path=path_text(here)))
            else:
                self.look(value[f.name], f, here, file, row)
