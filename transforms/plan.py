"""Inventory + chains → Plan: what a run would do. Pure: nothing is written, and the same input gives the same plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from instar.formats.errors import UsageError
from instar.formats.inventory import DataFile, Inventory, Remark
from instar.formats.path import path_text
from instar.formats.splice import Way
from instar.transforms.in_full import in_full
from instar.transforms.left_behind import left_behind
from instar.transforms.migration import Chain
from instar.transforms.run.resume import Resumption, Wanted
from instar.transforms.run.splice import Foretold
from instar.transforms.spelling import operation_text

WRITING = "it is still being written"
"""What is said of a file that makes no sense yet, and that somebody has in hand."""


@dataclass(frozen=True)
class Action:
    """What happens to one file. `rewrite`: brought from `version` to the plan's target; `keep`: it is there already.

    `rows` is None where only reading would tell. `bytes_out` is an estimate for a rewrite, exact for a file that is kept. `target`
    is the path its new form will have, "" where that is the same. `way` and `why` are what its receipt will have, as far as that is
    known before its values are read; of a file that is kept they say nothing.
    """

    path: str
    kind: Literal["rewrite", "keep"]
    version: int
    size: int
    mtime_ns: int
    rows: int | None
    bytes_out: int
    variant: bool = False
    target: str = ""
    way: Way = "spliced"
    why: str = ""

    @property
    def new_path(self) -> str:
        return self.target or self.path


@dataclass(frozen=True)
class Plan:
    """What a run would do, in full. `chains` has one entry a version that is to be rewritten.

    `method` is how it would be published and `method_reason` why; `dropped` are side files that describe bytes which change;
    `seconds` is a rough estimate of wall time; `skipped` are files that cannot be read and stay as they are, `arriving` such as
    are being written and make no sense yet, which stay as well; `resumes` is what
    of an interrupted run's stage would be used; `batches` how many runs publish it, one after the other; `shadow` is where a
    second tree is built, `copied` the bytes of what goes into it as it is. All sizes are bytes. `checks` (files), the command
    `test` and the `queries` of a folder are asked between the proof and the publish.
    """

    dataset: str
    root: Path
    subject: str
    format: str
    target: int
    actions: tuple[Action, ...]
    chains: Mapping[int, Chain]
    dropped: tuple[str, ...]
    carried_over: int
    method: str
    method_reason: str
    disk_free: int
    seconds: float
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, DataFile] = field(default_factory=dict, repr=False)
    skipped: tuple[Remark, ...] = ()
    arriving: tuple[str, ...] = ()
    resumes: Resumption | None = None
    batches: int = 1
    shadow: Path | None = None
    copied: int = 0
    checks: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    queries: str = ""

    @property
    def rewrites(self) -> tuple[Action, ...]:
        return tuple(a for a in self.actions if a.kind == "rewrite")

    @property
    def kept(self) -> tuple[Action, ...]:
        return tuple(a for a in self.actions if a.kind == "keep")

    @property
    def renamed(self) -> dict[str, str]:
        """Old name → new name, of files that get another one."""
        return {a.path: a.target for a in self.rewrites if a.target}

    @property
    def rows(self) -> int | None:
        """Of the files to be rewritten; None where one of them can only be counted by reading it."""
        counts = [a.rows for a in self.rewrites]
        return None if any(c is None for c in counts) else sum(c for c in counts if c is not None)

    @property
    def bytes_in(self) -> int:
        return sum(a.size for a in self.rewrites)

    @property
    def bytes_out(self) -> int:
        return sum(a.bytes_out for a in self.rewrites)

    @property
    def disk_needed(self) -> int:
        """New files stand beside the old ones, which become the snapshot; unchanged files are hard-linked, into a shadow copied."""
        return self.bytes_out + self.copied

    @property
    def hash(self) -> str:
        """Of everything the run depends on; a plan file is refused where it differs."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def identity(self) -> dict[str, Any]:
        """What two plans are compared by: the dataset, the target, each file as it was found, each chain."""
        return {
            "dataset": self.dataset,
            "root": str(self.root),
            "subject": self.subject,
            "target": self.target,
            "files": {a.path: _identity(a) for a in self.actions},
            "chains": {str(version): chain.hash for version, chain in sorted(self.chains.items())},
            **({"skipped": [remark.path for remark in self.skipped]} if self.skipped else {}),
            **({"shadow": str(self.shadow)} if self.shadow else {}),
        }

    def as_json(self) -> dict[str, Any]:
        """For `--json` and plan files: everything, `hash` included."""
        return {
            "dataset": self.dataset,
            "root": str(self.root),
            "subject": self.subject,
            "format": self.format,
            "from": by_version(self.rewrites),
            "to": self.target,
            "files": {
                "rewrite": len(self.rewrites),
                "keep": len(self.kept),
                "carried_over": self.carried_over,
                "skipped": len(self.skipped),
            },
            "rows": self.rows,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "disk": {"needed": self.disk_needed, "free": self.disk_free},
            "seconds": round(self.seconds, 1),
            "method": {"name": self.method, "reason": self.method_reason},
            "batches": self.batches,
            "shadow": str(self.shadow) if self.shadow else None,
            "way_back": self.way_back(),
            "resumes": self.resumes.as_json() if self.resumes else None,
            "gates": {"checks": list(self.checks), "test": list(self.test), "queries": self.queries or None},
            "dropped": list(self.dropped),
            "chains": [_chain_json(version, chain) for version, chain in sorted(self.chains.items())],
            "actions": [
                {
                    "path": a.path,
                    "new_path": a.new_path,
                    "action": a.kind,
                    "from": a.version,
                    "rows": a.rows,
                    "bytes_in": a.size,
                    "bytes_out": a.bytes_out,
                    **({"way": a.way, "why": a.why or None} if a.kind == "rewrite" else {}),
                }
                for a in self.actions
            ],
            "skipped": [{"path": remark.path, "problem": remark.message} for remark in self.skipped],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "identity": self.identity(),
            "hash": self.hash,
        }

    def parts(self, files: int | None = None, size: int | None = None) -> tuple[tuple[Action, ...], ...]:
        """The files to be rewritten in batches of at most so many files and source bytes (at least one file), in their order."""
        made: list[list[Action]] = []
        filled = 0
        for action in self.rewrites:
            full = made and ((files and len(made[-1]) >= files) or (size and filled + action.size > size))
            if not made or full:
                made.append([])
                filled = 0
            made[-1].append(action)
            filled += action.size
        return tuple(map(tuple, made))

    def wanted(self) -> tuple[Wanted, ...]:
        """The files to be rewritten, as what an interrupted run had staged is held against."""
        return tuple(Wanted(a.path, a.size, a.mtime_ns, self.chains[a.version].hash, a.new_path) for a in self.rewrites)

    def way_back(self) -> dict[str, Any]:
        """How this could be undone: exactly by the snapshot, or by a downgrade with what that would lose."""
        losses = {
            str(version): [{"path": path_text(loss.path), "reason": loss.reason} for loss in chain.losses]
            for version, chain in sorted(self.chains.items())
        }
        exact = "exact: what stood at the shadow's place" if self.shadow else "exact, from the snapshot"
        return {"rollback": exact, "downgrade_loses": losses, "left_behind": list(self.left_behind())}

    def left_behind(self) -> tuple[str, ...]:
        """On a way down: the fields for which the older version has no place. Their values stay in the snapshot only."""
        places = {path for version, chain in self.chains.items() if self.target < version for path in left_behind(chain.mapping)}
        return tuple(sorted(map(path_text, places)))


def arriving_warning(path: str) -> str:
    """What a plan says of a file that is being written."""
    return f"{path}: {WRITING}, and is left as it is"


def by_version(actions: tuple[Action, ...]) -> dict[str, int]:
    """How many files at each version: {"1": 6, "2": 4}."""
    counts: dict[str, int] = {}
    for action in sorted(actions, key=lambda a: a.version):
        counts[str(action.version)] = counts.get(str(action.version), 0) + 1
    return counts


def make_plan(
    inventory: Inventory,
    *,
    dataset: str,
    target: int,
    chain: Callable[[int], Chain],
    estimate: Callable[[DataFile, Chain], int],
    method: tuple[str, str],
    disk_free: int,
    seconds: float,
    foretell: Callable[[DataFile, Chain], Foretold] = lambda file, chain: Foretold(),
    named: Callable[[str], str] = lambda path: path,
    shadow: Path | None = None,
    warnings: tuple[str, ...] = (),
) -> Plan:
    """Every file gets its own action and, by its version, its own chain.

    `chain(version)` is the fused way from that version to `target`; `estimate` the bytes a rewrite will have; `seconds` the time
    it will take; `foretell` how a file will come about; `named` a rewritten file's name.
    """
    chains: dict[int, Chain] = {}
    actions: list[Action] = []
    notes: list[str] = []
    for f in inventory.files:
        assert f.version is not None, "problems are refused before a plan is made"
        foretold = Foretold()
        if f.version == target:
            kind, size, name = "keep", f.size, f.path
        else:
            if f.version not in chains:
                chains[f.version] = chain(f.version)
            kind, size, name = "rewrite", estimate(f, chains[f.version]), named(f.path)
            foretold = foretell(f, chains[f.version])
            notes += [f"{f.path}: {note}" for note in foretold.notes]
        rows, other = f.facts.rows if f.facts else None, "" if name == f.path else name
        way, why = foretold.way, foretold.why
        actions.append(Action(f.path, kind, f.version, f.size, f.mtime_ns, rows, size, f.variant, other, way, why))
    notes += in_full(((a.path, a.why) for a in actions), done=False)
    rewritten = {a.path for a in actions if a.kind == "rewrite"}
    dropped = inventory.describing(rewritten)
    left_out = {o.path for o in dropped}
    kept = [a.size for a in actions if a.kind == "keep"] + [o.size for o in inventory.others if o.path not in left_out]
    return Plan(
        dataset=dataset,
        root=inventory.location,
        subject=inventory.subject,
        format=inventory.format,
        target=target,
        actions=tuple(actions),
        chains=chains,
        dropped=tuple(o.path for o in dropped),
        carried_over=len(inventory.others) - len(dropped),
        method=method[0],
        method_reason=method[1],
        disk_free=disk_free,
        seconds=seconds,
        warnings=(
            *map(str, inventory.warnings),
            *warnings,
            *(arriving_warning(remark.path) for remark in inventory.arriving),
        ),
        notes=tuple(notes),
        files={f.path: f for f in inventory.files},
        skipped=inventory.skipped,
        arriving=tuple(remark.path for remark in inventory.arriving),
        shadow=shadow,
        copied=sum(kept) if shadow else 0,
    )


def read_plan(path: Path) -> dict[str, Any]:
    """A plan file that `instar plan --out` wrote.

    Raises:
        UsageError: it is not one.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a plan: {error}", hint="Make one with: instar plan DATASET --out FILE") from error
    identity = saved.get("identity") if isinstance(saved, dict) else None
    if not isinstance(identity, dict) or not {"files", "target"} <= identity.keys():
        raise UsageError(f"{path} is not a plan", hint="Make one with: instar plan DATASET --out FILE")
    return saved


def refuse_changed(plan: Plan, saved: Mapping[str, Any]) -> None:
    """`upgrade --plan p.json`: apply exactly what was reviewed.

    Raises:
        UsageError: the plan made now differs from the saved one; names what differs.
    """
    if saved.get("hash") == plan.hash:
        return
    before, now = saved.get("identity") or {}, plan.identity()
    keys = ("dataset", "root", "subject", "target", "chains", "skipped", "shadow")
    changed = [key for key in keys if before.get(key) != now.get(key)]
    old_files, new_files = before.get("files") or {}, now["files"]
    files = sorted(path for path in {*old_files, *new_files} if old_files.get(path) != new_files.get(path))
    what = [f"its {key} changed" for key in changed] + ([f"{len(files)} files changed: {', '.join(files[:5])}"] if files else [])
    raise UsageError(
        f"this is not the plan that was saved: {'; '.join(what) or 'its hash differs'}",
        hint="Look at `instar plan` again, save it with --out, and upgrade with that file.",
    )


def _identity(action: Action) -> dict[str, Any]:
    found = {"action": action.kind, "version": action.version, "size": action.size, "mtime_ns": action.mtime_ns}
    return {**found, "target": action.target} if action.target else found


def _chain_json(version: int, chain: Chain) -> dict[str, Any]:
    steps = [
        {"version": m.version, "message": m.message, "operations": [operation_text(o) for o in m.operations]}
        for m in chain.migrations
    ]
    return {"from": version, "to": chain.to_version, "hash": chain.hash, "migrations": steps}
