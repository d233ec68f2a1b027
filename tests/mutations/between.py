"""Kinds of corruption between columns and between records: values, and whole records, in the place of others."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from instar.formats.schema import Field, Record
from tests.mutations.kind import replaced
from tests.mutations.neutral import Node, bits, nodes


# ---- between columns
def other_column(node: Node, chance: random.Random) -> Iterable[Any]:
    """The values of two fields of one type, each in the place of the other."""
    if not isinstance(node.value, dict) or not isinstance(node.field.type, Record):
        return []
    return list(_swaps(node.value, node.field.type))


def swapped_columns(records: list[Any], root: Field, chance: random.Random) -> list[Any] | None:
    """As `other_column`, at any depth, the record itself included."""
    for row in chance.sample(range(len(records)), len(records)):
        found = [node for node in nodes(records[row], root) if isinstance(node.value, dict) and isinstance(node.field.type, Record)]
        for node in chance.sample(found, len(found)):
            if swaps := list(_swaps(node.value, node.field.type)):
                return replaced(records, row, node.at, chance.choice(swaps))
    return None


def _swaps(value: dict[str, Any], type: Any) -> Iterable[Any]:
    fields = [f for f in type.fields if f.name in value]
    for i, one in enumerate(fields):
        for other in fields[:i]:
            a, b = value[one.name], value[other.name]
            fits = (a is not None or other.nullable) and (b is not None or one.nullable)
            if one.type == other.type and fits and bits(a) != bits(b):
                yield {**value, one.name: b, other.name: a}


# ---- between records
def swapped_values(records: list[Any], root: Field, chance: random.Random) -> list[Any] | None:
    """One field's values of two records, each in the place of the other."""
    for name in chance.sample([f.name for f in root.type.fields], len(root.type.fields)):  # type: ignore[attr-defined]
        having = [row for row, record in enumerate(records) if name in record]
        pairs = [
            (a, b) for a in chance.sample(having, len(having)) for b in having if bits(records[a][name]) != bits(records[b][name])
        ]
        if pairs:
            a, b = chance.choice(pairs)
            first = replaced(records, a, (name,), records[b][name])
            return replaced(first, b, (name,), records[a][name])
    return None


def swapped_rows(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    a, b = sorted(chance.sample(range(len(records)), 2))
    return [*records[:a], records[b], *records[a + 1 : b], records[a], *records[b + 1 :]]


def dropped_row(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    at = chance.choice([0, len(records) - 1, chance.randrange(len(records))])
    return records[:at] + records[at + 1 :]


def doubled_row(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    at = chance.choice([0, len(records) - 1, chance.randrange(len(records))])
    return records[: at + 1] + records[at:]


def overwritten_row(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    """A record twice, in the place of the next: the count is right."""
    at = chance.randrange(len(records) - 1)
    return [*records[: at + 1], records[at], *records[at + 2 :]]


def other_rows(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    """All records in another order: reversed, turned, or shuffled."""
    at = chance.randrange(1, len(records))
    return chance.choice([records[::-1], records[at:] + records[:at], chance.sample(records, len(records))])


def swapped_groups(records: list[Any], root: Field, chance: random.Random) -> list[Any]:
    """Two row groups or blocks, each in the place of the other."""
    return records[25:50] + records[:25] + records[50:]
