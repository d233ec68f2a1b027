"""Proving a file whose writer has not done with it: what differs because the old file is another by now is no failed proof."""

from __future__ import annotations

import os
from typing import Literal

from instar.transforms.proof.check import EXAMPLES
from instar.transforms.proof.database import Database
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.kept import Kept
from instar.transforms.run.unit import FileProof, Receipt, Unit


def prove_unless_changed(
    unit: Unit, receipt: Receipt, kept: Kept | None = None, *, level: Literal["auto", "full"], examples: int = EXAMPLES
) -> FileProof | None:
    """As `prove_file`, in the database that is `kept` from file to file; None where old and new differ, or cannot be compared, and
    the old file has changed since it was staged."""
    try:
        found = prove_file(unit, receipt, level=level, examples=examples, database=kept.one(Database) if kept else None)
    except Exception:
        if stands(unit.source, receipt.source_size, receipt.source_mtime_ns):
            raise
        return None
    if found.verdict == "failed" and not stands(unit.source, receipt.source_size, receipt.source_mtime_ns):
        return None
    return found


def stands(path: str, size: int, mtime_ns: int) -> bool:
    """Is the file there, as large and as old?"""
    try:
        known = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (known.st_size, known.st_mtime_ns) == (size, mtime_ns)
