"""Where keys go in a record that changed: what it had keeps its place, what is new goes where the schema has it, or last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Member = tuple[str, str | None]
"""A key of the new record, and the key of the old one whose place (and spacing) it has; None for a new place."""

_Kept = tuple[str, ...]
_REMEMBERED = 1024


class Arrangement:
    """The order of members for records of one target field. A record's order depends on that record alone; plans are remembered."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)
        self._plans: dict[tuple[_Kept, _Kept], tuple[_Kept, _Kept]] = {}
        self._orders: dict[tuple[_Kept, _Kept, tuple[str | None, ...]], tuple[Member, ...]] = {}

    def order(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Member, ...] | None:
        """The members of `new` in their order; None where it has the very keys of `old` in the same order.

        A key that is not in `old` takes the place of the one that is gone and whose very value (the same object) it carries: a
        renamed key. Any other takes the place of one that is gone after the same neighbour (renamed and cast), else it stands
        after the key that comes before it in `new`, or last where only such keys follow.
        """
        before, after = tuple(old), tuple(new)
        if before == after:
            return None
        pair = (before, after)
        plan = self._plans.get(pair)
        if plan is None:
            plan = tuple(k for k in before if k not in new), tuple(k for k in after if k not in old)
            _remember(self._plans, pair, plan)
        gone, fresh = plan
        claims = tuple(next((g for g in gone if old[g] is new[f]), None) for f in fresh) if gone else (None,) * len(fresh)
        key = (before, after, claims)
        order = self._orders.get(key)
        if order is None:
            order = self._arranged(before, after, dict(zip(fresh, claims, strict=True)))
            _remember(self._orders, key, order)
        return order

    def _arranged(self, before: _Kept, after: _Kept, claims: dict[str, str | None]) -> tuple[Member, ...]:
        renamed: dict[str, str] = {}
        for name, old in claims.items():
            if old is not None and old not in renamed:
                renamed[old] = name
        slots: list[tuple[str | None, str | None]] = [(renamed.get(name, name if name in after else None), name) for name in before]
        known = [name for name in after if name in self._names or not self._names]
        fresh = [name for name in claims if name not in renamed.values()]
        last = max((i for i, name in enumerate(known) if name not in fresh), default=-1)
        trailing: list[str] = []
        for i, name in enumerate(known):
            if name not in fresh:
                continue
            previous = known[i - 1] if i else None
            gone = _gone_after(slots, previous, known)
            if gone is not None:
                slots[gone] = (name, slots[gone][1])
            elif i < last:
                at = next((j for j, (other, _) in enumerate(slots) if i and other == previous), -1)
                slots.insert(at + 1, (name, None))
            else:
                trailing.append(name)
        placed = [(name, old) for name, old in slots if name is not None]
        others = [name for name in fresh if name not in known]
        return *placed, *((name, None) for name in [*trailing, *others])


def _gone_after(slots: Sequence[tuple[str | None, str | None]], previous: str | None, known: Sequence[str]) -> int | None:
    """Where a key of the old record is gone, with `previous` the nearest key before it that the schema names."""
    nearest: str | None = None
    for i, (name, _) in enumerate(slots):
        if name is None and nearest == previous:
            return i
        if name in known:
            nearest = name
    return None


def _remember(store: dict[Any, Any], key: Any, value: Any) -> None:
    if len(store) >= _REMEMBERED:
        store.clear()
    store[key] = value
