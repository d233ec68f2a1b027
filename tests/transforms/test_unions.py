"""Paths into the branches of a union: what they mean, what comes back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from reference import evaluate

from instar import op
from instar.formats.errors import DataError, MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Float, Int, List, Record, Reference, Schema, String, Union, type_text
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.record import compile_records
from instar.transforms.left_behind import left_behind
from instar.transforms.mapping import chain, identity
from instar.transforms.script import draft
from instar.transforms.typecheck import computed
from tests.laws.named import batch, inline, plain_values, shown

STR, I64, DOUBLE = String(), Int(64), Float(64)
POINT = Record((Field("x", DOUBLE), Field("y", DOUBLE, nullable=True)), name="geo.Point")
LINE = Record((Field("from", Reference("geo.Point")), Field("via", List(Field("item", Reference("geo.Point"))))), name="geo.Line")
SHAPE = Union((Field("geo.Point", POINT), Field("geo.Line", LINE), Field("string", STR), Field("long", I64)))
SCHEMA = Schema(
    Field("", Record((Field("id", I64), Field("shape", SHAPE, nullable=True), Field("all", List(Field("item", SHAPE)))))),
    {"geo.Point": Field("", POINT)},
)
HERE, THERE = ("geo.Point", {"x": 1.0, "y": None}), ("geo.Line", {"from": {"x": 2.0, "y": 3.0}, "via": [{"x": 4.0, "y": 5.0}]})
ROWS: list[dict[str, Any]] = [
    {"id": 1, "shape": HERE, "all": [THERE, ("long", 7)]},
    {"id": 2, "shape": THERE, "all": []},
    {"id": 3, "shape": None, "all": [("string", "12"), HERE]},
    {"id": 4, "shape": ("string", "34"), "all": [("long", -1)]},
]
CHAINS: dict[str, list[Any]] = {
    "cast": [op.cast("shape<string>", "int32"), op.cast("all[]<long>", "double")],
    "shared": [op.rename("<Point>.x", to="lon"), op.add("<geo.Point>.z", "double"), op.require("<Point>.y", fill=0.0)],
    "inside": [op.rename("shape<Line>.from", to="start"), op.allow_null("shape<geo.Line>.via[]")],
    "sql": [
        op.derive("shape<Line>.long", "int64", sql="len(via) + 10", nullable=False),
        op.derive("shape<Line>.first", "double", sql='via[1].x + "from".x'),
        op.derive("<Point>.sum", "double", sql="x + coalesce(y, 0)"),
    ],
    "move": [op.move("shape<Line>.via", to="shape<Line>.rest.via"), op.drop("shape<Line>.from")],
    "around": [op.rename("shape", to="form"), op.rename("form<Line>.via", to="v"), op.move("form", to="at.form"), op.drop("id")],
}


@pytest.mark.parametrize("name", CHAINS)
def test_records_agree_with_the_reference_and_come_back(name: str) -> None:
    mapping = chain(SCHEMA, CHAINS[name])
    new = compile_records(mapping, plain_values(mapping))(list(ROWS))
    assert new == [evaluate(mapping, row) for row in ROWS]
    steps, schema = list(ROWS), SCHEMA
    for operation in CHAINS[name]:
        step = chain(schema, [operation])
        steps, schema = compile_records(step, plain_values(step))(steps), step.target
    assert steps == new, "one by one"
    back, losses = mapping.inverse()
    assert type_text(back.target.root.type) == type_text(SCHEMA.root.type)
    if not losses:
        assert compile_records(back, plain_values(back))(new) == ROWS
    over = mapping.rebased(SCHEMA).onto(mapping.target)
    assert compile_records(over, plain_values(over))(list(ROWS)) == new


WHOLE_BRANCHES: dict[str, list[Any]] = {
    "wrap": [op.wrap("shape<string>"), op.wrap("all[]<long>")],
    "wrap and head": [op.wrap("shape<string>"), op.cast("id", "string"), op.head('shape<"list<string>">', empty="fail")],
    "table": [op.map_values("shape<string>", {"34": "a"}), op.map_values("all[]<long>", {7: 70}, default=0)],
    "one for all": [
        op.map_values("shape<string>", {"": ""}, default="none"),
        op.map_values("all[]<string>", {"": ""}, default="-"),
    ],
}


INLINE = inline(SCHEMA)
IN_BATCHES = {
    **{name: CHAINS[name] for name in ("cast", "inside", "move", "around")},
    **WHOLE_BRANCHES,
    "sql": [
        op.derive("shape<Line>.first", "double", sql='via[1].x + "from".x'),
        op.derive("shape<Point>.always", "int32", sql="7", nullable=False),
        op.drop("shape<Line>.via"),
        op.add("all[]<Point>.z", "double", default=1.0),
    ],
}


@pytest.mark.parametrize("name", IN_BATCHES)
def test_batches_agree_and_hold_one_branch_a_value(name: str) -> None:
    """Null in every other branch, there and back: nothing that is computed for one comes to stand in another."""
    mapping = chain(INLINE, IN_BATCHES[name])
    given = batch(ROWS, INLINE)
    new = compile_batches(mapping)(given)
    assert new.to_pylist() == [shown(evaluate(mapping, row), mapping.target.root) for row in ROWS]
    back, losses = mapping.inverse()
    if not losses:
        assert compile_batches(back)(new).to_pylist() == given.to_pylist()
    elif not any(loss.fatal for loss in losses):
        for row in compile_batches(back)(new).to_pylist():
            assert all(sum(value is not None for value in of.values()) == 1 for of in [row["shape"], *row["all"]] if of is not None)


def test_what_a_mapping_says_of_itself_names_branches() -> None:
    mapping = chain(
        SCHEMA, [op.rename("shape<Line>.via", to="v"), op.drop("shape<Line>.from"), op.cast("shape<string>", "int64")][:2]
    )
    places = {path_text(a): path_text(b) for a, b in mapping.carried().items()}
    assert places["shape<geo.Line>.v"] == "shape<geo.Line>.via"
    assert not mapping.is_identity()
    assert identity(SCHEMA).then(identity(SCHEMA)).is_identity()
    _, losses = mapping.inverse()
    assert [path_text(loss.path) for loss in losses if loss.fatal] == ["shape<geo.Line>.from.x"]
    assert [path_text(p) for p in left_behind(mapping)] == ["shape<geo.Line>.from"]
    cast = chain(SCHEMA, [op.cast("shape<long>", "double")])
    assert {path_text(p) for p in cast.touched()} == {"shape<long>"}
    assert [path_text(p) for p, _ in computed(cast.root, ())] == ["shape<double>"]
    assert cast.reads() == ("id", "shape", "all")


@pytest.mark.parametrize(
    ("operation", "message", "hint"),
    [
        (op.rename("shape.x", to="y"), "shape is union.*not a record", "shape<geo.Point>, shape<geo.Line>"),
        (op.rename("shape<Circle>.x", to="y"), r"shape has no branch <Circle>: it is <geo\.Point>", ""),
        (op.rename("shape<Point>.x", to="y"), "of the shared type 'geo.Point'", "begin the path with <geo.Point>"),
        (op.allow_null("shape<string>"), "a branch of a union, cannot come to be null", "the whole field, shape"),
        (op.cast("shape<string>", "int32", on_error="null"), "cannot come to be null", "the whole field, shape"),
        (op.cast("shape<string>", "int64"), "would be int64, as the branch <long> of shape is", "no longer be told apart"),
        (op.require("shape<string>"), "is required already", ""),
    ],
)
def test_refusals(operation: Any, message: str, hint: str) -> None:
    with pytest.raises(MigrationError, match=message) as error:
        chain(SCHEMA, [operation])
    assert hint in (error.value.hint or "")


WHOLE: list[Callable[[str], Any]] = [
    lambda path: op.rename(path, to="y"),
    op.drop,
    lambda path: op.add(path, "int32", default=0),
    lambda path: op.derive(path, "string", sql="'x'"),
    lambda path: op.move(path, to="y"),
    lambda path: op.move("id", to=path),
    lambda path: op.merge(["id", path], to="y", by=" "),
    lambda path: op.python(lambda shape: shape, reads=["id"], writes={path: "string"}),
    lambda path: op.split(path, into={"a": "string", "b": "string"}, by="-"),
]


@pytest.mark.parametrize("operation", WHOLE)
def test_a_whole_branch_or_type_is_no_field(operation: Callable[[str], Any]) -> None:
    with pytest.raises(
        MigrationError, match=r"shape<string> is a whole branch of a union, which cannot be renamed, added"
    ) as error:
        operation("shape<string>")
    assert "on the whole field (shape)" in (error.value.hint or "")
    with pytest.raises(MigrationError, match=r"<geo\.Point> is a whole named type, which cannot be renamed, added") as error:
        operation("<geo.Point>")
    assert "a field inside it (<geo.Point>.name)" in (error.value.hint or "")


def test_the_last_field_of_a_branch_stays() -> None:
    with pytest.raises(MigrationError, match="shape<Line> would be a record without fields") as error:
        chain(SCHEMA, [op.drop("shape<Line>.from"), op.drop("shape<Line>.via")])
    assert error.value.hint == "Keep at least one field."


def test_an_error_in_a_branch_names_record_and_place() -> None:
    mapping = chain(SCHEMA, [op.cast("all[]<string>", "bool")])
    with pytest.raises(DataError, match="'12'") as error:
        compile_records(mapping, plain_values(mapping))(list(ROWS))
    assert error.value.where is not None
    assert (error.value.where.row, error.value.where.path) == (2, "all[]<bool>")


def test_drafts_list_only_places_that_operations_take() -> None:
    text = draft("shapes", 2, "x", SCHEMA)
    listed = [line.split()[1] for line in text.splitlines() if line.startswith("#   ")]
    assert "shape<geo.Line>.via" in listed
    assert "<geo.Point>.x" in listed
    assert "shape<geo.Point>.x" not in listed
    for path in listed[:-1]:
        chain(SCHEMA, [op.set_doc(path, "told")])
