"""`gc`: what old files cost, what could no longer be done without them, and removing them when told.

Nothing is removed that is not told, the story being: look → judge → copy (where told) → look again under the lock → remove.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from instar.formats.errors import UsageError
from instar.transforms.execution import Stopwatch, holding
from instar.transforms.job import Job
from instar.transforms.progress import Progress, Silent
from instar.transforms.provenance import Provenance, provenance
from instar.transforms.retention import Abilities, Retention, Verdict, abilities, judged, moment, published_at
from instar.transforms.run.backup import Copy, back_up, check_place, check_room
from instar.transforms.run.collect import Keeping, What, collect, keepings, names_in, strangers
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.footprint import freed
from instar.transforms.run.journal import BackedUp, Planned, system_clock
from instar.transforms.run.lock import holder
from instar.transforms.run.removed import backup_of
from instar.transforms.run.state import list_runs

Action = Literal["list", "dry run", "backed up", "removed"]


@dataclass(frozen=True)
class Kept:
    """One folder of old or unfinished files. `bytes` as a listing shows them; `frees` is what its removal alone frees on disk.

    `loses_rollback`, `loses_verify`: the runs that could not be taken back, or not be proved again in full, without it.
    `backup`: where the last copy of it was made, "" where none was.
    """

    run: str
    what: What
    verb: str
    target: int | None
    since: str
    path: str
    files: int
    bytes: int
    frees: int
    removed: bool
    why: str
    loses_rollback: tuple[str, ...]
    loses_verify: tuple[str, ...]
    backup: str


@dataclass(frozen=True)
class GcReport:
    """The answer of `gc`. `action`: "list" and "backed up" removed nothing, as nothing was told to go; "dry run": what is marked
    `removed` would go; "removed": it is gone.

    `freed` is what their removal together freed, or would free. `free_if_all`: what removing every snapshot but the last would.
    `copied`: where checked copies are.
    """

    dataset: str
    state: str
    action: Action
    kept: tuple[Kept, ...]
    freed: int
    free_if_all: int
    loses_rollback: tuple[str, ...]
    loses_verify: tuple[str, ...]
    copied: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, int]:
        """How many are removed, and how many stay."""
        gone = sum(one.files for one in self.kept if one.removed) if self.action == "removed" else 0
        return {"removed": gone, "kept": sum(one.files for one in self.kept) - gone}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def gc(
    job: Job,
    *,
    keep: int | None = None,
    older_than: str | timedelta | datetime | None = None,
    last: bool = False,
    quarantined: bool = False,
    interrupted: bool = False,
    backup: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    effects: Effects | None = None,
) -> GcReport:
    """List what the runs of a dataset keep on disk; remove what is told. Listing and dry runs write nothing.

    `backup`: a folder elsewhere to which the snapshots that go are copied first; where nothing is told to go, every one is.

    Raises:
        UsageError: the options do not go together. LockedError: a run is at work. RunError: the disk says no, a copy there
            differs, or a snapshot is no longer what its run recorded. Nothing was removed then, unless the message says so.
    """
    told = retention(keep, older_than, last=last, quarantined=quarantined, interrupted=interrupted)
    if backup:
        check_place(backup, job.location, job.own_state.folder)
    job = job.at_shadow()
    place = check_place(backup, job.location, job.state.folder) if backup else None
    if dry_run or not (told.told or place):
        found = keepings(job.state)
        verdicts = judged(found, told, partial(strangers, names=names_in(found)))
        if place:
            check_room(place, _to_copy(verdicts, told), job.location.name)
        return _report(job, verdicts, "dry run" if dry_run else "list")
    effects, origin = effects or PosixEffects(), provenance(job.project, "gc")
    with holding(job, "gc", effects) as effects:
        found = keepings(job.state)
        verdicts = judged(found, told, partial(strangers, names=names_in(found)))
        copies = _back_up(job, place, _to_copy(verdicts, told), origin, effects, progress or Silent()) if place else ()
        report = _report(job, verdicts, "removed" if told.told else "backed up", copies)
        facts = {"user": origin.user, "host": origin.host, "told": _words(told)}
        collect([each for each, verdict in verdicts if verdict.goes], facts, effects)
    return report


def _to_copy(verdicts: Sequence[tuple[Keeping, Verdict]], told: Retention) -> list[Keeping]:
    """The snapshots that go; where nothing is told to go, all that are whole."""
    whole = [(each, verdict) for each, verdict in verdicts if each.what == "snapshot" and not each.begun]
    return [each for each, verdict in whole if verdict.goes or (not told.told and each.run.status != "half-published")]


def _back_up(
    job: Job, place: Path, chosen: Sequence[Keeping], origin: Provenance, effects: Effects, progress: Progress
) -> tuple[Copy, ...]:
    """Checked copies, each recorded in its run's journal."""
    check_room(place, chosen, job.location.name)
    files, size = sum(each.footprint.files for each in chosen), sum(each.footprint.bytes for each in chosen)
    facts = {"made": origin.started, "user": origin.user, "host": origin.host, "instar": dict(origin.versions)["instar"]}
    copies: list[Copy] = []
    with Stopwatch(progress).step("copy", files=files, size=size):
        for each in chosen:
            copy = back_up(
                each, place, job.location.name, facts, effects, lambda files, size: progress.advance(files=files, size=size)
            )
            each.run.run.open_journal(effects).write(BackedUp(str(copy.path), copy.files, copy.bytes))
            copies.append(copy)
    return tuple(copies)


def retention(
    keep: int | None, older_than: str | timedelta | datetime | None, *, last: bool, quarantined: bool, interrupted: bool
) -> Retention:
    """The options as they are meant.

    Raises:
        UsageError: they do not go together, or a number or date is none.
    """
    if keep is not None and keep < 0:
        raise UsageError("--keep counts snapshots, so it is 0 or more", hint="Write for example --keep 2.")
    if (last or quarantined) and keep is None and older_than is None:
        flag = "--last" if last else "--quarantined"
        raise UsageError(f"{flag} goes with --keep or --older-than", hint="They say which snapshots go; for all: --keep 0 --last.")
    return Retention(keep, _since(older_than), last, quarantined, interrupted)


def _since(older_than: str | timedelta | datetime | None) -> datetime | None:
    now = system_clock()
    if isinstance(older_than, str):
        return moment(older_than, now)
    since = now - older_than if isinstance(older_than, timedelta) else older_than
    if since is not None and since.tzinfo is None:
        raise UsageError("older_than has no time zone", hint="Give it one, such as datetime.UTC.")
    return since


def _words(told: Retention) -> str:
    """The options in the journal, dates being absolute there."""
    parts = [
        f"--keep {told.keep}" if told.keep is not None else "",
        f"--older-than {told.since.isoformat(timespec='seconds')}" if told.since else "",
        *(f"--{name}" for name in ("last", "quarantined", "interrupted") if getattr(told, name)),
    ]
    return " ".join(part for part in parts if part)


def _report(job: Job, verdicts: Sequence[tuple[Keeping, Verdict]], action: Action, copies: Sequence[Copy] = ()) -> GcReport:
    runs, found = list_runs(job.state), [each for each, _ in verdicts]
    able, going = abilities(runs), [each for each, verdict in verdicts if verdict.goes]
    now = able()
    lost = now.without(able(_snapshots(going)))
    old = [each for each in found if each.what == "snapshot"][:-1]
    busy = holder(job.state.lock) if action in ("list", "dry run") else None
    copied = {copy.run: str(copy.path) for copy in copies}
    return GcReport(
        dataset=job.name,
        state=str(job.state.folder),
        action=action,
        kept=tuple(_kept(each, verdict, now.without(able(_snapshots([each]))), copied) for each, verdict in verdicts),
        freed=freed(each.footprint for each in going),
        free_if_all=freed(each.footprint for each in old),
        loses_rollback=tuple(sorted(lost.rollback)),
        loses_verify=tuple(sorted(lost.verify)),
        copied=tuple(copied.values()),
        warnings=(*((f"a run is at work: {busy}",) if busy else ()), *(_same_disk(job, copies))),
    )


def _same_disk(job: Job, copies: Sequence[Copy]) -> tuple[str, ...]:
    if any(os.stat(copy.path).st_dev == os.stat(job.state.folder).st_dev for copy in copies):
        return ("the copies are on the file system of the dataset itself: they are lost with that disk",)
    return ()


def _snapshots(found: Sequence[Keeping]) -> frozenset[str]:
    return frozenset(each.id for each in found if each.what == "snapshot")


def _kept(each: Keeping, verdict: Verdict, lost: Abilities, copied: Mapping[str, str]) -> Kept:
    planned = each.run.last(Planned)
    facts = planned.facts if planned else {}
    to = facts.get("to")
    return Kept(
        run=each.id,
        what=each.what,
        verb=str(facts.get("verb", "")),
        target=to if isinstance(to, int) else None,
        since=published_at(each.run).isoformat(timespec="seconds") if each.run.begun else "",
        path=str(each.path),
        files=each.footprint.files,
        bytes=each.footprint.bytes,
        frees=each.bytes,
        removed=verdict.goes,
        why=verdict.why,
        loses_rollback=tuple(sorted(lost.rollback)),
        loses_verify=tuple(sorted(lost.verify)),
        backup=copied.get(each.id) or backup_of(each.run),
    )
