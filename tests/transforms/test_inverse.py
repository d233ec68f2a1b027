"""The way back: what comes back, what is lost, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Float, Int, List, Map, Record, Schema, String, schema
from instar.transforms import operations as op
from instar.transforms.inverse import inverse
from instar.transforms.mapping import Mapping, chain
from instar.transforms.recovered import COMPUTED, DROPPED, FILLED, GUARDED, NULLNESS, UNREGISTERED, Loss
from instar.transforms.relabelled import relabelled_back
from tests.reference import Refused, evaluate, misfit

I64, I32, DOUBLE, STR = Int(64), Int(32), Float(64), String()

SOURCE = schema(
    Field("a", Record((Field("y", I64), Field("n", STR, nullable=True))), nullable=True),
    Field("only", Record((Field("req", I64),)), nullable=True),
    Field("vague", Record((Field("opt", I64, nullable=True),)), nullable=True),
    Field("x", I64),
    Field("n", I64, nullable=True),
    Field("text", STR),
    Field("r", Record((Field("p", I64), Field("q", I64)))),
    Field("items", List(Field("item", Record((Field("price", DOUBLE), Field("name", STR, nullable=True))))), nullable=True),
    Field("tags", Map(Field("value", I64, nullable=True))),
)
ROWS: list[dict[str, Any]] = [
    {
        "a": {"y": 2, "n": "n"},
        "only": {"req": 5},
        "vague": {"opt": None},
        "x": 3,
        "n": 7,
        "text": "12",
        "r": {"p": 1, "q": 2},
        "items": [{"price": 1.5, "name": None}, {"price": 0.5, "name": "n"}],
        "tags": {"k": 1, "none": None},
    },
    {
        "a": None,
        "only": None,
        "vague": None,
        "x": 1,
        "n": None,
        "text": "0",
        "r": {"p": -1, "q": 0},
        "items": None,
        "tags": {},
    },
]


RELABELLED = (
    [op.rename("x", to="z")],
    [op.rename("x", to="swap"), op.rename("n", to="x"), op.rename("swap", to="n")],
    [op.rename("items", to="lines"), op.reorder(["tags", "x"])],
    [op.set_doc("x", "a number"), op.rename("a", to="b")],
)


@pytest.mark.parametrize("operations", RELABELLED)
def test_where_fields_are_only_called_otherwise_the_short_way_finds_the_same(operations: list[Any]) -> None:
    there = chain(SOURCE, operations)
    column, losses = inverse(there.source, there.root, there.target.definitions, {})
    assert relabelled_back(there.source, there.root) == column
    assert losses == ()
    assert there.inverse() == (ANY, ())


@pytest.mark.parametrize(
    "operations",
    [
        [op.drop("x")], [op.cast("x", "string")], [op.require("n", fill=0)], [op.allow_null("x")], [op.rename("a.y", to="z")],
        [op.rename("items[].price", to="cost")], [op.derive("x2", "int64", sql="x")], [op.move("x", to="r.x")],
        [op.rename("x", to="y"), op.derive("x2", "int64", sql="y"), op.drop("y")],
    ],
)  # fmt: skip
def test_where_there_is_more_the_short_way_finds_nothing(operations: list[Any]) -> None:
    there = chain(SOURCE, operations)
    assert relabelled_back(there.source, there.root) is None


def test_open_records_may_lose_keys_and_so_take_the_long_way() -> None:
    there = chain(replace(SOURCE, open=True), [op.rename("x", to="z")])
    assert relabelled_back(there.source, there.root) is None


def back(operations: list[Any], restore: dict[str, str] | None = None) -> tuple[Mapping, Mapping, dict[str, str]]:
    """There, back, and what is lost by path (but for unregistered keys, of which these rows have none)."""
    there = chain(SOURCE, operations)
    home, losses = there.inverse(restore)
    assert home.source == there.target
    assert home.target == SOURCE  # names, types, nullability, and every field at its old position
    return there, home, {path_text(loss.path): loss.reason for loss in losses if loss.reason != UNREGISTERED}


def round_trip(there: Mapping, home: Mapping) -> list[Any]:
    out = [evaluate(home, evaluate(there, row)) for row in ROWS]
    assert [misfit(row, SOURCE.root) for row in out] == ["", ""]
    return out


LOSSLESS = {
    "rename": [op.rename("a.y", to="z"), op.rename("items[].price", to="cost"), op.rename("items", to="lines")],
    "add": [op.add("a.k", "int64", default=1, position=0), op.add("k", "string")],
    "cast": [op.cast("x", "string"), op.cast("items[].price", "string"), op.cast("tags{}", "string")],
    "casts that go on": [op.cast("x", "string"), op.rename("x", to="s"), op.cast("s", "int32"), op.move("s", to="r.s")],
    "allow_null": [op.allow_null("x"), op.allow_null("r"), op.allow_null("items[]"), op.allow_null("a.y")],
    "require": [op.add("req", "int64", default=1), op.allow_null("req"), op.require("req")],
    "nest": [op.move("x", to="new.deep.x"), op.move("n", to="new.n")],
    "unnest": [op.move("r.p", to="p"), op.move("r.q", to="q", position=0)],
    "out of a nullable record": [op.move("a.y", to="y")],
    "the last field out of a nullable record": [op.move("only.req", to="req", emptied="drop")],
    "all fields out of a nullable record": [op.move("a.y", to="y"), op.move("a.n", to="an", emptied="drop")],
    "a record that may be null moves": [op.move("a", to="r.a"), op.rename("r.a.y", to="z"), op.rename("r", to="s")],
    "derived and dropped": [op.derive("twice", "int64", sql="x * 2"), op.drop("twice")],
    "copied, then the original dropped": [op.derive("copy", "int64", sql=" n "), op.drop("n")],
    "renamed, then another of the old name": [op.rename("x", to="x_old"), op.add("x", "string", default="new")],
    "reordered": [op.move("tags", to="tags", position=0), op.move("x", to="x", after="items")],
}


@pytest.mark.parametrize("operations", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_nothing_is_lost(operations: list[Any]):
    there, home, losses = back(operations)
    assert losses == {}
    assert round_trip(there, home) == ROWS


def changed(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**row, **values}


def test_a_dropped_field_that_may_be_null_comes_back_null_and_is_declared():
    there, home, losses = back([op.drop("n"), op.drop("a.n"), op.drop("items[].name")])
    assert losses == {"n": DROPPED, "a.n": DROPPED, "items[].name": DROPPED}
    nameless = [{"price": 1.5, "name": None}, {"price": 0.5, "name": None}]
    assert round_trip(there, home) == [changed(ROWS[0], n=None, a={"y": 2, "n": None}, items=nameless), ROWS[1]]


def test_a_dropped_record_is_one_loss():
    there, home, losses = back([op.drop("a")])
    assert losses == {"a": DROPPED}
    assert round_trip(there, home) == [changed(ROWS[0], a=None), ROWS[1]]


def fatal(operations: list[Any], restore: dict[str, str] | None = None) -> list[str]:
    return [path_text(loss.path) for loss in chain(SOURCE, operations).inverse(restore)[1] if loss.fatal]


@pytest.mark.parametrize(
    ("operations", "places"),
    [
        ([op.drop("x")], ["x"]),
        ([op.drop("r")], ["r.p", "r.q"]),
        ([op.drop("items[].price")], ["items[].price"]),
        ([op.drop("a.y")], ["a.y"]),
        ([op.drop("tags")], ["tags"]),
        ([op.move("x", to="a.x", where_null="drop")], ["x"]),
        ([op.drop("n"), op.drop("a"), op.drop("items")], []),
        ([op.cast("text", "int32", on_error="null")], ["text"]),
    ],
)
def test_a_loss_that_leaves_a_required_field_without_a_value_is_fatal(operations: list[Any], places: list[str]):
    assert fatal(operations) == places


def test_a_fatal_way_back_fails_where_it_is_taken_nonetheless():
    there, home, _ = back([op.drop("x")])
    with pytest.raises(Refused):
        evaluate(home, evaluate(there, ROWS[0]))


def test_a_field_moved_into_a_nullable_record_survives_where_that_is_not_null():
    there, home, losses = back([op.move("n", to="a.moved", where_null="drop")])
    assert losses == {"n": GUARDED}
    assert round_trip(there, home) == [ROWS[0], changed(ROWS[1], n=None)]


def test_whether_a_record_was_null_is_lost_with_its_last_field_if_no_field_tells():
    there, home, losses = back([op.move("vague.opt", to="opt", emptied="drop")])
    assert losses == {"vague": NULLNESS}
    assert round_trip(there, home) == [ROWS[0], changed(ROWS[1], vague={"opt": None})]


def test_casts_with_on_error_bring_back_what_survived():
    s = schema(Field("v", STR, nullable=True))
    there = chain(s, [op.cast("v", "int32", on_error="null")])
    home, losses = there.inverse()
    assert losses == (Loss(("v",), COMPUTED),)
    assert [evaluate(home, evaluate(there, {"v": v})) for v in ("17", "seventeen", None)] == [{"v": "17"}, {"v": None}, {"v": None}]


def test_filled_values_come_back_filled():
    there, home, losses = back([op.require("n", fill=-1), op.require("items", fill=[])])
    assert losses == {"n": FILLED, "items": FILLED}
    assert round_trip(there, home) == [ROWS[0], changed(ROWS[1], n=-1, items=[])]
    assert fatal([op.require("n", fill=-1)]) == []


def test_a_required_field_that_was_allowed_null_and_became_null_since_refuses_the_way_back():
    there, home, losses = back([op.allow_null("x")])
    assert losses == {}
    with pytest.raises(Refused):
        evaluate(home, changed(evaluate(there, ROWS[0]), x=None))


def test_sql_says_how_to_restore_what_is_lost():
    operations = [
        op.derive("x_km", "double", sql="x * 1.5::double"),
        op.drop("x"),
        op.rename("r", to="s"),
        op.derive("s.sum", "int64", sql="p + q"),
        op.drop("s.q"),
        op.rename("items", to="lines"),
        op.derive("lines[].cents", "double", sql="price * 100"),
        op.drop("lines[].price"),
        op.require("n", fill=-1),
        op.drop("a"),
    ]
    restore = {
        "x": "(x_km / 1.5)::bigint",
        "r.q": "sum - p",
        "items[].price": "cents / 100",
        "n": "nullif(n, -1)",
        "a.y": "x_km::bigint * 0",
    }
    there, home, losses = back(operations, restore)
    assert set(losses) == {"x", "r.q", "items[].price", "n", "a.y", "a"}
    assert all(loss.restored == (path_text(loss.path) in restore) for loss in chain(SOURCE, operations).inverse(restore)[1])
    assert fatal(operations, restore) == []
    assert round_trip(there, home) == [changed(ROWS[0], a={"y": 0, "n": None}), changed(ROWS[1], a={"y": 0, "n": None})]


def test_a_lost_record_can_be_restored_as_a_whole():
    there, home, losses = back([op.drop("r")], {"r": "{'p': x, 'q': 0::bigint}"})
    assert losses == {"r": DROPPED}
    assert round_trip(there, home) == [changed(row, r={"p": row["x"], "q": 0}) for row in ROWS]


@pytest.mark.parametrize(
    ("restore", "message"),
    [
        ({"xx": "1"}, "restores xx, which the old schema does not have"),
        ({"text": "'a'"}, "restores text, which is not lost"),
        ({"x": "nope"}, "`downgrade` for x: the SQL 'nope' names nope"),
        ({"x": "1; 2"}, "`downgrade` for x"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(restore: dict[str, str], message: str):
    with pytest.raises(MigrationError, match=message):
        chain(SOURCE, [op.drop("x")]).inverse(restore)


def test_json_keys_come_back_missing_where_they_may_be():
    s = schema(
        Field("o", Record((Field("k", I64, optional=True), Field("l", I64))), optional=True),
        Field("e", STR, optional=True),
        Field("both", STR, optional=True, nullable=True),
    )
    rows: list[Any] = [{"o": {"k": 1, "l": 2}, "e": "e", "both": None}, {"o": {"l": 2}}, {}]
    for operations, expected in [
        ([op.drop("e"), op.drop("o.k")], [{"o": {"l": 2}, "both": None}, {"o": {"l": 2}}, {}]),
        ([op.rename("o", to="p"), op.cast("p.k", "string"), op.rename("both", to="e2")], rows),
        ([op.move("o.l", to="l"), op.move("o.k", to="k", emptied="drop")], rows),
        ([op.add("o.new", "int64", default=1), op.move("o.new", to="new"), op.allow_null("e")], rows),
        ([op.require("e", fill="-")], [rows[0], {"o": {"l": 2}, "e": "-"}, {"e": "-"}]),
    ]:
        there = chain(s, operations)
        home, _ = there.inverse()
        assert home.target == s
        out = [evaluate(home, evaluate(there, row)) for row in rows]
        assert out == expected
        assert [misfit(row, s.root) for row in out] == ["", "", ""]


def test_a_null_where_only_a_missing_key_may_be_comes_back_missing():
    there = chain(schema(Field("e", STR, optional=True)), [op.allow_null("e")])
    home, losses = there.inverse()
    assert losses == ()
    assert evaluate(home, {"e": None}) == {}


def test_unregistered_keys_of_a_record_that_goes_are_declared():
    there = chain(SOURCE, [op.move("r.p", to="p"), op.move("r.q", to="q")])
    home, losses = there.inverse()
    assert losses == (Loss(("r",), UNREGISTERED),)
    assert evaluate(home, evaluate(there, changed(ROWS[0], more=1))) == changed(ROWS[0], more=1)


def test_the_way_back_of_the_way_back():
    there = chain(SOURCE, [op.rename("x", to="y"), op.cast("n", "string"), op.move("r.p", to="p")])
    home, _ = there.inverse()
    again, losses = home.inverse()
    assert losses == ()
    assert again.target == there.target
    assert [evaluate(again, row) for row in ROWS] == [evaluate(there, row) for row in ROWS]


def test_values_that_are_not_records():
    s = Schema(Field("", I64))
    assert chain(s, []).inverse()[1] == ()


def there_and_back(s: Schema, operations: list[Any], rows: list[Any]) -> tuple[list[Any], set[tuple[str, str]]]:
    there = chain(s, operations)
    home, losses = there.inverse()
    assert not [loss for loss in losses if loss.fatal]
    out = [evaluate(home, evaluate(there, row)) for row in rows]
    assert [misfit(row, s.root) for row in out] == [""] * len(rows)
    return out, {(path_text(loss.path), loss.reason) for loss in losses}


def test_a_filling_that_no_old_value_becomes_was_null():
    s = schema(Field("n", I64, nullable=True))
    out, losses = there_and_back(s, [op.cast("n", "string"), op.require("n", fill="none")], [{"n": 5}, {"n": None}])
    assert out == [{"n": 5}, {"n": None}]
    assert losses == {("n", FILLED)}


def test_the_unregistered_keys_of_a_dropped_record_are_lost_with_it():
    s = schema(Field("r", Record((Field("n", I64, nullable=True),))), Field("x", I64))
    out, losses = there_and_back(s, [op.drop("r")], [{"r": {"n": 1, "more": 2}, "x": 3}])
    assert out == [{"r": {"n": None}, "x": 3}]
    assert losses == {("r", DROPPED)}


def test_what_is_missing_with_the_record_it_moved_into_comes_back_null():
    s = schema(Field("n", I64, nullable=True), Field("o", Record((Field("k", I64),)), optional=True))
    out, losses = there_and_back(s, [op.move("n", to="o.n", where_null="drop")], [{"n": 1, "o": {"k": 2}}, {"n": 1}])
    assert out == [{"n": 1, "o": {"k": 2}}, {"n": None}]
    assert losses == {("n", GUARDED)}


def test_a_copy_by_sql_does_not_tell_a_missing_key_from_a_null():
    s = schema(Field("n", I64, nullable=True, optional=True))
    operations = [op.derive("copy", "int64", sql="n"), op.drop("n")]
    assert there_and_back(s, operations, [{"n": 1}, {}]) == ([{}, {}], {("n", DROPPED)})


def test_a_record_far_inside_tells_whether_those_around_it_were_null():
    inner = Record((Field("in", Record((Field("k", I64, nullable=True),))),))
    s = schema(Field("out", Record((Field("mid", inner),)), nullable=True))
    rows: list[Any] = [{"out": {"mid": {"in": {"k": None}}}}, {"out": None}]
    operations = [op.move("out.mid.in", to="moved", emptied="drop"), op.rename("moved.k", to="l")]
    assert there_and_back(s, operations, rows) == (rows, {("out", UNREGISTERED), ("out.mid", UNREGISTERED)})
