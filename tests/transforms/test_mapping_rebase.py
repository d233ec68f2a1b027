"""One mapping over another schema of the same structure: a variant's at its source, the registered one at its target."""

from __future__ import annotations

import pytest

from instar.formats.errors import MigrationError
from instar.formats.path import path_text
from instar.formats.schema import Field, Int, List, Record, Reference, Schema, String, schema
from instar.transforms import operations as op
from instar.transforms.mapping import chain, identity
from tests.reference import evaluate

I64, STR = Int(64), String()


def test_a_variant_keeps_its_storage_and_the_target_its_order():
    file = schema(
        Field("x", I64, extra={"id": 7}),
        Field("r", Record((Field("q", I64, extra={"id": 8}), Field("p", I64)))),
        Field("l", List(Field("item", Record((Field("n", STR), Field("m", STR, extra={"large": True})))))),
        Field("c", I64, extra={"id": 9}),
    )
    version = schema(
        Field("x", I64, nullable=True),
        Field("c", I64),
        Field("r", Record((Field("p", I64), Field("q", I64)))),
        Field("l", List(Field("item", Record((Field("m", STR), Field("n", STR)))))),
    )
    mapping = chain(version, [op.rename("x", to="y"), op.cast("c", "string")]).rebased(file)
    assert mapping.source == file
    assert mapping.target.record.names == ("y", "c", "r", "l")
    y, c, r, items = mapping.target.record.fields
    assert (y.nullable, y.extra) == (True, {"id": 7})
    assert c.extra == {}
    assert [f.name for f in r.type.fields] == ["p", "q"]  # type: ignore[union-attr]
    assert r.type["q"].extra == {"id": 8}  # type: ignore[index]
    row = {"x": 1, "r": {"q": 2, "p": 3}, "l": [{"n": "n", "m": "m"}], "c": 4}
    out = evaluate(mapping, row)
    assert out == {"y": 1, "c": "4", "r": {"p": 3, "q": 2}, "l": [{"m": "m", "n": "n"}]}
    assert list(out["r"]) == ["p", "q"]
    assert list(out["l"][0]) == ["m", "n"]
    assert items.type.item.type["m"].extra == {"large": True}  # type: ignore[union-attr]
    untouched = {path_text(a): path_text(b) for a, b in mapping.untouched().items()}
    assert "y" not in untouched  # its nullability is the registered one now
    assert untouched["r.q"] == "r.q"


def test_a_file_of_another_structure_cannot_be_rebased():
    with pytest.raises(MigrationError, match="x is missing"):
        identity(schema(Field("x", I64))).rebased(schema(Field("a", I64)))


def test_a_mapping_takes_on_the_registered_docs():
    registered = schema(Field("y", I64, doc="the y", default=3))
    mapping = chain(schema(Field("x", I64)), [op.rename("x", to="y")]).onto(registered)
    assert mapping.target == registered
    assert mapping.target.record["y"].doc == "the y"
    for wrong, message in [
        (schema(Field("y", STR)), "y is int64, not string"),
        (schema(Field("y", I64, nullable=True)), r"y is int64, not int64\?"),
        (schema(Field("y", I64, optional=True)), "the key y may be missing"),
    ]:
        with pytest.raises(MigrationError, match=message):
            chain(schema(Field("x", I64)), [op.rename("x", to="y")]).onto(wrong)
    with pytest.raises(MigrationError, match="come in the order x, z, not z, x"):
        identity(schema(Field("x", I64), Field("z", I64))).onto(schema(Field("z", I64), Field("x", I64)))


def test_what_a_computation_reads_of_a_named_type_is_not_what_the_type_has_come_to_be():
    """The computed field comes first, and reads the type as it was when the list in it was still one."""
    named = {"T": Field("", Record((Field("a", List(Field("item", I64)), tags=("old",)), Field("b", I64)), name="T"))}
    version = Schema(Field("", Record((Field("of", List(Field("item", Reference("T")))), Field("use", Reference("T"))))), named)
    operations = [
        op.unset_tag("<T>.a", "old"),
        op.derive("told", "string", sql="CASE WHEN \"of\" IS NULL THEN 'none' ELSE 'some' END", nullable=False, position=0),
        op.head("<T>.a", otherwise="null", empty="null"),
    ]
    mapping = chain(version, operations)
    assert mapping.rebased(version).target == mapping.target
    row = {"of": [{"a": [1], "b": 3}], "use": {"a": [], "b": 4}}
    migrated = {"told": "some", "of": [{"a": 1, "b": 3}], "use": {"a": None, "b": 4}}
    assert evaluate(mapping.rebased(version), row) == evaluate(mapping, row) == migrated
