"""What a proof asks of one place, and what it found there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from instar.transforms.run.unit import Example as Example

EXAMPLES = 5
"""How many of the records that differ are shown, where nobody says otherwise."""


@dataclass(frozen=True)
class Check:
    """One place of the target: SQL over the relation for what it must be and for what it is ("" where none is needed).

    `way` is how it is proved, as reports name it; `told` what values are shown as, None: as they are.
    """

    path: str
    way: str
    expected: str
    actual: str
    told: Callable[[Any], str] | None = None

    def texts(self, *values: Any) -> tuple[Any, ...]:
        """The values as they are shown."""
        return tuple(value if value is None or self.told is None else self.told(value) for value in values)


@dataclass(frozen=True)
class Outcome:
    """What one check found: nothing, a first different row, or why the two could not be compared (`failed`): of these `damage` is
    what DuckDB says of a file it cannot read, and not of a value that its types cannot hold.

    `differing`: in how many records they differ, None where these were not counted. `examples`: the first ones of them.
    """

    problem: str = ""
    row: int | None = None
    failed: bool = False
    damage: bool = False
    differing: int | None = None
    examples: tuple[Example, ...] = ()

    @classmethod
    def of(cls, examples: tuple[Example, ...], differing: int, shown: int) -> Outcome:
        """That records differ: `examples` are the first of them, at least one, of which so many are shown."""
        first = examples[0]
        others = f" ({differing} records differ)" if differing > 1 else ""
        problem = f"record {first.row} holds {first.actual}, not {first.expected}{others}"
        return cls(problem, first.row, differing=differing, examples=examples[:shown])


AGREED = Outcome()
