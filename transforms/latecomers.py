"""Files that come or change while a run works: each further round is a plan of just those, staged and proved like the first.

What makes no sense yet, or cannot be migrated, is no failure of a run that was asked for the other files: it is left as it is, and
named. The dataset is only read; what had been staged of a file that is another now goes, and the run's plan is written anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from instar.formats.arriving import changed_recently
from instar.formats.errors import InstarError
from instar.formats.inventory import DataFile, Inventory
from instar.transforms.execution import Run, plan_text
from instar.transforms.job import inventory_of
from instar.transforms.plan import WRITING, Plan, arriving_warning, by_version
from instar.transforms.planning import plan_of
from instar.transforms.proof.standing import stands
from instar.transforms.run.carry import drop_staged
from instar.transforms.run.changes import side_files
from instar.transforms.run.disk import disk_error
from instar.transforms.run.journal import Replanned
from instar.transforms.run.listing import Change, Listing, changed_since, is_folder, listing
from instar.transforms.run.quarantine import earlier_in_series
from instar.transforms.run.renewal import renew
from instar.transforms.run.state import run_state
from instar.transforms.run.unit import Receipt, Unit

ROUNDS = 3
"""So often at most is looked again before publishing: who never stops writing is not waited for."""
OVERTAKEN = "it changed while the run worked"
"""Why what was staged of a file is not published."""


@dataclass(frozen=True)
class News:
    """The dataset as it is now, and its files that are not as they were planned by: those to look at, and those that have gone."""

    now: Listing
    files: frozenset[str]
    gone: frozenset[str]
    changes: tuple[Change, ...]

    @cached_property
    def other(self) -> frozenset[str]:
        return self.files | self.gone


def news(run: Run, settled: Collection[str]) -> News | None:
    """What is new since the run (or its last round) was planned; None where nothing is. `settled`: the files that are staged and
    proved, or were passed over.

    Raises:
        RunError: as `listing`.
    """
    now = listing(run.job.location)
    changes = changed_since(run.before, now)
    planned = {a.path for a in run.plan.actions if a.path not in now or now[a.path][:2] != (a.size, a.mtime_ns)}
    undone = {action.path for action in run.plan.rewrites} - {*settled, *run.late}
    touched = {change.path for change in changes if not is_folder(change.path)} | planned | undone
    touched = {path for path in touched if not run.waits(path)}
    if not changes and not touched:
        return None
    return News(now, frozenset(touched & now.keys()), frozenset(touched - now.keys()), changes)


def next_round(run: Run, found: News, staged: Mapping[str, Receipt]) -> tuple[Run, Run]:
    """The run without what is another now, and a round of it: the same with a plan of just those files which are to be migrated.

    `staged`: what is staged, by the file's path; of what is another now it goes. The run's plan is renewed where it is kept.

    Raises:
        RunError: the disk says no. As `inventory_of`.
    """
    sound, troubles = _sorted(inventory_of(run.job, passing_broken=run.options.quarantining, only=found.files))
    plan, refused = _planned(run, sound, found.now)
    late = {path: change for path, change in run.late.items() if path not in found.other}
    data = {file.path for file in sound.files} | troubles.keys() | {*run.plan.files, *run.late}
    whole = _together(run.plan, plan, found, data)
    give_up(run, [staged[path] for path in found.other & staged.keys()])
    _keep(run, whole)
    rest = tuple(receipt for path, receipt in staged.items() if path not in found.other)
    kept = left_late(replace(run, late=late), {**troubles, **refused})
    kept = replace(kept, plan=whole, before=found.now, rounds=run.rounds + bool(plan.rewrites))
    return kept, replace(kept, plan=plan, resumed=None, earlier=rest)


def give_up(run: Run, receipts: Sequence[Receipt], why: str = OVERTAKEN) -> None:
    """What was staged of these files is not to be published, and goes.

    Raises:
        RunError: the disk says no.
    """
    try:
        drop_staged(
            {receipt.path: why for receipt in receipts}, [r.new_path for r in receipts], run.folder, run.journal, run.effects
        )
    except OSError as error:
        raise disk_error("what was staged of files that have changed could not be removed", error) from error


def is_overtaken(run: Run, unit: Unit) -> bool:
    """Is the file another than the one that was planned, or gone?"""
    planned = run.plan.files[unit.path]
    return not stands(unit.source, planned.size, planned.mtime_ns)


def given_up(run: Run, receipts: Sequence[Receipt]) -> dict[str, str]:
    """The files of a further round because of which more records would be left out than may be, and what is said of them; what had
    been staged of them goes. They are none of those that the run was asked for.

    Raises:
        RunError: the disk says no.
    """
    most = run.options.most_errors
    if run.earlier is None or most is None:
        return {}
    together = (*earlier_in_series(run.job.state, run.folder), *run.earlier, *receipts)
    if not most.exceeded(sum(r.quarantined for r in together), sum(r.rows_in for r in together)):
        return {}
    bad = [receipt for receipt in receipts if receipt.quarantined]
    why = f"its records that cannot be migrated would make more than the {most.text} that may be left out"
    give_up(run, bad, why)
    return {receipt.path: why for receipt in bad}


def left_late(run: Run, why: Mapping[str, str]) -> Run:
    """The same, more of its files left as they are."""
    left = {path: Change(path, "changed" if path in run.began else "added", text) for path, text in why.items()}
    return replace(run, late={**run.late, **left})


# ---- the plan of a round
def _sorted(inventory: Inventory) -> tuple[Inventory, dict[str, str]]:
    """The files that make sense; and what is wrong with the others, by path."""
    troubles = {remark.path: remark.message for remark in inventory.problems}
    troubles |= {file.path: _trouble(file) for file in inventory.files if file.problem}
    return replace(inventory, files=tuple(file for file in inventory.files if not file.problem), problems=()), troubles


def _trouble(file: DataFile) -> str:
    """One that makes no sense and was written to a moment ago is not there yet."""
    if file.arriving or (file.unreadable and changed_recently(file.mtime_ns)):
        return WRITING
    return file.problem or ""


def _planned(run: Run, sound: Inventory, now: Listing) -> tuple[Plan, dict[str, str]]:
    """A plan of the files that can be migrated, and why the others cannot, by path."""
    plan_for = partial(plan_of, run.job, to=run.plan.target, options=run.options, verb=run.provenance.command, judging=False)
    taken = {*now, *run.plan.renamed.values()}
    try:
        plan = plan_for(inventory=sound)
        if taken.isdisjoint(plan.renamed.values()):
            return plan, {}
    except (InstarError, FileNotFoundError):
        pass  # of one or several of them: one by one they tell which
    refused: dict[str, str] = {}
    for file in sound.files:
        try:
            names = set(plan_for(inventory=replace(sound, files=(file,), others=())).renamed.values())
        except InstarError as error:
            refused[file.path] = error.in_file
        except FileNotFoundError:
            refused[file.path] = "it has gone"
        else:
            if names & taken:
                refused[file.path] = f"the name {', '.join(names)}, which it would have, is taken"
            taken |= names
    return plan_for(inventory=_without(sound, refused)), refused


def _without(inventory: Inventory, paths: Collection[str]) -> Inventory:
    return replace(inventory, files=tuple(file for file in inventory.files if file.path not in paths))


def _together(first: Plan, second: Plan, found: News, data: Collection[str]) -> Plan:
    """The first plan without the files that are others now, and the second. `data`: all that were or are data files."""
    actions = sorted((*(a for a in first.actions if a.path not in found.other), *second.actions), key=lambda action: action.path)
    versions = {action.version for action in actions if action.kind == "rewrite"}
    chains = {version: chain for version, chain in {**first.chains, **second.chains}.items() if version in versions}
    dropped = side_files(found.now, {action.path for action in actions if action.kind == "rewrite"})
    others = [change.what for change in found.changes if change.path not in data and not is_folder(change.path)]
    said = {arriving_warning(path) for path in found.other.intersection(first.arriving)}
    return replace(
        first,
        actions=tuple(actions),
        chains=chains,
        dropped=dropped,
        carried_over=first.carried_over + len(first.dropped) - len(dropped) + others.count("added") - others.count("removed"),
        skipped=tuple(remark for remark in first.skipped if remark.path not in found.other),
        warnings=tuple(warning for warning in first.warnings if warning not in said),
        files={**{path: file for path, file in first.files.items() if path not in found.other}, **second.files},
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def _keep(run: Run, plan: Plan) -> None:
    """Write down what is planned now, in the run's folder and its journal."""
    try:
        renew(run.folder.plan, plan_text(plan, run.undoing), run.effects)
    except OSError as error:
        raise disk_error("the plan with the files that came meanwhile could not be kept", error) from error
    facts = run_state(run.folder).facts
    said = {"from": by_version(plan.rewrites), "plan": plan.hash, "files": len(plan.rewrites)}
    run.journal.write(Replanned({**facts, **said}))
