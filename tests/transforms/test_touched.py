"""What a mapping computes with, and what it only carries."""

from __future__ import annotations

from instar import op
from instar.formats.path import path_text
from instar.formats.schema import Field, schema
from instar.formats.typetext import parse_type
from instar.transforms.mapping import chain

SCHEMA = schema(
    Field("a", parse_type("timestamp(us)"), nullable=True), Field("b", parse_type("int64")),
    Field("r", parse_type("record{x: int64, y: int64?}"), nullable=True),
    Field("l", parse_type("list<record{x: int64, y: int64}>")),
)  # fmt: skip


def touched(*operations: object) -> set[str]:
    mapping = chain(SCHEMA, operations)  # type: ignore[arg-type]
    return {path_text(path) for path in mapping.touched()}


def test_what_is_renamed_required_or_moved_is_not_touched() -> None:
    assert touched(op.rename("a", to="at"), op.allow_null("b"), op.move("r.x", to="x"), op.drop("l")) == set()
    assert touched(op.require("a", fill=0)) == set()
    assert touched(op.rename("l[].x", to="z")) == set()


def test_what_a_cast_or_sql_reads_is_touched() -> None:
    assert touched(op.cast("a", "timestamp(ns)")) == {"a"}
    assert touched(op.derive("c", "int64", sql="b + r.x")) == {"b", "r.x"}
    assert touched(op.rename("l[].x", to="z"), op.cast("l[].z", "string")) == {"l[].x"}
    assert touched(op.derive("year", "int64", sql="year(a)"), op.require("a", fill=0)) == {"a"}
