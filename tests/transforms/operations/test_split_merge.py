"""split and merge: one text field in several, and several in one."""

from __future__ import annotations

from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.schema import Schema
from instar.transforms.mapping import chain
from instar.transforms.recovered import COMPUTED, DROPPED
from tests.transforms.operations.agreed import agreed, back, field, of, target

NAME = of(id="int64", name="string?", z="int64")
ROWS = [{"id": 1, "name": "Ada Lovelace", "z": 2}, {"id": 2, "name": None, "z": 3}]
TWO: dict[str, Any] = {"first": "string", "last": "string"}


# ---- split
def test_a_separator_splits_in_place_and_joins_again():
    steps = [op.split("name", into=TWO, by=" ")]
    assert target(NAME, *steps) == {"id": "int64", "first": "string?", "last": "string?", "z": "int64"}
    assert agreed(NAME, steps, *ROWS) == [
        {"id": 1, "first": "Ada", "last": "Lovelace", "z": 2}, {"id": 2, "first": None, "last": None, "z": 3}
    ]  # fmt: skip
    assert back(NAME, steps, *ROWS) == (ROWS, ())


@pytest.mark.parametrize("text", ["Ada", "Ada King Lovelace", ""])
def test_another_number_of_pieces_fails_or_becomes_null(text: str):
    rows = [{**ROWS[0], "name": text}]
    assert agreed(NAME, [op.split("name", into=TWO, by=" ")], *rows) == "refused"
    steps = [op.split("name", into=TWO, by=" ", otherwise="null")]
    assert agreed(NAME, steps, *rows) == [{"id": 1, "first": None, "last": None, "z": 2}]
    assert back(NAME, steps, *rows) == ([{**ROWS[0], "name": None}], (f"name: {COMPUTED}",))


@pytest.mark.parametrize("by", [", ", "''", "é🙂", "--", "->", "%s", "{v}", "\\", "lambda x:"])
def test_any_text_separates(by: str):
    rows = [{"v": f"a_{by}{by}ü"}]
    steps = [op.split("v", into={"x": "string", "y": "string", "z": "string"}, by=by)]
    assert agreed(of(v="string"), steps, *rows) == [{"x": "a_", "y": "", "z": "ü"}]
    assert back(of(v="string"), steps, *rows) == (rows, ())


def test_pieces_are_cast_to_their_types():
    s = of(v="string")
    steps = [op.split("v", into={"day": "date", "n": "int32", "m": "enum(a, b)"}, by="/")]
    assert target(s, *steps) == {"day": "date", "n": "int32", "m": "enum(a, b)"}
    rows = [{"v": "1970-01-02/-7/b"}]
    assert agreed(s, steps, *rows) == [{"day": 1, "n": -7, "m": "b"}]
    assert back(s, steps, *rows) == (rows, ())
    assert agreed(s, steps, {"v": "1970-01-02/007/b"}) == "refused"


def test_with_one_piece_dropped_the_text_is_lost():
    steps = [op.split("name", into=TWO, by=" "), op.drop("last")]
    assert back(NAME, steps, ROWS[0]) == ([{**ROWS[0], "name": None}], (f"name: {DROPPED}",))


def test_pieces_come_back_after_renames_moves_and_casts():
    s = of(v="string", r="record{a: int64}")
    steps = [
        op.split("v", into={"x": "int64", "y": "string"}, by=":"), op.rename("y", to="Y"), op.move("x", to="r.x"),
        op.cast("r.x", "string"), op.map_values("Y", {"b": "B"}, otherwise="fail"),
    ]  # fmt: skip
    rows = [{"v": "12:b", "r": {"a": 1}}]
    assert agreed(s, steps, *rows) == [{"Y": "B", "r": {"a": 1, "x": "12"}}]
    assert back(s, steps, *rows) == (rows, ())


def test_what_was_cast_before_it_was_split_comes_back_through_the_cast():
    s, rows = of(d="date"), [{"d": 18321}]
    steps = [op.cast("d", "string"), op.split("d", into={"y": "string", "m": "string", "dd": "string"}, by="-")]
    assert agreed(s, steps, *rows) == [{"y": "2020", "m": "02", "dd": "29"}]
    assert back(s, steps, *rows) == (rows, ())


def test_a_pattern_splits_by_its_groups():
    steps = [op.split("v", into={"code": "string", "n": "int64"}, pattern="([A-Z]+)-?([0-9]+)")]
    assert agreed(of(v="string?"), steps, {"v": "AB-12"}, {"v": None}, {"v": "C7"}) == [
        {"code": "AB", "n": 12}, {"code": None, "n": None}, {"code": "C", "n": 7}
    ]  # fmt: skip
    assert agreed(of(v="string?"), steps, {"v": "x"}) == "refused"
    lenient = op.split("v", into={"code": "string", "n": "int64"}, pattern="([A-Z]+)-?([0-9]+)", otherwise="null")
    assert agreed(of(v="string"), [lenient], {"v": "x"}) == [{"code": None, "n": None}]
    assert chain(of(v="string?"), steps).inverse()[1][0].reason == DROPPED


def test_the_old_field_may_stay_and_lists_hold_records_to_split_in():
    s = of(items="list<record{v: string, w: int64}>")
    steps = [op.split("items[].v", into={"a": "string", "b": "string"}, by=",", keep=True)]
    rows = [{"items": [{"v": "x,y", "w": 1}]}, {"items": []}]
    assert agreed(s, steps, *rows) == [{"items": [{"v": "x,y", "a": "x", "b": "y", "w": 1}]}, {"items": []}]
    assert back(s, steps, *rows) == (rows, ())
    gone = [op.split("items[].v", into={"a": "string", "b": "string"}, by=",")]
    assert back(s, gone, *rows) == (rows, ())


# ---- merge
LISTED = of(a="list<int64>", b="string")
FIRST = of(id="int64", first="string", last="string?", n="int64?")


def test_fields_merge_at_the_place_of_the_first():
    s = of(id="int64", first="string", last="string", n="int64")
    steps = [op.merge(["first", "last"], to="name", by=" ")]
    assert target(s, *steps) == {"id": "int64", "name": "string", "n": "int64"}
    row = {"id": 1, "first": "Ada", "last": "it's", "n": 3}
    assert agreed(s, steps, row) == [{"id": 1, "name": "Ada it's", "n": 3}]
    losses = chain(s, steps).inverse()[1]
    assert [str(loss) for loss in losses] == [f"first: {DROPPED}", f"last: {DROPPED}"]
    assert all(loss.fatal for loss in losses)
    _, restored = chain(s, steps).inverse({"first": "split_part(name, ' ', 1)", "last": "split_part(name, ' ', 2)"})
    assert all(loss.restored for loss in restored)


def test_the_script_says_what_a_null_does():
    rows = [{"id": 1, "first": "a", "last": None, "n": 5}, {"id": 2, "first": "b", "last": "c", "n": None}]
    skip, null = (op.merge(["n", "first", "last"], to="all", by="-", nulls=nulls) for nulls in ("skip", "null"))
    assert target(FIRST, skip) == {"id": "int64", "all": "string"}
    assert [row["all"] for row in agreed(FIRST, [skip], *rows)] == ["5-a", "b-c"]
    assert target(FIRST, null) == {"id": "int64", "all": "string?"}
    assert [row["all"] for row in agreed(FIRST, [null], *rows)] == [None, None]
    both = op.merge(["last", "n"], to="all", by="-", nulls="skip")
    assert [row["all"] for row in agreed(FIRST, [both], {"id": 1, "first": "", "last": None, "n": None})] == [None]


def test_sql_merges_into_any_type():
    s = of(h="int64", m="int64")
    steps = [op.merge(["h", "m"], to="minutes", sql="h * 60 + m", type="int64", nullable=False)]
    assert target(s, *steps) == {"minutes": "int64"}
    assert agreed(s, steps, {"h": 2, "m": 5}) == [{"minutes": 125}]


def test_tags_of_all_are_kept():
    tagged = [op.set_tag("name", "pii")]
    parts = op.split("name", into=TWO, by=" ")
    assert field(NAME, "last", *tagged, parts).tags == ("pii",)
    merged = op.merge(["first", "last"], to="name", by=" ", nulls="null")
    assert field(NAME, "name", *tagged, parts, op.set_tag("first", "x"), op.unset_tag("first", "pii"), merged).tags == ("x", "pii")


@pytest.mark.parametrize(
    ("source", "make", "words", "hint"),
    [
        (NAME, lambda: op.split("name", into=TWO), "a separator or a pattern", "by="),
        (NAME, lambda: op.split("name", into=TWO, by=""), "separator is empty", "one character"),
        (NAME, lambda: op.split("name", into={"a": "string"}, by=","), "too few fields", "into="),
        (NAME, lambda: op.split("id", into=TWO, by=","), "id is int64, and only a string can be split", "op.cast"),
        (NAME, lambda: op.split("name", into={"id": "string", "b": "string"}, by=","), "a field id already", "Rename"),
        (NAME, lambda: op.split("name", into={"a": "list<string>", "b": "date"}, by=","), "no cast from string to list", "SQL"),
        (NAME, lambda: op.split("name", into={"a.b": "string", "b": "string"}, by=","), "is a path, not a name", "quote"),
        (FIRST, lambda: op.merge(["first"], to="x", by=" "), "at least two paths", "op.merge"),
        (FIRST, lambda: op.merge(["first", "first"], to="x", by=" "), "not different ones of one record", "Move"),
        (FIRST, lambda: op.merge(["first", "last"], to="x"), "what stands between", "by="),
        (FIRST, lambda: op.merge(["first", "last"], to="x", by=" "), "last may be null", 'nulls="skip"'),
        (FIRST, lambda: op.merge(["first", "last"], to="id", by=" ", nulls="skip"), "there is a field id already", "Rename"),
        (LISTED, lambda: op.merge(["a", "b"], to="c", by=" "), "'a' (list<int64>) cannot be merged", "inside"),
        (FIRST, lambda: op.merge(["first", "last"], to="x", by=" ", type="int64"), "type and nullable go with sql", "string"),
    ],
)  # fmt: skip
def test_refusals(source: Schema, make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(source, [make()])
    assert words in error.value.message
    assert hint in error.value.hint
