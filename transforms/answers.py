"""What the verbs answer that migrate nothing: plain data with an `as_json`, no rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from instar.transforms.report import FileProblem


@dataclass(frozen=True)
class VersionCount:
    """How much of a dataset is at one version; `how` counts files by how their version was told."""

    version: int
    files: int
    rows: int | None
    bytes: int
    variants: int
    how: Mapping[str, int]


@dataclass(frozen=True)
class Variants:
    """Files of a version that differ from its schema in the same: `what`, in words."""

    version: int
    what: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        first, *others = self.files
        more = f" and {len(others):,} more" if others else ""
        return f"{first}{more} differ{'' if others else 's'} from version {self.version} in {self.what}"


@dataclass(frozen=True)
class ShadowStatus:
    """Where a dataset's shadow is, and by which run and at which version; both None where none stands there."""

    path: str
    run: str | None
    version: int | None


@dataclass(frozen=True)
class LateFile:
    """What came to the old tree of a run after that was published: a file that "landed" there, was "replaced" or "changed", or has
    "grown", by the bytes from `from_byte` to before `to_byte`. `why` the next run cannot take it in, "" where it does. `file`: it.
    """

    path: str
    what: str
    run: str
    from_byte: int
    to_byte: int
    why: str
    file: str
    message: str


@dataclass(frozen=True)
class StatusReport:
    """Which file of a dataset is at which version, and what is odd about it. `pending` are the steps to the newest version, `late`
    is what came to old trees, `variants` in what the files that are counted as such differ, `staged` the run that waits for its
    publish."""

    dataset: str
    root: str
    subject: str
    format: str
    newest: int
    versions: tuple[VersionCount, ...]
    problems: tuple[FileProblem, ...]
    warnings: tuple[str, ...]
    others: int
    pending: tuple[tuple[int, str], ...]
    interrupted: tuple[str, ...] = ()
    shadow: ShadowStatus | None = None
    late: tuple[LateFile, ...] = ()
    variants: tuple[Variants, ...] = ()
    staged: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        out = asdict(self)
        out["pending"] = [{"version": version, "message": message} for version, message in self.pending]
        return out


@dataclass(frozen=True)
class StepCheck:
    """One migration, checked: `problems` is empty where it leads exactly to the registered next version."""

    version: int
    message: str
    script: str
    problems: tuple[str, ...]
    losses: tuple[tuple[str, str], ...]
    untouched: int
    leaves: int


@dataclass(frozen=True)
class CheckReport:
    """The static proof of every chain, and what is wrong with the registry and the migrations folder.

    `checks`: the SQL checks of data that were looked at; what is wrong with one is among the `problems`.
    """

    subjects: Mapping[str, tuple[StepCheck, ...]]
    problems: tuple[str, ...]
    checks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems and not any(step.problems for steps in self.subjects.values() for step in steps)

    def as_json(self) -> dict[str, Any]:
        subjects = {
            subject: [{**asdict(step), "losses": [{"path": p, "reason": r} for p, r in step.losses]} for step in steps]
            for subject, steps in self.subjects.items()
        }
        return {"ok": self.ok, "subjects": subjects, "problems": list(self.problems), "checks": list(self.checks)}


@dataclass(frozen=True)
class HistoryEntry:
    """One version of a subject: the migration that leads to it (None for the first), and whether it is registered."""

    version: int
    message: str
    script: str | None
    registered: bool
    operations: tuple[str, ...] = ()


@dataclass(frozen=True)
class HistoryReport:
    subject: str
    entries: tuple[HistoryEntry, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class RunEntry:
    """One run of a dataset, as its journal tells. `way_back` says how it can be undone now, or why not; `batch` "2 of 5"."""

    run: str
    verb: str
    status: str
    started: str
    user: str
    host: str
    target: int | None
    files: int
    way_back: str
    batch: str = ""
    shadow: str | None = None


@dataclass(frozen=True)
class RunsReport:
    dataset: str
    runs: tuple[RunEntry, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class StampReport:
    """What `stamp` recorded: these files of a dataset are at this version, a person says."""

    dataset: str
    version: int
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Converted:
    """A file that was converted: its old and new name, relative to both places; bytes before and after."""

    source: str
    target: str
    rows: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class ConvertReport:
    """The answer of `convert`. `subject` and `version` are None for files that no project knows; `document` is the target's schema
    document; `casts` are (path, type, type it became); `read_back_by` says who read every new file for the proof."""

    source: str
    target: str
    format: str
    to: str
    subject: str | None
    version: int | None
    files: tuple[Converted, ...]
    document: str
    casts: tuple[tuple[str, str, str], ...]
    read_back_by: str
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes_in(self) -> int:
        return sum(file.bytes_in for file in self.files)

    @property
    def bytes_out(self) -> int:
        return sum(file.bytes_out for file in self.files)

    def as_json(self) -> dict[str, Any]:
        casts = [{"path": path, "from": old, "to": new} for path, old, new in self.casts]
        totals = {"rows": self.rows, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out}
        return {**asdict(self), "casts": casts, "seconds": round(self.seconds, 3), **totals}


@dataclass(frozen=True)
class Adopted:
    """What `init --from` and `register` made."""

    project: str
    subject: str
    version: int
    document: str
    dataset: str | None = None
    files: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[FileProblem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
