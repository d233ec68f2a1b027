"""The schema of an Avro file's header, held against the one that was to be written."""

from __future__ import annotations

from typing import Any

import pytest

from instar.formats.path import path_text
from instar.formats.schema import Field, Int, List, Map, Record, Reference, Schema
from instar.transforms.proof.avro_header import misfits

NODE = Record((Field("v", Int(32)),), name="N")
FIRST, SECOND, LAST = (
    Field("a", Map(Field("value", Reference("N")))),
    Field("b", List(Field("item", NODE))),
    Field("c", Reference("N")),
)


@pytest.mark.parametrize("uses", [(FIRST, SECOND, LAST), (FIRST, LAST)], ids=["later", "apart"])
def test_a_type_may_be_defined_at_an_earlier_use_than_in_the_target(uses: tuple[Field, ...]) -> None:
    target = Schema(Field("", Record(uses)), {"N": Field("", NODE)})
    inside: dict[str, Any] = {"name": "v", "type": "int"}
    defined = {"type": "record", "name": "N", "fields": [inside]}
    types = {"a": {"type": "map", "values": defined}, "b": {"type": "array", "items": "N"}, "c": "N"}
    header = {"type": "record", "name": "Top", "fields": [{"name": f.name, "type": types[f.name]} for f in uses]}
    assert list(misfits(header, target)) == []
    inside["type"] = "long"
    assert path_text(next(misfits(header, target))[0]) == "a{}.v"
