"""reorder: a record's fields in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from instar.formats.errors import MigrationError
from instar.formats.path import parse_path
from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping

from .place import field_name, index


@dataclass(frozen=True)
class Reorder:
    """The fields of the record at `at` (by default of the whole record) in the order of `names`; the others follow in theirs.

    No data is decoded. In JSON, where the order of keys says nothing, a script that does nothing else makes no new version. The way
    back is the old order.
    """

    names: Sequence[str]
    _: KW_ONLY
    at: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.names, list | tuple) or not self.names or not all(isinstance(name, str) for name in self.names):
            raise MigrationError("reorder needs a list of names", hint='Write op.reorder(["id", "name"]).')
        given = [field_name(name) for name in self.names]
        if len(set(given)) < len(given):
            raise MigrationError("a name is given twice", hint="Give each once.")
        if self.at:
            parse_path(self.at)

    def edit(self, mapping: Mapping) -> Mapping:
        path = parse_path(self.at) if self.at else ()

        def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
            first = [index(columns, field_name(name), path) for name in self.names]
            rest = [i for i in range(len(columns)) if i not in first]
            if [*first, *rest] == list(range(len(columns))):
                raise MigrationError("the fields stand in that order already", hint="Leave this operation out.")
            return [columns[i] for i in (*first, *rest)]

        return mapping.edit_columns(path, change)
