"""What the laws are run over: every operation with every option of it, and every type, carried and computed with."""

from __future__ import annotations

from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from functools import partial
from typing import Any

from hypothesis import given, settings

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

every = settings(law, max_examples=120, derandomize=True)
"""The same cases at every run."""
each = settings(law, max_examples=25, derandomize=True)

NESTED = {"list", "map", "record"}
NAMED = {"union", "reference"}
COMPUTED = {sort_of(t) for t in SCALARS} | NESTED


def drawn() -> list[Case]:
    """Cases as the laws draw them."""
    found: list[Case] = []

    @every
    @given(cases(), cases(most=2, named=True), cases(most=2, optional=True, scalars=PLAIN))
    def collect(plain: Case, named: Case, optional: Case) -> None:
        found.extend((plain, named, optional))

    collect()
    for kind in KINDS:

        @each
        @given(cases(most=2, drawn=partial(operations, preferred=kind)))
        def more(case: Case) -> None:
            found.append(case)

        more()
    return found


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


def test_every_operation_option_and_type_is_drawn() -> None:
    found = drawn()
    given_options: dict[str, set[str]] = {}
    operation: Any
    for operation in (o for case in found for o in case.operations):
        said = {f.name for f in fields(operation) if f.default is NO_DEFAULT or getattr(operation, f.name) != f.default}
        given_options.setdefault(type(operation).__name__, set()).update(said)
    never: list[str] = []
    for name in op.__all__:
        operation = getattr(op, name)
        options = {f.name for f in fields(operation)} - given_options.get(operation.__name__, set())
        never += [f"op.{name}({option}=…)" for option in sorted(options)]
    assert not never, f"never drawn: {', '.join(never)}"
    carried = set().union(*(sorts_of(case.schema) for case in found))
    assert {sort_of(t) for t in (*SCALARS, *CARRIED)} | NESTED | NAMED == carried
    assert COMPUTED - set().union(*map(computed, found)) == set()
    assert {sort_of(t) for t in (*JSON, Uuid())} < carried
    paths = [parse_path(path) for case in found for o in case.operations if (path := getattr(o, "path", ""))]
    assert any(isinstance(path[0], Branch) for path in paths), "no path begins with a named type"
    assert any(isinstance(step, Branch) for path in paths for step in path[1:]), "no path goes into a branch"
    assert any(key not in case.schema.record for case in found if case.schema.open for row in case.rows for key in row)
