"""At the start of a run: what came to old trees after their runs were published is taken into the dataset, and planned with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instar.formats.dataset import take_inventory
from instar.formats.discover import is_data_name
from instar.formats.errors import InstarError
from instar.formats.manifest import Entry, Manifest
from instar.transforms.events import Warned
from instar.transforms.job import Job
from instar.transforms.progress import Progress
from instar.transforms.remember import save_manifest
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.listing import listing
from instar.transforms.run.rollback import versions_before
from instar.transforms.run.state import list_runs

if TYPE_CHECKING:
    from instar.transforms.run.late import Late


@dataclass(frozen=True)
class PickedUp:
    """What to say of what came to old trees: `notes` of what was taken in, `warnings` of what was not, and why."""

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def late_of(job: Job) -> tuple[Late, ...]:
    """What is late in the old trees of a dataset; reads only. A shadow's are not looked at: nobody is meant to write there.

    Raises:
        RunError: a folder, or a record of a run, cannot be read.
    """
    return tuple(late for late in _found(job) if late.stands != late.path)


def _found(job: Job) -> tuple[Late, ...]:
    """The same, and what stands in the dataset already, since who took it in was killed before he could record it."""
    if job.shadow is not None or not (runs := list_runs(job.state)):
        return ()
    from instar.transforms.run.late import late_files, old_trees

    trees = old_trees(runs)
    return late_files(runs, trees, listing(job.location)) if any(tree.open for tree in trees) else ()


def foretold(job: Job) -> tuple[str, ...]:
    """What a plan says of it: a run takes it in first, and so does more than is planned."""
    return tuple(
        left_where_it_is(late) if late.left else f"{late}: a run takes it in first; it is not in this plan" for late in late_of(job)
    )


@contextmanager
def picking_up(job: Job, progress: Progress, effects: Effects, *, planned: bool = False) -> Iterator[PickedUp]:
    """What comes after `pick_up`; where that fails, the error says what was taken in. `planned`: a saved plan is carried out, which
    knows nothing of it: it waits for the next run.

    Raises:
        RunError: as `pick_up`.
    """
    if planned:
        waits = "the plan that is carried out does not know it: the next run takes it in"
        yield PickedUp(warnings=tuple(f"{late}: {late.left or waits}" for late in late_of(job)))
        return
    picked = pick_up(job, progress, effects)
    try:
        yield picked
    except InstarError as error:
        for note in picked.notes:
            error.add_note(note)
        raise


def pick_up(job: Job, progress: Progress, effects: Effects) -> PickedUp:
    """Take in what is late, as far as that can be done and it can be read. The caller holds the lock and has settled.

    Cut off anywhere, it is gone on with when it is called again.

    Raises:
        RunError: the disk says no.
    """
    taken: list[tuple[Late, str]] = []
    left: list[Late] = []
    used: set[str] = set()
    base = job.location if job.location.is_dir() else job.location.parent
    try:
        if not (found := _found(job)):
            return PickedUp()
        from instar.transforms.run.intake import record, take_in
        from instar.transforms.run.late import changed_too

        for late in found:
            if late.over and late.over in used:
                late = replace(late, left=changed_too(late.over))
            hash, why = ("", late.left) if late.left else _judged(job, late, effects)
            if not why and not take_in(late, base, effects):
                why = changed_too(late.over) if late.over else "the dataset has a file of that name by now"
            if why:
                left.append(replace(late, left=why))
            else:
                taken.append((late, hash))
                used |= {late.over, late.path}
        record(taken, effects)
    except OSError as error:
        raise disk_error("what came to an old tree could not be taken in", error) from error
    notes = tuple(f"{late}: it is in the dataset now" for late, _ in taken)
    warnings = tuple(map(left_where_it_is, left))
    for message in (*notes, *warnings):
        progress.event(Warned(message))
    return PickedUp(notes, warnings)


def left_where_it_is(late: Late) -> str:
    return f"{late}: it is not taken in: {late.left}. It is {late.file}: put what is missing into the dataset yourself"


def _judged(job: Job, late: Late, effects: Effects) -> tuple[str, str]:
    """The content's hash, where it will be asked for, and why it cannot be taken in, "" where it can."""
    from instar.transforms.run.late import hash_before, hashes_of_first

    if late.what == "landed":
        return "", "" if late.stands else _noted(job, late, "", effects)
    size = late.known.size if late.known and late.what == "grown" else 0
    first, whole = hashes_of_first(late.file, size, late.entry.size)
    if late.stands:
        return whole, ""
    if late.what == "grown" and hash_before(late) != first:
        return "", "what was in it before was changed, too"
    return whole, _noted(job, late, whole, effects)


def _noted(job: Job, late: Late, hash: str, effects: Effects) -> str:
    """Why it cannot be read, "" where it can. A JSON file that its records do not give a version is remembered at its run's."""
    if not is_data_name(late.path, include=job.settings.include, exclude=job.settings.exclude):
        return ""
    found = take_inventory(late.file, job.subject, job.registry, job.settings.format, same_values=job.same_values)
    file = found.files[0] if found.files else None
    if found.problems and not (file and file.candidates):
        return found.problems[0].message
    version = versions_before(late.run).get(late.path) if hash and file and job.settings.format == "json" else None
    if file and version in file.candidates:
        document = job.registry.fingerprint(job.subject, version)
        entry = Entry(late.path, late.entry.size, late.entry.mtime_ns, hash, version, "upgraded", document)
        save_manifest(Manifest.load(job.state.folder).with_entries([entry]), job.state.folder, effects)
    return ""
