"""What a mapping's target still knows of a source place, how far it can be trusted, and what is lost of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from instar.formats.path import Path, path_text
from instar.formats.schema import MISSING, Field, Record, Type

from .casts import convert
from .casts.ways import Piece
from .expression import FAIL, Back, Call, Cast, Expression, Literal, Lookup, Source, When
from .fragments import Fragment
from .reversal import reversed_pairs

DROPPED = "dropped"
COMPUTED = "values that could not be cast are null"
MAPPED = "values that became the same value as others, or null"
FILLED = "which were null: they were filled"
GUARDED = "its values where the record it moved into is null"
NULLNESS = "whether it was null"
UNREGISTERED = "keys in it that no schema names"
REPLACED = "a key of that name that no schema named"
INSIDE = "something inside it"
MISSINGNESS = "whether it was null or its key missing"


@dataclass(frozen=True)
class Loss:
    """Something of the old schema at `path` that the way back cannot recover.

    `restored`: the script's `downgrade` says how to compute it. `fatal`: it is not restored and may not be null, so that
    there is no way back.
    """

    path: Path
    reason: str
    fatal: bool = False
    restored: bool = False

    def __str__(self) -> str:
        return f"{path_text(self.path) or 'the record'}: {self.reason}"


@dataclass(frozen=True)
class Guard:
    """A source value that something is null with, or missing where `optional`; `image` is the target record that is null then."""

    of: Expression
    optional: bool = False
    image: Expression | None = None


@dataclass(frozen=True)
class Written:
    """In place of a source place: what a function of the user's wrote, as its field `name`."""

    call: Call
    name: str


@dataclass(frozen=True)
class Found:
    """A target value from which the one at the source place `origin` comes back by `back`.

    `reasons`: what of it is lost all the same. It is there only where no `guards` is null. `nullable` and `optional` are the target
    field's; `lenient`: `back` gives null for what no source value becomes; `certain`: it gives none for a null. `fragment`: `back`
    is but one piece of it.
    """

    origin: tuple[str, ...] | Written
    back: Expression
    reasons: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    losses: tuple[Loss, ...] = ()
    nullable: bool = False
    optional: bool = False
    lenient: bool = False
    certain: bool = False
    fragment: Fragment | None = None

    def uncovered(self) -> tuple[Guard, ...]:
        """Those of its guards with which the value is gone although the old record around it is there."""
        if isinstance(self.origin, Written):
            return self.guards
        covered = [isinstance(g.of, Source) and self.origin[: len(g.of.path)] == g.of.path for g in self.guards]
        return tuple(g for g, inside in zip(self.guards, covered, strict=True) if not inside)

    def rank(self) -> tuple[bool, bool, int]:
        return bool(self.reasons), bool(self.uncovered()), len(self.losses)

    def lost(self) -> tuple[str, ...]:
        return (*self.reasons, GUARDED) if self.uncovered() else self.reasons

    def may_be_null(self) -> bool:
        return (self.nullable and not self.certain) or self.lenient or bool(self.uncovered())

    def may_be_missing(self) -> bool:
        return self.optional or any(g.optional for g in self.uncovered())


@dataclass(frozen=True)
class Shell:
    """The target record (at `image`) that is null where a source record is."""

    image: Source
    record: Record
    found: Found


def ready_back(parts: Mapping[str, Found]) -> Back | None:
    """The way back of the function that wrote these, if it needs nothing else."""
    origin = next(iter(parts.values())).origin
    back = origin.call.back if isinstance(origin, Written) else None
    return back if back is not None and all(name in parts for name in back.reads) else None


def written_type(part: Found) -> Type:
    assert isinstance(part.origin, Written)
    assert isinstance(part.origin.call.type, Record)
    return part.origin.call.type[part.origin.name].type


LOST = object()


def undone_filling(filling: object, e: Expression) -> object:
    """What the casts in `e`, undone, make of the filling of what it computes; LOST where they refuse it."""
    while isinstance(e, Cast | Lookup | When):
        if isinstance(e, Cast) and isinstance(e.way, Piece):
            return LOST
        if isinstance(e, Cast):
            try:
                filling = convert(e.to, e.source, e.way.back() if e.way else None)(filling)
            except (ValueError, OverflowError):
                return LOST
        elif isinstance(e, Lookup):
            found = dict(reversed_pairs(e)).get(filling)
            filling = LOST if found is None else found
        if filling is None or filling is LOST:
            return filling
        e = e.then if isinstance(e, When) else e.of
    return filling


def fitting(e: Expression, subject: Expression, have: Found, want: Field) -> Expression:
    """`e`, made to fit a field that may be absent in fewer ways than `subject` may."""
    nullable, optional = have.may_be_null(), have.may_be_missing()
    if not want.nullable and not want.optional:
        return When(subject, e, FAIL) if nullable or optional else e
    if not want.nullable and nullable:
        return When(subject, e, Literal(MISSING, want.type))
    if not want.optional and optional:
        return When(subject, e, Literal(None, want.type))
    return e
