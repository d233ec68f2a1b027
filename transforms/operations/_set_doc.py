"""set_doc: what a field means, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path, path_text
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping


@dataclass(frozen=True)
class SetDoc:
    """The schema says `text` of the field at `path` ("" says nothing); no data changes. `path` may also end in [] or {}.

    The way back is the old text, which the old schema has.
    """

    path: str
    text: str

    def __post_init__(self) -> None:
        parse_path(self.path)
        if not isinstance(self.text, str):
            raise MigrationError(f"{self.text!r} is no text", hint='Write what the field means; "" takes it away.')

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.path)

        def change(column: Column) -> Column:
            if column.field.doc == self.text:
                raise MigrationError(f"the schema says that of {path_text(path)} already", hint="Leave this operation out.")
            return replace(column, field=column.field.with_(doc=self.text))

        return mapping.edit(path, change)
