"""Where a record stands, as people are told: its file, its number there, and the row group or block that it is in."""

from __future__ import annotations

from collections.abc import Sequence

from instar.transforms.proof.groups import group_of, rows_of_groups

from .report import Place
from .sides import Side


class Located:
    """Places of one side; a file's footer or blocks are read once, and only where something in it is to be told."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._groups: dict[str, Sequence[int]] = {}

    def place(self, file: str, row: int) -> Place:
        """`file` is relative to the side's root.

        Raises:
            ValueError, OSError: the file cannot be read.
        """
        if file not in self._groups:
            self._groups[file] = rows_of_groups(self.side.format.name, self.side.root / file)
        return Place(file, row, group_of(self._groups[file], row))
