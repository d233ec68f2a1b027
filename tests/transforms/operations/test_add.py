"""add: values that SQL computes, and keys of the new field's name that no schema named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.schema import Schema
from instar.transforms.mapping import Operation, chain
from instar.transforms.recovered import DROPPED, REPLACED, Loss
from tests.laws.interpreters import by_record
from tests.reference import Refused, evaluate
from tests.transforms.operations.agreed import agreed, back, field, of, target

DATA = of(x="int64", n="string?", r="record{a: int64}?", items="list<record{p: int64, q: int64?}>", m="map<record{v: string}>")
ROWS: list[dict[str, Any]] = [
    {"x": 1, "n": "s", "r": {"a": 2}, "items": [{"p": 3, "q": 4}, {"p": 5, "q": None}], "m": {"u": {"v": "w"}}},
    {"x": -1, "n": None, "r": None, "items": [], "m": {}},
]


# ---- default_sql
def test_sql_computes_the_value_from_the_fields_of_the_record():
    steps = [op.add("d", "string", default_sql="upper(n) || x", after="x")]
    assert target(DATA, *steps)["d"] == "string?"
    assert list(target(DATA, *steps))[:2] == ["x", "d"]
    assert [row["d"] for row in agreed(DATA, steps, *ROWS)] == ["S1", None]
    assert back(DATA, steps, *ROWS) == (ROWS, ())


def test_in_records_lists_and_maps_it_sees_the_record_that_it_stands_in():
    steps = [
        op.add("r.d", "int64", default_sql="a * 2"), op.add("items[].d", "int64", default_sql="p + coalesce(q, 0)"),
        op.add("m{}.d", "string", default_sql="v || '!'"),
    ]  # fmt: skip
    assert agreed(DATA, steps, *ROWS) == [
        {**ROWS[0], "r": {"a": 2, "d": 4}, "items": [{"p": 3, "q": 4, "d": 7}, {"p": 5, "q": None, "d": 5}],
         "m": {"u": {"v": "w", "d": "w!"}}},
        ROWS[1],
    ]  # fmt: skip
    assert back(DATA, steps, *ROWS) == (ROWS, ())


def test_a_null_is_refused_where_the_field_may_not_be_null():
    steps = [op.add("d", "string", default_sql="n", nullable=False)]
    assert target(DATA, *steps)["d"] == "string"
    assert agreed(DATA, steps, ROWS[0]) == [{**ROWS[0], "d": "s"}]
    assert agreed(DATA, steps, ROWS[1]) == "refused"


def test_the_field_says_its_doc_and_has_no_default():
    new = field(DATA, "d", op.set_tag("n", "pii"), op.add("d", "string", default_sql="n", doc="a copy"))
    assert (new.doc, new.tags) == ("a copy", ("pii",))
    assert new.with_(name="n", doc="") == field(DATA, "n", op.set_tag("n", "pii"))


def test_a_copy_that_sql_made_brings_back_what_was_dropped():
    steps = [op.add("copy", "string", default_sql="n"), op.drop("n")]
    assert back(DATA, steps, *ROWS) == (ROWS, ())
    steps = [op.add("copy", "string", default_sql="upper(n)"), op.drop("n")]
    assert back(DATA, steps, *ROWS) == ([{**row, "n": None} for row in ROWS], (f"n: {DROPPED}",))


# ---- existing
def opened(**more: Any) -> dict[str, Any]:
    """The first record, with keys that no schema names."""
    return {**ROWS[0], **more}


OPEN = replace(DATA, open=True)
WITHIN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("k", opened(k="old"), opened(k=7)),
    ("k", opened(k=None, other=[1]), opened(k=7, other=[1])),
    ("r.k", opened(r={"a": 2, "k": {"deep": 1}}), opened(r={"a": 2, "k": 7})),
    ("items[].k", opened(items=[{"p": 3, "q": 4, "k": 1}, {"p": 5, "q": None}]),
     opened(items=[{"p": 3, "q": 4, "k": 7}, {"p": 5, "q": None, "k": 7}])),
    ("m{}.k", opened(m={"u": {"v": "w", "k": 1, "l": 2}}), opened(m={"u": {"v": "w", "k": 7, "l": 2}})),
]  # fmt: skip


def run(source: Schema, operations: Sequence[Operation], row: dict[str, Any]) -> Any:
    """The new record, "refused" where it is; the reference says the same as the interpreter of records, which JSON has."""
    mapping = chain(source, operations)
    try:
        new = evaluate(mapping, row)
    except Refused:
        assert by_record(mapping, [row]) == "refused"
        return "refused"
    assert by_record(mapping, [row]) == [new]
    return new


@pytest.mark.parametrize(("path", "row", "new"), WITHIN)
def test_a_key_of_that_name_is_refused_or_replaced(path: str, row: dict[str, Any], new: dict[str, Any]):
    assert run(OPEN, [op.add(path, "int64", default=7)], row) == "refused"
    assert run(OPEN, [op.add(path, "int64", default=7, existing="fail")], row) == "refused"
    assert run(OPEN, [op.add(path, "int64", default=7, existing="replace")], row) == new
    assert run(OPEN, [op.add(path, "int64", default_sql="7", existing="replace")], row) == new


@pytest.mark.parametrize(("path", "row", "new"), WITHIN)
def test_the_way_back_says_that_it_does_not_bring_it_again(path: str, row: dict[str, Any], new: dict[str, Any]):
    way_back, losses = chain(OPEN, [op.add(path, "int64", default=7, existing="replace")]).inverse()
    assert [str(loss) for loss in losses] == [f"{path}: {REPLACED}"]
    assert not losses[0].fatal
    assert run(way_back.source, [op.drop(path)], new) == evaluate(way_back, new)
    assert chain(OPEN, [op.add(path, "int64", default=7)]).inverse()[1] == ()


def test_where_no_key_can_be_unnamed_nothing_is_lost():
    steps = [op.add("k", "int64", default=7, existing="replace")]
    assert chain(DATA, steps).inverse()[1] == ()
    assert back(DATA, steps, *ROWS) == (ROWS, ())


def test_nothing_is_replaced_in_a_null_record():
    assert run(OPEN, [op.add("r.k", "int64", default=7, existing="replace")], ROWS[1]) == ROWS[1]


def test_only_the_key_of_that_name_gives_way():
    steps = [op.rename("x", to="y"), op.add("k", "int64", default=7, existing="replace")]
    renamed = {**{key: v for key, v in ROWS[0].items() if key != "x"}, "y": 1}
    assert run(OPEN, steps, opened(k=1, z=2)) == {**renamed, "k": 7, "z": 2}
    assert run(OPEN, steps, opened(k=1, y=2)) == "refused"


@pytest.mark.parametrize(
    ("later", "row", "new"),
    [
        (op.rename("k", to="z"), opened(k=1), opened(z=7)),
        (op.rename("k", to="z"), opened(z=1), "refused"),
        (op.drop("k"), opened(k=1), ROWS[0]),
        (op.cast("k", "string"), opened(k=1), opened(k="7")),
        (op.move("k", to="r.k", where_null="drop"), opened(k=1), opened(r={"a": 2, "k": 7})),
        (op.move("k", to="r.k", where_null="drop"), opened(r={"a": 2, "k": 1}), "refused"),
    ],
)
def test_the_replaced_key_stays_away_whatever_becomes_of_the_field(later: Operation, row: dict[str, Any], new: Any):
    steps = [op.add("k", "int64", default=7, existing="replace"), later]
    assert run(OPEN, steps, row) == new
    assert Loss(("k",), REPLACED) in chain(OPEN, steps).inverse()[1]


@pytest.mark.parametrize(
    "around",
    [
        [op.rename("r", to="s"), op.add("s.k", "int64", default=7, existing="replace")],
        [op.require("r"), op.add("r.k", "int64", default=7, existing="replace")],
        [op.add("r.k", "int64", default=7, existing="replace"), op.move("r", to="new.r")],
    ],
)
def test_the_loss_is_named_by_the_old_place(around: Sequence[Operation]):
    assert chain(OPEN, around).inverse()[1] == (Loss(("r", "k"), REPLACED),)


def test_a_new_record_holds_no_key_to_replace():
    steps = [op.move("x", to="new.x"), op.add("new.k", "int64", default=7, existing="replace")]
    assert chain(OPEN, steps).inverse()[1] == ()
    assert run(OPEN, steps, ROWS[0])["new"] == {"x": 1, "k": 7}


def test_a_field_that_was_dropped_before_is_no_key_without_a_name():
    steps = [op.drop("n"), op.add("n", "int64", default=7, existing="replace")]
    assert run(OPEN, steps, ROWS[0]) == opened(n=7)
    assert chain(OPEN, steps).inverse()[1] == (Loss(("n",), DROPPED),)


@pytest.mark.parametrize(
    ("make", "words", "hint"),
    [
        (lambda: op.add("k", "int64", default=1, default_sql="1"), "both default and default_sql are given", "one of them"),
        (lambda: op.add("k", "int64", default=None, default_sql="1"), "both default and default_sql are given", "one of them"),
        (lambda: op.add("k", "int64", existing="keep"), "existing is 'keep'", '"fail" or "replace"'),  # type: ignore[arg-type]
        (lambda: op.add("x", "int64", existing="replace"), "there is a field x already", "Rename or drop"),
        (lambda: op.add("l.k", "int64", existing="replace"), "there is no field l", "There is"),
        (lambda: op.add("items.k", "int64", existing="replace"), "items is list<", "items[]"),
        (lambda: op.add("k", "int64", default_sql=""), "k: the SQL '' cannot be used", "one scalar"),
        (lambda: op.add("k", "int64", default_sql="k + 1", existing="replace"), "names k, which is not a field", "There is 'x'"),
        (lambda: op.add("items[].k", "int64", default_sql="x"), "names x, which is not a field", "'p', 'q'"),
        (lambda: op.add("k", "int64", default_sql="sum(x)"), "it has an aggregate", "one scalar"),
        (lambda: op.add("k", "double", default_sql="random()"), "it has a random value", "one scalar"),
        (lambda: op.add("k", "int64?", default_sql="x", nullable=False), "nullable=False says the contrary", "once"),
    ],
)
def test_refusals(make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(OPEN, [make()])
    assert words in error.value.message
    assert hint in error.value.hint
