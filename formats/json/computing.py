"""What is computed of the values that the compiled scan found: raw texts by column in, raw values by column out."""

from __future__ import annotations

from typing import Any

import msgspec

from instar.formats.levels import Compute, Level
from instar.formats.schema import MISSING

Column = list[bytes | None]
"""The texts of a level's input; None where it is missing."""

_REMEMBERED = 1 << 14  # results of one computation
_TRIED = 1 << 13  # values after which it is known whether they recur


class Computing:
    """The values of a level, in the order of their numbers."""

    def __init__(self, level: Level | Compute) -> None:
        self.bulk = any(each.bulk for each in ((level,) if isinstance(level, Compute) else level.computes))
        if isinstance(level, Compute):
            self._parts = [([0], _converter(level))]
        else:
            at = {name: i for i, name in enumerate(level.reads)}
            self._parts = [([at[name] for name in each.reads], _converter(each)) for each in level.computes]

    def __call__(self, columns: list[Column]) -> list[list[Any]]:
        """It raises InstarError, as the level's own functions do."""
        if columns and not columns[0]:
            return []
        return [made for inputs, convert in self._parts for made in convert([columns[i] for i in inputs])]


def _converter(compute: Compute) -> _Recurring | _Each:
    return _Recurring(compute) if compute.repeatable and compute.count == 1 and len(compute.reads) <= 1 else _Each(compute)


class _Each:
    """Every value is computed."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def __call__(self, columns: list[Column]) -> list[list[Any]]:
        return self._compute.convert([self._given(column) for column in columns])

    def _given(self, column: Column) -> list[Any]:
        given: list[Any] = column if self._compute.plain else [each if each is None else msgspec.Raw(each) for each in column]
        return [MISSING if each is None else each for each in given] if None in column else given


class _Recurring:
    """A text that recurs is computed once, as long as enough of them do."""

    def __init__(self, compute: Compute) -> None:
        self._every = _Each(compute)
        self._known: dict[bytes | None, Any] = {}
        self._given = self._computed = 0

    def __call__(self, columns: list[Column]) -> list[list[Any]]:
        if self._given >= _TRIED and 2 * self._computed > self._given:
            return self._every(columns)
        column = columns[0]
        if len(self._known) > _REMEMBERED:
            self._known = {}
        new = [text for text in dict.fromkeys(column) if text not in self._known]
        if new:
            self._known.update(zip(new, self._every([new])[0], strict=True))
        self._given += len(column)
        self._computed += len(new)
        return [list(map(self._known.__getitem__, column))]
