"""rename: another name for a field."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping

from .place import field_name, index, split


@dataclass(frozen=True)
class Rename:
    """The field at `path` is called `to`; its values, type and position stay, and its data are not decoded."""

    path: str
    _: KW_ONLY
    to: str

    def __post_init__(self) -> None:
        split(self.path)
        field_name(self.to)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, name = split(self.path)

        def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
            i = index(columns, name, parent)
            renamed = replace(columns[i], field=columns[i].field.with_(name=field_name(self.to)))
            return [*columns[:i], renamed, *columns[i + 1 :]]

        return mapping.edit_columns(parent, change)
