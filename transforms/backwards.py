"""Losses of one step down, seen from a version further down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from instar.formats.path import Path

from . import expression
from .expression import Branches, Call, Cast, Column, Each, Expression, Lookup, Part, Source, Sql, Struct, When
from .mapping import Mapping
from .recovered import FILLED, NULLNESS, UNREGISTERED, Loss
from .shared_types import field_at
from .tree import carried_from, scopes

Use = str
"""How a place is read: "whole" (carried with all in it), "value" (computed with), "shell" (only whether it is null)."""


def losses_through(losses: Iterable[Loss], later: Mapping) -> tuple[Loss, ...]:
    """The losses as places of `later`'s target; what `later` does not read is no loss there, however fatal it was."""
    uses, target_schema = list(_uses(later.root, (), ())), later.target

    def absent(path: Path) -> bool:
        field = field_at(target_schema, path)
        return field is not None and (field.nullable or field.optional)

    found = [
        replace(loss, path=path, fatal=loss.fatal or (use != "shell" and _leaves_null(loss) and not absent(path)))
        for loss in losses
        for target, place, use in uses
        if (path := _moved(loss, target, place, use)) is not None
    ]
    return merged(found)


def merged(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """One loss for each place and reason; those that a lost record around them says already are left out."""
    one: dict[tuple[Path, str], Loss] = {}
    for loss in losses:
        known = one.setdefault((loss.path, loss.reason), loss)
        both = replace(known, fatal=known.fatal or loss.fatal, restored=known.restored and loss.restored)
        one[loss.path, loss.reason] = both
    said = [
        loss
        for (path, reason), loss in one.items()
        if reason not in _OF_RECORDS and any((path[:i], reason) in one for i in range(len(path)))
    ]
    return tuple(loss for loss in one.values() if loss not in said or loss.fatal)


def _leaves_null(loss: Loss) -> bool:
    return not loss.restored and loss.reason not in (FILLED, NULLNESS, UNREGISTERED)


def _moved(loss: Loss, target: Path, place: Path, use: Use) -> Path | None:
    """Where in the target the loss shows, if `target` reads `place` in this way."""
    if place == loss.path:
        return target
    if place == loss.path[: len(place)]:  # the loss is inside what is read
        below = loss.path[len(place) :]
        return target + below if use == "whole" else target if use == "value" and loss.reason not in _OF_RECORDS else None
    around = place[: len(loss.path)] == loss.path  # what is read was inside what is lost
    return target if around and loss.reason not in _OF_RECORDS else None


_OF_RECORDS = (NULLNESS, UNREGISTERED)


def _uses(column: Column, target: Path, scope: Path) -> Iterator[tuple[Path, Path, Use]]:
    """(target place, source place that it reads, how) for every leaf, record and list of the target."""
    e = column.expression
    match e:
        case Source(path):
            yield target, scope + path, "whole"
        case Struct(columns, of):
            yield from ((target, place, "shell") for place in _sources(of, scope))
            for c in columns:
                yield from _uses(c, (*target, c.field.name), scope)
        case Each(of) | Branches(of):
            yield from ((target, place, "shell") for place in _sources(of, scope))
            if source := carried_from(of):
                for old, new, body in scopes(e):
                    yield from _uses(body, (*target, new), (*scope, *source.path, old))
        case When(of, then):
            yield from ((target, place, "shell") for place in _sources(of, scope))
            yield from _uses(replace(column, expression=then), target, scope)
        case _:
            yield from ((target, place, "value") for place in _sources(e, scope))


def _sources(e: Expression | None, scope: Path, seen: set[int] | None = None) -> Iterator[Path]:
    """The source places that an expression reads in its own scope, each shared node once."""
    seen = set() if seen is None else seen
    if e is None or id(e) in seen:
        return
    seen.add(id(e))
    match e:
        case Source(path):
            yield scope + path
        case Cast(of) | Lookup(of) | Each(of) | Branches(of) | Part(of):
            yield from _sources(of, scope, seen)
        case Sql(_, inputs) | Call(_, inputs):
            for x, _ in inputs:
                yield from _sources(x, scope, seen)
        case When(of, then, otherwise):
            for x in (of, then, otherwise if isinstance(otherwise, expression.Literal) else None):
                yield from _sources(x, scope, seen)
        case Struct(columns, of):
            for x in (of, *(c.expression for c in columns)):
                yield from _sources(x, scope, seen)
        case _:
            return
