"""Records in one form for all formats, in which nothing is lost: what is changed in it, and how two of them are told apart.

A record is a dict, a list a list, a map `Pairs` (its order counts, and a key twice), a union's value a dict of its one branch;
times, dates and durations are the integers that they are stored as, a number of JSON is the text that it is (`Number`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from instar.formats.schema import Field, List, Map, Record, Union

Step = str | int
"""A key of a record, or the number of an element or of a pair."""
At = tuple[Step, ...]


class Pairs(list[tuple[str, Any]]):
    """The entries of a map."""


class Number(str):
    """The text of a number."""


@dataclass(frozen=True)
class Node:
    """What stands at a place of a record, and the field that it is of."""

    at: At
    field: Field
    value: Any


def nodes(record: Any, field: Field, at: At = ()) -> Iterator[Node]:
    """A record and everything in it that a schema names, from the top down."""
    yield Node(at, field, record)
    match field.type:
        case Record(fields) if isinstance(record, dict):
            for inner in fields:
                if inner.name in record:
                    yield from nodes(record[inner.name], inner, (*at, inner.name))
        case List(item) if isinstance(record, list):
            for number, value in enumerate(record):
                yield from nodes(value, item, (*at, number))
        case Map(inner) if isinstance(record, Pairs):
            for number, (_, value) in enumerate(record):
                yield from nodes(value, inner, (*at, number))
        case Union(branches) if isinstance(record, dict):
            ((name, value),) = record.items()
            yield from nodes(value, branches[int(name[1:])], (*at, name))
        case _:
            pass


def changed(value: Any, at: At, new: Any) -> Any:
    """The same with something else at a place; nothing of the old one is shared that could be changed."""
    if not at:
        return new
    step, rest = at[0], at[1:]
    match value:
        case Pairs():
            return Pairs((key, changed(inner, rest, new) if i == step else inner) for i, (key, inner) in enumerate(value))
        case list():
            return [changed(inner, rest, new) if i == step else inner for i, inner in enumerate(value)]
        case dict():
            return {key: changed(inner, rest, new) if key == step else inner for key, inner in value.items()}
    raise TypeError(f"there is nothing at {at} in {value!r}")


def bits(value: Any) -> Any:
    """What is the same for two values only where they are the same in every bit, order included."""
    match value:
        case float():
            return struct.pack(">d", value)
        case Pairs():
            return ("pairs", *((key, bits(inner)) for key, inner in value))
        case list():
            return ("list", *map(bits, value))
        case dict():
            return ("record", *((key, bits(inner)) for key, inner in value.items()))
        case _:
            return type(value).__name__, value


def first_difference(old: list[Any], new: list[Any]) -> tuple[int, frozenset[str]] | None:
    """The number of the first record that differs, and its fields that do: all of them where one side has no such record, none
    where only their order does."""
    for row, (before, after) in enumerate(zip(old, new, strict=False)):
        if bits(before) != bits(after):
            names = before.keys() | after.keys()
            return row, frozenset(n for n in names if n not in before or n not in after or bits(before[n]) != bits(after[n]))
    if len(old) == len(new):
        return None
    row = min(len(old), len(new))
    return row, frozenset((*old, *new)[-1])
