"""What the laws are run over: every operation with every option of it, and every type, carried and computed with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import pytest
from hypothesis import given, seed, settings

from instar import op
from instar.formats.path import Branch, parse_path
from instar.formats.schema import Schema, Type, Uuid, children
from instar.transforms.evaluate.nodes import everything
from instar.transforms.expression import Call, Cast, Literal, Lookup, Sql
from instar.transforms.mapping import chain
from tests.laws.cases import Case, cases
from tests.laws.drawn import KINDS, operations
from tests.laws.schemas import CARRIED, SCALARS, everywhere, sort_of
from tests.laws.test_laws import JSON, PLAIN, law

few = settings(law, max_examples=10)
"""At a time: with a seed it draws the same at every run."""
ROUNDS = 16
"""After so many there must be nothing left that was never drawn."""

NESTED = {"list", "map", "record"}
NAMED = {"union", "reference"}
COMPUTED = {sort_of(t) for t in SCALARS} | NESTED
CARRY = {sort_of(t) for t in (*SCALARS, *CARRIED)} | NESTED | NAMED


def drawn(number: int) -> Iterator[Case]:
    """Cases as the laws draw them, other ones for every number."""
    found: list[Case] = []

    @seed(number)
    @few
    @given(cases(), cases(most=2, named=True), cases(most=2, optional=True, scalars=PLAIN))
    def collect(plain: Case, named: Case, optional: Case) -> None:
        found.extend((plain, named, optional))

    collect()
    yield from found


def preferring(kind: str, number: int) -> Iterator[Case]:
    """Cases with operations of one kind, where they fit."""
    found: list[Case] = []

    @seed(number)
    @few
    @given(cases(most=2, drawn=partial(operations, preferred=kind)))
    def more(case: Case) -> None:
        found.append(case)

    more()
    yield from found


def sorts(type: Type) -> set[str]:
    return {sort_of(type)}.union(*(sorts(f.type) for _, f in children(type)))


def sorts_of(schema: Schema) -> set[str]:
    return {sort_of(f.type) for _, f in everywhere(schema)}


def computed(case: Case) -> set[str]:
    """The sorts of type that an expression of the case reads or makes."""
    found: set[str] = set()
    for e in everything([chain(case.schema, case.operations).root.expression]):
        match e:
            case Cast(_, source, to) | Lookup(_, source, to):
                found |= sorts(source) | sorts(to)
            case Sql(_, inputs, type) | Call(_, inputs, type):
                found |= sorts(type).union(*(sorts(t) for _, t in inputs))
            case Literal(_, type):
                found |= sorts(type)
    return found


@dataclass
class Seen:
    """What cases held."""

    options: dict[str, set[str]] = field(default_factory=dict)
    carried: set[str] = field(default_factory=set)
    computed: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)

    def add(self, case: Case) -> None:
        operation: Any
        for operation in case.operations:
            said = {f.name for f in fields(operation) if f.default is NO_DEFAULT or getattr(operation, f.name) != f.default}
            self.options.setdefault(type(operation).__name__, set()).update(said)
            path = parse_path(text) if (text := getattr(operation, "path", "")) else ()
            self.places |= {"a named type"} if path and isinstance(path[0], Branch) else set()
            self.places |= {"a branch"} if any(isinstance(step, Branch) for step in path[1:]) else set()
        if case.schema.open and any(key not in case.schema.record for row in case.rows for key in row):
            self.places.add("an unknown key")
        self.carried |= sorts_of(case.schema)
        self.computed |= computed(case)

    def lacking(self, name: str) -> list[str]:
        """The options of an operation that were never drawn."""
        operation: Any = getattr(op, name)
        return sorted({f.name for f in fields(operation)} - self.options.get(operation.__name__, set()))

    @property
    def never(self) -> list[str]:
        """What was never drawn."""
        options = [f"op.{name}({option}=…)" for name in op.__all__ for option in self.lacking(name)]
        places = {"a named type", "a branch", "an unknown key"} - self.places
        return [*options, *sorted(CARRY - self.carried), *sorted(COMPUTED - self.computed), *sorted(places)]


def of(kind: str) -> str:
    """The operation of a kind: `merge by SQL` is a merge."""
    return {"fill": "require"}.get(kind) or re.split(r"[ ,]", kind, maxsplit=1)[0]


@pytest.mark.slow
def test_every_operation_option_and_type_is_drawn() -> None:
    """Of the laws' own strategies: what they draw changes with them only. That every operation has a kind is asked each time."""
    seen = Seen()
    for number in range(ROUNDS):
        for case in drawn(number):
            seen.add(case)
        for kind in KINDS:
            if seen.lacking(of(kind)):
                for case in preferring(kind, number):
                    seen.add(case)
        if not seen.never:
            break
    assert not seen.never, f"never drawn: {', '.join(seen.never)}"
    assert seen.carried == CARRY
    assert {sort_of(t) for t in (*JSON, Uuid())} < seen.carried


def test_kinds_are_named_by_their_operations() -> None:
    assert {of(kind) for kind in KINDS} == set(op.__all__)
