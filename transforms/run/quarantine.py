"""The records that a run left out, in the coordinator: counted, held against what is allowed, and put into one file for people.

Each worker writes those of its file into one of its own, under `quarantine/` in the run's folder. Before anything is published they
become `quarantine.ndjson` there, in the order of the files: the same run gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.formats.errors import Collected, DataError, RunError, Where
from instar.formats.manifest import content_hash
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.state import RunFolder, State, list_runs, receipts_of, run_state
from instar.transforms.run.unit import Receipt, Unit

if TYPE_CHECKING:
    from instar.transforms.most_errors import MostErrors

_CHUNK = 4 << 20
_NAMED = 20  # records that an error names


# ---- how many are too many
def refuse_too_many(
    most: MostErrors | None, units: Sequence[Unit], receipts: Sequence[Receipt], earlier: Sequence[Receipt] = ()
) -> None:
    """`earlier`: of the batches of the series that are published already, which count as well.

    Raises:
        Collected: more records were left out than is allowed; says how many, and of the first ones where and why.
    """
    every = (*earlier, *receipts)
    count, rows = sum(r.quarantined for r in every), sum(r.rows_in for r in every)
    if most is None or not most.exceeded(count, rows):
        return
    parts = [Path(u.bad.file) for u in sorted(units, key=lambda u: u.path) if u.bad and Path(u.bad.file).exists()]
    entries = [json.loads(line) for line in islice(_lines(parts), _NAMED)]
    errors = [DataError(e["reason"], where=Where(file=e["file"], row=e["position"], path=e["path"])) for e in entries]
    files = sum(r.quarantined > 0 for r in every)
    batches = ", those of earlier batches included," if earlier else ""
    raise Collected(
        f"{count:,} of {rows:,} records{batches} cannot be migrated, in {files} file{'s' if files > 1 else ''}, and at most "
        f"{most.text} may be left out; the first: {errors[0]}",
        hint="Repair them, let the operation handle such values, or say a larger --max-errors.",
        where=errors[0].where,
        errors=errors,
    )


def earlier_in_series(state: State, run: RunFolder) -> tuple[Receipt, ...]:
    """What the batches of the run's series that are published already did."""
    series = run_state(run).series
    return tuple(
        receipt
        for known in list_runs(state)
        if known.id != run.id and known.series == series and known.status == "finished"
        for receipt in receipts_of(known)
    )


def _lines(parts: Sequence[Path]) -> Iterator[str]:
    for part in parts:
        with part.open(encoding="utf-8") as file:
            yield from file


# ---- what was left out
def left_out(unit: Unit, receipt: Receipt) -> tuple[list[int], list[int]]:
    """The numbers of a file's records that were left out, ascending; and of those of them whose form was refused, not a value.

    Raises:
        RunError: the file that names them is not the one that was written.
    """
    if not receipt.quarantined or unit.bad is None:
        return [], []
    part = Path(unit.bad.file)
    if not whole(unit, receipt):
        raise RunError(f"{part} is missing, or was changed", hint="Repeat the command.", where=Where(file=unit.path))
    positions, forms = list[int](), list[int]()
    for line in _lines([part]):
        entry: dict[str, Any] = json.loads(line)
        positions.append(entry["position"])
        if entry["by"] == "format":
            forms.append(entry["position"])
    return positions, forms


def whole(unit: Unit, receipt: Receipt) -> bool:
    """Is the file of a unit's left out records there, as the receipt says?"""
    if not receipt.quarantined:
        return True
    return unit.bad is not None and holds_part(receipt, Path(unit.bad.file))


def holds_part(receipt: Receipt, part: Path) -> bool:
    """Is the file of a staged file's left out records the one that was written, and has it all of them?"""
    if not part.is_file() or content_hash(part) != receipt.quarantine_hash:
        return False
    return sum(1 for _ in _lines([part])) == receipt.quarantined


def gather(folder: RunFolder, receipts: Sequence[Receipt], effects: Effects) -> Path | None:
    """All that was left out as one durable file; None where nothing was.

    Raises:
        RunError: the disk says no.
    """
    parts = [folder.part(r.path) for r in sorted(receipts, key=lambda r: r.path) if r.quarantined]
    if not parts:
        return None
    part = folder.quarantine.with_name(folder.quarantine.name + ".part")
    try:
        if part.exists():
            effects.unlink(part)
        for source in parts:
            with source.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    effects.append(part, chunk)
        effects.replace(part, folder.quarantine)
        effects.sync_folder(folder.path)
    except OSError as error:
        raise disk_error("the records that were left out could not be written together", error) from error
    return folder.quarantine
