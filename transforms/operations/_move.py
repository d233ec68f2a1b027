"""move: a field to another record: into one (nest), out of one (unnest), or from one to another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import Path, Step, path_text
from instar.formats.schema import Field, Record
from instar.transforms.expression import Column, Struct
from instar.transforms.mapping import Mapping
from instar.transforms.spelling import quoted
from instar.transforms.tree import rebuilt

from .place import index, placed, split
from .tags import united


@dataclass(frozen=True)
class Move:
    """The field at `path` stands at `to` from now on; records that `to` names and that do not exist are created, never null.

    Both places are in the same record of the data: nothing moves into or out of a list or map. What leaves a record that may be
    null (missing) may itself be null (missing) then. What goes into one would be lost where that is null: refused, unless
    `where_null="drop"`. A record that loses its last field goes. Refused, unless `emptied="drop"`, where something would be lost
    with it: whether it was null (missing), if it may be, and its unregistered keys, in a schema that is `open`. The field goes
    last, or to `position` (from 0), `after` or `before` a field of its new record.
    """

    path: str
    _: KW_ONLY
    to: str
    emptied: OneOf["refuse", "drop"] = "refuse"
    where_null: OneOf["refuse", "drop"] = "refuse"
    position: int | None = None
    after: str = ""
    before: str = ""

    def __post_init__(self) -> None:
        (source, _), (target, _) = split(self.path), split(self.to)
        scope = max((i + 1 for i, step in enumerate(source) if isinstance(step, Step)), default=0)
        if source[:scope] != target[:scope] or any(isinstance(step, Step) for step in target[scope:]):
            raise MigrationError(
                f"{self.path!r} and {self.to!r} are not in the same element, branch or type",
                hint="A field can move between records, not into or out of a list, a map, a union's branch or a named type.",
            )
        for name, given in (("emptied", self.emptied), ("where_null", self.where_null)):
            if given not in ("refuse", "drop"):
                raise MigrationError(f"{name} is {given!r}", hint='It is "refuse" or "drop".')

    def edit(self, mapping: Mapping) -> Mapping:
        (source, name), (target, new) = split(self.path), split(self.to)
        column = mapping.at((*source, name))
        left = [mapping.at(source[:depth]).field for depth in range(_shared(source, target) + 1, len(source) + 1)]
        field = column.field.with_(
            name=new,
            nullable=column.field.nullable or any(f.nullable for f in left),
            optional=column.field.optional or any(f.optional for f in left),
            tags=united([column.field, *left]),
        )
        mapping = self._without_emptied(_taken(mapping, source, name), source, target)
        existing = _existing(mapping, target)
        if self.where_null == "refuse":
            self._refuse_absent(mapping, existing, _shared(source, target))
        return self._arrived(mapping, target, existing, Column(field, column.expression))

    def _without_emptied(self, mapping: Mapping, record: Path, target: Path) -> Mapping:
        """Records that the field left empty go, unless it is on its way into them again."""
        while record != target[: len(record)] and not _fields(mapping.at(record)):
            if self.emptied == "refuse":
                _refuse_emptied(mapping, record)
            *parent, name = record
            mapping = _taken(mapping, tuple(parent), str(name))
            record = tuple(parent)
        return mapping

    def _refuse_absent(self, mapping: Mapping, record: Path, shared: int) -> None:
        """Where one of the records around the new place is absent, and not the old place with it, the value would have none."""
        for depth in range(shared + 1, len(record) + 1):
            field = mapping.at(record[:depth]).field
            if isinstance(field.type, Record) and (ways := _absences(field)):
                at = path_text(record[:depth])
                raise MigrationError(
                    f"{at} may be {ways}, and where it is, the value of {self.path} would be lost",
                    hint=f'Say where_null="drop" to let it go there; if {at} never is, say op.require({quoted(at)}) first.',
                )

    def _arrived(self, mapping: Mapping, target: Path, existing: Path, moved: Column) -> Mapping:
        """With `moved` in the record at `target`, of which what is below `existing` is created."""
        for name in reversed(target[len(existing) :]):
            moved = rebuilt(Column(Field(str(name), Record(())), moved.expression), Struct((moved,)))
        return mapping.edit_columns(
            existing, lambda columns, _: placed(columns, moved, existing, self.position, self.after, self.before)
        )


def _shared(a: Path, b: Path) -> int:
    """How many steps two paths begin with in common."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _existing(mapping: Mapping, path: Path) -> Path:
    """As much of the way to a record as there is."""
    depth = 0
    while depth < len(path) and (isinstance(path[depth], Step) or path[depth] in _fields(mapping.at(path[:depth]))):
        depth += 1
    return path[:depth]


def _absences(field: Field) -> str:
    """In which ways a record may be absent, "" where it never is."""
    return " or ".join(way for way, so in (("null", field.nullable), ("missing", field.optional)) if so)


def _refuse_emptied(mapping: Mapping, record: Path) -> None:
    """A record without fields may go by itself only where nothing goes with it."""
    ways = _absences(mapping.at(record).field)
    lost = [f"whether it was {ways} would be forgotten"] if ways else []
    if mapping.source.open:
        lost.append("keys in it that no schema names would be lost")
    if lost:
        raise MigrationError(
            f"{path_text(record)} would be left without fields, and {' and '.join(lost)}", hint='Say emptied="drop" to let it go.'
        )


def _fields(column: Column) -> tuple[str, ...]:
    return column.field.type.names if isinstance(column.field.type, Record) else ()


def _taken(mapping: Mapping, record: Path, name: str) -> Mapping:
    def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
        i = index(columns, name, record)
        return [*columns[:i], *columns[i + 1 :]]

    return mapping.edit_columns(record, change, may_empty=True)
