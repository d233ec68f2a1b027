"""set_doc: what a field means, in words."""

from __future__ import annotations

from typing import Any

import pytest

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.path import parse_path
from instar.formats.schema import Field, Int, schema
from instar.transforms.mapping import chain
from instar.transforms.shared_types import places
from tests.transforms.operations.agreed import agreed, back, field, of

DATA = of(id="int64", r="record{p: int64}?", items="list<record{k: int64}>", m="map<string?>")
ROWS: list[dict[str, Any]] = [
    {"id": 1, "r": {"p": 2}, "items": [{"k": 3}], "m": {"u": "v", "w": None}},
    {"id": 2, "r": None, "items": [], "m": {}},
]


@pytest.mark.parametrize("path", ["id", "r", "r.p", "items", "items[]", "items[].k", "m", "m{}"])
def test_the_schema_says_it_and_nothing_else_changes(path: str):
    text = 'Größe, "said"\nin two lines'
    mapping = chain(DATA, [op.set_doc(path, text)])
    docs = {place: f.doc for place, f in places(mapping.target.root) if f.doc}
    assert docs == {parse_path(path): text}
    assert mapping.is_identity()
    assert agreed(DATA, [op.set_doc(path, text)], *ROWS) == ROWS
    assert back(DATA, [op.set_doc(path, text)], *ROWS) == (ROWS, ())
    assert mapping.inverse()[0].target.root == DATA.root


def test_the_last_text_counts_and_an_empty_one_says_nothing():
    said = schema(Field("x", Int(64), doc="old"))
    assert field(said, "x", op.set_doc("x", "new"), op.set_doc("x", "newer")).doc == "newer"
    assert field(said, "x", op.set_doc("x", "")).doc == ""
    assert chain(said, [op.set_doc("x", "")]).inverse()[0].target.record["x"].doc == "old"


def test_the_text_follows_its_field():
    steps = [op.set_doc("r.p", "p means"), op.rename("r", to="s"), op.cast("s.p", "string"), op.move("s.p", to="p", emptied="drop")]
    assert field(DATA, "p", *steps).doc == "p means"


@pytest.mark.parametrize(
    ("make", "words", "hint"),
    [
        (lambda: op.set_doc("id", ""), "the schema says that of id already", "Leave this operation out."),
        (lambda: op.set_doc("idd", "x"), "there is no field idd", "Did you mean 'id'?"),
        (lambda: op.set_doc("items.k", "x"), "items.k does not exist: items is list<", "items[]"),
        (lambda: op.set_doc("m[]", "x"), "m[] does not exist: m is map<", "m{}"),
        (lambda: op.set_doc("id", None), "None is no text", "takes it away"),  # type: ignore[arg-type]
        (lambda: op.set_doc("id", 3), "3 is no text", "takes it away"),  # type: ignore[arg-type]
    ],
)
def test_refusals(make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(DATA, [make()])
    assert words in error.value.message
    assert hint in error.value.hint
