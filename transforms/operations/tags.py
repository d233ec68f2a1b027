"""Tags of a field that comes from others: none is lost on the way, so that what is personal stays marked so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from instar.formats.path import Path
from instar.formats.schema import Field, Record
from instar.transforms.expression import Column, Source, Sql
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import places


def united(fields: Iterable[Field]) -> tuple[str, ...]:
    """The tags of all of them, each once, in order."""
    return tuple(dict.fromkeys(tag for field in fields for tag in field.tags))


def tags_read(sql: Sql, record: Record, at: tuple[str, ...], field: Field) -> tuple[str, ...]:
    """The tags of `field`, and of every field of the record at `at` that the SQL reads: with those around it, and those in it."""
    found = [field]
    for e, _ in sql.inputs:
        assert isinstance(e, Source)
        inside: Field | None = None
        for name in e.path[len(at) :]:
            inside = record[name] if inside is None else inside.type[name] if isinstance(inside.type, Record) else inside
            found.append(inside)
        found += [f for _, f in places(inside)] if inside else []
    return united(found)


def fields_read(mapping: Mapping, path: Path, record: Path) -> list[Field]:
    """The field at `path` as something in `record` reads it: with those around it that `record` is not in, and those in it."""
    shared = next((i for i, (a, b) in enumerate(zip(path, record, strict=False)) if a != b), min(len(path), len(record)))
    around = [mapping.at(path[:depth]).field for depth in range(shared + 1, len(path))]
    return [*around, *(f for _, f in places(mapping.at(path).field))]


def keeping_tags(new: Column, replaced: Field) -> Column:
    """The column that stands in the place of a field, with the tags of that as well."""
    return replace(new, field=new.field.with_(tags=united([new.field, replaced])))
