"""The laws over cases by hand, and over faults that are planted: each must be found by one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from instar.formats.errors import InstarError
from instar.formats.schema import Float, Int, String
from instar.transforms import casts, composition, fragments, recovered, reversal, untouched
from instar.transforms.casts import rounding
from instar.transforms.evaluate import arrow, kernels, lookup, record_code, scope, sql
from instar.transforms.expression import When
from tests.laws import laws
from tests.laws.directed import DIRECTED, MISSING_KEYS

LAWS = [laws.conforms, laws.agree, laws.restores, laws.fuses, laws.stays_put, laws.stays]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", DIRECTED)
def test_law(name: str, law: Callable[[Any], None]) -> None:
    law(DIRECTED[name])


@pytest.mark.parametrize("name", MISSING_KEYS)
def test_missing_and_unknown_keys(name: str) -> None:
    laws.agree_with_reference(MISSING_KEYS[name])
    laws.conforms(MISSING_KEYS[name])


# ---- mutations
def no_guard(patch: pytest.MonkeyPatch) -> None:
    """A computed value leaves a nullable record without remembering it."""

    def when(of: Any, then: Any, otherwise: Any = "null") -> Any:
        return then if otherwise == "null" else When(of, then, otherwise)

    patch.setattr(composition, "when", when)


def dead_rows_count(patch: pytest.MonkeyPatch) -> None:
    """Arrow refuses values in records that are null."""
    patch.setattr(scope.Live, "under", lambda self, node, there: self)


def dead_rows_count_in_sql(patch: pytest.MonkeyPatch) -> None:
    """Rendered SQL requires values in records that are null."""
    patch.setattr(sql.Renderer, "_struct", _struct_without_guard)


def _struct_without_guard(self: sql.Renderer, e: Any, guards: Any, path: str) -> str:
    return f"struct_pack({', '.join(f'f{i} := {self.column(c, guards, path)}' for i, c in enumerate(e.columns))})"


def arrow_rounds(patch: pytest.MonkeyPatch) -> None:
    """Arrow's own cast, which truncates."""
    patch.setitem(kernels._KERNELS, (Float, Int), lambda array, _, to: array.cast(kernels.plain_type(to), safe=False))


def arrow_reads_any_digits(patch: pytest.MonkeyPatch) -> None:
    """Text that is not canonical becomes a number."""
    patch.setitem(kernels._KERNELS, (String, Int), lambda array, _, to: array.cast(kernels.plain_type(to)))


def duckdb_rounds(patch: pytest.MonkeyPatch) -> None:
    """DuckDB's own cast, which rounds."""
    patch.setattr(casts, "render", lambda source, to: lambda v: f"TRY_CAST({v} AS {sql.sql_type(to)})")


def records_forget_unknown_keys(patch: pytest.MonkeyPatch) -> None:
    """Keys that no schema names are dropped."""
    real = record_code.Code._fields
    patch.setattr(record_code.Code, "_fields", lambda self, e, scope, target, container=None: real(self, e, scope, target))


def records_make_missing_null(patch: pytest.MonkeyPatch) -> None:
    """A missing key becomes a null one."""
    real = record_code.Code.got

    def got(self: record_code.Code, path: tuple[str, ...], scope: Any) -> str:
        out = real(self, path, scope)
        if path:
            self.emit(f"if {out} is M: {out} = None")
        return out

    patch.setattr(record_code.Code, "got", got)


def lists_slip(patch: pytest.MonkeyPatch) -> None:
    """Every list's elements are those of the batch's first row on, whatever the slice."""
    patch.setattr(scope, "items_of", lambda lists: lists.values if not pa.types.is_map(lists.type) else scope_items(lists))


def scope_items(maps: pa.Array) -> pa.Array:
    from instar.formats.storage import items_of

    return items_of(maps)


def way_back_ignores_null_records(patch: pytest.MonkeyPatch) -> None:
    """What moved into a nullable record is thought to come back from it always."""
    patch.setattr(recovered.Found, "uncovered", lambda self: ())


def untouched_without_levels(patch: pytest.MonkeyPatch) -> None:
    """A leaf is called untouched whatever stands above it."""
    patch.setattr(untouched, "_levels", lambda field, at: ())


def nulls_stay_unfilled(patch: pytest.MonkeyPatch) -> None:
    """A literal does not take the place of nulls."""
    patch.setattr(arrow, "_filled", lambda array, there, literal: arrow.stored(array, arrow.plain_type(literal.type)))


def shared_once_for_all(patch: pytest.MonkeyPatch) -> None:
    """Values are remembered by node alone: the elements of one list are taken for another's."""
    memo: dict[int, Any] = {}
    real = arrow.Evaluator._evaluate

    def evaluate(self: arrow.Evaluator, e: Any, scope: Any, live: Any, path: Any) -> Any:
        if id(e) not in memo:
            memo[id(e)] = (real(self, e, scope, live, path), e)
        return memo[id(e)][0]

    patch.setattr(arrow.Evaluator, "_evaluate", evaluate)


def lookups_keep_what_they_do_not_know(patch: pytest.MonkeyPatch) -> None:
    """Arrow gives null for a value that no pair has, and refuses none."""
    real = lookup.Table.find

    def find(self: lookup.Table, given: pa.Array, e: Any) -> Any:
        made, unknown = real(self, given, e)
        return made, pa.array([False] * len(unknown))

    patch.setattr(lookup.Table, "find", find)


def lookups_are_thought_to_be_undone(patch: pytest.MonkeyPatch) -> None:
    """The way back takes every table for one that loses nothing."""
    patch.setattr(reversal, "_is_lossless", lambda e: True)


def pieces_join_with_nothing(patch: pytest.MonkeyPatch) -> None:
    """The way back of a split forgets the separator."""
    real = fragments.sql_text
    patch.setattr(fragments, "sql_text", lambda text: real(""))


def rounding_is_thought_exact(patch: pytest.MonkeyPatch) -> None:
    """The way back says nothing of what was rounded away."""
    patch.setattr(rounding.Rounded, "loss", None)


MUTATIONS: dict[Callable[[pytest.MonkeyPatch], None], tuple[Callable[[Any], None], str]] = {
    lookups_keep_what_they_do_not_know: (laws.agree, "a table refuses what it does not name"),
    lookups_are_thought_to_be_undone: (laws.restores, "two values become one"),
    pieces_join_with_nothing: (laws.restores, "a text is split and joined"),
    rounding_is_thought_exact: (laws.restores, "rounded, and declared so"),
    no_guard: (laws.fuses, "a literal leaves a null record"),
    dead_rows_count: (laws.agree, "nothing is required in a null record"),
    dead_rows_count_in_sql: (laws.agree, "a literal leaves a null record"),
    arrow_rounds: (laws.agree, "a cast refuses what it would round"),
    arrow_reads_any_digits: (laws.agree, "a cast refuses text that is not canonical"),
    duckdb_rounds: (laws.agree, "a cast fails only where its record is"),
    records_forget_unknown_keys: (laws.agree_with_reference, "unknown keys stay"),
    records_make_missing_null: (laws.agree_with_reference, "missing keys stay missing"),
    lists_slip: (laws.agree, "inside lists"),
    nulls_stay_unfilled: (laws.agree, "nulls are filled"),
    shared_once_for_all: (laws.agree, "computed in a null record, then out"),
    way_back_ignores_null_records: (laws.restores, "into a record that may be null"),
    untouched_without_levels: (laws.stays_put, "into a record that may be null"),
}
"""Each fault with a law that it breaks, and by which case."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_planted_fault_is_found(mutation: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a case that holds without it, as the tests above show. An interpreter that breaks down is found, too."""
    law, name = MUTATIONS[mutation]
    mutation(monkeypatch)
    with pytest.raises(Exception) as broken:  # noqa: PT011  any
        law({**DIRECTED, **MISSING_KEYS}[name])
    assert not isinstance(broken.value, InstarError), broken.value
