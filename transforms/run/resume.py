"""Going on with a run that was interrupted: what it had staged and still counts is used, everything else is staged again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from instar.formats.manifest import content_hash
from instar.transforms.provenance import library_versions
from instar.transforms.run.effects import Effects
from instar.transforms.run.executors import in_order
from instar.transforms.run.journal import Journal, Resumed, Staged
from instar.transforms.run.listing import is_folder, listing
from instar.transforms.run.quarantine import holds_part
from instar.transforms.run.renewal import renew
from instar.transforms.run.settle import discard_records
from instar.transforms.run.snapshot import discard
from instar.transforms.run.state import RunFolder, RunState, receipts_of
from instar.transforms.run.unit import Receipt

SOURCE, SCRIPTS, NAMES, VERSIONS, LOST = (
    "the source changed",
    "a script was edited, or the target is another one",
    "it gets another name",
    "another version of Instar or of its libraries had written it",
    "what was staged is not there any more, or was changed",
)
"""Why a file is staged again."""


@dataclass(frozen=True)
class Wanted:
    """One file of the new plan: its source as it is now, the hash of the chain that it takes, and the name it then has."""

    path: str
    size: int
    mtime_ns: int
    chain: str
    new_path: str


@dataclass(frozen=True)
class Resumption:
    """What a run can use of what it had staged: receipts by path; `again`: how many files are staged again, by reason."""

    run: str
    receipts: Mapping[str, Receipt]
    again: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        return {"run": self.run, "reused": len(self.receipts), "again": dict(self.again)}


def resumption(run: RunState, wanted: Sequence[Wanted]) -> Resumption:
    """By what can be seen at once; the bytes of what was staged are looked at by `sound`. Reads only."""
    receipts, versions = {r.path: r for r in receipts_of(run)}, library_versions()
    used, again = dict[str, Receipt](), dict[str, int]()
    for file in wanted:
        if (receipt := receipts.get(file.path)) is None:
            continue
        reason = _outdated(receipt, file, versions, run.run.staged(file.new_path))
        if reason:
            again[reason] = again.get(reason, 0) + 1
        else:
            used[file.path] = receipt
    return Resumption(run.id, used, again)


def _outdated(receipt: Receipt, file: Wanted, versions: tuple[tuple[str, str], ...], staged: Path) -> str:
    """Why the receipt counts no more; "" where it does."""
    if (receipt.source_size, receipt.source_mtime_ns) != (file.size, file.mtime_ns):
        return SOURCE
    if receipt.chain != file.chain:
        return SCRIPTS
    if receipt.new_path != file.new_path:
        return NAMES
    if receipt.versions != versions:
        return VERSIONS
    return "" if staged.is_file() and os.stat(staged).st_size == receipt.size else LOST


def sound(found: Resumption, run: RunFolder, executor: Executor, leaving_out: bool) -> Resumption:
    """Only what is on disk byte for byte as it was staged. A file of which records were left out counts only where this run is
    `leaving_out` such, too."""
    ordered = list(found.receipts.values())
    parts = (str(run.part(receipt.path)) if leaving_out else None for receipt in ordered)
    work = ((receipt, str(run.staged(receipt.new_path)), part) for receipt, part in zip(ordered, parts, strict=True))
    hold = in_order(executor, holds, work)
    used = {receipt.path: receipt for receipt, holds in zip(ordered, hold, strict=True) if holds}
    lost = len(ordered) - len(used)
    again = {**found.again, LOST: found.again.get(LOST, 0) + lost} if lost else found.again
    return Resumption(found.run, used, again)


def holds(receipt: Receipt, staged: str, part: str | None) -> bool:
    """Is the staged file what the receipt says, and the one of the records that were left out of it? For a worker."""
    if receipt.quarantined and (part is None or not holds_part(receipt, Path(part))):
        return False
    return content_hash(Path(staged)) == receipt.hash


def resume(
    run: RunFolder, found: Resumption, facts: dict[str, object], plan: bytes, sources: Path, journal: Journal, effects: Effects
) -> None:
    """The run goes on by another plan: it is in the run's folder, the journal says what counts, and nothing else is in the stage.

    Modes and attributes are those that the files below `sources` have now: that they changed shows in neither size nor time.

    Raises:
        OSError: the disk says no.
    """
    renew(run.plan, plan, effects)
    journal.write(Resumed(facts), *(Staged(receipt) for receipt in found.receipts.values()))
    discard(run.snapshot, effects)
    discard(run.preview, effects)
    discard_records(run, effects)
    if run.stage.is_dir():
        _keep_only(run.stage, {receipt.new_path for receipt in found.receipts.values()}, effects)
        for receipt in found.receipts.values():
            effects.dress(run.staged(receipt.new_path), sources / receipt.path)
            effects.sync_file(run.staged(receipt.new_path))
    else:
        effects.make_folder(run.stage)
        effects.sync_folder(run.path)


def _keep_only(stage: Path, paths: Collection[str], effects: Effects) -> None:
    needed = {f"{folder}/" for path in paths for folder in map(str, PurePosixPath(path).parents)}
    for path in sorted(listing(stage), reverse=True):  # what is in a folder before the folder
        if path == "./" or path in paths or path in needed:
            continue
        effects.remove_folder(stage / path) if is_folder(path) else effects.unlink(stage / path)
