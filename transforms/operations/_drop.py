"""drop: a field goes."""

from __future__ import annotations

from dataclasses import dataclass

from instar.transforms.expression import Column
from instar.transforms.mapping import Mapping

from .place import index, split


@dataclass(frozen=True)
class Drop:
    """The field at `path` goes, with everything in it. The last field of a record is refused: drop the record instead."""

    path: str

    def __post_init__(self) -> None:
        split(self.path)

    def edit(self, mapping: Mapping) -> Mapping:
        parent, name = split(self.path)

        def change(columns: tuple[Column, ...], _: tuple[str, ...]) -> list[Column]:
            i = index(columns, name, parent)
            return [*columns[:i], *columns[i + 1 :]]

        return mapping.edit_columns(parent, change)
