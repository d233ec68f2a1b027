"""Migrations for the splice: every operation, on a column of every kind, at every depth, alone and in chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from instar import op
from instar.formats.schema import Field, Float, Int, List, Map, Record, Schema, String
from instar.transforms.mapping import Operation


@dataclass(frozen=True)
class Change:
    """Operations, and the columns that a file must have for them: `id?` where it may be null, `id!` where not, `id` either way.
    `repeated`: its proof runs a function again."""

    needs: tuple[str, ...]
    operations: tuple[Operation, ...]
    repeated: bool = False

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(need.rstrip("?!") for need in self.needs)

    def fits(self, schema: Schema) -> bool:
        """Has a file of that schema what the operations need?"""
        nullable = {field.name: field.nullable for field in schema.record.fields}
        return all(
            (name := need.rstrip("?!")) in nullable and (need == name or nullable[name] == need.endswith("?"))
            for need in self.needs
        )


def change(needs: str, *operations: Operation, repeated: bool = False) -> Change:
    return Change(tuple(needs.split()), operations, repeated)


def length(value: str | None) -> dict[str, Any]:
    return {"length": None if value is None else len(value), "shouted": (value or "").upper()}


NUMBERS = Record((Field("lat", Float(64)), Field("name", String(), nullable=True)))
TAGS, COUNTS = List(Field("item", String(), nullable=True)), Map(Field("value", Int(64)))

EVERYTHING: Sequence[Operation] = (
    op.rename("s", to="category"),
    op.drop("f"),
    op.cast("i32", "double"),
    op.add("currency", "string", default="USD"),
    op.add("note", "string", nullable=True),
    op.derive("doubled", "int64", sql="tens * 2"),
    op.reorder(["u", "id"]),
)
"""On columns that every writer's file has."""

CHANGES: dict[str, Change] = {
    "nothing": change("id"),
    # ---- other names and places
    "rename": change("id s", op.rename("s", to="category"), op.rename("id", to="key")),
    "rename nested columns": change("st li m", op.rename("st", to="record"), op.rename("li", to="list"), op.rename("m", to="map")),
    "swap names": change("s u", op.rename("s", to="t"), op.rename("u", to="s"), op.rename("t", to="u")),
    "swap names of unlike types": change("id s", op.rename("s", to="t"), op.rename("id", to="s"), op.rename("t", to="id")),
    "rename in a struct": change(
        "st", op.rename("st.x", to="ex"), op.rename("st.deep", to="inner"), op.rename("st.inner.z", to="y")
    ),
    "rename in a list": change("ls", op.rename("ls[].k", to="key")),
    "rename in a map": change("mm", op.rename("mm{}.p", to="price")),
    "rename odd names": change("x.y", op.rename('"x.y"."a.b"', to="plain"), op.rename('"qu""ote"', to='"now.dotted"')),
    "reorder": change("id u tens", op.reorder(["tens", "u", "id"])),
    "reorder in a struct": change("st", op.reorder(["deep", "y"], at="st")),
    "reorder in a list": change("ls", op.reorder(["v"], at="ls[]")),
    "move in": change("st i32", op.move("i32", to="st.number", where_null="drop")),
    "move into a new struct": change("id s u", op.move("s", to="texts.s"), op.move("u", to="texts.u")),
    "move out": change("st", op.move("st.deep.z", to="st.z", where_null="drop")),
    "move beside": change("u", op.move("u", to="first", position=0)),
    # ---- gone
    "drop the first": change("id", op.drop("id")),
    "drop several": change("f i32 tens", op.drop("f"), op.drop("i32"), op.drop("tens")),
    "drop nested columns": change("st li m", op.drop("st"), op.drop("li"), op.drop("m")),
    "drop in a struct": change("st", op.drop("st.y"), op.drop("st.deep.w")),
    "drop a struct in a struct": change("st", op.drop("st.deep")),
    "drop in a list": change("ls", op.drop("ls[].k")),
    "drop in a map": change("mm", op.drop("mm{}.q")),
    # ---- new
    "add a number": change("id", op.add("new", "int64", default=7)),
    "add a text": change("id", op.add("new", "string", default="ünï", doc="why", position=0)),
    "add null": change("id", op.add("new", "double", nullable=True), op.add("empty", TAGS, nullable=True)),
    "add a list": change("id", op.add("new", TAGS, default=["a", None])),
    "add a map": change("id", op.add("new", COUNTS, default={"k": 1}), op.add("none", COUNTS, default={})),
    "add a struct": change("id", op.add("new", NUMBERS, default={"lat": 1.5, "name": None})),
    "add in a struct": change("st", op.add("st.new", "int32", default=3), op.add("st.deep.new", "string", nullable=True)),
    "add in a list": change("ls", op.add("ls[].new", "string", default="x")),
    "add by SQL": change("tens u", op.add("new", "string", default_sql="u || '-' || tens::VARCHAR")),
    # ---- other values
    "cast int to double": change("i32", op.cast("i32", "double")),
    "cast int to text": change("id", op.cast("id", "string")),
    "cast what is all null": change("nul", op.cast("nul", "string")),
    "cast times": change("d ts", op.cast("d", "string"), op.cast("ts", "string")),
    "cast a decimal": change("dec", op.cast("dec", "decimal(14,3)")),
    "cast in a list": change("li", op.cast("li[]", "double")),
    "cast in a list of lists": change("ll", op.cast("ll[][]", "int64")),
    "cast in a map": change("m", op.cast("m{}", "string")),
    "cast in a struct": change("st", op.cast("st.x", "double"), op.cast("st.deep.w", "string")),
    "cast in a list of structs": change("ls", op.cast("ls[].k", "string")),
    "derive": change("tens id", op.derive("ratio", "double", sql="id / (tens + 1)")),
    "derive in its place": change("s", op.derive("s", "string", sql="upper(s)", replace=True)),
    "derive in a struct": change("st", op.derive("st.twice", "int64", sql='"x" * 2')),
    "map values": change("tens", op.map_values("tens", {0: 100, 1: 101}, otherwise="keep")),
    "map values in a list": change("ls", op.map_values("ls[].v", {"0": "zero", "1": "one"}, otherwise="keep")),
    "require": change("u? id?", op.require("u"), op.require("id")),
    "require what is required again": change("u! st", op.allow_null("u"), op.require("u")),
    "require, filled": change("i32 s", op.require("i32", fill=0), op.require("s", fill="?")),
    "require in a struct": change("st", op.require("st.y", fill="?")),
    "allow null": change("id! u!", op.allow_null("id"), op.allow_null("u")),
    "split": change("u", op.split("u", into={"one": "string", "two": "string", "three": "string"}, by="-")),
    "merge": change("u tens", op.merge(["u", "tens"], to="both", by="/", nulls="skip")),
    "python": change("u", op.python(length, reads=["u"], writes={"length": "int64?", "shouted": "string"}), repeated=True),
    "wrap": change("i32 s", op.wrap("i32"), op.wrap("s", null="empty")),
    "head": change("li", op.head("li", otherwise="first")),
    # ---- what is said of them
    "set doc": change("id", op.set_doc("id", "what it is")),
    "set doc in a struct": change("st", op.set_doc("st.x", "what it is")),
    "set tag": change("u", op.set_tag("u", "x")),
    # ---- together
    "everything": change("s f i32 tens u id", *EVERYTHING),
    "everything nested": change(
        "st ls m mm li",
        op.rename("st", to="record"), op.drop("record.y"), op.cast("record.x", "double"), op.rename("record.deep", to="inner"),
        op.rename("ls[].v", to="value"), op.cast("ls[].k", "string"), op.drop("m"), op.rename("mm{}.q", to="quality"),
        op.reorder(["li", "mm"]),
    ),
    "a chain of ten": change(
        "s f i32 tens u id",
        *EVERYTHING, op.rename("category", to="kind"), op.cast("doubled", "string"), op.drop("note"),
        op.rename("currency", to="unit"),
    ),
    "renames that come back": change(
        "id u", op.rename("id", to="x"), op.rename("u", to="id"), op.rename("id", to="u"), op.rename("x", to="id")
    ),
}  # fmt: skip
