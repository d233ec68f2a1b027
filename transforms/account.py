"""A run as it is told afterwards: its `report.json`, completed by what its journal, the registry and its files say. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from instar.formats.errors import InstarError, RunError, UsageError
from instar.transforms.aligned import fields_of, of_chain
from instar.transforms.answers import RunEntry
from instar.transforms.job import Job, Options, with_options
from instar.transforms.properties import properties_of
from instar.transforms.report import REPORT_FORMAT, RunReport, written_json
from instar.transforms.run.journal import Failed, Planned, PublishBegun, Published, Stopped
from instar.transforms.run.removed import removal
from instar.transforms.run.state import RunState, known_runs, list_runs, receipts_of
from instar.transforms.run.timeline import timeline
from instar.transforms.status import runs_of
from instar.transforms.verify import units_of

ADDED = ("now", "properties")
"""The keys that an account has and `report.json` has not."""


@dataclass(frozen=True)
class Account:
    """One run. `told` has every key of report.json, and those of `ADDED`: what has become of it, and what its files are like."""

    told: Mapping[str, Any]

    @property
    def run(self) -> str:
        return str(self.told["run"])

    @property
    def dataset(self) -> str:
        return str(self.told["dataset"])

    def as_json(self) -> dict[str, Any]:
        return dict(self.told)


def account(job: Job, run: str | None = None, *, properties: bool = True) -> Account:
    """Of a run, the last one by default. `properties`: look at the files, too.

    Raises:
        UsageError: there is no such run, or none. RunError: its journal or its report cannot be understood.
    """
    runs, entries = _runs(job)
    known = [each.id for each in runs if each.last(Planned)]
    if not known:
        raise UsageError(f"{job.name} has no runs yet", hint=f"`instar upgrade {job.name}` makes one.")
    id = run or known[-1]
    if id not in known:
        raise UsageError(f"there is no run {id!r}", hint=known_runs(known))
    state = next(each for each in runs if each.id == id)
    made = _account(job, state, entries[id])
    return Account({**made, "properties": _properties(job, state, runs, made) if properties else None})


def accounts(job: Job) -> tuple[Account, ...]:
    """Of all runs, oldest first, without a look at files."""
    runs, entries = _runs(job)
    told = (_account(job, state, entries[state.id]) for state in runs if state.last(Planned))
    return tuple(Account({**made, "properties": None}) for made in told)


def _runs(job: Job) -> tuple[Sequence[RunState], Mapping[str, RunEntry]]:
    """All runs, and what became of each, by its id."""
    return list_runs(job.state), {entry.run: entry for entry in runs_of(job).runs}


def _account(job: Job, state: RunState, entry: RunEntry) -> dict[str, Any]:
    """All that is told of a run but its files' properties."""
    told = {**_by_journal(job, state), **_left(state), "format": REPORT_FORMAT, "timeline": list(timeline(state.lines))}
    told |= {"seconds": {**told["seconds"], **_publish(state)}, "schema": told["schema"] or _schema(job, told)}
    return {**told, "now": _now(entry)}


def _left(state: RunState) -> dict[str, Any]:
    """The report that the run left; empty where there is none."""
    if not state.run.report.is_file():
        return {}
    try:
        told = json.loads(state.run.report.read_text(encoding="utf-8"))
        for check in (told.get("proof") or {"checks": ()})["checks"]:
            check.setdefault("seconds", None)  # which format 1 did not say
        return told
    except ValueError as error:
        raise RunError(
            f"the report {state.run.report} cannot be understood: {error}", hint="Restore the state folder, or remove that file."
        ) from error


def _by_journal(job: Job, state: RunState) -> dict[str, Any]:
    """Every key of a report, as far as the journal knows: of a run that was interrupted, or whose report an older Instar wrote."""
    from instar.transforms.provenance import Provenance

    facts, receipts = state.facts, receipts_of(state)
    planned, ended = state.last(Planned), state.last(Failed) or state.last(Stopped)
    by = Provenance(
        state.begun, str(facts.get("user", "")), str(facts.get("host", "")), "", (), facts.get("git"), str(facts.get("verb", ""))
    )
    to = facts.get("to")
    error = (
        None if ended is None else {"kind": ended.kind, "message": ended.message or "interrupted", "hint": ended.hint, "errors": []}
    )
    report = RunReport(
        verb=str(facts.get("verb", "")), status="done" if state.last(Published) else "failed", run=state.id, dataset=job.name,
        subject=str(facts.get("subject", job.subject)), origin=facts.get("from", {}), target=to if isinstance(to, int) else None,
        files={"rewritten": len(receipts) if state.last(Published) else 0}, rows_in=sum(r.rows_in for r in receipts),
        rows_out=sum(r.rows_out for r in receipts), bytes_in=sum(r.source_size for r in receipts),
        bytes_out=sum(r.size for r in receipts), bytes_planned=0, seconds={}, proof=None,
        method=planned.method if planned else "", snapshot=str(state.run.snapshot) if state.last(Published) else None,
        provenance=by, shadow=str(job.shadow) if job.shadow else None, undoes=state.undoes,
        error=None if state.last(Published) else error,
    )  # fmt: skip
    return {**report.as_json(), "written": [written_json(receipt) for receipt in receipts]}


def _publish(state: RunState) -> dict[str, float]:
    """How long the publish took: the report was written before it."""
    moments = {type(line.event): line.at for line in state.lines}
    if not {PublishBegun, Published} <= moments.keys():
        return {}
    begun, ended = (datetime.fromisoformat(moments[kind]) for kind in (PublishBegun, Published))
    return {"publish": round((ended - begun).total_seconds(), 3)}


def _schema(job: Job, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both schemas side by side, by the scripts as they are now; by names where these do not lead from one to the other."""
    steps, to = [], told["to"]
    for version in sorted(map(int, told["from"])):
        if to not in job.schemas or version not in job.schemas or version == to:
            continue
        try:
            steps.append(of_chain(version, job.chain(version, to)))
        except InstarError:
            fields = fields_of(job.schemas[version], job.schemas[to], None)
            steps.append({"from": version, "to": to, "by": "names", "migrations": [], "fields": fields})
    return steps


def _now(entry: RunEntry) -> dict[str, Any]:
    """What has become of the run, and its way back."""
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"at": at, "status": entry.status, "way_back": entry.way_back, "batch": entry.batch}


def _properties(job: Job, state: RunState, runs: Sequence[RunState], told: Mapping[str, Any]) -> dict[str, Any]:
    """As `properties_of`; `missing` says why there is nothing to look at."""
    nothing: dict[str, Any] = {"of": len(told["written"]), "files": [], "unread": []}
    if state.status not in ("finished", "staged") or state.undoes:
        return {**nothing, "missing": "only what a run has staged or published, and was not taken back since, can be looked at"}
    if removal(state) and not job.shadow:
        return {**nothing, "missing": "the old files went with the run's snapshot"}
    later = [each for each in runs if each.id > state.id and each.status == "finished" and not each.undoes]
    receipts = {receipt.path: receipt for receipt in receipts_of(state)}
    try:
        units = units_of(job, state, later, receipts, with_options(Options(), job.settings))
    except InstarError as error:
        return {**nothing, "missing": error.message}
    allowed = {each["code"] for check in (told["proof"] or {"checks": []})["checks"] for each in check["allowed"]}
    return {**properties_of(units, receipts, allowed), "missing": None}
