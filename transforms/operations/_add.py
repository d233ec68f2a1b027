"""add: a new field, with the same value in every record."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import MISSING, Field, Type
from instar.transforms.expression import Column, Literal, Struct
from instar.transforms.literal import literal
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import Named

from .computed import computed
from .on_error import OnError, refuse_sql_on_error
from .place import placed, split
from .types import field_of


@dataclass(frozen=True)
class Add:
    """A new field at `path`, which always holds `default`: without one, the field may be null and is.

    `nullable` may be said for a field with a default, too (or `?` after the type). It goes last, or to `position` (from 0),
    `after` or `before` a field of the same record. Where the record it goes into is null, nothing is added. It never fills what is
    there: filling nulls is `require(path, fill=…)`, and a field of that name is refused.

    `default_sql` computes the value instead, by one scalar DuckDB expression over the fields of the record, as op.derive does; the
    field may be null then unless `nullable=False`, and has the tags of what the SQL reads; `on_error` is as in op.derive, too.

    A JSON record may have an unregistered key of that name already. That fails the run (`existing="fail"`), or the key's value
    gives way to the new one ("replace"), which is lossy: the way back does not bring it again.
    """

    path: str
    type: str | Type
    _: KW_ONLY
    default: Any = MISSING
    default_sql: str | None = None
    on_error: OnError | None = None
    existing: OneOf["fail", "replace"] = "fail"
    nullable: bool | None = None
    position: int | None = None
    after: str = ""
    before: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        split(self.path)
        if self.default is not MISSING and self.default_sql is not None:
            raise MigrationError("both default and default_sql are given", hint="Give one of them.")
        refuse_sql_on_error(self.on_error, self.default_sql, self.nullable, "default_sql")
        if self.existing not in ("fail", "replace"):
            raise MigrationError(f"existing is {self.existing!r}", hint='It is "fail" or "replace".')
        self._field()

    def _field(self) -> Field:
        _, name = split(self.path)
        field = field_of(self.type, name, self.nullable)
        if self.default_sql is not None:
            field = field.with_(nullable=self.nullable is not False)
        elif self.default is None or self.default is MISSING:
            if self.nullable is False:
                raise MigrationError(f"{path_text((name,))} may not be null and has no default", hint="Give default=….")
            field = field.with_(nullable=True, default=None)
        else:
            field = field.with_(default=literal(self.default, field))
        return field.with_(doc=self.doc)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, name = split(self.path)

        def change(columns: tuple[Column, ...], at: tuple[str, ...]) -> list[Column]:
            return placed(
                columns, self._column(columns, at, mapping.target.definitions), parent, self.position, self.after, self.before
            )

        mapping = mapping.edit_columns(parent, change)
        return mapping.edit(parent, lambda column: _knowing(column, name)) if self.existing == "replace" else mapping

    def _column(self, columns: tuple[Column, ...], at: tuple[str, ...], named: Named) -> Column:
        field = self._field()
        if self.default_sql is not None:
            return computed(self.default_sql, field, columns, at, named, self.on_error)
        return Column(field, Literal(field.default, field.type))


def _knowing(column: Column, name: str) -> Column:
    """The record, to which the key of that name is not one that stays because no schema names it."""
    assert isinstance(column.expression, Struct)
    return replace(column, expression=replace(column.expression, known=(*column.expression.known, name)))
