"""How records are written anew from their own text: the program for `_scan.c`, and the plan for each order of keys that it meets.

The places and the spacing of members are those of `values.JsonValues.sealer`, which does the same one record at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from instar.formats.levels import Compute, Computed, Elements, Fixed, Kept, Level, Opened
from instar.formats.schema import MISSING

from .order import Arrangement, Member
from .scan import compact

_KEEP, _RECORD, _LIST, _MAP, _COMPUTE = range(5)
_RAW, _OPENED, _FIXED, _HOLE = range(4)
_PASSING = 4  # values that may pass through what is computed: so many are tried in every combination

Node = tuple[Any, ...]
Plan = tuple[tuple[tuple[Any, ...], ...], tuple[int, ...] | None]


class Program:
    """What is opened, numbered: `levels` in the order of their numbers, each a level or what computes an element."""

    def __init__(self, root: Level) -> None:
        self.levels: list[Level | Compute] = []
        self._told: list[tuple[tuple[tuple[bytes, Node], ...], int]] = []
        self._arrangements: dict[int, Arrangement] = {}
        self.root = self._node(root)

    def told(self) -> tuple[tuple[Any, ...], Node]:
        """The levels and the root, as the compiled part is told them."""
        return tuple(self._told), self.root

    def _node(self, inside: Level | Elements | Compute | None) -> Node:
        match inside:
            case None:
                return (_KEEP,)
            case Elements(kind, element):
                return (_LIST if kind == "list" else _MAP, self._node(element))
        number = len(self.levels)
        self.levels.append(inside)
        self._told.append(((), 1))
        if isinstance(inside, Compute):
            return (_COMPUTE, number)
        opened = {m.name: m.inside for m in inside.members if isinstance(m, Opened)}
        keys = tuple((name.encode(), self._node(below)) for name, below in opened.items())
        self._told[number] = keys, len(inside.reads)
        self._arrangements[number] = Arrangement(inside.names)
        return (_RECORD, number)

    def plan(self, number: int, keys: tuple[str, ...]) -> Plan | None:
        """How an object of a level whose keys are these is written; None where that depends on more than its keys."""
        level = self.levels[number]
        assert isinstance(level, Level)
        new = dict(zip(level.names, level.members, strict=True))
        there = frozenset(keys)
        members = {name: member for name, member in new.items() if _is_there(member, there)}
        for key in keys:
            if key not in level.known:
                if key in new:
                    return None
                members[key] = Kept(key)
        if sum(len(m.passes) for m in members.values() if isinstance(m, Computed)) > _PASSING:
            return None
        orders = set(_orders(self._arrangements[number], keys, members))
        if len(orders) > 1:
            return None
        at = {key: i for i, key in enumerate(keys)}
        ops = tuple(_op(name, place, members[name], at) for name, place in orders.pop())
        computed = any(isinstance(member, Computed) for member in members.values())
        return ops, tuple(at.get(name, -1) for name in level.reads) if computed else None


def _is_there(member: Kept | Fixed | Computed | Opened, keys: frozenset[str]) -> bool:
    match member:
        case Kept(name) | Opened(name):
            return name in keys
        case Fixed(raw):
            return raw is not MISSING
        case Computed(_, absent_with):
            return absent_with <= keys


def _orders(arrangement: Arrangement, keys: tuple[str, ...], members: dict[str, Any]) -> Iterator[tuple[Member, ...]]:
    """The order of the new members, once for each way in which values may pass through what is computed."""
    old = {key: object() for key in keys}
    new = {name: old[m.name] if isinstance(m, Kept) else object() for name, m in members.items()}
    fresh = [(name, m) for name, m in members.items() if name not in old and isinstance(m, Computed)]
    passing = [(name, key) for name, m in fresh for key in m.passes & old.keys()]
    for chosen in product((False, True), repeat=len(passing)):
        passed = {name: old[key] for (name, key), passes in zip(passing, chosen, strict=True) if passes}
        order = arrangement.order(old, {**new, **passed})
        yield tuple((name, name) for name in new) if order is None else order


def _op(name: str, place: str | None, member: Kept | Fixed | Computed | Opened, at: dict[str, int]) -> tuple[Any, ...]:
    key = None if name == place else compact(name)
    where = -1 if place is None else at[place]
    match member:
        case Kept(source):
            return where, key, _RAW, at[source], None
        case Opened(source):
            return where, key, _OPENED, at[source], None
        case Fixed(raw):
            return where, key, _FIXED, 0, b"null" if raw is None else bytes(raw)
        case Computed(number):
            return where, key, _HOLE, number, None
