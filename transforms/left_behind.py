"""What a way down leaves behind: fields for which the older version has no place, with whatever was written to them since."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.path import Path
from instar.formats.schema import Field

from .expression import Branches, Call, Cast, Each, Expression, Lookup, Part, Source, Sql, Struct, When
from .mapping import Mapping
from .shared_types import Named, resolved, steps
from .tree import carried_from, scopes


def left_behind(mapping: Mapping) -> tuple[Path, ...]:
    """The outermost places of the source from which nothing reaches the target, in the source's order."""
    used = set(_used(mapping.root.expression, (), set()))
    return tuple(_unused(mapping.source.root, (), used, mapping.source.definitions))


def _used(e: Expression, scope: Path, seen: set[tuple[int, Path]]) -> Iterator[Path]:
    """Places whose values go into the target or into what computes it; a record that is only opened is not one.

    `seen` has the nodes met so far: what is shared is walked once.
    """
    if (id(e), scope) in seen:
        return
    seen.add((id(e), scope))
    match e:
        case Source(path):
            yield (*scope, *path)
        case Cast(of) | Lookup(of) | Part(of):
            yield from _used(of, scope, seen)
        case Sql(_, inputs) | Call(_, inputs):
            for x, _ in inputs:
                yield from _used(x, scope, seen)
        case When(_, then):
            yield from _used(then, scope, seen)
        case Struct(columns):
            for c in columns:
                yield from _used(c.expression, scope, seen)
        case Each(of) | Branches(of):
            if source := carried_from(of):
                for step, _, body in scopes(e):
                    yield from _used(body.expression, (*scope, *source.path, step), seen)
            else:
                yield from _used(of, scope, seen)
        case _:
            return


def _unused(field: Field, at: Path, used: set[Path], named: Named) -> Iterator[Path]:
    for step, inner in steps(field.with_(type=resolved(field.type, named))):
        place = (*at, step)
        if any(place[: len(path)] == path for path in used):
            continue
        if any(path[: len(place)] == place for path in used):
            yield from _unused(inner, place, used, named)
        else:
            yield place
