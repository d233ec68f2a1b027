"""The distributions of what a run computed, beside those of what it was computed from: a sample of the old and the new files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from instar.formats.errors import RunError
from instar.formats.path import EACH_ITEM, EACH_VALUE, Step, path_text
from instar.formats.schema import Field, List, Map, Other, Record, Reference, Union
from instar.transforms.difference import origins
from instar.transforms.mapping import Mapping as Fused
from instar.transforms.run.unit import Receipt, Unit
from instar.transforms.sample import Computed, Leaf, Sampled, Seen, look
from instar.transforms.shared_types import field_at, places

SAMPLE = 50_000
"""Records that are looked at on each side, at most."""
READ = {"parquet": 1_000_000, "avro": 200_000, "json": 100_000}
"""Records that are read to find these, at most; of records formats each costs some microseconds."""
FILES = 8
"""So many files at least are looked at, of many that are too large to be read whole."""
PARTS = 4
"""Into so many parts for each worker the columns are divided, so that none waits long for another at the end."""


def computed(mapping: Fused) -> tuple[Computed, ...]:
    """The leaves with values of which the mapping computes something, nulls that it fills included; no constants, and nothing in
    unions and types that are used again."""
    found = origins(mapping)
    carried = mapping.carried()
    made = []
    for path, field in places(mapping.target.root):
        sources = (found.one[path],) if path in found.one else found.several.get(path, ())
        known = [source for source in sources if _is_leaf(field_at(mapping.source, source))]
        if not path or not known or not _is_leaf(field):
            continue
        if path in carried and not _filled(field_at(mapping.source, carried[path]), field):
            continue
        if not any(isinstance(step, Step) and step not in (EACH_ITEM, EACH_VALUE) for place in (path, *known) for step in place):
            made.append(Computed(path, tuple(known)))
    return tuple(made)


def _is_leaf(field: Field | None) -> bool:
    return field is not None and not isinstance(field.type, Record | List | Map | Union | Reference | Other)


def _filled(old: Field | None, new: Field) -> bool:
    return old is not None and (old.nullable or old.optional) and not (new.nullable or new.optional)


def profile(units: Sequence[Unit], receipts: Mapping[str, Receipt], executor: Executor) -> dict[str, Any] | None:
    """What report.json has under `profile`; None where nothing was computed. The executor's work reads old and staged files."""
    wanted = {unit.chain: {column.path: column for column in computed(unit.mapping)} for unit in units}
    worked = sorted((unit for unit in units if wanted[unit.chain]), key=lambda unit: unit.path)
    if not worked:
        return None
    chosen = _chosen([(unit, receipts[unit.path]) for unit in worked], READ[worked[0].format])
    last = {path: unit for unit in worked for path in wanted[unit.chain]}
    ways = {path: {chain: found[path] for chain, found in wanted.items() if path in found} for path in last}
    leaves = [Leaf(path, ways[path], unit) for path, unit in last.items()]
    width = -(-len(leaves) // (PARTS * getattr(executor, "workers", 1)))
    parts = [leaves[at : at + width] for at in range(0, len(leaves), width)]
    asked = [executor.submit(look, chosen, part) for part in parts]
    seen = [one for part, future in zip(parts, asked, strict=True) for one in _answer(future, part, len(chosen))]
    return {
        "records": sum(map(max, zip(*(one.records for one in seen), strict=True))),
        "of": sum(receipts[unit.path].rows_in for unit in worked),
        "files": len(chosen),
        "columns": [one.told for one in seen if one.told],
        "unseen": [{"path": path_text(one.path), "why": one.why} for one in seen if one.why],
    }


def _answer(future: Future[list[Seen]], part: Sequence[Leaf], samples: int) -> list[Seen]:
    """What a worker saw; of one that died, why nothing is told: nobody's run is to fail by its report."""
    try:
        return future.result()
    except RunError as error:
        return [Seen(leaf.path, [0] * samples, why=error.message) for leaf in part]


def _chosen(units: Sequence[tuple[Unit, Receipt]], most: int) -> list[Sampled]:
    """Files spread evenly over their names, as many as may be read, some even where each is larger; of a large one some row groups,
    evenly, or of a format that has none its beginning."""
    rows = sum(receipt.rows_in for _, receipt in units)
    count = len(units) if rows <= most else max(FILES, len(units) * most // rows)
    taken = units[:: -(-len(units) // count)]
    share = max(1, most // len(taken)) if rows > most else rows
    read = sum(min(receipt.rows_in, share) for _, receipt in taken)
    stride = max(1, -(-read // SAMPLE))
    return [Sampled(unit, stride, share, max(1, -(-receipt.rows_in // max(share, 1)))) for unit, receipt in taken]
