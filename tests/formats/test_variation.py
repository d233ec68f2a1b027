"""What is said of a file that differs from its version only in what the structure leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import field

from instar.formats.schema import Field, List, Record, Reference, Schema, schema
from instar.formats.variation import variation

VERSION = schema(field("a", "int64"), field("b", "string"), field("c", "list<record{x: int32, y: string}>"))
A, B, C = VERSION.record.fields


def inside(change: Field) -> Field:
    """`c`, with another field for `c[].x`."""
    assert isinstance(C.type, List)
    assert isinstance(C.type.item.type, Record)
    _, y = C.type.item.type.fields
    return C.with_(type=List(C.type.item.with_(type=Record((change, y)))))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (schema(A, B, C), ""),
        (schema(B, A, C), "order of columns"),
        (schema(A.with_(nullable=True), B, C), "nullability of a"),
        (schema(A, B.with_(extra={"arrow": "large_string"}), C.with_(doc="new")), "storage of b; docs of c"),
        (schema(A, B.with_(default="x"), inside(field("x", "int32", doc="of x"))), "default of b; docs of c[].x"),
        (schema(*(f.with_(tags=("pii",)) for f in (A, B)), C), "tags of a, b"),
        (replace(VERSION, root=VERSION.root.with_(extra={"key": "values"}, doc="of the file")), ""),
    ],
)
def test_each_kind_of_difference_is_told_with_its_places(file: Schema, said: str) -> None:
    assert variation(file, VERSION) == said


def test_many_places_are_counted() -> None:
    many = schema(*(field(f"f{i}", "string") for i in range(7)))
    loose = schema(*(f.with_(nullable=True) for f in many.record.fields))
    assert variation(loose, many) == "nullability of f0, f1, f2 and 4 more"


def test_a_type_that_holds_itself_is_walked_once() -> None:
    def chained(doc: str) -> Schema:
        node = Record((field("value", "int64", doc=doc), Field("next", Reference("Node"), True)), "Node")
        return replace(schema(Field("head", Reference("Node"))), definitions={"Node": Field("Node", node)})

    assert variation(chained("one"), chained("two")) == "docs of head.value"
