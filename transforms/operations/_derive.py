"""derive: a field computed by SQL from other fields of its record."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from instar.formats.errors import MigrationError
from instar.formats.path import Path, path_text
from instar.formats.schema import Field, Type
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping

from .computed import computed
from .on_error import OnError, refuse_sql_on_error
from .place import index, placed, split
from .tags import keeping_tags
from .types import field_of


@dataclass(frozen=True)
class Derive:
    """A field at `path` whose value DuckDB computes: one scalar expression over the fields of the record that it is in.

    `sql` names fields as they are called at this point of the chain, odd names in double quotes, fields of inner records with dots.
    Its own type must be `type`, or widen to it exactly. The field may be null unless `nullable=False`, where a null result fails.
    `on_error` says what becomes of a record for which DuckDB cannot compute it, or gives a null that may not be: the run fails
    ("fail"), the field becomes null ("null"), or the record is left out ("quarantine"); by default as the run says.

    A field of that name is refused, unless `replace=True`: then it is replaced at its place, and `sql` still sees the old one. It
    has the tags of the fields that `sql` reads, and of the one it replaces.
    """

    path: str
    type: str | Type
    _: KW_ONLY
    sql: str
    nullable: bool | None = None
    replace: bool = False
    on_error: OnError | None = None
    position: int | None = None
    after: str = ""
    before: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        split(self.path)
        refuse_sql_on_error(self.on_error, self.sql, self.nullable, "sql")
        self._field()

    def _field(self) -> Field:
        field = field_of(self.type, split(self.path)[1], self.nullable)
        return field.with_(nullable=self.nullable is not False, doc=self.doc)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, name = split(self.path)

        def change(columns: tuple[Column, ...], at: tuple[str, ...]) -> list[Column]:
            new = computed(self.sql, self._field(), columns, at, mapping.target.definitions, self.on_error)
            if not self.replace:
                self._refuse_existing(columns, parent)
                return placed(columns, new, parent, self.position, self.after, self.before)
            i = index(columns, name, parent)
            new = keeping_tags(new, columns[i].field)
            if self.position is None and not self.after and not self.before:
                return [*columns[:i], new, *columns[i + 1 :]]
            return placed([*columns[:i], *columns[i + 1 :]], new, parent, self.position, self.after, self.before)

        return mapping.edit_columns(parent, change)

    def _refuse_existing(self, columns: tuple[Column, ...], parent: Path) -> None:
        name = split(self.path)[1]
        if name in [c.field.name for c in columns]:
            raise MigrationError(f"there is a field {path_text((*parent, name))} already", hint="Say replace=True to replace it.")
