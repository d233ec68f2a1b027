"""Logical ⇄ pyarrow: every Arrow type goes to the logical schema and comes back the same."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from instar.formats.arrow import arrow_field, arrow_schema, arrow_type, logical_field, logical_schema
from instar.formats.errors import SchemaError
from instar.formats.fingerprint import fingerprint
from instar.formats.schema import Decimal, Field, List, Map, Other, Record, Reference, String, Timestamp, type_text
from instar.formats.typetext import parse_type

EVERY_TYPE = [
    pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(),
    pa.binary_view(), pa.binary(7), pa.binary(0), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"),
    pa.time64("ns"), *(pa.timestamp(u, tz) for u in ("s", "ms", "us", "ns") for tz in (None, "UTC", "Europe/Paris", "+02:00")),
    *(pa.duration(u) for u in ("s", "ms", "us", "ns")), pa.decimal32(9, 2), pa.decimal64(18, 0), pa.decimal128(38, 5),
    pa.decimal128(5, -2), pa.decimal256(76, 10), pa.decimal256(5, 2), pa.month_day_nano_interval(),
    pa.list_(pa.int8()), pa.list_(pa.field("element", pa.int8(), nullable=False)), pa.large_list(pa.string()),
    pa.list_(pa.float32(), 3), pa.list_view(pa.int8()), pa.large_list_view(pa.int8()),
    pa.struct([pa.field("a", pa.int8()), pa.field("b", pa.string(), nullable=False)]), pa.struct([]),
    pa.map_(pa.string(), pa.int8()), pa.map_(pa.int32(), pa.struct([pa.field("x", pa.int8())]), keys_sorted=True),
    pa.map_(pa.field("k", pa.large_string(), nullable=False), pa.field("v", pa.int8(), nullable=False)),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.uint16(), pa.large_string(), ordered=True),
    pa.dictionary(pa.int32(), pa.list_(pa.int8())), pa.list_(pa.dictionary(pa.int8(), pa.string())),
    pa.union([pa.field("i", pa.int8()), pa.field("s", pa.string())], mode="dense"),
    pa.union([pa.field("i", pa.int8()), pa.field("s", pa.string())], mode="sparse", type_codes=[5, 9]),
    pa.run_end_encoded(pa.int16(), pa.string()), pa.uuid(), pa.json_(), pa.bool8(), pa.fixed_shape_tensor(pa.int8(), [2, 2]),
    pa.opaque(pa.int8(), "a", "b"),
]  # fmt: skip


@pytest.mark.parametrize("type", EVERY_TYPE, ids=str)
@pytest.mark.parametrize("nullable", [True, False])
def test_every_arrow_type_comes_back(type: pa.DataType, nullable: bool) -> None:
    nullable = nullable or type == pa.null()
    for nested in (type, pa.list_(pa.field("element", type, nullable)), pa.struct([pa.field("a.b", type, nullable)])):
        given = pa.field('odd "name"', nested, nullable, {b"PARQUET:field_id": b"7", b"raw": b"\xff\x00"})
        back = arrow_field(logical_field(given))
        assert back.type == given.type
        kept = {key: value for key, value in (back.metadata or {}).items() if not key.startswith(b"ARROW:extension")}
        assert (back.name, back.nullable, kept) == (given.name, given.nullable, given.metadata)
        assert back.type.equals(given.type, check_metadata=True) or isinstance(type, pa.BaseExtensionType)


def test_what_storage_means() -> None:
    assert logical_field(pa.field("a", pa.dictionary(pa.int8(), pa.large_string()))).type == String()
    assert logical_field(pa.field("a", pa.decimal256(5, 2))).type == Decimal(5, 2)
    assert logical_field(pa.field("a", pa.list_(pa.int8(), 3))).type == logical_field(pa.field("a", pa.list_(pa.int8()))).type
    assert isinstance(logical_field(pa.field("a", pa.month_day_nano_interval())).type, Other)
    assert type_text(logical_field(pa.field("a", pa.uuid())).type) == "uuid"
    assert logical_field(pa.field("a", pa.map_(pa.int32(), pa.int8()))).type == Map(
        Field("value", parse_type("int8"), True), parse_type("int32")
    )


def test_fingerprint_leaves_storage_out() -> None:
    plain = pa.schema([pa.field("a", pa.list_(pa.string())), pa.field("b", pa.decimal128(5, 2), nullable=False)])
    stored = pa.schema([pa.field("b", pa.decimal256(5, 2)), pa.field("a", pa.large_list(pa.field("element", pa.string_view())))])
    assert fingerprint(logical_schema(plain)) == fingerprint(logical_schema(stored))


TYPES = ["int8", "uint64", "half", "decimal(10,2)", "decimal(40,2)", "string", "fixed(3)", "date", "time(ms)", "time(ns)",
         "timestamp(ms)", "timestamp(us, UTC)", "duration(s)", "uuid", "json", "list<int8?>", "map<string>", "map<int32, double?>",
         "record{a: int8?, b: list<record{c: string}>}", "null", "bool", "union<int8, string>", "integer", "number", "enum(A, B)",
         'list<enum("in progress", done)?>']  # fmt: skip


@pytest.mark.parametrize("text", TYPES)
def test_logical_types_come_back(text: str) -> None:
    made = arrow_field(Field("x", parse_type(text), doc="what it is", tags=("pii", "é")))
    back = logical_field(made)
    assert type_text(back.type) == text
    assert (back.doc, back.tags) == ("what it is", ("pii", "é"))


@pytest.mark.parametrize(("type", "word"), [(Reference("a"), "write the type out"), (Other("?"), "Arrow's own")])
def test_types_arrow_does_not_have_are_refused_with_advice(type: object, word: str) -> None:
    with pytest.raises(SchemaError) as caught:
        arrow_field(Field("x", List(Field("item", type))))  # type: ignore[arg-type]
    assert word in caught.value.hint
    assert "Arrow has no type" in caught.value.message


def test_stale_storage_never_changes_what_a_field_means() -> None:
    for stored in EVERY_TYPE:
        old = logical_field(pa.field("a", stored))
        if not isinstance(old.type, Other):
            assert arrow_field(old.with_(type=Timestamp("ms"))).type == pa.timestamp("ms"), stored
    assert arrow_type(Decimal(76, 1)) == pa.decimal256(76, 1)


def test_doc_and_tags_follow_the_field_and_keep_the_order_of_metadata() -> None:
    given = pa.field("a", pa.int8(), metadata={b"one": b"1", b"instar.doc": b"old", b"two": b"2"})
    field = logical_field(given)
    assert field.doc == "old"
    assert list((arrow_field(field.with_(doc="new")).metadata or {}).items()) == [
        (b"one", b"1"),
        (b"instar.doc", b"new"),
        (b"two", b"2"),
    ]
    assert arrow_field(field.with_(doc="")).metadata == {b"one": b"1", b"two": b"2"}


def test_schema_metadata_and_duplicates() -> None:
    given = pa.schema([pa.field("a", pa.int8())], metadata={b"k": b"v", b"j": json.dumps({"a": 1}).encode()})
    assert arrow_schema(logical_schema(given)).equals(given, check_metadata=True)
    with pytest.raises(SchemaError, match="two fields with one name"):
        logical_schema(pa.schema([pa.field("a", pa.int8()), pa.field("a", pa.int8())]))


def test_records_keep_their_fields_order() -> None:
    type = logical_field(pa.field("r", pa.struct([pa.field("z", pa.int8()), pa.field("a", pa.int8())]))).type
    assert isinstance(type, Record)
    assert type.names == ("z", "a")
