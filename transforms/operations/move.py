"""move: a field to another record: into one (nest), out of one (unnest), or from one to another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import Path, Step, path_text
from instar.formats.schema import Field, Record
from instar.transforms.expression import Column, Struct
from instar.transforms.mapping import Mapping
from instar.transforms.tree import rebuilt

from .place import index, placed, split


@dataclass(frozen=True)
class Move:
    """The field at `path` stands at `to` from now on; records that `to` names and that do not exist are created, never null.

    Both places are in the same record of the data: nothing moves into or out of a list or map. What leaves a record that may be
    null (missing) may itself be null (missing) then; what goes into one is lost where it is null. A record that can neither be
    null nor missing and loses its last field goes; one that can is refused, as whether it was null would be forgotten, unless
    `emptied="drop"`. The field goes last, or to `position` (from 0), `after` or `before` a field of its new record.
    """

    path: str
    _: KW_ONLY
    to: str
    emptied: OneOf["refuse", "drop"] = "refuse"
    position: int | None = None
    after: str = ""
    before: str = ""

    def __post_init__(self) -> None:
        (source, _), (target, _) = split(self.path), split(self.to)
        scope = max((i + 1 for i, step in enumerate(source) if isinstance(step, Step)), default=0)
        if source[:scope] != target[:scope] or any(isinstance(step, Step) for step in target[scope:]):
            raise MigrationError(
                f"{self.path!r} and {self.to!r} are not in the same list or map",
                hint="A field can move between the records of one element, not into or out of a list or map.",
            )
        if self.emptied not in ("refuse", "drop"):
            raise MigrationError(f"emptied is {self.emptied!r}", hint='It is "refuse" or "drop".')

    def edit(self, mapping: Mapping) -> Mapping:
        (source, name), (target, new) = split(self.path), split(self.to)
        column = mapping.at((*source, name))
        left = [mapping.at(source[:depth]).field for depth in range(_shared(source, target) + 1, len(source) + 1)]
        field = column.field.with_(
            name=new,
            nullable=column.field.nullable or any(f.nullable for f in left),
            optional=column.field.optional or any(f.optional for f in left),
        )
        mapping = self._without_emptied(_taken(mapping, source, name), source, target)
        return self._arrived(mapping, target, Column(field, column.expression))

    def _without_emptied(self, mapping: Mapping, record: Path, target: Path) -> Mapping:
        """Records that the field left empty go, unless it is on its way into them again."""
        while record != target[: len(record)] and not _fields(mapping.at(record)):
            field = mapping.at(record).field
            if (field.nullable or field.optional) and self.emptied == "refuse":
                raise MigrationError(
                    f"{path_text(record)} would be left without fields, and whether it was null would be forgotten",
                    hint='Say emptied="drop" to let it go.',
                )
            *parent, name = record
            mapping = _taken(mapping, tuple(parent), str(name))
            record = tuple(parent)
        return mapping

    def _arrived(self, mapping: Mapping, target: Path, moved: Column) -> Mapping:
        """With `moved` in the record at `target`, as much of which is created as is missing."""
        depth = 0
        while depth < len(target) and (isinstance(target[depth], Step) or target[depth] in _fields(mapping.at(target[:depth]))):
            depth += 1
        for name in reversed(target[depth:]):
            moved = rebuilt(Column(Field(str(name), Record(())), moved.expression), Struct((moved,)))
        at = target[:depth]
        return mapping.edit_columns(at, lambda columns, _: placed(columns, moved, at, self.position, self.after, self.before))


def _shared(a: Path, b: Path) -> int:
    """How many steps two paths begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _fields(column: Column) -> tuple[str, ...]:
    return column.field.type.names if isinstance(column.field.type, Record) else ()


def _taken(mapping: Mapping, record: Path, name: str) -> Mapping:
    def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
        i = index(columns, name, record)
        return [*columns[:i], *columns[i + 1 :]]

    return mapping.edit_columns(record, change, may_empty=True)
