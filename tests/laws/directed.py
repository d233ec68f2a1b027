"""Cases by hand: each shows what a fault in one place would break. Random cases alone missed some of these faults."""

from __future__ import annotations

from decimal import Decimal as Number

from instar import op
from instar.formats.schema import Decimal, Enum, Field, Float, Int, Json, List, Map, Record, String, Timestamp, schema

from .cases import Case, one

INT, TEXT = Int(64), String()


def _record(*fields: Field) -> Record:
    return Record(fields)


NULLABLE = schema(
    Field("a", _record(Field("y", INT)), nullable=True), Field("x", INT), Field("b", _record(Field("z", TEXT)), nullable=True)
)
ROWS = ({"a": None, "x": 1, "b": None}, {"a": {"y": 2}, "x": 3, "b": {"z": "q"}}, {"a": None, "x": 4, "b": {"z": "r"}})
LISTS = schema(
    Field("items", List(Field("item", _record(Field("price", Float(64)), Field("n", TEXT)))), nullable=True), Field("k", INT)
)
LIST_ROWS = (
    {"items": [{"price": 1.5, "n": "1"}, {"price": -0.5, "n": "22"}], "k": 1},
    {"items": None, "k": 2},
    {"items": [], "k": 3},
    {"items": [{"price": 9.0, "n": "3"}], "k": 4},
)
CASED = schema(
    Field("ID", TEXT), Field("id", INT), Field("s", _record(Field("a", INT), Field("A", TEXT), Field("", INT, nullable=True)))
)
CASED_ROWS = ({"ID": "one", "id": 1, "s": {"a": 1, "A": "x", "": None}}, {"ID": "two", "id": 2, "s": {"a": 2, "A": "y", "": 5}})

DIRECTED: dict[str, Case] = {
    "a literal leaves a null record": one(NULLABLE, [op.add("a.k", "int64", default=7), op.move("a.k", to="k")], *ROWS),
    "computed in a null record, then out": one(
        NULLABLE, [op.derive("a.k", "string", sql="coalesce(y::VARCHAR, 'none')"), op.move("a.k", to="k")], *ROWS
    ),
    "from one null record to another": one(
        NULLABLE, [op.add("a.k", "int64", default=7), op.move("a.k", to="b.k", where_null="drop")], *ROWS
    ),
    "out and in again": one(
        NULLABLE,
        [op.add("a.k", "int64", default=7), op.move("a.k", to="k"), op.move("k", to="a.k", where_null="drop")],
        *ROWS,
    ),
    "into a record that may be null": one(NULLABLE, [op.move("x", to="a.x", where_null="drop")], *ROWS),
    "out of a record that may be null": one(NULLABLE, [op.add("a.w", "int64", default=1), op.move("a.y", to="y")], *ROWS),
    "nothing is required in a null record": one(
        schema(Field("a", _record(Field("y", INT, nullable=True)), nullable=True)),
        [op.require("a.y")],
        {"a": None},
        {"a": {"y": 1}},
    ),
    "a cast fails only where its record is": one(
        schema(Field("a", _record(Field("y", TEXT)), nullable=True)),
        [op.derive("a.n", "string", sql="'no number'"), op.cast("a.y", "int64")],
        {"a": None},
        {"a": {"y": "5"}},
    ),
    "a cast is undone": one(
        schema(Field("t", TEXT), Field("d", Float(64)), Field("m", Decimal(9, 2)), Field("z", Timestamp("us", "UTC"))),
        [op.cast("t", "int64"), op.cast("d", "int64"), op.cast("m", "string"), op.cast("z", "string")],
        {"t": "12", "d": 3.0, "m": Number("1.50"), "z": 1_577_836_800_123_456},
    ),
    "a cast refuses what it would round": one(schema(Field("d", Float(64))), [op.cast("d", "int64")], {"d": 2.0}, {"d": 2.6}),
    "a cast refuses text that is not canonical": one(schema(Field("t", TEXT)), [op.cast("t", "int64")], {"t": "007"}),
    "a failed cast becomes null": one(schema(Field("t", TEXT)), [op.cast("t", "int64", on_error="null")], {"t": "x"}, {"t": "1"}),
    "nulls are filled": one(
        schema(Field("t", Enum(("x", "y")), nullable=True)), [op.require("t", fill="y")], {"t": None}, {"t": "x"}
    ),
    "inside lists": one(
        LISTS,
        [op.rename("items[].price", to="cost"), op.cast("items[].n", "int32"), op.derive("items[].d", "double", sql="cost * 2")],
        *LIST_ROWS,
    ),
    "inside maps": one(
        schema(Field("m", Map(Field("value", INT, nullable=True)), nullable=True)),
        [op.cast("m{}", "string"), op.rename("m", to="n")],
        {"m": {"a": 1, "": None}},
        {"m": None},
        {"m": {}},
    ),
    "SQL beside other fields in a list that was filled": one(
        LISTS, [op.require("items", fill=[]), op.derive("items[].twice", "double", sql="price * 2")], *LIST_ROWS
    ),
    "SQL of another type than what stands first in a list that was filled": one(
        LISTS, [op.require("items", fill=[]), op.derive("items[].ns", "list<string?>", sql="[n, NULL]")], *LIST_ROWS
    ),
    "SQL beside other fields in a map that was filled": one(
        schema(Field("m", Map(Field("value", _record(Field("d", Decimal(9, 2))), nullable=True)), nullable=True)),
        [op.require("m", fill={}), op.derive("m{}.t", "string", sql="d::VARCHAR")],
        {"m": None},
        {"m": {"": None, "a": {"d": Number("1.50")}}},
    ),
    "a cast that gave nulls, in maps that may be null": one(
        schema(Field("m", Map(Field("value", Map(Field("value", Timestamp("ms"))))), nullable=True)),
        [op.allow_null("m{}"), op.cast("m{}{}", "date", on_error="null")],
        {"m": None},
        {"m": {"a": {}, "b": {"c": -1, "d": 0}}},
    ),
    "required again where it was filled and opened": one(
        schema(Field("m", Map(Field("value", Map(Field("value", Float(64))), nullable=True)), nullable=True)),
        [op.require("m{}", fill={}), op.allow_null("m{}{}"), op.allow_null("m{}"), op.require("m{}")],
        {"m": None},
        {"m": {"a": None, "b": {"c": 1.5}}},
    ),
    "SQL over lists and maps of records of a part of a batch": one(
        schema(
            Field("l", List(Field("item", _record(Field("f0", INT))))),
            Field("m", Map(Field("value", _record(Field("f0", INT, nullable=True))))),
        ),
        [op.derive("n", "int64", sql="len(l) + l[1].f0"), op.derive("o", "int64", sql="m['a'].f0")],
        {"l": [{"f0": 1}, {"f0": 2}], "m": {"a": {"f0": None}, "b": {"f0": 7}}},
        {"l": [{"f0": 3}], "m": {"": {"f0": 4}, "a": {"f0": 5}}},
        {"l": [{"f0": 6}, {"f0": 8}], "m": {"a": {"f0": 9}}},
    ),
    "names that differ by case": one(
        CASED,
        [op.cast("id", "string"), op.rename("s.A", to="B"), op.derive("s.c", "int64", sql='"a" + 1'), op.rename("ID", to="key")],
        *CASED_ROWS,
    ),
    "one value used many times": one(
        schema(Field("a", INT)), [op.derive("a", "int64", sql="a * 2 + a", replace=True)] * 12, {"a": 1}, {"a": 2}
    ),
    "lambda parameters hide nothing": one(
        schema(Field("xs", List(Field("item", INT))), Field("y", INT)),
        [op.derive("z", "list<int64?>", sql="list_transform(xs, lambda c1: c1 + y)"), op.derive("w", "int64", sql="y * 2")],
        {"xs": [1, 2], "y": 10},
        {"xs": [], "y": 20},
    ),
    "values through a table": one(
        schema(Field("t", TEXT, nullable=True), Field("e", Enum(("x", "y")))),
        [op.map_values("t", {"a": "b", "b": "a"}, otherwise="keep"), op.map_values("e", {"x": "one", "y": "two"})],
        {"t": "a", "e": "x"},
        {"t": None, "e": "y"},
        {"t": "c", "e": "x"},
    ),
    "a table refuses what it does not name": one(
        schema(Field("t", TEXT)), [op.map_values("t", {"a": "b"})], {"t": "a"}, {"t": "c"}
    ),
    "two values become one": one(schema(Field("t", TEXT)), [op.map_values("t", {"a": "c", "b": "c"})], {"t": "a"}, {"t": "b"}),
    "a text is split and joined": one(
        schema(Field("t", TEXT, nullable=True)),
        [op.split("t", into={"n": "int64", "m": "string"}, by=":")],
        {"t": "12:b"},
        {"t": None},
    ),
    "rounded, and declared so": one(
        schema(Field("m", Decimal(9, 2))), [op.cast("m", "decimal(9,1)", rounding="half_even")], {"m": Number("1.55")}
    ),
    "lists of one": one(
        schema(Field("t", TEXT, nullable=True), Field("l", List(Field("item", INT)))),
        [op.wrap("t", null="empty"), op.head("l")],
        {"t": "a", "l": [1]},
        {"t": None, "l": []},
    ),
    "lists and maps of what is only carried are filled": one(
        schema(
            Field("m", Map(Field("value", Json())), nullable=True), Field("l", List(Field("item", Decimal(76, 5))), nullable=True)
        ),
        [op.require("m", fill={}), op.require("l", fill=[])],
        {"m": None, "l": [Number("1.00000")]},
        {"m": {"k": "[1]"}, "l": None},
    ),
    "swapped names": one(
        schema(Field("p", INT), Field("q", TEXT)),
        [op.rename("p", to="t"), op.rename("q", to="p"), op.rename("t", to="q")],
        {"p": 1, "q": "one"},
    ),
}

_ANY = {"any": [1, "thing"]}
OPEN = schema(
    Field("a", _record(Field("y", INT, optional=True)), nullable=True, optional=True), Field("x", INT, nullable=True, optional=True)
)
MISSING_KEYS: dict[str, Case] = {
    "missing keys stay missing": one(OPEN, [op.rename("x", to="X"), op.cast("X", "string")], {}, {"x": None}, {"x": 1}, {"a": {}}),
    "unknown keys stay": one(OPEN, [op.rename("a.y", to="z")], {"a": {"y": 1, "other": _ANY}, "more": _ANY}, {"more": None}),
    "an unknown key is in the way": one(OPEN, [op.add("k", "int64", default=1)], {"x": 1}, {"k": _ANY}),
    "dropped keys go": one(OPEN, [op.drop("x")], {"x": 1, "more": _ANY}, {}),
    "missing keys are filled": one(OPEN, [op.require("x", fill=9)], {}, {"x": None}, {"x": 4}),
    "a missing key is refused": one(OPEN, [op.require("x")], {"x": 1}, {}),
    "SQL sees null for missing": one(OPEN, [op.derive("d", "string", sql="coalesce(x::VARCHAR, 'none')")], {}, {"x": 3}),
    "a missing record leaves what was in it": one(OPEN, [op.add("a.n", "int64", default=1), op.move("a.n", to="n")], {}, {"a": {}}),
    "an emptied record goes with its unknown keys": one(
        OPEN, [op.move("a.y", to="y", emptied="drop")], {"a": {"y": 1, "other": _ANY}, "more": _ANY}, {"a": {}}, {"a": None}, {}
    ),
    "into a record that may be missing": one(
        OPEN, [op.move("x", to="a.x", where_null="drop")], {"x": 1, "a": {"other": _ANY}}, {"x": 2, "a": None}, {"x": 3}
    ),
}
