"""Where keys go in a record that changed: what it had keeps its place, what is new goes where the schema has it, or last."""

from __future__ import annotations

from collections.abc import Mapping
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
        renamed key. Any other stands after the key that comes before it in `new`, or last where only such keys follow.
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
        out: list[Member] = []
        for name in before:
            if name in renamed:
                out.append((renamed[name], name))
            elif name in after:
                out.append((name, name))
        placed = {name for name, _ in out}
        known = [name for name in after if name in self._names or not self._names]
        last = max((i for i, name in enumerate(known) if name in placed), default=-1)
        for i, name in enumerate(known):
            if name not in placed and i < last:
                at = next((j for j, (other, _) in enumerate(out) if i and other == known[i - 1]), -1)
                out.insert(at + 1, (name, None))
                placed.add(name)
        out.extend((name, None) for name in after if name not in placed)
        return tuple(out)


def _remember(store: dict[Any, Any], key: Any, value: Any) -> None:
    if len(store) >= _REMEMBERED:
        store.clear()
    store[key] = value
