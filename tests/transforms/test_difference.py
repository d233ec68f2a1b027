"""What differs between two schemas: by the mapping between them, and without one by the names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import field

from instar.formats.schema import MISSING, Enum, Field, List, Record, Reference, Schema, schema
from instar.transforms import operations as op
from instar.transforms.difference import Difference, difference
from instar.transforms.mapping import Operation, chain

FLIGHT = schema(
    field("a", "int64"),
    field("b", "string?", doc="About b."),
    field("c", "record{x: int32, y: int32, z: int32}"),
    field("d", "list<record{p: double, q: double}>"),
    field("e", "date"),
)


def found(old: Schema, new: Schema, *operations: Operation) -> list[str]:
    tops, types = difference(old, new, chain(old, operations) if operations else None)
    return [text for top in (*tops, *types.values()) for line in top.every() if (text := told(line))]


def told(line: Difference) -> str:
    from instar.formats.path import path_text

    if line.kind == "same":
        return ""
    old, new = (None if path is None else path_text(path) for path in (line.old_path, line.new_path))
    match line.kind:
        case "added":
            sources = ", ".join(path_text(path) for path in line.sources)
            return f"+ {new}: {line.new_type}" + (f" from {sources}" if sources else "")
        case "removed":
            return f"- {old}: {line.old_type}"
        case _:
            types = line.old_type if line.old_type == line.new_type else f"{line.old_type} → {line.new_type}"
            return f"~ {old} → {new}: {types} ({', '.join(line.what)})"


def after(*operations: Operation) -> list[str]:
    return found(FLIGHT, chain(FLIGHT, operations).target, *operations)


def test_the_same_schemas_do_not_differ() -> None:
    assert found(FLIGHT, FLIGHT) == []
    assert after(op.rename("a", to="b2"), op.rename("b2", to="a")) == []


@pytest.mark.parametrize(
    ("operations", "lines"),
    [
        ([op.rename("a", to="n")], ["~ a → n: int64 (renamed)"]),
        ([op.cast("a", "string")], ["~ a → a: int64 → string (type)"]),
        ([op.rename("a", to="n"), op.cast("n", "string")], ["~ a → n: int64 → string (renamed, type)"]),
        ([op.map_values("a", {1: 2}, otherwise="null")], ["~ a → a: int64 → int64? (type)"]),
        ([op.require("b")], ["~ b → b: string? → string (type)"]),
        ([op.drop("a")], ["- a: int64"]),
        ([op.add("n", "string", default="x", after="a")], ["+ n: string"]),
        ([op.drop("a"), op.rename("b", to="a")], ["- a: int64", "~ b → a: string? (renamed)"]),
        ([op.move("a", to="c.a")], ["~ a → c.a: int64 (moved)"]),
        ([op.move("a", to="k.l.a")], ["+ k: record", "+ k.l: record", "~ a → k.l.a: int64 (moved)"]),
        ([op.move("c.x", to="x")], ["~ c.x → x: int32 (moved)"]),
        ([op.rename("c", to="k"), op.drop("k.y")], ["~ c → k: record (renamed)", "- c.y: int32"]),
        ([op.rename("d[].p", to="price")], ["~ d[].p → d[].price: double (renamed)"]),
        (
            [op.cast("d[].q", "string"), op.rename("d", to="l")],
            ["~ d → l: list<record> (renamed)", "~ d[].q → l[].q: double → string (type)"],
        ),
        ([op.derive("n", "int64", sql="a + length(b)")], ["+ n: int64? from a, b"]),
        ([op.derive("d[].n", "double", sql="p + q"), op.drop("d[].p")], ["- d[].p: double", "+ d[].n: double? from d[].p, d[].q"]),
        (
            [op.split("b", into={"l": "string", "r": "string"}, by="-")],
            ["- b: string?", "+ l: string? from b", "+ r: string? from b"],
        ),
        ([op.split("b", into={"l": "string", "b2": "string"}, by="-", keep=True)], ["+ l: string? from b", "+ b2: string? from b"]),
        ([op.merge(["c.x", "c.y"], to="xy", by="-")], ["- c.x: int32", "- c.y: int32", "+ c.xy: string from c.x, c.y"]),
        ([op.wrap("a"), op.rename("a", to="l")], ["~ a → l: int64 → list<int64> (renamed, type)"]),
        ([op.set_tag("a", "pii"), op.set_doc("e", "About e.")], ["~ a → a: int64 (tags)", "~ e → e: date (doc)"]),
        ([op.reorder(["e"])], ["~  → : record (order)"]),
        ([op.derive("a", "int64", sql="a + 1", replace=True)], ["~ a → a: int64 → int64? (type)"]),
        (
            [op.move("c.x", to="x"), op.move("c.y", to="y"), op.move("c.z", to="z")],
            ["- c: record", "~ c.x → x: int32 (moved)", "~ c.y → y: int32 (moved)", "~ c.z → z: int32 (moved)"],
        ),
    ],
    ids=lambda value: None if isinstance(value[0], str) else " ".join(map(str, value))[:60],
)
def test_scripts_say_which_field_became_which(operations: list[Operation], lines: list[str]) -> None:
    assert after(*operations) == lines


def test_without_scripts_a_new_name_is_another_field() -> None:
    new = chain(FLIGHT, [op.rename("a", to="n"), op.cast("e", "string"), op.drop("c.y")]).target
    assert found(FLIGHT, new) == ["- a: int64", "+ n: int64", "- c.y: int32", "~ e → e: date → string (type)"]


def test_what_went_stands_where_it_stood() -> None:
    tops, _ = difference(FLIGHT, chain(FLIGHT, [op.drop("b"), op.drop("c")]).target, None)
    assert [(line.kind, line.old_path) for line in tops] == [
        ("same", ("a",)), ("removed", ("b",)), ("removed", ("c",)), ("same", ("d",)), ("same", ("e",)),
    ]  # fmt: skip


def test_all_that_a_field_says_is_compared() -> None:
    old = schema(field("a", "int64"))
    for change, what in (
        ({"doc": "New."}, "doc"),
        ({"tags": ("pii",)}, "tags"),
        ({"default": 1}, "default"),
        ({"optional": True}, "optional"),
        ({"nullable": True}, "type"),
    ):
        (line,), _ = difference(old, schema(field("a", "int64", **change)), None)
        assert line.what == (what,)
    nan = schema(field("a", "double", default=float("nan")))
    assert found(nan, schema(field("a", "double", default=float("nan")))) == []
    assert MISSING != "MISSING"
    assert found(old, schema(field("a", "int64", default="MISSING"))) != []


def test_an_element_that_says_more_in_one_version_has_a_line_in_both() -> None:
    old = schema(field("a", "list<list<bytes>?>"))
    lines = ["~ a → a: list<list<bytes>?> → list<list<bytes>> (type)", "~ a[] → a[]: list<bytes>? → list<bytes> (type, default)"]
    assert found(old, chain(old, [op.require("a[]", fill=[])]).target, op.require("a[]", fill=[])) == lines


def test_another_order_is_told_at_the_record() -> None:
    a, b = field("a", "int64"), field("b", "int64")
    assert found(schema(a, b), schema(b, a)) == ["~  → : record (order)"]
    inner = [Schema(Field("", Record((Field("r", List(Field("item", Record(fields)))),)))) for fields in ((a, b), (b, a))]
    assert found(inner[0], inner[1]) == ["~ r → r: list<record> (order)"]


def test_a_named_type_may_be_defined_at_another_of_its_uses() -> None:
    address = Record((field("zip", "string"),), name="Address")
    home, work = Field("home", address), Field("work", Reference("Address"))
    turned = Field("work", address), Field("home", Reference("Address"))
    assert found(schema(home, work), schema(*turned)) == ["~  → : record (order)", "+ work.zip: string", "- home.zip: string"]
    kind = Enum(("A",), name="K")
    old = schema(Field("a", kind), Field("b", Reference("K")))
    new = schema(Field("a", replace(kind, symbols=("A", "B"))), Field("b", Reference("K")))
    assert found(old, new) == ["~ a → a: enum(A) <K> → enum(A, B) <K> (type)"]


def test_scripts_say_what_became_of_a_field_in_a_type_that_is_defined_apart() -> None:
    address = Field("", Record((field("zip", "string"), field("city", "string"))))
    uses = Field("home", Reference("Address")), Field("work", List(Field("item", Reference("Address"))))
    old = Schema(Field("", Record(uses)), {"Address": address})
    operations = op.rename("<Address>.zip", to="postcode"), op.cast("<Address>.postcode", "int32")
    new = chain(old, operations).target
    assert found(old, new, *operations) == ["~ <Address>.zip → <Address>.postcode: string → int32 (renamed, type)"]


def test_types_that_are_defined_apart_are_compared_by_name() -> None:
    tree = Field("", Record((field("n", "int64"),)))
    old = Schema(Field("", Record((Field("a", Reference("tree")),))), {"tree": tree, "gone": tree})
    new = replace(old, definitions={"tree": Field("", Record((field("n", "string"),))), "new": tree})
    assert found(old, new) == [
        "~ <tree>.n → <tree>.n: int64 → string (type)",
        "- <gone>: record",
        "- <gone>.n: int64",
        "+ <new>: record",
        "+ <new>.n: int64",
    ]
