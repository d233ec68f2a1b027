"""Raw values: opened, decoded, encoded and sealed one level at a time; fastavro is the reference for the bytes."""

from __future__ import annotations

import io
import itertools
import json
import struct
from collections.abc import Iterator
from decimal import Decimal as Number
from typing import Any

import fastavro
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instar.formats.avro import FORMAT
from instar.formats.avro.container import long_bytes
from instar.formats.avro.values import AvroValues
from instar.formats.errors import DataError
from instar.formats.schema import MISSING, Field, Schema, schema
from instar.formats.typetext import parse_type


def binary(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def parsed(schema: Any) -> tuple[Schema, AvroValues]:
    found = FORMAT.parse(json.dumps(schema))
    return found, FORMAT.values(found, found)


def record(*fields: Any) -> Any:
    return {"type": "record", "name": "R", "fields": [{"name": f"f{i}", "type": t} for i, t in enumerate(fields)]}


UUID = "3fdbdf9b-2d0b-4ea5-9a9a-6f8bb9cdd2a1"
SCALARS: list[tuple[Any, Any, Any]] = [
    ("null", None, None),
    ("boolean", True, True),
    ("int", -(2**31), -(2**31)),
    ("long", 2**63 - 1, 2**63 - 1),
    ("long", -1, -1),
    ("float", 0.5, 0.5),
    ("double", 1e300, 1e300),
    ("string", "héé\U0001f600", "héé\U0001f600"),
    ("string", "x" * 300, "x" * 300),
    ("bytes", b"\x00\xff", b"\x00\xff"),
    ({"type": "fixed", "name": "F", "size": 3}, b"abc", b"abc"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
    ({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 3}, Number("-1.128"), Number("-1.128")),
    (
        {"type": "fixed", "name": "D", "size": 5, "logicalType": "decimal", "precision": 8, "scale": 2},
        Number("-0.01"),
        Number("-0.01"),
    ),
    ({"type": "string", "logicalType": "uuid"}, UUID, UUID),
    ({"type": "int", "logicalType": "date"}, -719162, -719162),
    ({"type": "int", "logicalType": "time-millis"}, 5, 5),
    ({"type": "long", "logicalType": "timestamp-micros"}, -62135596800000000, -62135596800000000),
    ({"type": "long", "logicalType": "local-timestamp-nanos"}, 7, 7),
    ({"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"}, b"\x01" * 12, b"\x01" * 12),
]


@pytest.mark.parametrize(("type", "written", "value"), SCALARS)
def test_scalars_are_decoded_as_stored_and_encoded_again(type: Any, written: Any, value: Any) -> None:
    schema, values = parsed(record(type))
    field = schema.record["f0"]
    raw = binary(type, written)
    opened = values.opener(schema.root)(raw)
    assert opened == {"f0": None if type == "null" else raw}
    decoded = values.decoder(field)(opened["f0"])
    assert decoded == value
    assert decoded.__class__ is value.__class__
    assert values.encoder(field)(decoded) == opened["f0"]
    assert values.sealer(schema.root)(None, opened) == raw


@pytest.mark.parametrize(
    ("text", "values", "misfits"),
    [
        ("int8", [-128, 127, 0], [128, -129]),
        ("uint16", [0, 65535], [-1, 65536]),
        ("uint32", [0, 2**32 - 1], [-1, 2**32]),
        ("uint64", [0, 127, 128, 2**63, 2**64 - 1], [-1, 2**64]),
        ("half", [0.5, -65504.0, float("inf"), 2.0**-24], [0.1, 65520.0, 1e300]),
        ("integer", [0, -7, 10**30], [True, 1.5, "7"]),
        ("number", [0, Number("1.5"), Number("-0.001"), 10**30], [float("nan"), Number("NaN"), Number("-0.0")]),
        ("time(s)", [0, 86399], ["x"]),
        ("timestamp(s)", [-1, 2**40], [2**63]),
        ("timestamp(us, Europe/Paris)", [0, 2**50], [1.0]),
        ("duration(ns)", [-(2**63), 2**63 - 1], [2**63]),
    ],
)
def test_types_that_avro_lacks_keep_their_values_and_their_range(text: str, values: list[Any], misfits: list[Any]) -> None:
    found = FORMAT.parse(FORMAT.render(schema(Field("f", parse_type(text), nullable=True))))
    field, access = found.record["f"], AvroValues(found, found)
    decode, encode = access.decoder(field), access.encoder(field)
    for value in values:
        assert decode(encode(value)) == value
        assert decode(encode(value)).__class__ is value.__class__
    for value in misfits:
        with pytest.raises(DataError):
            encode(value)


@pytest.mark.parametrize(
    ("text", "raw"),
    [("int8", long_bytes(128)), ("uint32", long_bytes(-1)), ("uint64", long_bytes(1) + b"\xff"), ("half", struct.pack("<f", 0.1)),
     ("integer", b"\x04" + b"07"), ("number", b"\x06" + b"1.0")],
)  # fmt: skip
def test_what_exceeds_the_named_type_in_a_file_is_a_data_error(text: str, raw: bytes) -> None:
    found = FORMAT.parse(FORMAT.render(schema(Field("f", parse_type(text)))))
    with pytest.raises(DataError):
        AvroValues(found, found).decoder(found.record["f"])(raw)


def test_a_precision_that_no_number_has_costs_nothing() -> None:
    schema, values = parsed(record({"type": "bytes", "logicalType": "decimal", "precision": 10**12, "scale": 2}))
    decode, encode = values.decoder(schema.record["f0"]), values.encoder(schema.record["f0"])
    assert encode(decode(b"\x04\x00\x64")) == b"\x02\x64"
    with pytest.raises(DataError, match="4300 digits"):
        decode(binary("bytes", b"\x7f" * 2000))


def test_decimals_keep_their_scale_and_fixed_uuids_are_text() -> None:
    schema, values = parsed(record({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}))
    assert str(values.decoder(schema.record["f0"])(b"\x04\x00\x64")) == "1.00"
    schema, values = parsed(record({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}))
    raw = bytes.fromhex(UUID.replace("-", ""))
    assert values.decoder(schema.record["f0"])(raw) == UUID
    assert values.encoder(schema.record["f0"])(UUID) == raw


def test_a_nullable_value_s_raw_is_without_the_index_wherever_null_stands() -> None:
    for type, raw in ((["null", "long"], b"\x02\x08"), (["long", "null"], b"\x00\x08")):
        schema, values = parsed(record(type))
        opened = values.opener(schema.root)(raw)
        assert opened == {"f0": b"\x08"}
        assert values.sealer(schema.root)(None, opened) == raw
        null = values.sealer(schema.root)(None, {"f0": None})
        assert values.opener(schema.root)(null) == {"f0": None}


def test_a_union_s_raw_survives_null_being_added_moved_and_taken_away() -> None:
    branches = ["int", "long", "float", "double", "string"]
    plain, _ = parsed(record(branches))
    raws = [binary("int", 3), binary("long", 3), binary("float", 3.0), binary("double", 3.0), binary("string", "3")]
    whole = [bytes([2 * i]) + raw for i, raw in enumerate(raws)]
    for at in range(6):
        target, _ = parsed(record([*branches[:at], "null", *branches[at:]]))
        there, back = FORMAT.values(plain, target), FORMAT.values(target, plain)
        for i, raw in enumerate(whole):
            opened = there.opener(plain.root)(raw)
            assert opened == {"f0": raw}
            sealed = there.sealer(target.root)(None, opened)
            assert sealed == bytes([2 * (i + (i >= at))]) + raw[1:]
            assert back.sealer(plain.root)(None, back.opener(target.root)(sealed)) == raw
            assert back.decoder(target.record["f0"])(opened["f0"]) == raw
        assert back.opener(target.root)(bytes([2 * at])) == {"f0": None}


def test_a_union_of_one_branch_has_an_index_too() -> None:
    schema, values = parsed(record(["int"], ["null"], "int"))
    raw = b"\x00\x06\x00\x08"
    opened = values.opener(schema.root)(raw)
    assert opened == {"f0": b"\x00\x06", "f1": None, "f2": b"\x08"}
    assert values.sealer(schema.root)(None, opened) == raw


def test_lists_and_maps_are_opened_whatever_their_blocks() -> None:
    schema, values = parsed(record({"type": "array", "items": ["null", "int"]}, {"type": "map", "values": "string"}))
    many_blocks = b"\x02" + b"\x02\x04" + b"\x03\x06" + b"\x00\x02\x08" + b"\x00"  # one item, then two in three bytes
    a_map = b"\x01\x08" + b"\x02a\x02x" + b"\x02" + b"\x04bb\x02y" + b"\x00"
    raw = many_blocks + a_map
    opened = values.opener(schema.root)(raw)
    assert opened == {"f0": many_blocks, "f1": a_map}
    items = values.opener(schema.record["f0"])(many_blocks)
    pairs = values.opener(schema.record["f1"])(a_map)
    assert items == [b"\x04", None, b"\x08"]
    assert pairs == {"a": b"\x02x", "bb": b"\x02y"}
    assert values.sealer(schema.record["f0"])(items, items) == b"\x06\x02\x04\x00\x02\x08\x00"
    assert values.sealer(schema.record["f1"])(pairs, pairs) == b"\x04\x02a\x02x\x04bb\x02y\x00"
    assert values.sealer(schema.record["f0"])(None, []) == b"\x00"
    assert values.decoder(schema.root)(raw) == {"f0": [2, None, 4], "f1": {"a": "x", "bb": "y"}}


def test_what_is_open_stays_and_null_stays_null() -> None:
    schema, values = parsed(record("int"))
    opened = values.opener(schema.root)(b"\x02")
    assert values.opener(schema.root)(opened) is opened
    assert values.opener(schema.root)(None) is None
    assert values.sealer(schema.root)(None, None) is None
    assert values.encoder(schema.record["f0"])(None) is None


def test_recursion_through_records_unions_lists_and_maps() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [
            {"name": "next", "type": ["null", "Node"]},
            {"name": "all", "type": {"type": "array", "items": "Node"}},
            {"name": "any", "type": ["string", "Node", {"type": "map", "values": "Node"}]},
        ],
    }
    leaf = {"next": None, "all": [], "any": "x"}
    value = {"next": leaf, "all": [leaf, {**leaf, "any": leaf}], "any": {"k": leaf}}
    schema, values = parsed(node)
    raw = binary(node, value)
    opened = values.opener(schema.root)(raw)
    assert values.sealer(schema.root)(None, opened) == raw
    assert values.opener(schema.record["next"])(opened["next"])["any"] == b"\x00\x02x"
    decoded = values.decoder(schema.root)(raw)
    assert decoded["all"][1]["next"] is None
    assert values.encoder(schema.root)(decoded) == raw


def test_fields_are_sealed_in_the_target_s_order_and_new_ones_encoded() -> None:
    source, _ = parsed(record("int", ["null", "string"], "double"))
    target = FORMAT.parse(json.dumps({**record("double", "string"), "fields": [
        {"name": "f2", "type": "double"}, {"name": "new", "type": ["null", "string"]}, {"name": "f1", "type": ["string", "null"]},
    ]}))  # fmt: skip
    values = FORMAT.values(source, target)
    opened = values.opener(source.root)(b"\x02\x02\x02z" + bytes(8))
    opened["new"] = values.encoder(target.record["new"])("USD")
    assert values.sealer(target.root)(opened, opened) == bytes(8) + b"\x02\x06USD" + b"\x00\x02z"
    assert values.sealer(target.root)(None, {"f2": bytes(8), "new": MISSING, "f1": None}) == bytes(8) + b"\x00\x02"
    assert values.sealer(target.root)(None, {"f2": bytes(8), "f1": None}) == bytes(8) + b"\x00\x02"


def test_null_or_missing_is_refused_where_a_value_is_required() -> None:
    schema, values = parsed(record("int", {"type": "array", "items": "int"}, {"type": "map", "values": "int"}))
    good = {"f0": b"\x02", "f1": b"\x00", "f2": b"\x00"}
    for name in good:
        for bad in ({**good, name: None}, {**good, name: MISSING}, {k: v for k, v in good.items() if k != name}):
            with pytest.raises(DataError) as caught:
                values.sealer(schema.root)(None, bad)
            assert caught.value.where is not None
            assert caught.value.where.path == name
    for name, bad in (("f1", [None]), ("f2", {"k": None})):
        with pytest.raises(DataError, match="null"):
            values.sealer(schema.record[name])(None, bad)


@pytest.mark.parametrize(
    ("type", "raw", "problem"),
    [
        ("boolean", b"\x02", "no boolean"),
        ("int", b"\x80\x80\x80\x80\x20", "32-bit"),
        ("long", b"\xff" * 10 + b"\x01", "10 bytes"),
        ("long", b"\xff" * 9 + b"\x7f", "64 bits"),
        ("long", b"\x80", "too early"),
        ("long", b"\x02\x02", "too many"),
        ("float", b"\x00" * 3, "3 bytes where 4"),
        ("string", b"\x02\xff", "UTF-8"),
        ("string", b"\x04x", "length"),
        ("string", b"\x01", "length"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02", "1 symbols"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 0}, b"\x02\x64", "2 digits"),
        (["int", "string"], b"\x04\x00", "2 branches"),
        ({"type": "array", "items": "int"}, b"\x04\x02\x00", "items|early|many"),
        ({"type": "map", "values": "int"}, b"\x04\x02a\x02\x02a\x02\x00", "'a' occurs twice"),
        ({"type": "map", "values": "int"}, b"\x02\x02\xff\x02\x00", "UTF-8"),
    ],
)
def test_faulty_values_are_data_errors(type: Any, raw: bytes, problem: str) -> None:
    schema, values = parsed(record(type))
    with pytest.raises(DataError, match=problem):
        values.decoder(schema.record["f0"])(raw)


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("boolean", 1),
        ("int", 2**31),
        ("int", True),
        ("long", 1.0),
        ("float", 0.1),
        ("float", 1e300),
        ("double", "1"),
        ("string", b"x"),
        ("string", "\ud800"),
        ("bytes", "x"),
        ({"type": "fixed", "name": "F", "size": 2}, b"x"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, Number("0.05")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, Number("100")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, Number("NaN")),
        ({"type": "string", "logicalType": "uuid"}, "no"),
        (["int", "string"], 5),
        ({"type": "array", "items": "int"}, [1, "x"]),
        ({"type": "map", "values": "int"}, {1: 2}),
    ],
)
def test_values_that_do_not_fit_are_data_errors(type: Any, value: Any) -> None:
    schema, values = parsed(record(type))
    with pytest.raises(DataError):
        values.encoder(schema.record["f0"])(value)


def test_storage_that_differs_inside_is_known() -> None:
    a, _ = parsed(record({"type": "array", "items": ["null", "int"]}))
    for other, same in ((["null", "int"], True), (["int", "null"], False), ("int", False), (["null", "long"], False)):
        b, _ = parsed(record({"type": "array", "items": other}))
        assert FORMAT.values(a, b).same_storage(a.record["f0"], b.record["f0"]) is same


def test_what_is_only_carried_into_other_storage_is_recoded() -> None:
    """A file's variant: null elsewhere, not null yet, another order, a decimal stored otherwise, another branch of a recursion."""

    def node(first: Any, money: Any, turned: bool) -> Any:
        fields = [
            {"name": "first", "type": first},
            {"name": "money", "type": money},
            {"name": "more", "type": {"type": "map", "values": ["null", "Node"]}},
            {"name": "any", "type": [{"type": "array", "items": first}, "string"]},
        ]
        return {"type": "record", "name": "Node", "fields": fields[::-1] if turned else fields}

    digits = {"logicalType": "decimal", "precision": 4, "scale": 1}
    a = node("int", {"type": "bytes", **digits}, False)
    b = node(["int", "null"], {"type": "fixed", "name": "M", "size": 6, **digits}, True)
    leaf = {"first": 4, "money": Number("-1.5"), "more": {}, "any": [1, 2]}
    value = {**leaf, "more": {"x": None, "y": leaf}, "any": "z"}
    source, target = FORMAT.parse(json.dumps(a)), FORMAT.parse(json.dumps(b))
    values = FORMAT.values(source, target)
    recode = values.recoder(source.root, target.root)
    assert recode is not None
    assert recode(binary(a, value)) == binary(b, value)
    assert recode(None) is None
    back = FORMAT.values(target, source).recoder(target.root, source.root)
    assert back is not None
    assert back(binary(b, value)) == binary(a, value)
    with pytest.raises(DataError, match="null"):
        back(binary(b, {**value, "first": None}))
    assert FORMAT.values(source, source).recoder(source.root, source.root) is None


def test_very_many_fields_branches_and_levels() -> None:
    wide = record(*(["null", "int"] for _ in range(3000)))
    schema, values = parsed(wide)
    raw = b"".join(b"\x02\x02" if i % 2 else b"\x00" for i in range(3000))
    opened = values.opener(schema.root)(raw)
    assert len(opened) == 3000
    assert values.sealer(schema.root)(None, opened) == raw
    deep: Any = "int"
    raw = b"\x02"
    for _ in range(60):
        deep, raw = {"type": "array", "items": ["null", deep]}, b"\x02\x02" + raw + b"\x00"
    schema, values = parsed(record(deep, "int"))
    assert values.opener(schema.root)(raw + b"\x04") == {"f0": raw, "f1": b"\x04"}


# ---- generated
@st.composite
def schemas(draw: st.DrawFn, depth: int, names: Iterator[int]) -> tuple[Any, Any]:
    """An Avro schema and a strategy of values for it, as fastavro writes them."""
    flat = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string", "bytes", "enum", "fixed", "decimal"])
    nested = st.sampled_from(["array", "map", "record", "nullable", "union"])
    match draw(flat if depth == 0 else st.one_of(flat, nested)):
        case "enum":
            return {"type": "enum", "name": f"E{next(names)}", "symbols": ["A", "B", "C"]}, st.sampled_from("ABC")
        case "fixed":
            return {"type": "fixed", "name": f"F{next(names)}", "size": 3}, st.binary(min_size=3, max_size=3)
        case "decimal":
            number = st.decimals(-9999, 9999, places=2).map(lambda d: d if d else abs(d))
            return {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, number
        case "array":
            items, value = draw(schemas(depth - 1, names))
            return {"type": "array", "items": items}, st.lists(value, max_size=3)
        case "map":
            items, value = draw(schemas(depth - 1, names))
            return {"type": "map", "values": items}, st.dictionaries(st.text(max_size=3), value, max_size=3)
        case "record":
            inner = [draw(schemas(depth - 1, names)) for _ in range(draw(st.integers(0, 4)))]
            type = {
                "type": "record",
                "name": f"R{next(names)}",
                "fields": [{"name": f"f{i}", "type": t} for i, (t, _) in enumerate(inner)],
            }
            return type, st.fixed_dictionaries({f"f{i}": value for i, (_, value) in enumerate(inner)})
        case "nullable":
            inner, value = draw(schemas(0, names))
            if inner == "null":
                return inner, value
            return draw(st.sampled_from([["null", inner], [inner, "null"]])), st.none() | value
        case "union":
            some = draw(st.permutations(["null", "int", "string", "boolean", "double"]))[: draw(st.integers(1, 5))]
            value = {"null": st.none(), "int": INT, "string": st.text(max_size=4), "boolean": st.booleans(), "double": DOUBLE}
            return some, st.one_of([value[name] for name in some])
        case name:
            return name, PLAIN[name]


INT = st.integers(-(2**31), 2**31 - 1)
DOUBLE = st.floats(allow_nan=False)
PLAIN: dict[str, Any] = {
    "null": st.none(), "boolean": st.booleans(), "int": INT, "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False), "double": DOUBLE, "string": st.text(max_size=70), "bytes": st.binary(max_size=5),
}  # fmt: skip


def through(values: AvroValues, field: Field, raw: Any) -> Any:
    """The raw opened to its leaves, those decoded and encoded, and all sealed again."""
    from instar.formats.schema import List, Map, Record

    if raw is None:
        return None
    match field.type:
        case Record(fields):
            inside = values.opener(field)(raw)
            return values.sealer(field)(inside, {f.name: through(values, f, inside[f.name]) for f in fields})
        case List(item):
            inside = values.opener(field)(raw)
            return values.sealer(field)(inside, [through(values, item, each) for each in inside])
        case Map(item):
            inside = values.opener(field)(raw)
            return values.sealer(field)(inside, {key: through(values, item, each) for key, each in inside.items()})
        case _:
            return values.encoder(field)(values.decoder(field)(raw))


@settings(
    max_examples=examples(bounded=50, many=150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_what_fastavro_writes_goes_through_unchanged(data: st.DataObject) -> None:
    names = itertools.count()
    inner = [data.draw(schemas(3, names)) for _ in range(data.draw(st.integers(0, 5)))]
    avro = record(*(type for type, _ in inner))
    value = {f"f{i}": data.draw(values) for i, (_, values) in enumerate(inner)}
    raw = binary(avro, value)
    schema, values = parsed(avro)
    assert json.loads(FORMAT.render(schema)) == avro
    assert through(values, schema.root, raw) == raw
    assert values.encoder(schema.root)(values.decoder(schema.root)(raw)) == raw
    with pytest.raises(DataError, match=r"too many|too early|beyond|branches|where|\d"):
        values.opener(schema.root)(raw + b"\x00")
