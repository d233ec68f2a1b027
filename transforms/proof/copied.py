"""Which leaves of a new Parquet file are, column chunk by column chunk, the bytes of the old file.

Found from both files' own footers, paired by the mapping, never from what the writer says. Two chunks hold the same values where
their bytes are the same and are read in the same way: the same type, annotations, levels, codec and encodings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Mapping as Dict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import NamedTuple

from instar.formats.path import Path
from instar.transforms.expression import Source
from instar.transforms.mapping import Mapping

from .arrow_schema import wrong_arrow_schema
from .checksums import DamagedPageError, checked, damaged_pages
from .chunks import Chunk, Side
from .compact import NotCompact
from .elements import misfits
from .leaf_values import Leaves, first_unlike
from .leaves import KEYS, with_keys
from .places import Place
from .signposts import wrong_groups, wrong_pages, wrong_paths, wrong_ways, wrong_writer
from .windows import Windows

_LONGER = re.compile(r"parquet-mr version 1\.([01]\.|2\.[0-8]\b)")  # its chunks are longer than they say (PARQUET-816)


class Problem(NamedTuple):
    """Something wrong, with its place; the empty one is the file. `row`: the first record that has it, where that is known."""

    place: Path
    what: str
    row: int | None = None


@dataclass(frozen=True)
class Copied:
    """What was found: the records of both files, and whether the new file's schema is the target; its leaves by their places (also
    `leaves.KEYS`), and the origins of those of them that are the old file's bytes."""

    rows: tuple[int, int]
    fits: bool
    leaves: frozenset[Path]
    origins: Dict[Path, Path]
    problems: tuple[Problem, ...]

    def holds(self, place: Place) -> bool:
        """Is what stands at a place copied? Of a record that is only whether it is there, which any leaf in it tells."""
        below = [leaf for leaf in self.leaves if leaf[: len(place.path)] == place.path]
        if place.record:
            return any(leaf in self.origins for leaf in below)
        return bool(below) and not (place.carried and place.where) and all(self._from(leaf, place) for leaf in below)

    def _from(self, leaf: Path, place: Place) -> bool:
        """Is a leaf copied, and where its place is only carried: from where that is?"""
        origin = self.origins.get(leaf)
        if origin is None or not isinstance(place.expression, Source):
            return origin is not None
        return origin == (*place.expression.path, *leaf[len(place.path) :])


def copied(source: FilePath, staged: FilePath, mapping: Mapping, *, stored: bool = True) -> Copied:
    """Compares `staged` with `source`. `stored`: what the new file says beside its values is held against them, too.

    Raises:
        pa.ArrowException, NotCompact, OSError: a footer cannot be read.
        DamagedPageError: a page does not have the checksum that its header gives.
    """
    try:
        with ExitStack() as closing:
            old, new = Side(source, mapping.source, closing), Side(staged, mapping.target, closing)
            return _found(old, new, mapping, Leaves(staged, new, closing), stored)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:  # a field that is missing, or of another type
        raise NotCompact(f"a footer is damaged: {type(error).__name__}: {error}") from error


def _found(old: Side, new: Side, mapping: Mapping, leaves: Leaves, stored: bool) -> Copied:
    pairs, problems = _Pair.all(old, new, mapping), list[Problem]()
    if old.rows == new.rows:
        pairs = _copies(old, new, pairs)
        problems += itertools.starmap(Problem, _ways(old, new, pairs, leaves)) if stored else ()
    else:
        pairs = []
    if checked(new):
        problems += itertools.starmap(Problem, _damage(old, new, pairs))
    problems += _said(old, new, mapping, {pair.new for pair in pairs}, leaves) if stored else ()
    fits, origins = not any(misfits(new.footer.root, mapping.target)), {pair.place: pair.origin for pair in pairs}
    return Copied((old.records, new.records), fits, frozenset(new.leaves), origins, tuple(dict.fromkeys(problems)))


def _said(old: Side, new: Side, mapping: Mapping, copies: set[int], leaves: Leaves) -> Iterator[Problem]:
    """What is wrong with what the new file says of itself."""
    yield from (Problem((), what) for what in (*wrong_groups(old, new), *wrong_paths(new), *wrong_writer(old, new)))
    yield from itertools.starmap(Problem, wrong_arrow_schema(new, mapping.target))
    yield from itertools.starmap(Problem, _written_anew(new, copies, leaves))
    yield from _beside(new, copies, leaves)


@dataclass(frozen=True)
class _Pair:
    """A leaf of the target and the one of the source that has its values, each with its number in its file."""

    place: Path
    origin: Path
    old: int
    new: int

    @classmethod
    def all(cls, old: Side, new: Side, mapping: Mapping) -> list[_Pair]:
        """Those leaves in which equal bytes mean equal values."""
        return [] if _LONGER.match(old.metadata.created_by or "") else list(cls._found(old, new, mapping))

    @classmethod
    def _found(cls, old: Side, new: Side, mapping: Mapping) -> Iterator[_Pair]:
        for place, origin in with_keys(_untouched(mapping), new.leaves).items():
            theirs, ours = old.leaves.get(origin), new.leaves.get(place)
            if theirs and ours and theirs.levels == ours.levels and old.type(theirs.number) == new.type(ours.number):
                yield cls(place, origin, theirs.number, ours.number)


@lru_cache(maxsize=16)
def _untouched(mapping: Mapping) -> Dict[Path, Path]:
    """As `Mapping.untouched`: many files have one mapping."""
    return mapping.untouched()


def _copies(old: Side, new: Side, pairs: Sequence[_Pair]) -> list[_Pair]:
    """Those pairs of which the chunks are the same bytes in every row group."""
    windows, left = Windows(), list(pairs)
    for group in range(len(new.rows)):
        left = [pair for pair in left if _same_values(old.chunk(group, pair.old), new.chunk(group, pair.new), windows)]
    return left


def _same_values(old: Chunk, new: Chunk, windows: Windows) -> bool:
    if old.form != new.form:
        return False
    if not new.values:  # some writers then say that it is nowhere
        return True
    return old.inside and new.inside and windows.same(old.file, old.start, new.file, new.start, new.end - new.start)


def _ways(old: Side, new: Side, pairs: Sequence[_Pair], leaves: Leaves) -> Iterator[tuple[Path, str]]:
    """What is wrong with the ways to copied chunks."""
    same_writer = old.metadata.created_by == new.metadata.created_by
    for pair in pairs:
        orders = old.order(pair.old), new.order(pair.new)
        if same_writer and None not in orders and orders[0] != orders[1]:
            yield pair.place, "its bounds are said to be ordered otherwise than they were"
        for group, rows in enumerate(new.rows):
            before, after, flat = old.chunk(group, pair.old), new.chunk(group, pair.new), new.flat(pair.new)
            wrong = list(wrong_ways(before, after, rows, flat=flat, same_writer=same_writer)) if after.values else []
            if after.values and not same_writer and not wrong:
                wrong += _wrong_claims(new, leaves, group, pair.new)
            yield from ((_named(pair.place), f"in row group {group} {what}") for what in wrong)


def _damage(old: Side, new: Side, pairs: Sequence[_Pair]) -> Iterator[tuple[Path, str]]:
    """Pages that do not have their checksums, in what was written anew.

    Raises:
        DamagedPageError: the old file's page, where it came from there: in a chunk that was copied, or of which the pages were.
    """
    groups = range(len(new.rows))
    for pair in pairs:
        for group in groups:
            _refuse_damaged(old, group, pair.old)
    for place, leaf in new.leaves.items():
        for group in groups if leaf.number not in {pair.new for pair in pairs} else ():
            for what in damaged_pages(new.chunk(group, leaf.number)):
                for number in range(len(old.footer.leaves) if group < len(old.rows) else 0):
                    _refuse_damaged(old, group, number)
                yield _named(place), f"in row group {group} {what}"


def _refuse_damaged(old: Side, group: int, leaf: int) -> None:
    what = next(damaged_pages(old.chunk(group, leaf)), "")
    if what:
        column = b".".join(old.footer.paths[leaf]).decode("utf-8", "replace")
        raise DamagedPageError(f"it is damaged: in row group {group} of column {column} {what}")


def _written_anew(new: Side, copies: set[int], leaves: Leaves) -> Iterator[tuple[Path, str]]:
    """What is wrong with what is said of the pages and values of the other leaves."""
    for place, leaf in new.leaves.items():
        for group, rows in enumerate(new.rows if leaf.number not in copies else ()):
            chunk = new.chunk(group, leaf.number)
            if chunk.values or rows:
                wrong = wrong_pages(chunk, rows, flat=new.flat(leaf.number))
                found = [wrong] if wrong else _wrong_claims(new, leaves, group, leaf.number)
                yield from ((_named(place), f"in row group {group} {what}") for what in found)


def _wrong_claims(new: Side, leaves: Leaves, group: int, leaf: int) -> Iterator[str]:
    """See `claims.wrong_claims`, which is only loaded where values have to be read."""
    from .claims import wrong_claims

    return wrong_claims(new, leaves, group, leaf)


def _beside(new: Side, copies: set[int], leaves: Leaves) -> Iterator[Problem]:
    """Leaves that were written anew and tell otherwise than another one of the records and lists that both are in."""
    anew = {leaf.number: place for place, leaf in new.leaves.items() if leaf.number not in copies}
    for leaf, place in anew.items():
        for other in _relatives(new, leaf, copies, anew):
            for group, rows in enumerate(new.rows):
                row = _first_unlike(leaves, group, leaf, other) if rows else None
                if row is not None:
                    column, at = b".".join(new.footer.paths[other]).decode("utf-8", "replace"), sum(new.rows[:group]) + row
                    what = f"in row group {group} it is in other records or lists than {column} beside it, first in record {at}"
                    yield Problem(_named(place), what, at)


def _first_unlike(leaves: Leaves, group: int, leaf: int, other: int) -> int | None:
    """The first row of a group in which two leaves tell otherwise of the records and lists that both are in."""
    step, first = leaves.step(group, leaf, other), 0
    for pair in zip(*(leaves.arrays(group, number, step) for number in (leaf, other)), strict=True):
        if (row := first_unlike(*pair)) is not None:
            return first + row
        first += len(pair[0])
    return None


def _relatives(new: Side, leaf: int, copies: set[int], anew: Collection[int]) -> Iterator[int]:
    """Leaves that share the deepest group with it: of those that were copied, and of those before it that were not; any will do."""
    near = [(new.shared(leaf, other), other) for other in range(len(new.footer.leaves))]
    copied = max((pair for pair in near if pair[0] and pair[1] in copies), default=(0, leaf))
    before = max((pair for pair in near if pair[0] > copied[0] and pair[1] in anew and pair[1] < leaf), default=(0, leaf))
    yield from (other for depth, other in (copied, before) if depth)


def _named(place: Path) -> Path:
    """The place that a problem of a leaf is told of: of a map's keys the map."""
    return place[: place.index(KEYS)] if KEYS in place else place
