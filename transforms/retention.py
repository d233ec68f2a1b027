"""Which old files stay and which go, and what can no longer be done without them. Pure: journals and footprints in, verdicts out.

As in restic, each option names what stays, and a snapshot goes only where none of them keeps it. Whatever the options say, these
stay unless that is told, too: the last snapshot, one that quarantined records came from, and what an interrupted run goes on from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from instar.formats.errors import UsageError
from instar.transforms.run.collect import Keeping
from instar.transforms.run.journal import Published
from instar.transforms.run.removed import has_snapshot
from instar.transforms.run.rollback import shadowing
from instar.transforms.run.state import RunState, receipts_of

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class Retention:
    """What is told: `keep` the newest so many, keep those younger than `since`; and which of the others may go all the same."""

    keep: int | None = None
    since: datetime | None = None
    last: bool = False
    quarantined: bool = False
    interrupted: bool = False

    @property
    def told(self) -> bool:
        """Is anything to be removed at all?"""
        return self.keep is not None or self.since is not None or self.interrupted


def moment(text: str, now: datetime) -> datetime:
    """`30d`, `12h`, `2w` before now; `2026-01-01` and `2026-01-01T12:00`, UTC where they name no zone.

    Raises:
        UsageError: none of these.
    """
    if age := re.fullmatch(r"(\d{1,6})([hdw])", text.strip()):
        try:
            return now - int(age[1]) * _UNITS[age[2]]
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{text!r} is neither an age nor a date", hint="Write for example 30d, 12h, 2w or 2026-01-01.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Verdict:
    """Does it go, and why or why not."""

    goes: bool
    why: str


Strangers = Callable[[Keeping], tuple[str, ...]]


def judged(found: Sequence[Keeping], told: Retention, strangers: Strangers) -> tuple[tuple[Keeping, Verdict], ...]:
    """What becomes of each, `found` being in the order of their runs; `strangers` names what a writer left in a snapshot.

    What was rolled out in batches goes back together, and so counts as one.
    """
    newest = [each for each in reversed(found) if each.what == "snapshot" and not each.begun]
    ranks = {series: number for number, series in enumerate(dict.fromkeys(each.run.series for each in newest))}
    last = {each.run.series for each in (*newest[:1], *[each for each in newest if counts(each.run)][:1])}
    return tuple((each, _verdict(each, ranks.get(each.run.series, 0), each.run.series in last, told, strangers)) for each in found)


def counts(run: RunState) -> bool:
    """Is it one of those that `rollback` takes back from the last one on: published, not taken back, and not itself a rollback?"""
    return run.status == "finished" and not run.undoes


def _verdict(each: Keeping, rank: int, is_last: bool, told: Retention, strangers: Strangers) -> Verdict:
    if each.what == "remainder":
        return Verdict(False, "files are in it that are not the run's: move them away, then delete it by hand")
    if each.what == "fetched":
        return Verdict(told.told, "a `rollback --from` that was cut off had fetched it")
    if each.run.status == "half-published":
        return Verdict(False, "its run is half-published")
    if each.begun:
        return Verdict(told.told, "its removal was cut off")
    if each.what == "stage":
        return _of_stage(told)
    if told.keep is None and told.since is None:
        return Verdict(False, "")
    if kept := _kept(each, rank, told):
        return Verdict(False, kept)
    return _unless_held(each, is_last, told, strangers)


def _of_stage(told: Retention) -> Verdict:
    if told.interrupted:
        return Verdict(True, "--interrupted")
    return Verdict(False, "the same command goes on from it (--interrupted removes it)")


def _kept(each: Keeping, rank: int, told: Retention) -> str:
    """Which option keeps a snapshot, "" where none does."""
    if told.keep is not None and rank < told.keep:
        return f"--keep {told.keep}"
    if told.since is not None and published_at(each.run) >= told.since:
        return "younger than --older-than"
    return ""


def _unless_held(each: Keeping, is_last: bool, told: Retention, strangers: Strangers) -> Verdict:
    if is_last and not told.last:
        return Verdict(False, "the last one (--last removes it)")
    if (count := quarantined(each.run)) and not told.quarantined:
        records = "1 quarantined record" if count == 1 else f"{count:,} quarantined records"
        return Verdict(False, f"{records} came from it (--quarantined removes it)")
    if left := strangers(each):
        return Verdict(False, f"a writer's files are in it: {', '.join(left[:3])}" + (" …" if len(left) > 3 else ""))
    return Verdict(True, "")


def published_at(run: RunState) -> datetime:
    """When the run was published, which is when its snapshot came to be; its begin where it does not say."""
    at = next((line.at for line in reversed(run.lines) if isinstance(line.event, Published)), run.begun)
    return datetime.fromisoformat(at)


def quarantined(run: RunState) -> int:
    """How many records the run did not take along: their originals are in its snapshot only."""
    return sum(getattr(receipt, "quarantined", 0) for receipt in receipts_of(run))


# ---- what can no longer be done
@dataclass(frozen=True)
class Abilities:
    """Ids of runs: those that can be taken back, and those that can be proved again file by file."""

    rollback: frozenset[str]
    verify: frozenset[str]

    def without(self, fewer: Abilities) -> Abilities:
        """What these have and `fewer` has not."""
        return Abilities(self.rollback - fewer.rollback, self.verify - fewer.verify)


@dataclass(frozen=True)
class Able:
    """What the snapshots that are there allow. Called with the ids of runs: what is left without theirs.

    Runs are taken back from the last one on, so that one can be only while the snapshots of all later ones are there; a rollback
    only while nothing came after it. A proof needs the run's own, and those of the later runs that were first to rewrite its files:
    there stands what it published.
    """

    last_rollback: str
    counting: tuple[str, ...]
    there: frozenset[str]
    needed: Mapping[str, frozenset[str]]

    def __call__(self, gone: frozenset[str] = frozenset()) -> Abilities:
        there = self.there - gone
        back = {self.last_rollback} & there
        for run in reversed(self.counting):
            if run not in there:
                break
            back.add(run)
        return Abilities(frozenset(back), frozenset(run for run in self.counting if self.needed[run] <= there))


def abilities(runs: Sequence[RunState]) -> Able:
    """What can be done with the runs of a dataset (oldest first), and what without some of their snapshots."""
    counting, finished = [run for run in runs if counts(run)], [run for run in runs if run.status == "finished"]
    last = finished[-1].id if finished and finished[-1].undoes else ""
    there = frozenset(run.id for run in runs if has_snapshot(run))
    return Able(last, tuple(run.id for run in counting), there, _needed_to_verify(counting))


def _needed_to_verify(runs: Sequence[RunState]) -> dict[str, frozenset[str]]:
    """Of each run (oldest first), the runs whose snapshots its proof needs."""
    needed, rewriter = dict[str, frozenset[str]](), dict[str, str]()
    for run in reversed(runs):
        receipts = receipts_of(run)
        own = set[str]() if shadowing(run) else {run.id}  # a second tree is proved from the first
        later = {rewriter[receipt.new_path] for receipt in receipts if receipt.new_path in rewriter}
        needed[run.id] = frozenset(own | later)
        rewriter |= {receipt.path: run.id for receipt in receipts}
    return needed
