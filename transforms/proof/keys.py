"""The keys of JSON records: which are there, in which order, and which no schema names.

A missing key is not a null one, and SQL knows only nulls: whether a key must be there is decided here, from the old record's keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from instar.formats.schema import MISSING, Record
from instar.transforms.expression import (
    NULL,
    Branches,
    Call,
    Cast,
    Each,
    Expression,
    Literal,
    Lookup,
    Part,
    Source,
    Sql,
    Struct,
    When,
)

State = Callable[[Any], int]
"""A scope's record (or element) → MISSED, EMPTY or FILLED."""

MISSED, EMPTY, FILLED = 0, 1, 2
_REMEMBERED = 1024  # orders of keys whose answer is known


@dataclass(frozen=True)
class Keys:
    """What is asked of the record at the path `at` of a scope.

    Of the names in `named`, those in `kept` keep their place and come to be called as it says; those in `fresh` are there or not,
    in whatever place. Names that are not in `named` are known to no schema: they keep their place and their value.
    """

    at: tuple[str, ...]
    named: frozenset[str]
    kept: Mapping[str, str]
    fresh: Mapping[str, State]
    seen: dict[tuple[str, ...], list[str | tuple[str]]] = field(default_factory=dict, compare=False)


def keys_before(struct: Struct) -> Keys:
    """What the old record says of the keys of a target record. `struct.of` is a Source."""
    assert isinstance(struct.of, Source)
    at, targets = struct.of.path, {c.field.name for c in struct.columns}
    kept: dict[str, str] = {}
    fresh: dict[str, State] = {}
    for column in struct.columns:
        name, came = column.field.name, _came_from(column.expression, at, column.field.name)
        renamed = came is not None and came not in targets and came not in kept and name not in struct.known
        if came is not None and (came == name or renamed):
            kept[came] = name
        elif (state := state_of(column.expression)) is not None:
            fresh[name] = state
    return Keys(at, frozenset(struct.known), kept, fresh)


def keys_after(struct: Struct, at: tuple[str, ...], before: Keys) -> Keys:
    """The same of the new record, which stands at `at`."""
    named = frozenset(c.field.name for c in struct.columns)
    fresh = {name: _source((*at, name)) for name in before.fresh}
    return Keys(at, named, {name: name for name in before.kept.values()}, fresh)


def asked_keys(scope: Any, keys: Keys) -> list[Any] | None:
    """The answer, in an order that does not depend on where fresh keys stand; None where there is no record."""
    record = scope
    for name in keys.at:
        record = record.get(name) if isinstance(record, dict) else None
    if record is None:
        return None
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    fresh = sorted([name for name, state in keys.fresh.items() if state(scope)])
    return [fresh, *([told[0], record[told[0]]] if isinstance(told, tuple) else told for told in names_told(tuple(record), keys))]


def names_told(names: tuple[str, ...], keys: Keys) -> list[str | tuple[str]]:
    """The names that keep their place, as they come to be called; those that no schema names as (name,)."""
    told = keys.seen.get(names)
    if told is None:
        told = [keys.kept.get(name, (name,)) for name in names if name in keys.kept or name not in keys.named]
        if len(keys.seen) < _REMEMBERED:
            keys.seen[names] = told
    return told


def _came_from(e: Expression, record: tuple[str, ...], name: str) -> str | None:
    """The key of the source record whose place a target key certainly has: its own, where it is there only if that is; else the
    one whose very value it carries."""
    while isinstance(e, When) and e.otherwise in (NULL, "fail") and e.of is e.then:
        e = e.then
    carries = isinstance(e, Source)
    while isinstance(e, Cast | Lookup | Each | Branches) or (isinstance(e, Struct) and e.of is not None):
        assert e.of is not None
        e = e.of
    if not isinstance(e, Source) or e.path[:-1] != record or not e.path:
        return None
    return e.path[-1] if carries or e.path[-1] == name else None


# ---- is it there?
def state_of(e: Expression) -> State | None:
    """Whether a value is missing, null or neither, from its scope's record; None where only computing it would tell."""
    match e:
        case Source(path):
            return _source(path)
        case Literal(value):
            return _always(MISSED if value is MISSING else EMPTY if value is None else FILLED)
        case Sql() | Call() | Struct(_, None):
            return _always(FILLED)
        case Cast(of) | Lookup(of) | Each(of) | Branches(of) | Struct(_, Expression() as of):
            return state_of(of)
        case Part(Call(_, _, Record() as record), name) if not record[name].optional:
            return _always(FILLED)
        case When(Source() | Struct() | Each() | Branches() as of, then, otherwise):
            return _when(state_of(of), state_of(then), state_of(otherwise) if isinstance(otherwise, Literal) else None)
        case _:
            return None


def _always(state: int) -> State:
    return lambda scope: state


def _source(path: tuple[str, ...]) -> State:
    def state(scope: Any) -> int:
        for name in path:
            if scope is None:
                return EMPTY
            if name not in scope:
                return MISSED
            scope = scope[name]
        return EMPTY if scope is None else FILLED

    return state


def _when(of: State | None, then: State | None, otherwise: State | None) -> State | None:
    if of is None or then is None:
        return None

    def state(scope: Any) -> int:
        first = of(scope)
        if first == FILLED:
            return then(scope)
        return first if otherwise is None else otherwise(scope)

    return state
