"""How a run will probably publish, told without writing anything: what a plan states. The run itself tries it out (`probe`)."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from instar.transforms.run.journal import Method


@dataclass(frozen=True)
class Foresight:
    """`reason` is for people."""

    method: Method
    reason: str


def foreseen(dataset: Path) -> Foresight:
    """By the dataset's kind and place, and by the operating system; reads only."""
    if not dataset.is_dir():
        return Foresight("replace", "the dataset is one file; it is replaced in one step")
    if os.path.ismount(dataset):
        return Foresight("replace", "the dataset is a mount point, which cannot be exchanged; file by file")
    if sys.platform not in ("linux", "darwin"):
        return Foresight("replace", "this system cannot exchange two folders; file by file")
    return Foresight("exchange", "the whole directory in one step, if its file system can; the run tries that first")
