"""merge: several fields of one record in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import Path, path_text
from instar.formats.schema import Field, String, Type, type_text
from instar.transforms import expression
from instar.transforms.casts import check
from instar.transforms.casts.rule import sql_text
from instar.transforms.expression import Column, Sql
from instar.transforms.mapping import Mapping
from instar.transforms.shared_types import Named

from .computed import computed
from .on_error import OnError, refuse_sql_on_error
from .place import field_name, index, split
from .tags import united
from .types import field_of

STRING = String()


@dataclass(frozen=True)
class Merge:
    """The fields at `paths`, all of one record, become the field `to`, at the place of the first of them; they go.

    Either `by` is what stands between them: each is cast to text by the cast table. Where one of them may be null or missing,
    `nulls` must say what becomes of the whole: "skip" leaves the null out with its separator (null where all are), "null" makes it
    null. Or `sql` computes it, as in op.derive, and gives values of `type`; then it may be null unless `nullable=False`, and
    `on_error` is as there. The new field has the tags of all of them.

    The way back has lost the fields, since nothing says that a text between two separators holds none: say in `downgrade` how each
    is cut out, such as "split_part(name, ' ', 1)".
    """

    paths: Sequence[str]
    _: KW_ONLY
    to: str
    by: str | None = None
    sql: str | None = None
    type: str | Type = "string"
    nulls: OneOf["refuse", "skip", "null"] = "refuse"
    nullable: bool | None = None
    on_error: OnError | None = None

    def __post_init__(self) -> None:
        if isinstance(self.paths, str) or len(self.paths) < 2:
            raise MigrationError("merge needs at least two paths", hint='Write op.merge(["first", "last"], to="name", by=" ").')
        if len({split(path)[0] for path in self.paths}) > 1 or len(set(self.paths)) < len(self.paths):
            raise MigrationError(
                "the fields to merge are not different ones of one record", hint="Move them into one record first."
            )
        if (self.by is None) == (self.sql is None):
            raise MigrationError("merge needs what stands between the fields, or SQL", hint='Say by=" " or sql="…", one of them.')
        if self.nulls not in ("refuse", "skip", "null"):
            raise MigrationError(f"nulls is {self.nulls!r}", hint='It is "refuse", "skip" or "null".')
        if self.by is not None and (self.type != "string" or self.nullable is not None):
            raise MigrationError("type and nullable go with sql", hint="Joined by a separator, fields become a string.")
        refuse_sql_on_error(self.on_error, self.sql, self.nullable, "sql")
        field_of(self.type, field_name(self.to), self.nullable)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, _ = split(self.paths[0])
        names = [split(path)[1] for path in self.paths]

        def change(columns: tuple[Column, ...], at: tuple[str, ...]) -> list[Column]:
            places = [index(columns, name, parent) for name in names]
            merged = [columns[i] for i in places]
            new = self._joined(merged, parent) if self.sql is None else self._computed(columns, at, mapping.target.definitions)
            new = Column(new.field.with_(tags=united([new.field, *(c.field for c in merged)])), new.expression)
            return [new if i == min(places) else c for i, c in enumerate(columns) if i == min(places) or i not in places]

        return mapping.edit_columns(parent, change)

    def _computed(self, columns: tuple[Column, ...], at: tuple[str, ...], named: Named) -> Column:
        assert self.sql is not None
        field = field_of(self.type, field_name(self.to), self.nullable).with_(nullable=self.nullable is not False)
        return computed(self.sql, field, columns, at, named, self.on_error)

    def _joined(self, columns: list[Column], parent: Path) -> Column:
        assert self.by is not None
        absent = [c.field.nullable or c.field.optional for c in columns]
        if any(absent) and self.nulls == "refuse":
            first = next(c.field for c, may_be in zip(columns, absent, strict=True) if may_be)
            raise MigrationError(
                f"{path_text((*parent, first.name))} may be null, and the script does not say what becomes of the whole then",
                hint='Say nulls="skip" to leave it out, or nulls="null".',
            )
        nullable = all(absent) if self.nulls == "skip" else any(absent)
        inputs = tuple((_text(c), STRING) for c in columns)
        by, commas = sql_text(self.by), [", "] * (len(columns) - 1)
        if self.nulls == "skip":
            pieces = ("CASE WHEN coalesce(", *commas, f") IS NOT NULL THEN concat_ws({by}, ", *commas, ") END")
            joined = Sql(pieces, inputs * 2, STRING)
        else:
            joined = Sql(("", *[f" || {by} || "] * (len(columns) - 1), ""), inputs, STRING)
        return Column(Field(field_name(self.to), STRING, nullable=nullable), joined)


def _text(column: Column) -> expression.Expression:
    """A field's values as text."""
    type = column.field.type
    if type == STRING:
        return column.expression
    try:
        check(type, STRING)
    except MigrationError as error:
        raise MigrationError(
            f"{column.field.name!r} ({type_text(type)}) cannot be merged: {error.message}", hint=error.hint
        ) from None
    return expression.Cast(column.expression, type, STRING)
