"""Proving a Parquet file: what was copied by its bytes, the rest by reading both files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from instar.formats.path import path_text
from instar.transforms.mapping import Mapping

from .check import EXAMPLES, Check, Outcome
from .copied import copied
from .database import Room
from .places import places
from .proved import Proved, by_bytes, in_order


def prove(
    source: FilePath,
    staged: FilePath,
    mapping: Mapping,
    *,
    room: Room,
    full: bool,
    left_out: Sequence[int] = (),
    examples: int = EXAMPLES,
    stored: bool = True,
) -> Proved:
    """Compares `staged` with what `mapping` makes of `source`, but for the records numbered in `left_out`; so many `examples`
    of what differs at a place. `stored`: what the new file says beside its values is held against them, too.

    DuckDB is not even loaded where everything was copied. `full`: every value is read, too.

    Raises:
        duckdb.Error, pa.ArrowException, ValueError: a side cannot be read at all.
    """
    found, asked = copied(source, staged, mapping, stored=stored), tuple(places(mapping.root))
    trusted = found.fits and not left_out
    copies = [place for place in asked if trusted and found.holds(place)]
    by_value = [place for place in asked if full or place not in copies]
    outcomes = by_bytes(place.path for place in copies)
    outcomes += [(Check(path_text(place), "bytes", "", ""), Outcome(what, row)) for place, what, row in found.problems]
    if not by_value and trusted:
        return Proved(*found.rows, tuple(outcomes), ())
    from .parquet_sql import prove_values

    read = prove_values(source, staged, mapping, by_value, room=room, full=full, left_out=left_out, examples=examples)
    return replace(read, outcomes=in_order(asked, [*outcomes, *read.outcomes]))
