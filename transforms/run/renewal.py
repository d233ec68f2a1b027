"""A small file of a run's folder that takes the place of an older one, in one step."""

from __future__ import annotations

import os
from pathlib import Path

from instar.transforms.run.effects import Effects


def renew(path: Path, data: bytes, effects: Effects) -> None:
    """The file holds `data` from now on, durably; whoever opens it meanwhile, or after a power cut, finds the old or the new.

    Raises:
        OSError: the disk says no.
    """
    if os.path.lexists(beside(path)):
        effects.unlink(beside(path))
    effects.create(beside(path), data)
    effects.replace(beside(path), path)
    effects.sync_folder(path.parent)


def beside(path: Path) -> Path:
    """The name that the new content has before it is whole: what stands there is left over from one who was cut off."""
    return path.with_suffix(".new")
