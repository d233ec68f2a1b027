"""What the verbs answer that migrate data, and `verify`: plain data with an `as_json`, no rendering. Others' are in `answers`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from instar.formats.errors import Collected, ProofError, Where
from instar.formats.inventory import SKIPPING
from instar.formats.path import path_text
from instar.transforms.events import FileProved, RunPublished
from instar.transforms.provenance import Provenance
from instar.transforms.run.listing import Change
from instar.transforms.run.resume import Resumption
from instar.transforms.run.unit import ColumnProof, Example, FileProof, Receipt

if TYPE_CHECKING:
    from instar.transforms.gate_result import GateResult
    from instar.transforms.recovered import Loss

REPORT_FORMAT = 2
"""Of `report.json`, whose JSON Schema is beside this file; raised when a key changes its meaning or goes."""


def json_text(value: Any, default: Callable[[object], object] | None = None) -> str:
    """A report as JSON, indented, with a final newline. A file's name that is no valid UTF-8 comes as escaped surrogates."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=default) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def loss_text(loss: Loss) -> tuple[str, str]:
    """Path and reason of what a way back cannot derive, and what becomes of it."""
    outcome = ""
    if loss.restored:
        outcome = "; the script's downgrade fills it"
    elif loss.fatal:
        outcome = "; it must have a value, so there is no way down until the script's downgrade gives one"
    return path_text(loss.path), loss.reason + outcome


@dataclass(frozen=True)
class Proof:
    """`verdict`: "proved", "repeated" (some columns could only be run again), "failed". `ways` counts columns by how."""

    verdict: Literal["proved", "repeated", "failed"]
    files: tuple[FileProof, ...]

    @classmethod
    def of(cls, files: Iterable[FileProof]) -> Proof:
        """The files' proofs as one: as good as the worst of them."""
        ordered = tuple(sorted(files, key=lambda file: file.path))
        verdicts = {file.verdict for file in ordered}
        return cls("failed" if "failed" in verdicts else "repeated" if "repeated" in verdicts else "proved", ordered)

    def error(self) -> ProofError | Collected:
        """What a failed proof is raised as: every place named."""
        hint = "Nothing was published and the data is as it was. " + self._cause
        found = [
            (Where(file=f.path), f"{f.path}: {text}", [e.as_json() for e in examples])
            for f in self.files
            for text, examples in f.differences
        ]
        error: ProofError | Collected
        if len(found) == 1:
            where, text, examples = found[0]
            error = ProofError(f"the proof failed: {text}", hint=hint, where=where, examples=examples)
        else:
            errors = [ProofError(text, where=where, examples=examples) for where, text, examples in found]
            error = Collected(f"the proof failed in {len(found)} places", hint=hint, errors=errors)
        error.report = {"proof": self.as_json()}
        return error

    @property
    def _cause(self) -> str:
        if any(f.unread for f in self.files):
            return (
                "A file that Instar could read or copy, the proof's own readers cannot read: it is damaged. Restore it or write "
                f"it again, or leave it out with `exclude`. {SKIPPING}"
            )
        failed = [c for f in self.files for c in f.columns if c.problem]
        if failed and all(c.way == "repeated" for c in failed):
            return (
                "A function gave something else the second time: it must give the same for the same values, whenever it is called."
            )
        return "This is a fault of Instar's or of the disk: report it, please."

    @property
    def ways(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for f in self.files:
            for column in f.columns:
                counts[column.way] = counts.get(column.way, 0) + 1
        return counts

    @property
    def failures(self) -> tuple[str, ...]:
        """Each as one line: file, column, what differs."""
        return tuple(f"{f.path}: {line}" for f in self.files for line in f.failures)

    @property
    def allowances(self) -> tuple[str, ...]:
        """Differences that `fidelity.allow` let go, each as one line."""
        return tuple(f"{f.path}: {message} (allowed: {code})" for f in self.files for code, message in f.allowed)

    def as_json(self) -> dict[str, Any]:
        checks = [
            {
                "file": f.path,
                "verdict": f.verdict,
                "rows": [f.rows_old, f.rows_new],
                "quarantined": asdict(f.quarantined) if f.quarantined.records else None,
                "columns": [_column_json(column) for column in f.columns],
                "seconds": round(f.seconds, 3),
                "fidelity": [{"code": code, "message": message} for code, message in f.fidelity],
                "allowed": [{"code": code, "message": message} for code, message in f.allowed],
            }
            for f in self.files
        ]
        return {"verdict": self.verdict, "ways": self.ways, "checks": checks}


def _column_json(column: ColumnProof) -> dict[str, Any]:
    """A check; examples only where it failed: most reports have thousands that did not."""
    found: dict[str, Any] = {"path": column.path, "way": column.way, "problem": column.problem or None, "row": column.row}
    if column.problem:
        found |= {"differing": column.differing, "examples": [example.as_json() for example in column.examples]}
    return found


def proved_event(proof: FileProof, receipt: Receipt) -> FileProved:
    """A file's proof as a log tells it."""
    ways = dict(Counter(column.way for column in proof.columns))
    return FileProved(proof.path, proof.verdict, ways, receipt.rows_out, receipt.source_size, proof.seconds)


def published_event(run: str, receipts: Sequence[Receipt]) -> RunPublished:
    """A run's publish as a log tells it."""
    return RunPublished(
        run=run,
        files=len(receipts),
        rows_in=sum(r.rows_in for r in receipts),
        rows_out=sum(r.rows_out for r in receipts),
        bytes_in=sum(r.source_size for r in receipts),
        bytes_out=sum(r.size for r in receipts),
    )


def quarantined_by_file(receipts: Sequence[Receipt]) -> dict[str, int]:
    """How many records were left out of each file, where any were."""
    return {r.path: r.quarantined for r in sorted(receipts, key=lambda r: r.path) if r.quarantined}


@dataclass(frozen=True)
class FileProblem:
    """A file that keeps a dataset from being migrated: an anomaly, ambiguous between `candidates`, or `unreadable`: what is in it
    cannot be read at all, so that `--skip-unreadable` passes it over. `examples`: records that a proof found to differ."""

    path: str
    problem: str
    hint: str = ""
    candidates: tuple[int, ...] = ()
    unreadable: bool = False
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class RunReport:
    """The answer of `upgrade`, `downgrade` and `rollback`; of a run that failed, its `report.json` only.

    `status`: "done"; "staged" (proved, and published by the next upgrade); "nothing to do" (then `run` is None and nothing was
    written); "discarded" (an interrupted run's stage); "failed", with the `error`: nothing was published.
    `origin` counts the rewritten files by the version they were at. `seconds` is wall time by step. `losses` is what a downgrade
    lost, as it had declared, and `left_behind` the fields that the older version has no place for. `skipped`: files that could
    not be read and stand untouched. `resumed`: what it used of an interrupted run; `undoes`: the runs that a rollback took back.
    `runs`: all runs of a roll-out in batches, `run` being the last. `rows_in`, `rows_out`: None where a rollback moves
    files that no run had counted, as in a shadow.
    Otherwise rows_in = rows_out + the records that were `quarantined`, counted by file, which stand in the file
    `quarantine` (one a run).
    `late`: what writers did to the dataset while the run worked, and for what it was too late; it stands as they did it, and the
    next run converts it. `rounds`: so often more was staged and proved, since files had come or changed meanwhile.
    For `report.json`, as docs/report.md tells: `written`, the receipts of the new files; `timeline`, what was done when;
    `schema` and `profile`, None where nothing was computed; `gates` and `audit`, what else had to hold.
    """

    verb: str
    status: str
    run: str | None
    dataset: str
    subject: str
    origin: Mapping[str, int]
    target: int | None
    files: Mapping[str, int]
    rows_in: int | None
    rows_out: int | None
    bytes_in: int
    bytes_out: int
    bytes_planned: int
    seconds: Mapping[str, float]
    proof: Proof | None
    method: str
    snapshot: str | None
    provenance: Provenance
    losses: tuple[tuple[str, str], ...] = ()
    left_behind: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    shadow: str | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[FileProblem, ...] = ()
    resumed: Resumption | None = None
    undoes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    quarantined: Mapping[str, int] = field(default_factory=dict)
    quarantine: tuple[str, ...] = ()
    late: tuple[Change, ...] = ()
    rounds: int = 0
    written: tuple[Receipt, ...] = ()
    timeline: tuple[Mapping[str, Any], ...] = ()
    schema: tuple[Mapping[str, Any], ...] | None = None
    profile: Mapping[str, Any] | None = None
    gates: tuple[GateResult, ...] = ()
    stage: str | None = None
    audit: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "format": REPORT_FORMAT,
            "verb": self.verb,
            "status": self.status,
            "run": self.run,
            "dataset": self.dataset,
            "subject": self.subject,
            "from": dict(self.origin),
            "to": self.target,
            "files": dict(self.files),
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "rows_quarantined": sum(self.quarantined.values()),
            "quarantine": {"written": list(self.quarantine), "records": dict(self.quarantined)} if self.quarantine else None,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "bytes_planned": self.bytes_planned,
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
            "proof": self.proof.as_json() if self.proof else None,
            "method": self.method,
            "shadow": self.shadow,
            "snapshot": self.snapshot,
            "stage": self.stage,
            "resumed": self.resumed.as_json() if self.resumed else None,
            "undoes": list(self.undoes),
            "runs": list(self.runs),
            "losses": [{"path": path, "reason": reason} for path, reason in self.losses],
            "left_behind": list(self.left_behind),
            "dropped": list(self.dropped),
            "skipped": [{"path": file.path, "problem": file.problem} for file in self.skipped],
            "late": [{"path": change.path, "what": change.what, "why": change.why} for change in self.late],
            "rounds": self.rounds,
            "renamed": [{"path": old, "new_path": new} for old, new in sorted(self.renamed.items())],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "schema": None if self.schema is None else list(self.schema),
            "profile": self.profile,
            "gates": [gate.as_json() for gate in self.gates],
            "audit": self.audit,
            "written": [written_json(receipt) for receipt in self.written],
            "timeline": list(self.timeline),
            "error": self.error,
            "provenance": {**asdict(self.provenance), "versions": dict(self.provenance.versions)},
        }


def written_json(receipt: Receipt) -> dict[str, Any]:
    """A file that a run wrote."""
    return {
        "path": receipt.path,
        "new_path": receipt.new_path,
        "rows": [receipt.rows_in, receipt.rows_out],
        "bytes": [receipt.source_size, receipt.size],
        "way": receipt.way,
        "why": receipt.why or None,
        "seconds": round(receipt.seconds, 3),
    }


@dataclass(frozen=True)
class VerifyReport:
    """The answer of `verify`: a run's proof, again. `origin` and `target` are the run's versions, `files` how many it rewrote.

    `problems` name what is not as the run left it or does not hold; `unproved` the files that nothing is left to prove by.
    """

    dataset: str
    run: str
    verb: str
    origin: Mapping[str, int]
    target: int
    started: str
    files: int
    proof: Proof
    problems: tuple[FileProblem, ...]
    unproved: tuple[FileProblem, ...]
    notes: tuple[str, ...]
    seconds: Mapping[str, float]
    gates: tuple[GateResult, ...] = ()

    @property
    def refused(self) -> bool:
        """Does a check of the project's own say no?"""
        return any(gate.verdict == "failed" for gate in self.gates)

    @property
    def verdict(self) -> Literal["proved", "repeated", "unproved", "failed"]:
        """As good as the worst of the files."""
        return "failed" if self.problems or self.refused else "unproved" if self.unproved else self.proof.verdict

    @property
    def ok(self) -> bool:
        return not self.problems and not self.unproved and not self.refused

    def as_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "run": self.run,
            "verb": self.verb,
            "from": dict(self.origin),
            "to": self.target,
            "started": self.started,
            "verdict": self.verdict,
            "files": self.files,
            "problems": [{"path": p.path, "problem": p.problem} for p in self.problems],
            "unproved": [{"path": p.path, "problem": p.problem} for p in self.unproved],
            "notes": list(self.notes),
            "gates": [gate.as_json() for gate in self.gates],
            "proof": self.proof.as_json(),
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
        }
