"""A mapping taken apart: what is copied, constant and computed; and the computed part alone against the whole."""

from __future__ import annotations

import pyarrow as pa
import pytest

from instar import op
from instar.formats.format import format_named
from instar.formats.schema import MISSING, Field, Int, List, Record, Schema, String
from instar.transforms.apart import taken_apart
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.record import compile_fields, compile_records
from instar.transforms.mapping import chain, identity

SCHEMA = Schema(
    Field(
        "",
        Record(
            (
                Field("id", Int(64)),
                Field("name", String(), nullable=True),
                Field("inner", Record((Field("x", Int(64)), Field("y", Int(64)))), nullable=True),
                Field("items", List(Field("item", Int(32)))),
            )
        ),
    )
)


def test_what_is_renamed_moved_to_another_place_or_left_is_copied() -> None:
    mapping = chain(SCHEMA, [op.rename("id", to="key"), op.reorder(["name", "key"]), op.drop("items")])
    apart = taken_apart(mapping)
    assert apart is not None
    assert (dict(apart.copied), apart.constants, apart.part) == ({"name": "name", "key": "id", "inner": "inner"}, {}, None)


def test_a_default_is_constant_and_a_cast_computed_from_what_it_reads() -> None:
    mapping = chain(SCHEMA, [op.add("currency", "string", default="USD"), op.cast("id", "string"), op.drop("inner.y")])
    apart = taken_apart(mapping)
    assert apart is not None
    assert (set(apart.copied), apart.constants) == ({"name", "items"}, {"currency": "USD"})
    assert apart.part is not None
    assert (apart.part.target.record.names, apart.part.reads()) == (("id", "inner"), ("id", "inner"))


def test_what_is_now_required_is_not_copied() -> None:
    apart = taken_apart(chain(SCHEMA, [op.require("name", fill="?")]))
    assert apart is not None
    assert "name" not in apart.copied
    assert apart.part is not None


def test_data_that_are_no_records_are_not_taken_apart() -> None:
    assert taken_apart(identity(Schema(Field("", Int(64))))) is None


def test_the_computed_columns_are_as_in_the_whole_batch() -> None:
    mapping = chain(SCHEMA, [op.cast("id", "string"), op.drop("inner.y"), op.rename("name", to="title")])
    batch = pa.RecordBatch.from_pylist(
        [{"id": 7, "name": None, "inner": {"x": 1, "y": 2}, "items": [1]}, {"id": 8, "name": "b", "inner": None, "items": []}],
        schema=pa.schema(
            {
                "id": pa.int64(),
                "name": pa.string(),
                "inner": pa.struct({"x": pa.int64(), "y": pa.int64()}),
                "items": pa.list_(pa.int32()),
            }
        ),
    )
    apart = taken_apart(mapping)
    assert apart is not None
    assert apart.part is not None
    whole = compile_batches(mapping)(batch)
    part = compile_batches(apart.part)(batch.select(apart.part.reads()))
    assert part.schema.names == ["id", "inner"]
    for name in part.schema.names:
        assert part.column(name).equals(whole.column(name))


@pytest.mark.parametrize("text", [b'{"id":7,"name":"a","inner":{"x":1,"y":2},"items":[1]}', b'{"id":7,"inner":null,"items":[]}'])
def test_the_computed_fields_are_as_in_the_whole_record(text: bytes) -> None:
    mapping = chain(SCHEMA, [op.derive("twice", "int64", sql="id * 2"), op.cast("id", "string"), op.drop("inner.y")])
    apart = taken_apart(mapping)
    assert apart is not None
    assert apart.part is not None
    values = format_named("json").values(mapping.source, mapping.target)
    opened = values.opener(mapping.source.root)
    record = opened(text)
    read = {name: record[name] for name in apart.part.reads() if name in record}
    ((found),) = compile_fields(apart.part, values)([read])
    (whole,) = compile_records(mapping, values)([text])
    expected = values.opener(mapping.target.root)(bytes(whole))
    names = apart.part.target.record.names
    assert [b"null" if raw is None else bytes(raw) for raw in found] == [bytes(expected[name]) for name in names]


def test_a_missing_key_is_missing_among_the_computed_fields() -> None:
    optional = Schema(Field("", Record((Field("id", Int(64), optional=True), Field("b", String())))))
    mapping = chain(optional, [op.cast("id", "string")])
    apart = taken_apart(mapping)
    assert apart is not None
    assert apart.part is not None
    values = format_named("json").values(mapping.source, mapping.target)
    assert compile_fields(apart.part, values)([{}]) == [(MISSING,)]
