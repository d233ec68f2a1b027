"""What JSON records keep, found without reading a value that a mapping only carries: its text must be the same, under its new key.

Only the objects and arrays that the mapping opens are taken apart. What it computes is left for others to prove. Whatever is not
plainly right is, too: they tell what is wrong with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path as FilePath
from typing import Any

from msgspec import Raw

from instar.formats.path import Path
from instar.transforms.expression import Column, Each, Source, Struct
from instar.transforms.mapping import Mapping

from .json_edits import Judge, compiled_part, proved_rows
from .json_levels import levels_of
from .json_lines import Fields, Objects, lines
from .json_text import refuse_twice, value_of
from .keys import Keys, keys_after, keys_before, names_told

_REMEMBERED = 1024


@dataclass(frozen=True)
class Kept:
    """The number of records, and the places of the target that are kept in all of them: values, records and their keys."""

    rows: int
    places: frozenset[Path]


@dataclass(frozen=True)
class Judged:
    """Judges lines one by one, by the text of what is kept of them; `places` are those of the target that it speaks of."""

    judge: Judge
    places: frozenset[Path]


def judged_by(mapping: Mapping) -> Judged | None:
    """None where nothing is kept that is plain to see. The judge raises ValueError, too, where lines are not alike."""
    places = set[Path]()
    opened = _record(mapping.root, (), (), places)
    return None if opened is None else Judged(_judge(opened), frozenset(places))


def kept(source: FilePath, staged: FilePath, mapping: Mapping) -> Kept | None:
    """What `staged` keeps of `source`; None where that is not plain to see, or would be nothing."""
    places = set[Path]()
    opened = _record(mapping.root, (), (), places)
    if opened is None or len(places) < 2:  # the record itself
        return None
    judge, levels, part = _judge(opened), levels_of(mapping.root), compiled_part()
    try:
        if levels is None or part is None:
            rows = _judged_rows(source, staged, judge)
        else:
            rows = proved_rows(source, staged, levels, part, judge)
    except (ValueError, EOFError, OSError, RecursionError, zlib.error):  # no JSON lines, a key twice, a file that breaks off
        return None
    return None if rows is None else Kept(rows, frozenset(places))


def _judged_rows(source: FilePath, staged: FilePath, judge: Judge) -> int | None:
    """The number of lines of both files; None where one is not what it must be."""
    rows = 0
    for old, new in zip_longest(lines(source), lines(staged)):
        if old is None or new is None or not judge(old, new):
            return None
        rows += 1
    return rows


def _judge(opened: _Opened) -> Judge:
    """Judges lines one by one. Raises ValueError, too, where they are not alike."""
    objects = Objects()

    def same(old: bytes, new: bytes) -> bool:
        before, style = objects.read(old)
        names = None if style is None else opened.renamed(tuple(before))
        foreseen = names is not None and style is not None and objects.spelled(before, names, style) == new
        if not foreseen and not opened.same(before, objects.fields(new), _Scope(before), objects):
            return False
        if old.count(b"{") > 1:  # a key may be twice in what is not taken apart, which is an error of the record as well
            refuse_twice(old.decode())
        return True

    return same


class _Scope(dict[str, Any]):
    """A record whose values are only read when they are asked for: for the states of keys."""

    def __getitem__(self, name: str) -> Any:
        return value_of(bytes(super().__getitem__(name)).decode())


# ---- what a mapping opens
@dataclass(frozen=True)
class _Opened:
    """A record that is taken apart. `fields`: of each carried target key its source's, and what is opened below."""

    before: Keys
    after: Keys
    fields: dict[str, tuple[str, _Inside | None]]
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[str, str, _Inside | None]] | None] = field(default_factory=dict)
    told: dict[tuple[str, ...], tuple[str, ...] | None] = field(default_factory=dict)

    def same(self, old: Fields, new: Fields, scope: Any, objects: Objects) -> bool:
        """Has the new record the old one's keys and values, but for what is computed?"""
        names = tuple(old), tuple(new)
        if names not in self.seen:
            found = self._pairs(*names)
            if len(self.seen) >= _REMEMBERED:
                self.seen.clear()
            self.seen[names] = found
        pairs = self.seen[names]
        if pairs is None or any((name in new) != bool(state(scope)) for name, state in self.before.fresh.items()):
            return False
        return all(old[a] == new[b] if inside is None else inside(old[a], new[b], scope, objects) for a, b, inside in pairs)

    def renamed(self, old: tuple[str, ...]) -> tuple[str, ...] | None:
        """The keys of the new record in place of these, where all values must be the same; None where that is not plain."""
        if old not in self.told:
            if len(self.told) >= _REMEMBERED:
                self.told.clear()
            self.told[old] = self._renamed(old)
        return self.told[old]

    def _renamed(self, old: tuple[str, ...]) -> tuple[str, ...] | None:
        if self.before.fresh:
            return None
        new = tuple(told if isinstance(told, str) else told[0] for told in names_told(old, self.before))
        pairs = self._pairs(old, new) if len(old) == len(new) else None
        whole = pairs is not None and not any(inside for _, _, inside in pairs)
        return new if whole and sorted((a, b) for a, b, _ in pairs or ()) == sorted(zip(old, new, strict=True)) else None

    def _pairs(self, old: tuple[str, ...], new: tuple[str, ...]) -> list[tuple[str, str, _Inside | None]] | None:
        """The keys whose values are compared in records with these; None where the keys are not those that there must be."""
        if names_told(old, self.before) != names_told(new, self.after):
            return None
        pairs: list[tuple[str, str, _Inside | None]] = [(name, name, None) for name in old if name not in self.before.named]
        for target, (origin, inside) in self.fields.items():
            if (origin in old) != (target in new):
                return None
            pairs += [(origin, target, inside)] if origin in old else []
        return pairs


_Inside = Callable[[Raw, Raw, Any, Objects], bool]
"""Are the values below a place the same, but for what is computed?"""


def _record(column: Column, place: tuple[str, ...], at: tuple[str, ...], places: set[Path]) -> _Opened | None:
    """The record that a column opens, which stands at `place` of the target's scope and at `at` of the source's; what is found out
    by it goes into `places`."""
    struct = column.expression
    if not isinstance(struct, Struct) or not isinstance(struct.of, Source) or struct.of.path != at:
        return None
    before = keys_before(struct)
    fields: dict[str, tuple[str, _Inside | None]] = {}
    places.add(place)
    for inner in struct.columns:
        origin = _origin(inner, at)
        if origin is None:
            continue
        below = (*place, inner.field.name)
        inside = None if isinstance(inner.expression, Source) else _opened(inner, below, (*at, origin), places)
        if inside is not None or isinstance(inner.expression, Source):
            fields[inner.field.name] = origin, inside
            places.add(below)
    return _Opened(before, keys_after(struct, place, before), fields)


def _origin(column: Column, at: tuple[str, ...]) -> str | None:
    """The key of the record at `at` from which a column's value, or what it opens, comes."""
    e = column.expression
    of = e.of if isinstance(e, Struct | Each) else e
    return of.path[-1] if isinstance(of, Source) and of.path and of.path[:-1] == at else None


def _opened(column: Column, place: tuple[str, ...], at: tuple[str, ...], places: set[Path]) -> _Inside | None:
    match column.expression:
        case Struct():
            record = _record(column, place, at, places)
            return None if record is None else _of_record(record)
        case Each(Source(), body, kind):
            return _of_elements(body, kind)
        case _:
            return None


def _of_record(record: _Opened) -> _Inside:
    """`scope`: None where the record is a scope of its own."""

    def same(old: Raw, new: Raw, scope: Any, objects: Objects) -> bool:
        if _is_null(old) or _is_null(new):
            return _is_null(old) and _is_null(new)
        before = objects.fields(old)
        return record.same(before, objects.fields(new), _Scope(before) if scope is None else scope, objects)

    return same


def _of_elements(body: Column, kind: str) -> _Inside | None:
    """Of lists and maps only those are opened whose elements are all carried: what is computed in them is one with the rest."""
    inner = set[Path]()
    record = _record(body, (), (), inner)
    if record is None or len(inner) < sum(1 for _ in _columns(body)):
        return None
    element = _of_record(record)

    def same(old: Raw, new: Raw, scope: Any, objects: Objects) -> bool:
        if _is_null(old) or _is_null(new):
            return _is_null(old) and _is_null(new)
        if kind == "map":
            theirs, ours = objects.fields(old), objects.fields(new)
            pairs = zip(theirs.values(), ours.values(), strict=False)
            return list(theirs) == list(ours) and all(element(a, b, None, objects) for a, b in pairs)
        these, those = objects.items(old), objects.items(new)
        return len(these) == len(those) and all(element(a, b, None, objects) for a, b in zip(these, those, strict=True))

    return same


def _columns(column: Column) -> Iterator[Column]:
    yield column
    if isinstance(column.expression, Struct):
        for inner in column.expression.columns:
            yield from _columns(inner)


def _is_null(text: Raw) -> bool:
    return text == Raw(b"null")
