"""A conversion taken apart, so that a format can copy what it leaves alone.

Every format may: Parquet copies column chunks, Avro the bytes of fields, JSON the text of values. What is neither copied nor the
same in every record is computed, by a smaller conversion that knows of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .path import Path
from .schema import Schema

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


# ---- at every depth
@dataclass(frozen=True)
class Kept:
    """The raw value that the old record has under that name; missing where that is."""

    name: str


@dataclass(frozen=True)
class Fixed:
    """The same raw value in every record: None is a null, MISSING no member at all."""

    raw: Any


@dataclass(frozen=True)
class Computed:
    """One of the values that the level's `computes` give, by its number among all of these.

    It is missing where a name of `absent_with` is, and may be missing otherwise too. `passes`: the names whose raw value it may be,
    as it stands.
    """

    number: int
    absent_with: frozenset[str]
    passes: frozenset[str]


@dataclass(frozen=True)
class Opened:
    """What becomes of the record, list or map that the old record has under that name; missing or null where that is."""

    name: str
    inside: Level | Elements


@dataclass(frozen=True)
class Compute:
    """`convert`: for each of the names `reads`, at least one, the list of its raw values (MISSING where one is) → for each of
    `count` values to compute the list of its raw values (None a null, MISSING a missing key). It raises
    InstarError, of whatever record.

    Where an element of a list or map is computed, `reads` is empty: `convert` is given the elements, and gives new ones. `plain`:
    raw values are only decoded, so that a format may give them in any form that its decoders take. `bulk`: it is cheaper for many
    records at once, as SQL is. `repeatable`: the same raw values give the same.
    """

    convert: Callable[[list[list[Any]]], list[list[Any]]]
    reads: tuple[str, ...]
    count: int
    plain: bool
    bulk: bool
    repeatable: bool


@dataclass(frozen=True)
class Level:
    """A record of the target from one of the source: a member for each of `names`, in the target's order, and after them the keys
    that are not `known` to the source's schema, as they stand.

    A key that is not known and has one of the `names` is a conflict, which only the whole conversion settles.
    """

    names: tuple[str, ...]
    members: tuple[Kept | Fixed | Computed | Opened, ...]
    known: frozenset[str]
    computes: tuple[Compute, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The names that something is computed from."""
        return tuple(dict.fromkeys(name for compute in self.computes for name in compute.reads))

    @property
    def verbatim(self) -> bool:
        """Is every record's new form its old one: the same members under the same names, and none gone?"""
        return self.known == frozenset(self.names) and all(map(_is_kept, self.names, self.members))


def _is_kept(name: str, member: Kept | Fixed | Computed | Opened) -> bool:
    match member:
        case Kept(old):
            return old == name
        case Opened(old, inside):
            return old == name and _is_verbatim(inside)
        case _:
            return False


def _is_verbatim(inside: Level | Elements | Compute | None) -> bool:
    match inside:
        case Level():
            return inside.verbatim
        case Elements(_, element):
            return _is_verbatim(element)
        case _:
            return inside is None


@dataclass(frozen=True)
class Elements:
    """The elements of a list, or the values of a map: each opened, computed, or (None) kept as it stands."""

    kind: Literal["list", "map"]
    inside: Level | Elements | Compute | None
