"""What proving one file found, before it is told as a FileProof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from instar.formats.path import Path, path_text

from .check import AGREED, Check, Outcome
from .places import Place


@dataclass(frozen=True)
class Proved:
    """Rows on both sides, each check with its outcome, and where the new file's own schema is not the target."""

    rows_old: int
    rows_new: int
    outcomes: tuple[tuple[Check, Outcome], ...]
    misfits: tuple[tuple[Path, str], ...]


def by_bytes(paths: Iterable[Path]) -> list[tuple[Check, Outcome]]:
    """The outcomes for places of which the bytes are the same."""
    return [(Check(path_text(path), "bytes", "", ""), AGREED) for path in paths]


def in_order(places: Sequence[Place], outcomes: Iterable[tuple[Check, Outcome]]) -> tuple[tuple[Check, Outcome], ...]:
    """The outcomes in the target's order; those of the file, or of whole records, come last."""
    order = {path_text(place.path): number for number, place in enumerate(places)}
    return tuple(sorted(outcomes, key=lambda outcome: order.get(outcome[0].path, len(order))))
