"""What a publish comes to, and the two listings that it leaves in the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from instar.transforms.run.changes import ChangeSet
from instar.transforms.run.effects import Effects
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import Change, Entry, Listing, listing_bytes
from instar.transforms.run.state import RunFolder

Note = Callable[[], None]
"""Writes down outside of the journal what the new files are."""


@dataclass(frozen=True)
class Publication:
    """What was published. `copied`: files that had to be copied where others were linked; `entries`: the dataset as it now is;
    `late`: what writers did to the dataset meanwhile, since it was planned by. It stands as they did it."""

    method: Method
    changes: ChangeSet
    copied: int
    copied_bytes: int
    entries: Mapping[str, Entry]
    late: tuple[Change, ...] = ()


def write_listings(run: RunFolder, before: Listing, after: Listing, effects: Effects) -> None:
    """The dataset before and after the publish, durable."""
    effects.create(run.before, listing_bytes(before))
    effects.create(run.after, listing_bytes(after))
    effects.sync_folder(run.path)
