"""Where a record stands, as people are told: its file, its number there, and the row group or block that it is in."""

from __future__ import annotations

from collections.abc import Sequence

from instar.transforms.proof.groups import group_of, rows_of_groups

from .reading import Rows
from .report import Place


class Located:
    """Places of one side; a file's footer or blocks are read once, and only where something in it is to be told."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._groups: dict[str, Sequence[int]] = {}

    def place(self, number: int | None) -> Place | None:
        if number is None:
            return None
        file, row = self.rows.place_of(number)
        if file.path not in self._groups:
            self._groups[file.path] = rows_of_groups(self.rows.side.format.name, self.rows.side.path(file))
        return Place(file.path, row, group_of(self._groups[file.path], row))
