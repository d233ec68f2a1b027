"""Which source places a mapping computes with, rather than only carries: read off its tree."""

from __future__ import annotations

from collections.abc import Iterator

from instar.formats.path import Path
from instar.formats.schema import Schema

from .expression import Branches, Call, Cast, Column, Each, Expression, Lookup, Part, Source, Sql, Struct, When
from .shared_types import places
from .tree import carried_from, scopes


def touched(source: Schema, root: Column) -> frozenset[Path]:
    """The places whose values some cast, SQL or function reads, with all places below them.

    A test for null (`require`, a fill, a guard) reads no value; what is only tested and carried is not touched.
    """
    read = _Reads()
    read.visit(root.expression, (), False)
    return frozenset(path for path, _ in places(source.root) if any(path[: len(place)] == place for place in read.places))


def sources_of(e: Expression) -> frozenset[Path]:
    """The source places that an expression of the root scope reads, be it only to carry them."""
    read = _Reads()
    read.visit(e, (), True)
    return frozenset(read.places)


def read_and_tested(e: Expression, scope: Path = ()) -> tuple[frozenset[Path], frozenset[Path]]:
    """The source places whose values an expression reads, be it only to carry them, and those of which it asks no more than whether
    they are null, or how many items they have. `scope`: the place that its sources are relative to."""
    read = _Reads()
    read.visit(e, scope, True)
    return frozenset(read.places), frozenset(read.tested)


class _Reads:
    """A walk that meets each shared node once in each scope, and as computed with or not."""

    def __init__(self) -> None:
        self.places: set[Path] = set()
        self.tested: set[Path] = set()
        self._seen: set[tuple[int, Path, bool]] = set()

    def visit(self, e: Expression, scope: Path, computing: bool) -> None:
        key = (id(e), scope, computing)
        if key in self._seen:
            return
        self._seen.add(key)
        if isinstance(e, Source):
            (self.places if computing else self.tested).add((*scope, *e.path))
            return
        for inner, where, inside in _below(e, scope, computing):
            self.visit(inner, where, inside)


def _below(e: Expression, scope: Path, computing: bool) -> Iterator[tuple[Expression, Path, bool]]:
    match e:
        case Cast(of) | Lookup(of):
            yield of, scope, True
        case Part(of):
            yield of, scope, computing
        case Sql(_, inputs) | Call(_, inputs):
            yield from ((x, scope, True) for x, _ in inputs)
        case When(of, then):
            yield of, scope, computing and of is not then and not isinstance(of, Source)
            yield then, scope, computing
        case Struct(columns, of):
            if of is not None:
                yield of, scope, False
            yield from ((c.expression, scope, computing) for c in columns)
        case Each(of) | Branches(of):
            yield of, scope, False
            if source := carried_from(of):
                yield from ((body.expression, (*scope, *source.path, step), computing) for step, _, body in scopes(e))
        case _:
            return
