"""What a mapping edits in a line of JSON, as the compiled part is told it: the objects that it opens, and what becomes of members.

A member that is computed, or new, is there when the mapping says so, and its value is left for others to judge.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from instar.formats.path import Path
from instar.formats.schema import MISSING
from instar.transforms.expression import Branches, Call, Cast, Column, Each, Expression, Literal, Lookup, Source, Sql, Struct, When

from .keys import Keys, keys_before

Member = tuple[bytes, int, bytes, int, int, int]
"""An old key, what becomes of it, the new key as JSON spells it, the number of the level that opens its value, or -1, and the
columns in which its old value and its new one are taken, or -1."""
Fresh = tuple[bytes, int, int]
"""A key that the new object may have anywhere; with which old member it is there, or ALWAYS or MAYBE; the column of its value."""
Level = tuple[int, tuple[Member, ...], tuple[Fresh, ...]]
"""The kind of a value that is opened, its members and those that are new; a list or map has one member, which stands for all."""
At = tuple[str, ...]
"""The path of a value in its record."""

_SAME, _RENAMED, _DROPPED, _REFUSED, _COMPUTED = range(5)
_MAYBE, _ALWAYS = -2, -1
_RECORD, _LIST, _MAP = range(3)


def levels_of(root: Column) -> tuple[Level, ...] | None:
    """The levels of a mapping that computes nothing; None where more than keys changes, or a key is such that JSON cannot plainly
    spell it."""
    found = _Levels(computing=False)
    return tuple(found.levels) if found.of(root) else None


@dataclass(frozen=True)
class Edited:
    """What the compiled part is told: its levels, the places of the target that it proves, and the columns of values taken out of
    the old record and of the new one, by their paths."""

    levels: tuple[Level, ...]
    places: frozenset[Path]
    old: dict[At, int]
    new: dict[At, int]


def edited(root: Column, old: Collection[At] = (), new: Collection[At] = ()) -> Edited | None:
    """What a mapping does to lines, where the old values at `old` and the new ones at `new` (or around them) are to be taken out;
    None where a record of its own is not the old one, or a key is such that JSON cannot plainly spell it."""
    found = _Levels(computing=True, old=frozenset(old), new=frozenset(new))
    if not found.of(root):
        return None
    return Edited(tuple(found.levels), frozenset(found.places), found.columns["old"], found.columns["new"])


@dataclass
class _Levels:
    """The levels that are found; those that open others come before them."""

    computing: bool
    old: frozenset[At] = frozenset()
    new: frozenset[At] = frozenset()
    levels: list[Level] = field(default_factory=list)
    places: set[Path] = field(default_factory=set)
    columns: dict[str, dict[At, int]] = field(default_factory=lambda: {"old": {}, "new": {}})

    def of(self, root: Column) -> bool:
        try:
            return self._record(root, (), (), computing=self.computing) is not None
        except UnicodeEncodeError:  # half a surrogate pair
            return False

    def _record(self, column: Column, at: At, place: At, *, computing: bool) -> int | None:
        """The number of the level of a record, which stands at `at` of its scope, and at `place` of the target's."""
        struct = column.expression
        if not isinstance(struct, Struct) or not isinstance(struct.of, Source) or struct.of.path != at:
            return None
        before, number = keys_before(struct), self._added()
        kept = set(before.kept.values())
        if not before.named >= before.kept.keys() or before.named & (kept - before.kept.keys()):
            return None
        if not computing and (before.fresh or len(before.kept) != len(struct.columns)):
            return None
        places, origins = set(self.places), {name: origin for origin, name in before.kept.items()}
        members: dict[str, Member] = {}
        for inner in struct.columns:
            name = inner.field.name
            if name not in origins:
                continue
            member = self._member(inner, origins[name], at, (*place, name), computing=computing)
            if member is None:
                self.places = places
                return None
            members[origins[name]] = member
        for name in sorted(before.named - members.keys()):
            members[name] = name.encode(), _DROPPED, b"", *self._taken((*at, name), -1), -1
        for name in sorted({c.field.name for c in struct.columns} - members.keys()):
            # one that no schema names would stand in the way of one that is renamed, or new
            members[name] = name.encode(), _REFUSED, b"", -1, -1, -1
        fresh = self._fresh(struct, at, place, before, list(members))
        if fresh is None:
            self.places = places
            return None
        self.levels[number] = _RECORD, tuple(members.values()), fresh
        self.places.add(place)
        return number

    def _member(self, inner: Column, origin: str, at: At, place: At, *, computing: bool) -> Member | None:
        """A member that keeps its place; None where it is computed, and nothing may be."""
        name = inner.field.name
        child = self._value(inner, (*at, origin), place, computing=computing)
        if child is None:
            if not computing:
                return None
            computed = self._column("new", place)
            return origin.encode(), _COMPUTED, msgspec.json.encode(name), *self._taken((*at, origin), -1), computed
        self.places.add(place)
        action = _SAME if name == origin else _RENAMED
        return origin.encode(), action, msgspec.json.encode(name), *self._taken((*at, origin), child), -1

    def _value(self, column: Column, at: At, place: At, *, computing: bool) -> int | None:
        """The number of the level that opens the value of a column, -1 where none does; None where it is not the one at `at`, or
        not only edited."""
        match column.expression:
            case Source(path):
                return -1 if path == at else None
            case Struct():
                return self._record(column, at, place, computing=computing)
            case Each(Source(path), body, kind) if path == at:
                number, places = self._added(), set(self.places)
                inner = self._record(body, (), (), computing=False)
                self.places = places  # those of an element are its own
                if inner is None:
                    return None
                self.levels[number] = _MAP if kind == "map" else _LIST, ((b"", _SAME, b"", inner, -1, -1),), ()
                return number
            case _:
                return None

    def _fresh(self, struct: Struct, at: At, place: At, before: Keys, members: Sequence[str]) -> tuple[Fresh, ...] | None:
        """The members that are new; None where it cannot be told when one is there."""
        found: list[Fresh] = []
        for column in struct.columns:
            name = column.field.name
            if name in before.kept.values():
                continue
            there = _there(column.expression, at) if name in before.fresh else _MAYBE
            if there is None or (isinstance(there, str) and there not in members):
                return None
            number = members.index(there) if isinstance(there, str) else there
            found.append((name.encode(), number, self._column("new", (*place, name))))
        return tuple(found)

    def _added(self) -> int:
        """The number of a level that is told later: it comes before those that it opens."""
        self.levels.append((_RECORD, (), ()))
        return len(self.levels) - 1

    # ---- what is taken out
    def _taken(self, at: At, child: int) -> tuple[int, int]:
        """The level that opens an old value, be it only to look for what is to be taken, and the column of the value itself."""
        wanted = at in self.old
        if child < 0 and any(len(path) > len(at) and path[: len(at)] == at for path in self.old):
            child = self._looked_into(at)
        return child, self._number("old", at) if wanted else -1

    def _looked_into(self, at: At) -> int:
        number = self._added()
        below = dict.fromkeys(path[len(at)] for path in sorted(self.old) if len(path) > len(at) and path[: len(at)] == at)
        members = [(name.encode(), _SAME, b"", *self._taken((*at, name), -1), -1) for name in below]
        self.levels[number] = _RECORD, tuple(members), ()
        return number

    def _column(self, side: str, at: At) -> int:
        """The column of a new value, if it, or something in it, is to be taken."""
        return self._number(side, at) if any(path[: len(at)] == at for path in self.new) else -1

    def _number(self, side: str, at: At) -> int:
        known = self.columns[side]
        if at not in known:
            known[at] = sum(map(len, self.columns.values()))
        return known[at]


def _there(e: Expression, at: At) -> int | str | None:
    """When a key that the mapping brings in is there, as `keys.state_of` has it: always, or with a key of the old record; None
    where it is otherwise."""
    match e:
        case Source(path) if path and path[:-1] == at:
            return path[-1]
        case Literal(value) if value is not MISSING:
            return _ALWAYS
        case Sql() | Call() | Struct(_, None):
            return _ALWAYS
        case Cast(of) | Lookup(of) | Each(of) | Branches(of) | Struct(_, Expression() as of):
            return _there(of, at)
        case When(of, then, otherwise):
            first, second = _there(of, at), _there(then, at)
            if first is None or second not in (first, _ALWAYS):
                return None
            return first if not isinstance(otherwise, Literal) else _there(otherwise, at)
        case _:
            return None
