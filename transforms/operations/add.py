"""add: a new field, with the same value in every record."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import MISSING, Field, Type
from instar.transforms.expression import Column, Literal
from instar.transforms.literal import literal
from instar.transforms.mapping import Mapping

from .place import placed, split
from .types import field_of


@dataclass(frozen=True)
class Add:
    """A new field at `path`, which always holds `default`: without one, the field may be null and is.

    `nullable` may be said for a field with a default, too (or `?` after the type). It goes last, or to `position` (from 0),
    `after` or `before` a field of the same record. Where the record it goes into is null, nothing is added. It never fills what is
    there: a field of that name is refused, an unregistered JSON key of that name fails; filling nulls is `require(path, fill=…)`.
    """

    path: str
    type: str | Type
    _: KW_ONLY
    default: Any = MISSING
    nullable: bool | None = None
    position: int | None = None
    after: str = ""
    before: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        split(self.path)
        self._field()

    def _field(self) -> Field:
        _, name = split(self.path)
        field = field_of(self.type, name, self.nullable)
        if self.default is None or self.default is MISSING:
            if self.nullable is False:
                raise MigrationError(f"{path_text((name,))} may not be null and has no default", hint="Give default=….")
            field = field.with_(nullable=True, default=None)
        else:
            field = field.with_(default=literal(self.default, field))
        return field.with_(doc=self.doc)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, _ = split(self.path)
        field = self._field()
        new = Column(field, Literal(field.default, field.type))
        return mapping.edit_columns(parent, lambda columns, _: placed(columns, new, parent, self.position, self.after, self.before))
