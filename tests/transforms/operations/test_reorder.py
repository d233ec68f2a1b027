"""reorder: a record's fields in another order."""

from __future__ import annotations

from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.transforms.mapping import chain
from tests.transforms.operations.agreed import agreed, back, of, target

FLAT = of(a="int64", b="string?", c="date", d="bool")
ROWS = [{"a": 1, "b": "x", "c": 5, "d": True}, {"a": 2, "b": None, "c": -1, "d": False}]
DEEP = of(
    id="int64", r="record{p: int64, q: string}?", items="list<record{k: int64, v: string}?>", m="map<record{x: int64, y: bool}>"
)
DEEP_ROWS: list[dict[str, Any]] = [
    {"id": 1, "r": {"p": 2, "q": "s"}, "items": [{"k": 3, "v": "t"}, None], "m": {"u": {"x": 4, "y": True}}},
    {"id": 2, "r": None, "items": [], "m": {}},
]


@pytest.mark.parametrize(
    ("names", "order"),
    [(["d"], "d a b c"), (["c", "a"], "c a b d"), (("d", "c", "b", "a"), "d c b a"), (["a", "c"], "a c b d"), (['"b"'], "b a c d")],
)
def test_the_named_come_first_and_the_others_in_their_order(names: Any, order: str):
    assert list(target(FLAT, op.reorder(names))) == order.split()
    assert agreed(FLAT, [op.reorder(names)], *ROWS) == ROWS
    assert back(FLAT, [op.reorder(names)], *ROWS) == (ROWS, ())
    assert chain(FLAT, [op.reorder(names)]).inverse()[0].target.record.names == ("a", "b", "c", "d")


def test_records_within_records_lists_and_maps_have_an_order_too():
    steps = [op.reorder(["q"], at="r"), op.reorder(["v"], at="items[]"), op.reorder(["y"], at="m{}")]
    assert target(DEEP, *steps) == {
        "id": "int64", "r": "record{q: string, p: int64}?", "items": "list<record{v: string, k: int64}?>",
        "m": "map<record{y: bool, x: int64}>",
    }  # fmt: skip
    assert agreed(DEEP, steps, *DEEP_ROWS) == DEEP_ROWS
    assert back(DEEP, steps, *DEEP_ROWS) == (DEEP_ROWS, ())


def test_nothing_is_decoded_and_every_leaf_may_be_copied():
    mapping = chain(DEEP, [op.reorder(["m", "r"]), op.reorder(["q"], at="r")])
    assert mapping.keeps_values()
    assert not mapping.touched()
    assert len(mapping.untouched()) == mapping.leaf_count()


def test_later_operations_meet_the_new_order():
    steps = [op.reorder(["d"]), op.add("e", "int64", position=1), op.move("a", to="a", before="d")]
    assert list(target(FLAT, *steps)) == list("adebc")
    assert list(target(FLAT, op.rename("c", to="z"), op.reorder(["z"]))) == list("zabd")


def test_what_a_field_says_goes_with_it():
    told = [op.set_doc("d", "whether"), op.set_tag("d", "x")]
    assert chain(FLAT, [*told, op.reorder(["d"])]).target.record.fields[0] == chain(FLAT, told).target.record["d"]


@pytest.mark.parametrize(
    ("make", "words", "hint"),
    [
        (lambda: op.reorder([]), "needs a list of names", "op.reorder(["),
        (lambda: op.reorder("a"), "needs a list of names", "op.reorder(["),
        (lambda: op.reorder({"d", "c"}), "needs a list of names", "op.reorder(["),  # type: ignore[arg-type]
        (lambda: op.reorder([3]), "needs a list of names", "op.reorder(["),  # type: ignore[list-item]
        (lambda: op.reorder(["a", '"a"']), "a name is given twice", "once"),
        (lambda: op.reorder(["r.p"]), "'r.p' is a path, not a name", "quote it"),
        (lambda: op.reorder(["i"]), "there is no field i", "Did you mean 'id'?"),
        (lambda: op.reorder(["kk"], at="items[]"), "there is no field items[].kk", "Did you mean 'k'?"),
        (lambda: op.reorder(["id", "r"]), "the fields stand in that order already", "Leave this operation out."),
        (lambda: op.reorder(["p"], at="id"), "id is int64, not a record with fields", "A path ends"),
        (lambda: op.reorder(["v"], at="items"), "items is list<record{k: int64, v: string}?>, not a record", "items[]"),
        (lambda: op.reorder(["y"], at="m"), "m is map<record{x: int64, y: bool}>, not a record", "m{}"),
    ],
)
def test_refusals(make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(DEEP, [make()])
    assert words in error.value.message
    assert hint in error.value.hint
