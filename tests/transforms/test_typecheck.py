"""What could not be written or proved is refused before any data is touched."""

from __future__ import annotations

import pytest

from instar.formats.errors import MigrationError
from instar.formats.format import format_named
from instar.formats.schema import Field, Int, List, Record, schema
from instar.transforms import operations as op
from instar.transforms.mapping import chain
from instar.transforms.typecheck import type_check

BEFORE = schema(Field("a", Int(64)), Field("items", List(Field("item", Record((Field("n", Int(32)),))))))


@pytest.mark.parametrize(
    ("format", "type", "says"),
    [
        ("parquet", "time(s)", "time(ms)"),
        ("parquet", "timestamp(s, UTC)", "timestamp(ms, UTC)"),
        ("parquet", "union<int32, string>", "unions"),
        ("parquet", "json", "string"),
        ("parquet", "list<timestamp(s)>", "timestamp(ms)"),
        ("parquet", "decimal(40,2)", "38 digits"),
        ("avro", "decimal(40,2)", "38 digits"),
        ("avro", "record{x: list<decimal(39,0)>}", "38 digits"),
    ],
)
@pytest.mark.parametrize("path", ["new", "items[].new"])
def test_a_field_that_cannot_be_held_or_proved_is_refused(format: str, type: str, says: str, path: str) -> None:
    mapping = chain(BEFORE, [op.add(path, type, nullable=True)])
    with pytest.raises(MigrationError) as error:
        type_check(mapping, format_named(format))
    assert path in error.value.message
    assert says in error.value.hint


@pytest.mark.parametrize("format", ["parquet", "avro"])
def test_what_can_be_held_passes(format: str) -> None:
    type_check(chain(BEFORE, [op.add("new", "timestamp(ms, UTC)"), op.rename("items[].n", to="m")]), format_named(format))
