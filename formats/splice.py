"""A conversion taken apart, so that a format can copy what it leaves alone.

Every format may: Parquet copies column chunks, Avro the bytes of fields, JSON the text of values. What is neither copied nor the
same in every record is computed, by a smaller conversion that knows of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .path import Path
from .schema import Schema

if TYPE_CHECKING:
    from .levels import Level

Way = Literal["spliced", "rewritten"]
"""How a new file came about: `spliced` from the old one's bytes and what had to be computed, or every record `rewritten`."""


@dataclass(frozen=True)
class Part:
    """The computed columns of a conversion, in the target's order.

    `convert` of a columns format: RecordBatch with at least the columns `reads` → RecordBatch of `target_schema`'s columns; of a
    records format: list of opened records, which need no other keys than `reads`, → list of tuples, each with one raw value for
    each field of `target_schema` (None a null, MISSING a missing key). The rest is as in a Rewrite, of these columns alone.

    Of a columns format the part is all leaves that are not untouched, also inside records, lists and maps: `target_schema` has
    only these, `source_schema` only the places that they are computed from. `follows`: computed leaf → the source leaf that it is
    made of, where that is one. `elementwise`: computed column → the one source column of plain values that alone it is made of,
    value by value. `only`: the part with no more than these of its columns.
    """

    convert: Callable[[Any], Any]
    source_schema: Schema
    target_schema: Schema
    reads: tuple[str, ...]
    carried: Mapping[Path, Path]
    touched: frozenset[Path]
    follows: Mapping[Path, Path] = field(default_factory=dict)
    elementwise: Mapping[str, str] = field(default_factory=dict)
    only: Callable[[Sequence[str]], Part] | None = None


@dataclass(frozen=True)
class Splice:
    """What becomes of each column of the target.

    `untouched`: target leaf → source leaf with the same value under the same nullable records and lists. `copied`: top-level column
    of the target → that of the source whose values it has as they stand, null or missing where those are. `constants`: top-level
    column → the Python value that it has in every record. `part` computes the other top-level columns; None where there are none.
    `levels`: of a records format, the same at every depth; None where it cannot be said so.

    `widened` are columns of the `part` that are the source's as they stand, but that null is allowed there now. `columnar` is the
    conversion of some columns of a records format's part over record batches, in the plain forms of `columnar.py`, and `rowwise`
    that of its others.
    """

    untouched: Mapping[Path, Path]
    copied: Mapping[str, str]
    constants: Mapping[str, Any]
    part: Part | None
    levels: Level | None = None
    widened: Mapping[str, str] = field(default_factory=dict)
    columnar: Part | None = None
    rowwise: Part | None = None
