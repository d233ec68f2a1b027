"""Is the snapshot of a run there, by the disk and by its journal? If not: when was it removed, and where is a copy?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError
from instar.transforms.run.journal import BackedUp, Collected, Collecting
from instar.transforms.run.state import RunState


def cut_off(run: RunState) -> bool:
    """Was a removal of its snapshot begun and not finished, by the journal?"""
    events = [line.event for line in run.lines if isinstance(line.event, (Collecting, Collected))]
    return bool(events) and isinstance(events[-1], Collecting)


def has_snapshot(run: RunState) -> bool:
    """May the old files of a published run be used?"""
    return run.run.snapshot.is_dir() and not cut_off(run)


@dataclass(frozen=True)
class Removal:
    """When a snapshot was removed (ISO 8601, UTC), and where a copy of it was put before, "" where none was."""

    at: str
    backup: str

    def __str__(self) -> str:
        return f"removed {self.at[:10]}" + (f", copy in {self.backup}" if self.backup else "")


def removal(run: RunState) -> Removal | None:
    """The removal of the run's snapshot; None where nobody removed it, or it is there again."""
    if has_snapshot(run):
        return None
    begun = (line.at for line in reversed(run.lines) if isinstance(line.event, Collecting))
    return next((Removal(at, backup_of(run)) for at in begun), None)


def backup_of(run: RunState) -> str:
    """Where the last copy of its snapshot was made, "" where none was. Whether it is there still, nobody knows from here."""
    made = run.last(BackedUp)
    return made.path if made else ""


def require_snapshot(run: RunState, purpose: str) -> None:
    """Raises RunError where the old files of a run are gone; `purpose` says what cannot be done, "… cannot be rolled back"."""
    if has_snapshot(run):
        return
    gone = removal(run)
    if gone is None:
        raise RunError(
            f"{purpose}: its snapshot is gone from {run.run.snapshot}",
            hint="Put it back from a backup; `downgrade` needs no snapshot.",
        )
    place = Path(gone.backup).parent.parent
    copy = f"A copy of it is in {gone.backup}: `instar rollback --from {place}` puts it back first. " if gone.backup else ""
    raise RunError(
        f"{purpose}: its snapshot was removed by `instar gc` ({gone.at[:10]})",
        hint=f"{copy}`downgrade` needs no snapshot: it converts the files that are there.",
    )
