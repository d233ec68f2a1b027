"""Faults planted in what changes the shape of values, in unions, named types and tags: each must break the law named beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import pyarrow as pa
import pytest

from instar.formats.errors import SchemaError
from instar.formats.schema import Field, List
from instar.transforms import casts, composition, inverse, weave
from instar.transforms.casts import ways
from instar.transforms.evaluate import arrow, record_code, sql_calls
from instar.transforms.evaluate import ways as arrow_ways
from instar.transforms.evaluate.plain_values import PlainValues
from instar.transforms.evaluate.scope import Live
from instar.transforms.expression import Branches, Literal, Part
from instar.transforms.mapping import chain
from instar.transforms.operations import computed
from instar.transforms.operations._merge import Merge
from instar.transforms.operations._split import Split
from tests.laws import laws, named
from tests.laws.cases import Case
from tests.laws.interpreters import by_record
from tests.laws.shaped import NAMED, SHAPED, TAGGED

Patch = pytest.MonkeyPatch
Law = Callable[[Case], None]
SHAPED_LAWS: list[Law] = [laws.conforms, laws.agree, laws.restores, laws.fuses, laws.stays_put]
NAMED_LAWS: list[Law] = [named.conforms, named.agree, named.agree_in_batches, named.restores, named.fuses]


def gives(name: str) -> None:
    case, expected = SHAPED[name]
    assert by_record(chain(case.schema, case.operations), case.rows) == expected


@pytest.mark.parametrize("name", SHAPED)
def test_what_comes_out(name: str) -> None:
    gives(name)


@pytest.mark.parametrize("law", SHAPED_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", SHAPED)
def test_shaped(name: str, law: Law) -> None:
    law(SHAPED[name][0])


@pytest.mark.parametrize("law", NAMED_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", NAMED)
def test_named(name: str, law: Law) -> None:
    law(NAMED[name])


@pytest.mark.parametrize("name", TAGGED)
def test_tags(name: str) -> None:
    laws.inherits(TAGGED[name])


# ---- head and wrap
def head_loses_nothing(patch: Patch) -> None:
    """The way back says nothing of the elements that were let go."""
    patch.setattr(ways.Only, "loss", None)


def the_last_is_the_first(patch: Patch) -> None:
    """Arrow takes the first element, whichever is asked for."""
    real = arrow_ways._only
    patch.setattr(arrow_ways, "_only", lambda array, way: real(array, replace(way, several="first")))


def several_are_one(patch: Patch) -> None:
    """DuckDB takes the first of several elements that nothing was said of."""
    patch.setattr(ways.Only, "sql", lambda self, source, to: lambda v: f"{v}[1]")


def empty_lists_are_refused(patch: Patch) -> None:
    """DuckDB takes the null of an empty list for a refusal."""
    patch.setattr(ways.Only, "nulls", lambda self, v: None)


def nulls_are_wrapped(patch: Patch) -> None:
    """Arrow makes a list of a null."""
    ends: Callable[[pa.Array], pa.Array] = lambda array: pa.array(range(len(array) + 1), pa.int32())  # noqa: E731
    patch.setattr(arrow_ways, "_wrapped", lambda array, type: pa.ListArray.from_arrays(ends(array), array, type=type))


def empty_lists_hold_a_null(patch: Patch) -> None:
    """Where a null becomes an empty list, it stands in it."""
    module = import_module("instar.transforms.operations._wrap")
    patch.setattr(module, "Literal", lambda _, type: Literal([None], type))


# ---- zones
def a_zone_is_not_undone(patch: Patch) -> None:
    """The way back takes instants for what clocks show."""
    patch.setattr(ways.InZone, "back", lambda self: None)


def the_first_of_two_hours(patch: Patch) -> None:
    """DuckDB takes one of the two moments that clocks show alike."""
    plain: Callable[[ways.InZone, str], str] = lambda self, v: f"timezone('{self.zone}', {v})"  # noqa: E731
    patch.setattr(ways.InZone, "sql", lambda self, source, to: lambda v: plain(self, v))


# ---- merge
def separators_stay(patch: Patch) -> None:
    """What is left out leaves its separator."""
    real = Merge._joined

    def joined(self: Merge, columns: Any, parent: Any) -> Any:
        out = real(replace(self, nulls="null"), columns, parent)
        e: Any = out.expression
        pieces = ("coalesce(" + e.pieces[0], *[f", ''){p}coalesce(" for p in e.pieces[1:-1]], ", '')")
        return replace(out, expression=replace(e, pieces=pieces))

    patch.setattr(Merge, "_joined", joined)


def all_null_is_never(patch: Patch) -> None:
    """A merged field is thought to be there always where nulls are left out."""
    real = Merge._joined
    patch.setattr(Merge, "_joined", lambda self, columns, parent: _required(real(self, columns, parent)))


def _required(column: Any) -> Any:
    return replace(column, field=column.field.with_(nullable=False))


# ---- functions
def dead_rows_are_called(patch: Patch) -> None:
    """Arrow calls a function for records that are null."""
    real = arrow.run_call
    patch.setattr(arrow, "run_call", lambda e, inputs, scope, live, path: real(e, inputs, scope, Live(), path))


def inputs_come_back_turned(patch: Patch) -> None:
    """The way back of a function gives its inputs in another order."""
    real = inverse._Scope.call_one_back

    def call(self: Any, origin: Any, back: Any, parts: Any) -> None:
        numbers = [number for number, _ in back.gives][::-1]
        turned = tuple((number, field) for number, (_, field) in zip(numbers, back.gives, strict=True))
        real(self, origin, replace(back, gives=turned), parts)

    patch.setattr(inverse._Scope, "call_one_back", call)


def parts_are_the_first(patch: Patch) -> None:
    """Records take every part of what a function gave for its first field."""
    real = record_code.Code._value

    def value(self: Any, e: Any, scope: Any) -> str:
        return real(self, _first_part(e) if isinstance(e, Part) else e, scope)

    patch.setattr(record_code.Code, "_value", value)


def _first_part(e: Any) -> Part:
    return replace(e, name=e.of.type.names[0])


def inputs_are_turned(patch: Patch) -> None:
    """DuckDB gives a function its inputs in reverse."""
    real = sql_calls._over_arrays

    def over(call: Any) -> Any:
        return real(replace(call, function=lambda *values: call.function(*values[::-1])))

    patch.setattr(sql_calls, "_over_arrays", over)


# ---- unions
def batch_bodies_by_name(patch: Patch) -> None:
    """Arrow looks a branch's body up in the order of the names."""
    real = arrow.Evaluator._branches
    patch.setattr(arrow.Evaluator, "_branches", lambda self, e, *given: real(self, _by_name(e), *given))


def _by_name(e: Branches) -> Branches:
    return replace(e, bodies=tuple(sorted(e.bodies, key=lambda body: body.field.name)))


def null_unions_become_records(patch: Patch) -> None:
    """Arrow gives a union without a branch for a null one."""
    real = arrow.struct_of
    patch.setattr(arrow, "struct_of", lambda arrays, fields, of, length: real(arrays, fields, None, length))


def bodies_by_name(patch: Patch) -> None:
    """Records look a branch's body up in the order of the names."""
    real = record_code.Code._branches
    patch.setattr(record_code.Code, "_branches", lambda self, e, *given: real(self, _by_name(e), *given))


def branches_keep_their_names(patch: Patch) -> None:
    """A record's branch that has another type is called as before."""

    def sealer(self: PlainValues, field: Field) -> Callable[[Any, int, Any], Any]:
        return lambda opened, number, new: (opened[0], new)

    patch.setattr(PlainValues, "branch_sealer", sealer)


def losses_in_branches_are_forgotten(patch: Patch) -> None:
    """The way back says nothing of what was lost in a branch."""
    real: Any = inverse._Scope.undo_branches
    patch.setattr(inverse._Scope, "undo_branches", lambda self, *given: replace(real(self, *given), losses=()))


def later_bodies_replace_earlier_ones(patch: Patch) -> None:
    """A second step in a union's branches forgets the first one."""
    real = composition.branches

    def branches(of: Any, later: Any) -> Any:
        return replace(of, bodies=later.bodies) if isinstance(of, Branches) else real(of, later)

    patch.setattr(composition, "branches", branches)


# ---- named types
def definitions_stay(patch: Patch) -> None:
    """The uses of a type change, but what its name means does not."""
    patch.setattr(weave._Weaver, "definition", lambda self, name, field: field)


def uses_in_lists_stay(patch: Patch) -> None:
    """What stands in a list is not looked at."""
    real = weave._Weaver.leads
    patch.setattr(weave._Weaver, "leads", lambda self, field: not isinstance(field.type, List) and real(self, field))


def uses_that_may_be_null_stay(patch: Patch) -> None:
    """A use that may be null is left out."""
    real = weave._Weaver.leads
    patch.setattr(weave._Weaver, "leads", lambda self, field: not field.nullable and real(self, field))


# ---- tags
def sql_reads_no_tags(patch: Patch) -> None:
    """What SQL computes has only the tags of its own."""
    patch.setattr(computed, "tags_read", lambda sql, record, at, field: field.tags)


def moved_tags_stay(patch: Patch) -> None:
    """What leaves a record has only the tags of its own."""
    _tags_of_the_first(patch, "move")


def merged_tags_are_the_new_fields(patch: Patch) -> None:
    """What is merged has only the tags of the new field."""
    _tags_of_the_first(patch, "merge")


def elements_lose_their_tags(patch: Patch) -> None:
    """What is taken out of a list has only the tags of the list."""
    _tags_of_the_first(patch, "head")


def _tags_of_the_first(patch: Patch, operation: str) -> None:
    module = import_module(f"instar.transforms.operations._{operation}")
    patch.setattr(module, "united", lambda fields: next(iter(fields)).tags)


def pieces_have_no_tags(patch: Patch) -> None:
    """The pieces of a text have not its tags."""
    real = Split._column

    def column(self: Any, *given: Any) -> Any:
        out = real(self, *given)
        return replace(out, field=out.field.with_(tags=()))

    patch.setattr(Split, "_column", column)


Fault = Callable[[Patch], None]
SHAPED_FAULTS: list[tuple[Fault, str, Law]] = [
    (head_loses_nothing, "the last of several", laws.restores),
    (the_last_is_the_first, "the last of several", laws.agree),
    (several_are_one, "no list of several is the only one", laws.agree),
    (empty_lists_are_refused, "the only one", laws.agree),
    (nulls_are_wrapped, "a null is not wrapped", laws.agree),
    (empty_lists_hold_a_null, "a null becomes an empty list", laws.conforms),
    (a_zone_is_not_undone, "the clocks of a zone", laws.restores),
    (the_first_of_two_hours, "an hour that a zone has twice", laws.agree),
    (all_null_is_never, "merged without what is null", laws.conforms),
    (dead_rows_are_called, "called where its record is, and back", laws.agree),
    (inputs_come_back_turned, "two parts of one call, and back", laws.restores),
    (parts_are_the_first, "two parts of one call, and back", laws.agree),
    (inputs_are_turned, "two parts of one call, and back", laws.agree),
]
NAMED_FAULTS: list[tuple[Fault, str, Law]] = [
    (batch_bodies_by_name, "branches alike", named.agree_in_batches),
    (null_unions_become_records, "in a branch", named.agree_in_batches),
    (bodies_by_name, "branches alike", named.agree),
    (branches_keep_their_names, "a branch of another type", named.conforms),
    (losses_in_branches_are_forgotten, "lost in a branch", named.restores),
    (later_bodies_replace_earlier_ones, "one branch, step by step", named.fuses),
    (definitions_stay, "every use of a type", named.conforms),
    (uses_in_lists_stay, "every use of a type", named.conforms),
    (uses_that_may_be_null_stay, "every use of a type", named.conforms),
]
TAG_FAULTS: list[tuple[Fault, str]] = [
    (sql_reads_no_tags, "derived"),
    (sql_reads_no_tags, "derived from what is in a record"),
    (moved_tags_stay, "moved out"),
    (merged_tags_are_the_new_fields, "merged"),
    (elements_lose_their_tags, "an element"),
    (pieces_have_no_tags, "split"),
]
FAULTS = [
    *[(fault, SHAPED[name][0], law) for fault, name, law in SHAPED_FAULTS],
    *[(fault, NAMED[name], law) for fault, name, law in NAMED_FAULTS],
    *[(fault, TAGGED[name], laws.inherits) for fault, name in TAG_FAULTS],
]


BROKEN = (AssertionError, KeyError, TypeError, SchemaError)
"""A law that does not hold, or an interpreter that breaks down."""


@pytest.fixture
def new_rules() -> Iterator[None]:
    """Casts that were made before a fault was planted are forgotten, and so are those made by it."""
    casts.convert.cache_clear()
    casts.render.cache_clear()
    yield
    casts.convert.cache_clear()
    casts.render.cache_clear()


@pytest.mark.usefixtures("new_rules")
@pytest.mark.parametrize(("fault", "case", "law"), FAULTS, ids=lambda given: getattr(given, "__name__", ""))
def test_a_planted_fault_is_found(fault: Fault, case: Case, law: Law, monkeypatch: Patch) -> None:
    """The law holds for the case without it, as the tests above say."""
    fault(monkeypatch)
    with pytest.raises(BROKEN):
        law(case)


def test_separators_that_stay_are_found(monkeypatch: Patch) -> None:
    separators_stay(monkeypatch)
    with pytest.raises(AssertionError):
        gives("merged without what is null")
