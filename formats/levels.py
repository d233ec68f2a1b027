"""A conversion taken apart at every depth, for formats that find the members of a record in its bytes: part of a `Splice`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


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
