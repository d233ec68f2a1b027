"""set_tag and unset_tag, and the way of tags through all other operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Int, schema
from instar.transforms.mapping import Operation, chain
from instar.transforms.shared_types import places
from tests.transforms.operations.agreed import agreed, back, of

DATA = of(id="int64", name="string", r="record{p: int64, q: string}?", items="list<record{a: string, b: string}>", m="map<string?>")
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "A B", "r": {"p": 2, "q": "s"}, "items": [{"a": "1", "b": "2"}], "m": {"u": "v", "w": None}},
    {"id": 2, "name": "", "r": None, "items": [], "m": {}},
]
PLACES = ["id", "r", "r.p", "items", "items[]", "items[].a", "m", "m{}"]


def tags(*operations: Operation) -> dict[str, str]:
    """The tags there are, by path."""
    return {path_text(p): " ".join(f.tags) for p, f in places(chain(DATA, operations).target.root) if f.tags}


@pytest.mark.parametrize("path", PLACES)
def test_a_place_is_marked_and_nothing_else_changes(path: str):
    steps = [op.set_tag(path, "pii"), op.set_tag(path, "gdpr:art-9")]
    assert tags(*steps) == {path: "pii gdpr:art-9"}
    assert tags(*steps, op.unset_tag(path, "pii")) == {path: "gdpr:art-9"}
    assert tags(*steps[:1], op.unset_tag(path, "pii")) == {}
    assert chain(DATA, steps).is_identity()
    assert agreed(DATA, steps, *ROWS) == ROWS
    assert back(DATA, steps, *ROWS) == (ROWS, ())


def test_the_way_back_has_the_old_tags():
    old = schema(Field("x", Int(64), tags=("a", "b")))
    mapping = chain(old, [op.unset_tag("x", "a"), op.set_tag("x", "c"), op.rename("x", to="y")])
    assert mapping.target.record["y"].tags == ("b", "c")
    assert mapping.inverse()[0].target.record["x"].tags == ("a", "b")


X, Y, P = op.set_tag("name", "x"), op.set_tag("id", "y"), op.set_tag("r.p", "p")
A, B = op.set_tag("items[].a", "a"), op.set_tag("items[].b", "b")
PIECES = {"c": "string", "d": "string"}


@pytest.mark.parametrize(
    ("operations", "there"),
    [
        ([X, op.rename("name", to="n")], {"n": "x"}),
        ([P, op.rename("r", to="s")], {"s.p": "p"}),
        ([X, op.move("name", to="n.in.name")], {"n.in.name": "x"}),
        ([A, op.move("items[].a", to="items[].in.a")], {"items[].in.a": "a"}),
        ([P, op.set_tag("r", "r"), op.move("r.p", to="p")], {"r": "r", "p": "p r"}),
        ([X, op.cast("name", "bytes")], {"name": "x"}),
        ([A, op.cast("items[].a", "int64")], {"items[].a": "a"}),
        ([op.set_tag("m{}", "v"), op.cast("m{}", "bytes")], {"m{}": "v"}),
        ([X, op.split("name", into=PIECES, by=" ")], {"c": "x", "d": "x"}),
        ([X, op.split("name", into=PIECES, by=" ", keep=True)], {"name": "x", "c": "x", "d": "x"}),
        ([A, op.split("items[].a", into=PIECES, by=" ")], {"items[].c": "a", "items[].d": "a"}),
        ([A, B, op.merge(["items[].a", "items[].b"], to="c", by="-")], {"items[].c": "a b"}),
        ([X, Y, op.merge(["name", "id"], to="c", sql="name || id", type="string")], {"c": "x y"}),
        ([X, Y, op.derive("d", "string", sql="name || id")], {"id": "y", "name": "x", "d": "x y"}),
        ([Y, op.derive("d", "string", sql="name")], {"id": "y"}),
        ([P, op.set_tag("r", "r"), op.derive("d", "int64", sql="r.p")], {"r": "r", "r.p": "p", "d": "r p"}),
        ([P, op.derive("d", "string", sql="r::VARCHAR")], {"r.p": "p", "d": "p"}),
        ([A, op.derive("d", "int64", sql="len(items)")], {"items[].a": "a", "d": "a"}),
        ([P, op.set_tag("r", "r"), op.derive("r.d", "int64", sql="p")], {"r": "r", "r.p": "p", "r.d": "p"}),
        ([A, op.add("items[].d", "string", default_sql="upper(a)")], {"items[].a": "a", "items[].d": "a"}),
        ([X, op.add("d", "string", default="n")], {"name": "x"}),
        ([X, Y, op.derive("name", "string", sql="id::VARCHAR", replace=True)], {"id": "y", "name": "y x"}),
        ([X, op.derive("name", "string", sql="'-'", replace=True)], {"name": "x"}),
        ([X, op.map_values("name", {"a": "b"})], {"name": "x"}),
        ([X, op.wrap("name")], {"name": "x"}),
        ([op.set_tag("m{}", "v"), op.require("m{}", fill="")], {"m{}": "v"}),
        ([X, op.allow_null("name")], {"name": "x"}),
        ([X, op.reorder(["name"])], {"name": "x"}),
        ([X, op.drop("name")], {}),
    ],
)
def test_tags_follow_their_field(operations: Sequence[Operation], there: dict[str, str]):
    assert tags(*operations) == there


def same(*values: Any) -> Any:
    return str(values)


@pytest.mark.parametrize(
    ("operations", "there"),
    [
        ([X, op.python(same, reads=["name"], writes={"d": "string"})], {"name": "x", "d": "x"}),
        ([X, Y, op.python(same, reads=["id"], writes={"name": "string"}, replace=True)], {"id": "y", "name": "y x"}),
        ([P, op.set_tag("r", "r"), op.python(same, reads=["r.p"], writes={"d": "string"})], {"r": "r", "r.p": "p", "d": "p r"}),
        ([P, op.set_tag("r", "r"), op.python(same, reads=["r.p"], writes={"r.d": "string"})], {"r": "r", "r.p": "p", "r.d": "p"}),
        ([A, op.python(same, reads=["items"], writes={"d": "string"})], {"items[].a": "a", "d": "a"}),
        ([A, B, op.python(same, reads=["items[].b"], writes={"items[].d": "string"})],
         {"items[].a": "a", "items[].b": "b", "items[].d": "b"}),
    ],
)  # fmt: skip
def test_what_a_function_writes_has_the_tags_of_what_it_reads(operations: Sequence[Operation], there: dict[str, str]):
    assert {path: set(text.split()) for path, text in tags(*operations).items()} == {p: set(t.split()) for p, t in there.items()}


@pytest.mark.parametrize(
    ("make", "words", "hint"),
    [
        (lambda: [X, X], "name has the tag 'x' already", "Leave this operation out."),
        (lambda: [op.unset_tag("name", "x")], "name has no tag 'x'", "It has none."),
        (lambda: [op.set_tag("name", "pii"), op.unset_tag("name", "pi")], "name has no tag 'pi'", "Did you mean 'pii'?"),
        (lambda: [op.set_tag("nam", "x")], "there is no field nam", "Did you mean 'name'?"),
        (lambda: [op.unset_tag("items.a", "x")], "items.a does not exist: items is list<", "items[]"),
        (lambda: [op.set_tag("id", "")], "'' is no tag", '"pii"'),
        (lambda: [op.set_tag("id", ["pii"])], "['pii'] is no tag", '"pii"'),  # type: ignore[arg-type]
        (lambda: [op.unset_tag("id", None)], "None is no tag", '"pii"'),  # type: ignore[arg-type]
        (lambda: [op.set_tag("id", " pii")], "' pii' is not one word", '"pii"'),
        (lambda: [op.set_tag("id", "two words")], "'two words' is not one word", '"pii"'),
    ],
)
def test_refusals(make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(DATA, make())
    assert words in error.value.message
    assert hint in error.value.hint


def test_a_tag_that_a_file_brought_may_go_whatever_it_is():
    brought = schema(Field("x", Int(64), tags=("two words", "b")))
    assert chain(brought, [op.unset_tag("x", "two words")]).target.record["x"].tags == ("b",)
