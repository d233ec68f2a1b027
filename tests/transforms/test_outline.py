"""A schema as a tree: what has a line of its own, what stands on its parent's, and named types once."""

from __future__ import annotations

import json

from support import field

from instar.formats.format import format_named
from instar.formats.schema import Field, List, Record, Schema, String, Union, schema
from instar.transforms.outline import Node, defined, outline


def lines(nodes: tuple[Node, ...], depth: int = 0) -> list[str]:
    found = []
    for node in nodes:
        found += [f"{'  ' * depth}{node.name}: {node.type}", *lines(node.children, depth + 1)]
    return found


def test_lists_and_maps_share_the_line_of_their_field() -> None:
    given = schema(
        field("n", "int64"),
        field("tags", "list<string?>?"),
        field("items", "list<record{price: decimal(10,2), at: list<list<record{x: double?}?>>}?>"),
        field("by key", "map<map<record{a: int32}>>"),
    )
    assert lines(outline(given)) == [
        "n: int64",
        "tags: list<string?>?",
        "items: list<record?>",
        "  price: decimal(10,2)",
        "  at: list<list<record?>>",
        "    x: double?",
        '"by key": map<map<record>>',
        "  a: int32",
    ]
    price = outline(given)[2].children[0]
    assert price.as_json() == {
        "path": "items[].price", "type": "decimal(10,2)", "nullable": False, "optional": False, "doc": "", "tags": [], "fields": [],
    }  # fmt: skip


def test_an_element_that_says_more_has_a_line() -> None:
    given = schema(Field("tags", List(Field("item", String(), doc="One tag.", tags=("pii",)))))
    assert lines(outline(given)) == ["tags: list<string>", "  []: string"]


def test_a_unions_branches_have_lines_where_there_is_something_in_them() -> None:
    created = Field("Created", Record((field("id", "int64"),), name="Created"))
    plain = Union((field("string", "string"), field("long", "int64")))
    deep = Union((created, field("string", "string")))
    given = schema(Field("a", plain, nullable=True), Field("b", List(Field("item", deep))))
    assert lines(outline(given)) == [
        "a: union<string, int64>?",
        "b: list<union>",
        "  <Created>: record",
        "    id: int64",
        "  <string>: string",
    ]


def test_data_that_are_not_records_have_one_line() -> None:
    assert lines(outline(Schema(Field("", List(field("item", "int64")))))) == ["(value): list<int64>"]


AVRO = {
    "type": "record", "name": "shop.Node", "fields": [
        {"name": "next", "type": ["null", "Node"]},
        {"name": "home", "type": {"type": "record", "name": "Address", "fields": [{"name": "zip", "type": "string"}]}},
        {"name": "work", "type": "Address"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "once", "type": {"type": "record", "name": "Once", "fields": [{"name": "x", "type": "long"}]}},
    ],
}  # fmt: skip


def test_a_shared_or_recursive_type_is_shown_once_where_it_is_defined() -> None:
    given = format_named("avro").parse(json.dumps(AVRO))
    assert defined(given) == {}
    assert lines(outline(given)) == [
        "next: <shop.Node>?",
        "home: record <shop.Address>",
        "  zip: string",
        "work: <shop.Address>",
        "kind: enum(A, B)",
        "once: record",
        "  x: int64",
    ]


def test_types_that_are_defined_apart_are_shown_apart() -> None:
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"a": {"$ref": "#/$defs/tree"}, "b": {"$ref": "#/$defs/tree"}}, "required": ["a"],
        "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "n": {"type": "integer"}}}},
    }  # fmt: skip
    given = format_named("json").parse(json.dumps(document))
    (name,) = given.definitions
    assert lines(outline(given)) == [f"a: <{name}>", f"b: <{name}>"]
    assert [node.field.optional for node in outline(given)] == [False, True]
    assert lines(tuple(defined(given).values())) == [f"<{name}>: record", f"  left: <{name}>", "  n: integer"]


def test_defaults_are_json_where_json_has_them() -> None:
    given = schema(field("a", "bytes", default=b"\x00"), field("b", "double", default=float("nan")), field("c", "int8", default=1))
    assert [node.as_json()["default"] for node in outline(given)] == ["b'\\x00'", "nan", 1]
    json.dumps([node.as_json() for node in outline(given)], allow_nan=False)
