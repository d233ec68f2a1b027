"""`gc`: what old files cost, what could no longer be done without them, and removing them when told.

Nothing is removed that is not told, the story being: look → judge → copy (where told) → look again under the lock → remove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from instar.formats.errors import UsageError
from instar.transforms.execution import holding
from instar.transforms.job import Job
from instar.transforms.provenance import provenance
from instar.transforms.retention import Abilities, Retention, Verdict, abilities, judged, moment, published_at
from instar.transforms.run.collect import Keeping, What, collect, keepings, strangers
from instar.transforms.run.effects import Effects, PosixEffects
from instar.transforms.run.footprint import freed
from instar.transforms.run.journal import Planned, system_clock
from instar.transforms.run.lock import holder
from instar.transforms.run.state import list_runs


@dataclass(frozen=True)
class Kept:
    """One folder of old or unfinished files. `bytes` as a listing shows them; `frees` is what its removal alone frees on disk.

    `loses_rollback`, `loses_verify`: the runs that could not be taken back, or not be proved again in full, without it.
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


@dataclass(frozen=True)
class GcReport:
    """The answer of `gc`. `action`: "list" (nothing was told), "dry run" (what is `removed` would go), "removed" (it is gone).

    `freed` is what their removal together freed, or would free. `free_if_all`: what removing every snapshot but the last would.
    """

    dataset: str
    state: str
    action: Literal["list", "dry run", "removed"]
    kept: tuple[Kept, ...]
    freed: int
    free_if_all: int
    loses_rollback: tuple[str, ...]
    loses_verify: tuple[str, ...]
    warnings: tuple[str, ...] = ()

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
    dry_run: bool = False,
    effects: Effects | None = None,
) -> GcReport:
    """List what the runs of a dataset keep on disk; remove what is told. Listing and dry runs write nothing.

    Raises:
        UsageError: the options do not go together. LockedError: a run is at work. RunError: the disk says no.
    """
    told = retention(keep, older_than, last=last, quarantined=quarantined, interrupted=interrupted)
    if not told.told or dry_run:
        return _report(job, judged(keepings(job.state), told, strangers), "dry run" if told.told else "list")
    effects = effects or PosixEffects()
    with holding(job, "gc", effects) as effects:
        verdicts = judged(keepings(job.state), told, strangers)
        report = _report(job, verdicts, "removed")
        origin = provenance(job.project, "gc")
        facts = {"user": origin.user, "host": origin.host, "told": _words(told)}
        collect([each for each, verdict in verdicts if verdict.goes], facts, effects)
    return report


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


def _report(job: Job, verdicts: Sequence[tuple[Keeping, Verdict]], action: Literal["list", "dry run", "removed"]) -> GcReport:
    runs, found = list_runs(job.state), [each for each, _ in verdicts]
    now, going = abilities(runs), [each for each, verdict in verdicts if verdict.goes]
    lost = now.without(abilities(runs, _snapshots(going)))
    old = [each for each in found if each.what == "snapshot"][:-1]
    busy = holder(job.state.lock) if action != "removed" else None
    return GcReport(
        dataset=job.name,
        state=str(job.state.folder),
        action=action,
        kept=tuple(_kept(each, verdict, now.without(abilities(runs, _snapshots([each])))) for each, verdict in verdicts),
        freed=freed(each.footprint for each in going),
        free_if_all=freed(each.footprint for each in old),
        loses_rollback=tuple(sorted(lost.rollback)),
        loses_verify=tuple(sorted(lost.verify)),
        warnings=(f"a run is at work: {busy}",) if busy else (),
    )


def _snapshots(found: Sequence[Keeping]) -> frozenset[str]:
    return frozenset(each.id for each in found if each.what == "snapshot")


def _kept(each: Keeping, verdict: Verdict, lost: Abilities) -> Kept:
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
    )
