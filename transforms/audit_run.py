"""`audit`: queries over the files as a run found them and as it left them. Reads only.

The files are those that `verify` proves: of a finished run the old ones in its snapshot, the new ones where they stand now, be it
in the snapshot of a later run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from instar.formats.errors import UsageError
from instar.formats.format import format_named
from instar.transforms.audit.audit import Wanted, audited
from instar.transforms.audit.report import AuditReport
from instar.transforms.audit.sides import Sides
from instar.transforms.execution import Stopwatch
from instar.transforms.job import Job, Options, with_options
from instar.transforms.mapping import Mapping as SchemaMapping
from instar.transforms.progress import Progress, Silent
from instar.transforms.run.removed import removal, require_snapshot
from instar.transforms.run.rollback import shadowing, versions_before
from instar.transforms.run.state import RunState, list_runs, receipts_of
from instar.transforms.run.two_trees import TreeFile, TwoTrees, tree_file
from instar.transforms.run.unit import Receipt, Unit
from instar.transforms.verify import finished, units_of


def audit(job: Job, run: str | None, wanted: Wanted, options: Options, progress: Progress | None = None) -> AuditReport:
    """Audit a run; None: the last one.

    Raises:
        UsageError: there is no such run; the queries cannot be used. RunError: it is not finished, or was rolled back.
    """
    watch, runs = Stopwatch(progress or Silent()), list_runs(job.state)
    with watch.step("inventory"):
        state = finished(job, runs, run)
        sides, notes = finished_sides(job, state, runs, with_options(options, job.settings))
    return audited(sides, wanted, run=state.id, notes=notes, progress=progress)


def finished_sides(job: Job, state: RunState, runs: Sequence[RunState], options: Options) -> tuple[Sides, tuple[str, ...]]:
    """Both sides of a finished run, and what is to be said of them.

    Raises:
        RunError: its snapshot is gone. UsageError: none of its files is left.
    """
    if removal(state) and not shadowing(state):
        require_snapshot(state, f"the run {state.id} cannot be audited any more")
    later = [r for r in runs if r.id > state.id and r.status == "finished" and not r.undoes]
    receipts = {receipt.path: receipt for receipt in receipts_of(state)}
    units = units_of(job, state, later, receipts, options)
    there = [unit for unit in units if Path(unit.source).is_file() and Path(unit.staged).is_file()]
    if not there:
        raise UsageError(f"none of the files that run {state.id} wrote is left", hint="Audit a later run.")
    target, versions = int(state.facts["to"]), versions_before(state)
    old, new = list[TreeFile](), list[TreeFile]()
    for unit in there:
        old.append(_file(unit.format, unit.path, unit.source, versions[unit.path]))
        new.append(_file(unit.format, unit.new_path, unit.staged, target))
    kept, gone = _kept(job, state, later, target)
    old += kept
    new += kept
    ways: dict[int, SchemaMapping] = {versions[unit.path]: unit.mapping for unit in units}
    trees = TwoTrees(tuple(sorted(old, key=_path)), tuple(sorted(new, key=_path)), target)
    sides = Sides(job.name, job.settings.format, job.schemas, trees, ways, job.settings.partitions)
    return sides, (*_notes(units, there, receipts), *_of_kept(gone))


def _file(format: str, path: str, place: str, version: int) -> TreeFile:
    return tree_file(path, Path(place), version, format_named(format).inspect(Path(place)))


def _kept(job: Job, state: RunState, later: Sequence[RunState], target: int) -> tuple[list[TreeFile], list[str]]:
    """The files that the run left as they were, since they were at its target already: those that still are, which are the same on
    both sides, and the paths of the others. (Of a shadow, as they are in the first tree.)"""
    planned = json.loads(state.run.plan.read_text(encoding="utf-8"))["identity"]["files"]
    rewriters = {receipt.path: run.run.snapshot for run in reversed(later) for receipt in receipts_of(run)}
    base = job.location if job.location.is_dir() else job.location.parent
    kept, gone = list[TreeFile](), list[str]()
    for path, known in planned.items():
        file = rewriters.get(path, base) / path
        if known["action"] != "keep":
            continue
        if _is(file, known):
            kept.append(_file(job.settings.format, path, str(file), target))
        else:
            gone.append(path)
    return kept, gone


def _of_kept(gone: Sequence[str]) -> Iterator[str]:
    if gone:
        more = f" and {len(gone) - 1:,} more, which" if len(gone) > 1 else ", which"
        yield f"{gone[0]}{more} the run left as it was, changed since or went: on neither side"


def _is(file: Path, known: Mapping[str, int]) -> bool:
    try:
        found = file.stat()
    except FileNotFoundError:
        return False
    return (found.st_size, found.st_mtime_ns) == (known["size"], known["mtime_ns"])


def _notes(units: Sequence[Unit], there: Collection[Unit], receipts: Mapping[str, Receipt]) -> Iterator[str]:
    if missing := len(units) - len(there):
        yield f"{missing:,} of the {len(units):,} files that the run wrote are gone, and on neither side"
    changed = [unit.new_path for unit in there if Path(unit.staged).stat().st_size != receipts[unit.path].size]
    if changed:
        more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        yield f"{changed[0]}{more}: not as the run left it"


def _path(file: TreeFile) -> str:
    return file.path
