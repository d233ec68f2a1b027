"""cast: a field's values in another type."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal as OneOf

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import MISSING, Type, type_text
from instar.formats.typetext import parse_type
from instar.transforms import expression
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class Cast:
    """Every value at `path` as type `to`, by the cast table: a cast that succeeds can be undone.

    A value that cannot be cast fails the run, or with `on_error="null"` becomes null, which is lossy and makes the field nullable.
    Null stays null. `path` may also end in [] or {}.
    """

    path: str
    to: str | Type
    _: KW_ONLY
    on_error: OneOf["fail", "null"] = "fail"

    def __post_init__(self) -> None:
        parse_path(self.path)
        self._type()
        if self.on_error not in ("fail", "null"):
            raise MigrationError(f"on_error is {self.on_error!r}", hint='It is "fail" or "null".')

    def _type(self) -> Type:
        return parse_type(self.to) if isinstance(self.to, str) else self.to

    def edit(self, mapping: Mapping) -> Mapping:
        from instar.transforms.casts import check

        to = self._type()

        def change(column: Column) -> Column:
            field = column.field
            if field.type == to:
                raise MigrationError(f"{path_text(path)} is {type_text(to)} already", hint="Leave this operation out.")
            check(field.type, to)
            changed = field.with_(type=to, nullable=field.nullable or self.on_error == "null", default=MISSING)
            return Column(changed, expression.Cast(column.expression, field.type, to, self.on_error))

        path = parse_path(self.path)
        return mapping.edit(path, change)
