"""allow_null: a field may be null from now on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.formats.schema import Null
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class AllowNull:
    """The field at `path` may be null; its values stay. `path` may also end in [] or {}."""

    path: str

    def __post_init__(self) -> None:
        parse_path(self.path)

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            if column.field.nullable or isinstance(column.field.type, Null):
                raise MigrationError(f"{path_text(path)} may be null already", hint="Leave this operation out.")
            return replace(column, field=column.field.with_(nullable=True))

        return mapping.edit(path, change)
