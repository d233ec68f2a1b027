"""Splices that only chance would draw: law 5 on cases by hand, in every format."""

from __future__ import annotations

import pytest

from instar import op
from instar.formats.compiled import missing_parts
from instar.formats.format import FORMATS
from instar.formats.schema import Field, Int, List, Record, Schema, String
from tests.laws.cases import Case, one
from tests.laws.spliced import Form, splices

POINT = Record((Field("x", Int(64)), Field("y", String(), nullable=True)))
SOURCE = Schema(
    Field(
        "", Record((Field("a", Int(64)), Field("p", POINT, nullable=True), Field("l", List(Field("item", POINT)), nullable=True)))
    )
)
ROWS = (
    {"a": 1, "p": {"x": 1, "y": None}, "l": [{"x": 2, "y": "two"}, {"x": 3, "y": None}]},
    {"a": 2, "p": None, "l": []},
    {"a": 3, "p": {"x": -1, "y": ""}, "l": None},
)

CASES: dict[str, Case] = {
    "computed from nothing": one(SOURCE, [op.add("new", "string", default_sql="'a' || 'b'")], *ROWS),
    "computed from nothing, after a cast": one(SOURCE, [op.add("n", "int64", default=1), op.cast("n", "string")], *ROWS),
    "computed from nothing, inside": one(SOURCE, [op.add("p.n", "int64", default=1), op.cast("p.n", "string")], *ROWS),
    "computed from nothing, in a list": one(SOURCE, [op.add("l[].n", "int64", default=1), op.cast("l[].n", "string")], *ROWS),
    "constants beside each other": one(
        SOURCE,
        [op.add("n", "int64", default=7), op.add("t", "string", default="seven"), op.add("z", "string", nullable=True)],
        *ROWS,
    ),
    "constants apart": one(
        SOURCE, [op.add("n", "int64", default=7, position=0), op.add("z", "double", nullable=True, after="a"), op.drop("p")], *ROWS
    ),
    "nothing left of the source": one(SOURCE, [op.add("n", "int64", default=1), op.drop("a"), op.drop("p"), op.drop("l")], *ROWS),
    "a record is refused": one(SOURCE, [op.require("p"), op.rename("a", to="b")], *ROWS),
    "the last is refused": one(SOURCE, [op.cast("p.y", "int64"), op.rename("a", to="b")], *ROWS),
}
NAMELESS: dict[str, Case] = {
    "moved into a record without a name": one(SOURCE, [op.move("a", to='"".a')], *ROWS),
    "renamed to nothing": one(SOURCE, [op.rename("p.x", to='""'), op.rename("l", to='""')], *ROWS),
}
"""What Avro has no name for."""


@pytest.mark.parametrize("form", [Form(1, False, 1), Form(1, True, 2), Form(3, True, 3)])
@pytest.mark.parametrize(
    ("format", "name"),
    [
        *((format, name) for format in FORMATS for name in CASES),
        *((format, name) for format in ("parquet", "json") for name in NAMELESS),
    ],
)
def test_a_splice_gives_what_a_rewrite_gives(format: str, name: str, form: Form) -> None:
    way = splices({**CASES, **NAMELESS}[name], format, form)
    rewritten = format != "parquet" and format in missing_parts()
    assert way == ("refused" if name.endswith("refused") else "rewritten" if rewritten else "spliced")
