"""What `status` and `runs` answer: the inventory counted by version, and the journals of a dataset's runs. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from instar.formats.inventory import DataFile, Inventory, Remark
from instar.formats.variation import variation
from instar.transforms.answers import LateFile, RunEntry, RunsReport, ShadowStatus, StatusReport, Variants, VersionCount
from instar.transforms.job import Job, inventory_of
from instar.transforms.pick_up import late_of, left_where_it_is
from instar.transforms.plan import WRITING
from instar.transforms.report import FileProblem
from instar.transforms.run.late import Late
from instar.transforms.run.lock import at_work, holder
from instar.transforms.run.removed import cut_off, has_snapshot, removal
from instar.transforms.run.shadow import maker
from instar.transforms.run.state import RunState, State, list_runs, run_folders


def status_of(job: Job) -> StatusReport:
    """The inventory of a dataset, counted by version, with what is pending and what was interrupted."""
    inventory = inventory_of(job).leaving_arriving()
    versions = []
    for version, files in inventory.by_version().items():
        if version is None:
            continue
        rows = [f.facts.rows if f.facts else None for f in files]
        how: dict[str, int] = {}
        for f in files:
            how[f.how] = how.get(f.how, 0) + 1
        total = None if any(r is None for r in rows) else sum(r for r in rows if r is not None)
        versions.append(VersionCount(version, len(files), total, sum(f.size for f in files), sum(f.variant for f in files), how))
    oldest = min((v.version for v in versions), default=job.newest)
    files = {f.path: f for f in inventory.files}
    state = job.own_state
    snapshots = [run for run in run_folders(state) if run.snapshot.is_dir()]
    above = f"old files are kept in {state.runs}: a glob from above the dataset, such as {job.location.parent}/**, finds them, too"
    busy = at_work(state.lock)
    runs = list_runs(state)
    half_gone = () if busy else tuple(r.id for r in runs if cut_off(r))
    waiting = () if busy else tuple(r for r in runs if not r.settled)
    unsettled, staged = (
        tuple(f"{r.id}, {_what(r)}: {_way_back(job.name, r, runs)}" for r in waiting if (r.status == "staged") == held)
        for held in (False, True)
    )
    return StatusReport(
        dataset=job.name,
        root=str(job.location),
        subject=job.subject,
        format=job.settings.format,
        newest=job.newest,
        versions=tuple(versions),
        problems=tuple(_problem(p, files.get(p.path)) for p in inventory.problems),
        warnings=(
            *map(str, inventory.warnings),
            *(f"{remark.path}: {WRITING}" for remark in inventory.arriving),
            *job.unregistered,
            *busy,
            *((above,) if snapshots else ()),
            *(f"the removal of what run {id} keeps was cut off: repeat the `instar gc` that removes it" for id in half_gone),
            *_left_unread(job, inventory),
        ),
        others=len(inventory.others),
        pending=tuple((m.version, m.message) for m in job.migrations if oldest < m.version <= job.newest),
        interrupted=unsettled,
        staged=staged,
        shadow=_shadow(job, job.shadow) if job.shadow else None,
        late=() if busy else tuple(_late(job, late) for late in late_of(job)),
        variants=tuple(_variants(job, inventory)),
    )


def _variants(job: Job, inventory: Inventory) -> Iterator[Variants]:
    """Files that differ from their version in the same things, together."""
    told: dict[tuple[int, int], str] = {}  # thousands of files of a dataset share one schema
    alike: dict[tuple[int, str], list[str]] = {}
    for file in inventory.files:
        if file.variant and file.version is not None and file.facts and file.facts.schema:
            key = file.version, id(file.facts.schema)
            if key not in told:
                told[key] = variation(file.facts.schema, job.schemas[file.version])
            alike.setdefault((file.version, told[key]), []).append(file.path)
    for (version, what), files in alike.items():
        yield Variants(version, what, tuple(files))


def _late(job: Job, late: Late) -> LateFile:
    message = left_where_it_is(late) if late.left else f"{late}; `instar upgrade {job.name}` takes it in"
    return LateFile(late.path, late.what, late.run.id, late.from_byte, late.to_byte, late.left, str(late.file), message)


def _shadow(job: Job, shadow: Path) -> ShadowStatus:
    """What stands at the shadow's place."""
    run = maker(shadow, job.state)
    return ShadowStatus(str(shadow), run.id if run else None, run.facts.get("to") if run else None)


def _left_unread(job: Job, inventory: Inventory) -> Iterator[str]:
    """What the last run passed over because it could not be read, and is still where it was: headers and footers do not tell."""
    last = next((run.run for run in reversed(list_runs(job.own_state)) if run.status == "finished"), None)
    said = json.loads(last.report.read_text(encoding="utf-8")) if last is not None and last.report.is_file() else {}
    versions = {f.path: f.version for f in inventory.files}
    for file in said.get("skipped", ()):
        if versions.get(file["path"], said["to"]) not in (said["to"], None):
            yield f"{file['path']}: the last run could not read it and left it as it was: {file['problem']}"


def _problem(remark: Remark, file: DataFile | None) -> FileProblem:
    if file is None:
        return FileProblem(remark.path, remark.message, remark.hint)
    return FileProblem(remark.path, remark.message, remark.hint, file.candidates, file.unreadable)


def runs_of(job: Job) -> RunsReport:
    """Every run of a dataset, as its journal tells it; where it has a shadow, those that made that, too."""
    own = _entries(job.name, job.own_state, None)
    entries = own if job.shadow is None else [*own, *_entries(job.name, job.state, job.shadow)]
    return RunsReport(job.name, tuple(sorted(entries, key=lambda entry: entry.run)))


def _entries(name: str, state: State, shadow: Path | None) -> list[RunEntry]:
    states, busy = list_runs(state), holder(state.lock) is not None
    entries = []
    for run in states:
        facts, status = run.facts, str(run.status)
        way_back = _way_back(f"{name} --shadow {shadow}" if shadow else name, run, states)
        if busy and not run.settled:
            status, way_back = "running", "not before it ends"
        to = facts.get("to")
        entries.append(
            RunEntry(
                run=run.id,
                verb=str(facts.get("verb", "")),
                status=status,
                started=run.begun,
                user=str(facts.get("user", "")),
                host=str(facts.get("host", "")),
                target=to if isinstance(to, int) else None,
                files=int(facts.get("files", 0)),
                way_back=way_back,
                batch="{number} of {of}".format(**facts["batch"]) if facts.get("batch") else "",
                shadow=str(shadow) if shadow else None,
            )
        )
    return entries


def _what(run: RunState) -> str:
    """A run in a word or three: `upgrade to 3, half-published`."""
    to = run.facts.get("to")
    half = ", half-published" if run.status == "half-published" else ""
    return f"{run.facts.get('verb', 'not begun')}{'' if to is None else f' to {to}'}{half}"


def _way_back(name: str, run: RunState, states: Sequence[RunState]) -> str:
    """How a run can be undone now, or why not. `name`: as commands name the dataset. `states`: all runs, oldest first."""
    if run.status == "half-published":
        return "the next command that writes brings it to an end"
    if run.status == "interrupted" and not run.settled and run.facts.get("verb") == "rollback":
        return "the same command goes on with it; nothing has changed"
    if run.status == "interrupted" and not run.settled:
        return f"the same command goes on with it; instar rollback {name} discards it"
    if run.status == "staged":
        to, verb = run.facts.get("to"), run.facts.get("verb", "upgrade")
        return f"instar {verb} {name}{'' if to is None else f' {to}'} publishes it; instar rollback {name} discards it"
    if run.status != "finished":
        return "nothing to undo"
    if not has_snapshot(run):
        return f"snapshot {removal(run) or 'is gone'}"
    if run.undoes:
        later = any(r.id > run.id and r.status == "finished" for r in states)
        return "none: other runs came after it" if later else f"instar rollback {name} {run.id}"
    changed = [r for r in states if r.status == "finished" and not r.undoes]
    ids = [each.id for each in changed]
    gone = next((r.id for r in changed if r.id > run.id and not has_snapshot(r)), None)
    if gone is not None:
        return f"none: the snapshot of the later run {gone} is gone"
    if run.id == ids[-1]:
        return f"instar rollback {name}"
    before = ids.index(run.id) - 1
    return f"instar rollback {name} --to {ids[before]}" if before >= 0 else "after the later runs are rolled back"
