"""What a proof asks of one place, and what it found there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One place of the target: SQL over the relation for what it must be and for what it is ("" where none is needed).

    `way` is how it is proved, as reports name it.
    """

    path: str
    way: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Outcome:
    """What one check found: nothing, a first different row, or why the two could not be compared (`failed`): of these `damage` is
    what DuckDB says of a file it cannot read, and not of a value that its types cannot hold."""

    problem: str = ""
    row: int | None = None
    failed: bool = False
    damage: bool = False


AGREED = Outcome()
