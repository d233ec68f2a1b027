"""Paths that begin with a named type: all its uses at once, in whatever type they stand."""

from __future__ import annotations

from typing import Any

import pytest
from reference import evaluate

from instar import op
from instar.formats.errors import MigrationError
from instar.formats.path import Branch, parse_path, path_text
from instar.formats.schema import Field, Float, Int, Integer, List, Map, Record, Reference, Schema, String
from instar.transforms.mapping import chain, identity

STR, I64, DOUBLE = String(), Int(64), Float(64)
GEO = Record((Field("lat", DOUBLE),), name="x.Geo")
ADDRESS = Record((Field("zip", STR), Field("geo", GEO)), name="x.Address")
ORDER = Schema(
    Field(
        "",
        Record(
            (
                Field("home", ADDRESS),
                Field("work", Reference("x.Address"), nullable=True),
                Field("past", List(Field("item", Reference("x.Address")))),
                Field("by", Map(Field("value", Reference("x.Geo"), nullable=True))),
                Field("price", Reference("Price")),
            ),
            name="x.Order",
        ),
    ),
    {"x.Address": Field("", ADDRESS), "x.Geo": Field("", GEO), "Price": Field("", Integer())},
)
ROW: dict[str, Any] = {
    "home": {"zip": "1", "geo": {"lat": 1.0}},
    "work": None,
    "past": [{"zip": "2", "geo": {"lat": 2.0}}],
    "by": {"a": {"lat": 3.0}, "b": None},
    "price": 4,
}


def test_a_named_type_is_edited_in_all_its_uses_and_the_definition_with_them() -> None:
    mapping = chain(ORDER, [op.rename("<Address>.zip", to="code")])
    assert mapping.target.definitions["x.Address"].type.names == ("code", "geo")  # type: ignore[union-attr]
    assert evaluate(mapping, ROW)["past"] == [{"code": "2", "geo": {"lat": 2.0}}]
    mapping = chain(ORDER, [op.rename("<Geo>.lat", to="latitude"), op.add("<Geo>.lon", "double"), op.cast("<Price>", "string")])
    new = evaluate(mapping, ROW)
    place = {"latitude": 2.0, "lon": None}
    assert new == {
        "home": {"zip": "1", "geo": {"latitude": 1.0, "lon": None}},
        "work": None,
        "past": [{"zip": "2", "geo": place}],
        "by": {"a": {"latitude": 3.0, "lon": None}, "b": None},
        "price": "4",
    }
    assert mapping.target.definitions["Price"].type == STR
    inside = mapping.target.definitions["x.Address"].type["geo"].type  # type: ignore[index]
    assert inside == mapping.target.definitions["x.Geo"].type


def test_the_way_back_is_that_of_every_use() -> None:
    mapping = chain(ORDER, [op.drop("<Address>.zip"), op.rename("<Geo>.lat", to="y")])
    back, losses = mapping.inverse({"<Address>.zip": "CAST(geo.y AS VARCHAR)"})
    assert {path_text(loss.path) for loss in losses} == {"home.zip", "work.zip", "past[].zip"}
    assert all(loss.restored for loss in losses)
    assert back.target == ORDER
    restored = identity(ORDER).then(mapping).then(back)
    new = evaluate(restored, ROW)
    assert new["past"] == [{"zip": "2.0", "geo": {"lat": 2.0}}]
    assert new["by"] == ROW["by"]
    _, lost = mapping.inverse()
    assert all(loss.fatal for loss in lost)


def test_a_type_that_is_used_once_is_where_it_is_used() -> None:
    left = [op.drop("work"), op.drop("past"), op.drop("by")]
    for path in ("home.zip", "<Address>.zip", "<x.Address>.zip"):
        mapping = chain(ORDER, [*left, op.rename(path, to="code"), op.rename("home.geo.lat", to="y")])
        assert evaluate(mapping, ROW)["home"] == {"code": "1", "geo": {"y": 1.0}}
    only = chain(ORDER, [op.drop("home"), op.drop("past"), op.drop("by"), op.rename("work.geo.lat", to="y")])
    assert evaluate(only, {**ROW, "work": ROW["home"]})["work"] == {"zip": "1", "geo": {"y": 1.0}}
    assert only.target.definitions["x.Address"].type["geo"].type.names == ("y",)  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("operation", "message", "hint"),
    [
        (
            op.rename("work.zip", to="x"),
            r"shared type 'x\.Address' \(home, past\[\] use it too\)",
            "begin the path with <x.Address> instead of work;",
        ),
        (op.rename("home.geo.lat", to="x"), "home is of the shared type", "<x.Address> instead of home"),
        (op.rename("<Address>.geo.lat", to="x"), r"<x\.Address>\.geo is of the shared type", "<x.Geo>"),
        (op.rename("<Adress>.zip", to="x"), "there is no type <Adress>", "x.Address"),
        (op.rename("<Address>.nope", to="x"), r"there is no field <Address>\.nope", "zip"),
        (op.allow_null("<Price>"), "<Price> itself cannot come to be null", "allow_null"),
    ],
)
def test_refusals_say_how_to_say_it(operation: Any, message: str, hint: str) -> None:
    with pytest.raises(MigrationError, match=message) as error:
        chain(ORDER, [operation])
    assert hint in (error.value.hint or "")


def test_a_name_that_two_namespaces_have_must_be_full() -> None:
    schema = Schema(
        Field("", Record((Field("a", Record((Field("v", I64),), name="p.T")), Field("b", Record((Field("v", I64),), name="q.T"))))),
    )
    with pytest.raises(MigrationError, match=r"<T> may be any of p\.T, q\.T"):
        chain(schema, [op.rename("<T>.v", to="w")])
    assert chain(schema, [op.rename("<q.T>.v", to="w")]).target.record["b"].type == Record((Field("w", I64),))


def test_odd_names_of_types_stand_in_quotes() -> None:
    path = (Branch('Page<"User">'), "id")
    assert path_text(path) == '<"Page<""User"">">.id'
    assert parse_path(path_text(path)) == path


NODE = Record((Field("v", I64), Field("next", Reference("Node"), nullable=True)), name="Node")


@pytest.mark.parametrize("tree", [NODE, Reference("Node")], ids=["where it is defined", "by reference"])
@pytest.mark.parametrize("path", ["tree.v", "tree.next.v", "<Node>.v", "<Node>.next.v"])
def test_a_type_that_contains_itself_is_worked_on_as_a_whole(tree: Record | Reference, path: str) -> None:
    schema = Schema(Field("", Record((Field("id", I64), Field("tree", tree)))), {"Node": Field("", NODE)})
    with pytest.raises(MigrationError, match="the type 'Node' contains itself: a path cannot lead into it") as error:
        chain(schema, [op.rename(path, to="x")])
    assert "Rename, move or drop the field that is of this type as a whole" in (error.value.hint or "")
    row = {"id": 1, "tree": {"v": 1, "next": {"v": 2, "next": None}}}
    mapping = chain(schema, [op.rename("tree", to="root"), op.move("root", to="at.root"), op.add("n", "int32", default=0)])
    assert evaluate(mapping, row) == {"id": 1, "at": {"root": row["tree"]}, "n": 0}
