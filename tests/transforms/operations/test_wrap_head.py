"""wrap and head: a value as a list of one, and back."""

from __future__ import annotations

from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.schema import Field, List, Schema, String, schema
from instar.transforms.mapping import chain
from instar.transforms.recovered import FILLED
from tests.reference import evaluate
from tests.transforms.operations.agreed import agreed, back, of, target


def test_a_value_becomes_a_list_of_it():
    s, rows = of(v="int64?"), [{"v": 1}, {"v": None}]
    assert target(s, op.wrap("v")) == {"v": "list<int64>?"}
    assert agreed(s, [op.wrap("v")], *rows) == [{"v": [1]}, {"v": None}]
    assert back(s, [op.wrap("v")], *rows) == (rows, ())
    empty = [op.wrap("v", null="empty")]
    assert target(s, *empty) == {"v": "list<int64>"}
    assert agreed(s, empty, *rows) == [{"v": [1]}, {"v": []}]
    assert back(s, empty, *rows) == (rows, ())


def test_a_list_becomes_its_element():
    s, rows = of(v="list<string>"), [{"v": ["a"]}, {"v": []}]
    assert target(s, op.head("v")) == {"v": "string?"}
    assert agreed(s, [op.head("v")], *rows) == [{"v": "a"}, {"v": None}]
    assert back(s, [op.head("v")], *rows) == (rows, ())
    assert agreed(s, [op.head("v")], {"v": ["a", "b"]}) == "refused"
    for otherwise, taken in (("first", "a"), ("last", "b"), ("null", None)):
        step = op.head("v", otherwise=otherwise)  # type: ignore[arg-type]
        assert agreed(s, [step], {"v": ["a", "b"]}) == [{"v": taken}]
        old, losses = back(s, [step], {"v": ["a", "b"]}, {"v": []})
        assert old == [{"v": [taken] if taken else []}, {"v": []}]
        assert losses == ("v: lists of several elements" if otherwise == "null" else f"v: all elements but the {otherwise}",)
        assert not chain(s, [step]).inverse()[1][0].fatal


def test_an_empty_list_may_be_refused():
    s = of(v="list<string>")
    assert target(s, op.head("v", empty="fail")) == {"v": "string"}
    assert agreed(s, [op.head("v", empty="fail")], {"v": []}) == "refused"
    assert back(s, [op.head("v", empty="fail")], {"v": ["a"]}) == ([{"v": ["a"]}], ())


def test_a_list_that_may_be_null_forgets_whether_it_was_empty():
    s = of(v="list<string>?")
    old, losses = back(s, [op.head("v")], {"v": []}, {"v": None}, {"v": ["x"]})
    assert old == [{"v": None}, {"v": None}, {"v": ["x"]}]
    assert losses == ("v: whether it was empty",)


def test_a_null_element_is_refused_unless_the_first_is_taken():
    s = of(v="list<string?>")
    assert agreed(s, [op.head("v")], {"v": [None]}) == "refused"
    assert agreed(s, [op.head("v", otherwise="first")], {"v": [None, "a"]}) == [{"v": None}]


def test_one_is_the_other_the_other_way_round():
    s, rows = of(v="date?"), [{"v": 5}, {"v": None}]
    assert agreed(s, [op.wrap("v"), op.head("v")], *rows) == rows
    assert back(s, [op.wrap("v"), op.head("v", empty="fail")], *rows) == (rows, ())


def test_inside_lists_maps_and_null_records():
    s = of(r="record{v: int64}?", m="map<list<int64>>", items="list<record{t: string}>")
    steps = [op.wrap("r.v"), op.head("m{}"), op.wrap("items[].t"), op.cast("r.v[]", "string")]
    rows = [{"r": None, "m": {"a": [], "b": [3]}, "items": [{"t": "x"}]}, {"r": {"v": 1}, "m": {}, "items": []}]
    assert agreed(s, steps, *rows) == [
        {"r": None, "m": {"a": None, "b": 3}, "items": [{"t": ["x"]}]}, {"r": {"v": ["1"]}, "m": {}, "items": []}
    ]  # fmt: skip
    assert back(s, steps[:3], *rows) == (rows, ())


def test_operations_go_on_with_the_list_and_the_element():
    s = of(v="string", w="list<int64>")
    steps = [op.wrap("v"), op.derive("n", "int64", sql="len(v)"), op.head("w"), op.require("w", fill=0), op.cast("w", "string")]
    assert agreed(s, steps, {"v": "x", "w": []}) == [{"v": ["x"], "w": "0", "n": 1}]


def test_missing_keys_stay_missing_or_become_empty():
    s = schema(Field("v", String(), nullable=True, optional=True), Field("w", String(), optional=True))
    assert evaluate(chain(s, [op.wrap("v"), op.wrap("w")]), {}) == {}
    mapping = chain(s, [op.wrap("v", null="empty"), op.wrap("w", null="empty")])
    assert evaluate(mapping, {"v": None}) == {"v": [], "w": []}
    way_back, losses = mapping.inverse()
    assert [str(loss) for loss in losses] == [f"v: {FILLED}"]
    assert evaluate(way_back, {"v": [], "w": []}) == {"v": None}
    assert evaluate(way_back, {"v": ["a"], "w": ["b"]}) == {"v": "a", "w": "b"}


def test_tags_of_a_list_and_of_its_items_stay():
    s = schema(Field("v", List(Field("item", String(), tags=("pii",))), tags=("x",)))
    assert chain(s, [op.head("v")]).target.record["v"].tags == ("x", "pii")


@pytest.mark.parametrize(
    ("source", "make", "words", "hint"),
    [
        (of(v="list<int64>"), lambda: op.wrap("v"), "only plain values can be made a list of one", "inside"),
        (of(v="int64"), lambda: op.wrap("v", null="none"), "null is 'none'", "empty"),  # type: ignore[arg-type]
        (of(v="int64"), lambda: op.head("v"), "v is int64, not a list", "leave this operation out"),
        (of(v="list<record{a: int64}>"), lambda: op.head("v"), "only plain values can be taken out of a list", "v[]"),
        (of(v="list<int64>"), lambda: op.head("v", otherwise="some"), "otherwise is 'some'", "last"),  # type: ignore[arg-type]
        (of(v="list<int64>"), lambda: op.head("v", empty="some"), "empty is 'some'", "fail"),  # type: ignore[arg-type]
    ],
)
def test_refusals(source: Schema, make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(source, [make()])
    assert words in error.value.message
    assert hint in error.value.hint
