"""What has no place in the older version is named, before and after."""

from __future__ import annotations

from instar.formats.path import path_text
from instar.formats.schema import Field, Int, List, Record, String, schema
from instar.transforms import operations as op
from instar.transforms.left_behind import left_behind
from instar.transforms.mapping import chain

OLD = schema(
    Field("a", Int(64)),
    Field("r", Record((Field("x", Int(32)), Field("y", String())))),
    Field("items", List(Field("item", Record((Field("n", Int(32)),))))),
)


def named(*operations: object, restore: dict[str, str] | None = None) -> list[str]:
    back, _ = chain(OLD, operations).inverse(restore)  # type: ignore[arg-type]
    return [path_text(path) for path in left_behind(back)]


def test_an_added_field_is_left_behind_wherever_it_is() -> None:
    assert named(op.add("c", "string", default="EUR")) == ["c"]
    assert named(op.add("r.z", "string", default="EUR"), op.add("items[].m", "int32", default=1)) == ["r.z", "items[].m"]
    assert named(op.add("new", "record{k: int64}", default={"k": 1})) == ["new"]


def test_what_comes_back_is_not() -> None:
    assert named(op.rename("a", to="b"), op.cast("r.x", "string"), op.move("r.y", to="y"), op.allow_null("items")) == []


def test_what_the_downgrade_computes_with_is_not() -> None:
    operations = (op.derive("half", "double", sql="a / 2"), op.drop("a"))
    assert named(*operations, restore={"a": "round(half * 2)::BIGINT"}) == []
    assert named(*operations, restore={"a": "0"}) == ["half"]
