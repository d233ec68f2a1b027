"""What a kind of corruption is: it makes of a file's records others that differ in one thing, chosen by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from instar.formats.schema import Field
from tests.mutations.neutral import At, Node, bits, changed, nodes

Kind = Callable[[list[Any], Field, random.Random], list[Any] | None]


def inside(change: Callable[[Node, random.Random], Iterable[Any]]) -> Kind:
    """A kind that changes one value: `change` gives what may stand in its place."""

    def kind(records: list[Any], root: Field, chance: random.Random) -> list[Any] | None:
        rows = chance.sample(range(len(records)), min(20, len(records)))
        for row in rows:
            below = [node for node in nodes(records[row], root) if node.at]
            for node in chance.sample(below, len(below)):
                others = [other for other in change(node, chance) if bits(other) != bits(node.value)]
                if others:
                    return replaced(records, row, node.at, chance.choice(others))
        return None

    return kind


def replaced(records: list[Any], row: int, at: At, new: Any) -> list[Any]:
    return [changed(record, at, new) if i == row else record for i, record in enumerate(records)]
