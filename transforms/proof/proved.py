"""What proving one file found, before it is told as a FileProof."""

from __future__ import annotations

from dataclasses import dataclass

from instar.formats.path import Path

from .check import Check, Outcome


@dataclass(frozen=True)
class Proved:
    """Rows on both sides, each check with its outcome, and where the new file's own schema is not the target."""

    rows_old: int
    rows_new: int
    outcomes: tuple[tuple[Check, Outcome], ...]
    misfits: tuple[tuple[Path, str], ...]
