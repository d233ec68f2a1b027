"""Avro schema documents: what is read comes back as it was, what is not valid is refused, what operations made is right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest

from instar.formats.avro import FORMAT
from instar.formats.errors import SchemaError
from instar.formats.fingerprint import differences, fingerprint
from instar.formats.schema import (
    MISSING,
    Bool,
    Date,
    Decimal,
    Enum,
    Field,
    Fixed,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Number,
    Record,
    Reference,
    Schema,
    String,
    Time,
    Timestamp,
    Type,
    Union,
    Uuid,
    field_text,
    schema,
)
from instar.formats.typetext import parse_type


def cases(conformance: Path, name: str) -> list[dict[str, Any]]:
    return json.loads((conformance / "avro-schema-parse" / name).read_text())


def rendered(text: str) -> Any:
    return json.loads(FORMAT.render(FORMAT.parse(text)))


def parses(text: str) -> bool:
    try:
        FORMAT.parse(text)
    except SchemaError:
        return False
    return True


def record(*fields: dict[str, Any] | str, **more: Any) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": list(fields), **more})


def of(type: Any, **more: Any) -> Field:
    """The field `f` of a record with that Avro type."""
    return FORMAT.parse(record({"name": "f", "type": type, **more})).record["f"]


# ---- documents of other projects
def test_valid_documents_of_the_python_library_come_back_and_invalid_ones_are_refused(conformance: Path) -> None:
    seen = {True: 0, False: 0}
    for case in cases(conformance, "schema_parse_cases.json"):
        seen[case["valid"]] += 1
        if case["valid"]:
            assert rendered(case["schema"]) == json.loads(case["schema"])
        else:
            with pytest.raises(SchemaError) as caught:
                FORMAT.parse(case["schema"])
            assert caught.value.message
            assert caught.value.hint
    assert seen == {True: 77, False: 22}


def test_documents_of_the_c_library(conformance: Path) -> None:
    for case in cases(conformance, "c_schema_tests.json"):
        if case["valid"]:
            assert rendered(case["schema_text"]) == json.loads(case["schema_text"]), case["name"]
        else:
            with pytest.raises(SchemaError):
                FORMAT.parse(case["schema_text"])


def test_documents_of_the_canonical_form_cases(conformance: Path) -> None:
    for case in cases(conformance, "canonical_form_cases.json"):
        if "015" in case["input"]:  # not JSON
            with pytest.raises(SchemaError, match="not JSON"):
                FORMAT.parse(case["input"])
        else:
            assert rendered(case["input"]) == json.loads(case["input"])


def test_every_schema_file_of_the_avro_project(conformance: Path) -> None:
    """Two refer to types of other files, and are read with those at hand."""
    folder = conformance / "avro-share"
    library = {
        "avro.examples.baseball.Position": (folder / "java-avsc/position.avsc").read_text(),
        "model.DocumentInfo": (folder / "java-avsc/DocumentInfo.avsc").read_text(),
    }
    paths = [*folder.rglob("*.avsc"), *folder.glob("java-avsc/*.json"), *folder.glob("data/schemas/*/schema.json")]
    alone = set()
    for path in paths:
        text = path.read_text()
        if not parses(text):
            alone.add(path.name)
        parsed = FORMAT.parse(text, library=library)
        assert json.loads(FORMAT.render(parsed)) == json.loads(text), path
    assert len(paths) > 40
    assert alone == {"player.avsc", "ApplicationEvent.avsc"}


def test_a_type_of_another_document_is_written_out_in_a_file_s_header() -> None:
    from instar.formats.avro.render import header_text

    library = {
        "a.Money": '{"type": "fixed", "name": "a.Money", "size": 4}',
        "a.Box": '{"type":"record","name":"a.Box","fields":[]}',
    }
    text = record({"name": "m", "type": "a.Money"}, {"name": "b", "type": "a.Box"}, {"name": "c", "type": "a.Box"})
    parsed = FORMAT.parse(text, library=library)
    assert json.loads(FORMAT.render(parsed)) == json.loads(text)
    fields = json.loads(header_text(parsed))["fields"]
    assert [f["type"] for f in fields] == [
        {"type": "fixed", "name": "a.Money", "size": 4},
        {"type": "record", "name": "a.Box", "fields": []},
        "a.Box",
    ]
    fastavro.parse_schema(json.loads(header_text(parsed)))


# ---- what a document means
@pytest.mark.parametrize(
    ("avro", "expected"),
    [
        ("int", Int(32)),
        ("long", Int(64)),
        ({"type": "float"}, Float(32)),
        ({"type": "int", "logicalType": "date"}, Date()),
        ({"type": "int", "logicalType": "time-millis"}, Time("ms")),
        ({"type": "long", "logicalType": "time-micros"}, Time("us")),
        ({"type": "long", "logicalType": "timestamp-nanos"}, Timestamp("ns", "UTC")),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, Timestamp("ms")),
        ({"type": "string", "logicalType": "uuid"}, Uuid()),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, Uuid()),
        ({"type": "fixed", "name": "U", "size": 12, "logicalType": "uuid"}, Fixed(12)),
        ({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}, Fixed(12)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}, Decimal(30, 2)),
        ({"type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 9}, Decimal(9, 0)),
        ({"type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 10}, Fixed(4)),
        ({"type": "int", "logicalType": "timestamp-millis"}, Int(32)),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, Enum(("A", "B"))),
        ({"type": {"type": "int", "logicalType": "date"}, "x": 1}, Date()),
    ],
)
def test_types(avro: Any, expected: Type) -> None:
    assert of(avro).type == expected
    text = record({"name": "f", "type": avro}, {"name": "g", "type": ["null", "string"]})
    assert rendered(text) == json.loads(text)


def test_null_is_the_field_s_in_any_union() -> None:
    assert of(["null", "int"]) == of(["null", "int"]).with_(type=Int(32), nullable=True)
    assert of(["string", "null"]).type == String()
    several = of(["int", "null", "string"])
    assert several.nullable
    assert isinstance(several.type, Union)
    assert [b.name for b in several.type.branches] == ["int", "string"]


def test_a_record_is_inline_first_and_a_reference_then() -> None:
    text = """{"type": "record", "name": "n.Node", "fields": [
        {"name": "next", "type": ["null", "Node"]}, {"name": "all", "type": {"type": "array", "items": "n.Node"}}]}"""
    parsed = FORMAT.parse(text)
    assert parsed.record["next"].type == Reference("n.Node")
    assert parsed.definitions["n.Node"].type == parsed.root.type
    assert rendered(text) == json.loads(text)


def test_an_enum_that_is_used_twice_has_its_symbols_at_both_places() -> None:
    text = record({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X"]}}, {"name": "b", "type": ["E", "null"]})
    parsed = FORMAT.parse(text)
    assert parsed.record["b"].type == Enum(("X",))
    assert rendered(text) == json.loads(text)


def test_defaults_are_python_values() -> None:
    fixed = {"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": 4, "scale": 2}
    inner = {"type": "record", "name": "I", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 7}]}
    assert of("bytes", default="\u00ff").default == b"\xff"
    assert str(of(fixed, default="\u0001\u0000").default) == "2.56"
    assert of(inner, default={"x": 1}).default == {"x": 1, "y": 7}
    assert of(["null", "int"], default=5).default == 5
    assert of(["int", "string", "null"], default=None).default is None
    assert of("int").default is MISSING
    for type, default in ((fixed, "\u0001\u0000"), (inner, {"x": 1}), ("double", 1), ("float", 0.1)):
        text = record({"name": "f", "type": type, "default": default})
        assert rendered(text) == json.loads(text)


def test_everything_around_the_types_rides_along() -> None:
    text = json.dumps(
        {
            "namespace": "a.b", "type": "error", "name": "R", "doc": "", "aliases": ["Old", "x.Older"], "own": {"k": [1, None]},
            "fields": [
                {"name": "f", "order": "descending", "aliases": [], "doc": "d", "custom": 1.5,
                 "type": [{"type": "null", "why": 1}, {"type": "string", "avro.java.string": "String"}]},
                {"name": "m", "default": {}, "type": {"type": "map", "key-id": 3, "values": {"type": "int", "logicalType": "new"}}},
                {"name": "e", "type": {"type": "enum", "name": "c.E", "symbols": ["A"], "default": "A", "doc": "of E"}},
                {"name": "r", "type": {"type": "record", "name": "In", "namespace": "", "fields": [{"name": "e", "type": "c.E"}]}},
            ],
        }
    )  # fmt: skip
    assert rendered(text) == json.loads(text)


NUMBER = {"type": "string", "instar.type": "number"}


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("{", "", "not JSON"),
        ('{"type": "int", "x": NaN}', "", "NaN"),
        ('{"type": "int", "x": 1e999}', "", "too large"),
        ("3", "the schema", "is not a schema"),
        (record({"name": "f", "type": "longs"}), "R.f", "'longs' is not defined"),
        (record({"name": "f", "type": ["int", ["null"]]}), "R.f", "itself a union"),
        (record({"name": "f", "type": ["int", {"type": "int", "logicalType": "date"}]}), "R.f", "two branches 'int'"),
        (record({"name": "f", "type": "int"}, {"name": "f", "type": "int"}), "R", "two fields"),
        (record({"name": "a.b", "type": "int"}), "R.a.b", "not a legal field name"),
        (record({"name": "f", "type": "int", "default": "1"}), "R.f", "does not fit"),
        (record({"name": "f", "type": "int", "default": None}), "R.f", "does not fit"),
        (record({"name": "f", "type": "int", "default": 1 << 31}), "R.f", "does not fit"),
        (record({"name": "f", "type": "bytes", "default": "€"}), "R.f", "U+00FF"),
        (record({"name": "f", "type": {"type": "array", "items": "int"}, "default": ["x"]}), "R.f", "does not fit"),
        (record({"name": "f", "type": NUMBER, "default": "1e999999999"}), "R.f", "does not fit"),  # nobody has the memory for it
        (record({"name": "f", "type": "int", "order": "up"}), "R.f", "order"),
        (record({"name": "f", "type": "int", "aliases": "g"}), "R.f", "aliases"),
        (record({"name": "f", "type": {"type": "array"}}), "R.f", "no 'items'"),
        (record({"name": "f", "type": {"type": "record", "name": "R", "fields": []}}), "R.f", "defined twice"),
        (record(namespace=5), "the schema", "namespace"),
        ('{"type": "record", "name": "A", "fields": [{"name": "a", "type": "A", "default": {}}]}', "A.a", "never ends"),
        ("[" * 100_000, "", ""),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_refused_by_place(text: str, place: str, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        FORMAT.parse(text)
    assert place in caught.value.message
    assert problem in caught.value.message


# ---- after operations
ADDRESS = {"type": "record", "name": "Address", "namespace": "n", "doc": "where", "fields": [{"name": "zip", "type": "string"}]}
PERSON = json.dumps(
    {
        "type": "record", "name": "Person", "namespace": "n",
        "fields": [
            {"name": "home", "type": ADDRESS, "doc": "lives", "default": {"zip": "0"}},
            {"name": "work", "type": ["null", "Address"], "default": None},
            {"name": "age", "type": "int", "custom": True, "default": 3},
        ],
    }
)  # fmt: skip


def edited(text: str, change: Any) -> Any:
    """The document after `change` of the root's fields; it is checked by fastavro and by reading it back."""
    before = FORMAT.parse(text)
    assert isinstance(before.root.type, Record)
    type = replace(before.root.type, fields=tuple(change(*before.root.type.fields)))
    after = Schema(before.root.with_(type=type), before.definitions)
    out = FORMAT.render(after)
    again = FORMAT.parse(out)
    assert fingerprint(again) == fingerprint(after)
    assert not differences(again, after, nullability=True)
    assert json.loads(FORMAT.render(again)) == json.loads(out)
    fastavro.parse_schema(json.loads(out))
    return json.loads(out)


def test_a_reference_becomes_the_definition_where_that_was_dropped() -> None:
    out = edited(PERSON, lambda home, work, age: [work, age])
    assert out["fields"][0]["type"] == ["null", ADDRESS]


def test_the_first_use_defines_whatever_the_order() -> None:
    out = edited(PERSON, lambda home, work, age: [work, home])
    assert out["fields"][0]["type"][1]["fields"] == ADDRESS["fields"]
    assert out["fields"][1] == {"name": "home", "type": "Address", "doc": "lives", "default": {"zip": "0"}}


def test_a_recursive_type_is_defined_where_it_is_first_met() -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    text = record({"name": "a", "type": node}, {"name": "b", "type": {"type": "map", "values": "Node"}})
    assert edited(text, lambda a, b: [b])["fields"][0]["type"]["values"] == node


def test_what_moves_to_another_namespace_keeps_its_full_name() -> None:
    out = edited(PERSON, lambda home, work, age: [Field("box", Record((home, work), "other.Box")), age])
    box = out["fields"][0]["type"]
    assert (box["name"], box["namespace"]) == ("Box", "other")
    assert box["fields"][0]["type"]["namespace"] == "n"
    assert box["fields"][1]["type"] == ["null", "n.Address"]


def test_a_new_record_is_called_after_its_place() -> None:
    out = edited(
        PERSON, lambda home, work, age: [Field("route", Record((age,))), Field("list", List(Field("item", Record((work,)))))]
    )
    assert out["fields"][0]["type"]["name"] == "Person_route"
    assert out["fields"][0]["type"]["fields"] == [{"name": "age", "type": "int", "custom": True, "default": 3}]
    assert out["fields"][1]["type"]["items"]["name"] == "Person_list_item"


def test_a_new_name_is_never_one_that_is_taken() -> None:
    taken = {"type": "record", "name": "Person_route", "fields": []}
    text = PERSON.replace('"age", "type": "int", "custom": true, "default": 3', f'"age", "type": {json.dumps(taken)}')
    out = edited(text, lambda home, work, age: [Field("route", Record((work,))), age])
    assert [f["type"]["name"] for f in out["fields"]] == ["Person_route_2", "Person_route"]


def test_two_types_of_one_name_do_not_meet() -> None:
    """One use was edited, the references mean the other: it gets a name of its own."""
    one = FORMAT.parse(PERSON)
    home = one.record["home"]
    changed = home.with_(type=Record((Field("zip", Int(64)),), "n.Address"), default=MISSING)
    after = Schema(Field("", Record((changed, one.record["work"]), "n.Person")), one.definitions)
    out = json.loads(FORMAT.render(after))
    assert out["fields"][0]["type"]["name"] == "Person_home"
    assert out["fields"][1]["type"][1] == ADDRESS


def test_equal_inline_types_are_written_once() -> None:
    out = edited(PERSON, lambda home, work, age: [home, home.with_(name="second"), work])
    assert [f["type"] for f in out["fields"][1:]] == ["Address", ["null", "Address"]]


def test_null_stands_where_the_default_is_valid() -> None:
    out = edited(
        PERSON,
        lambda home, work, age: [
            age.with_(nullable=True),
            Field("new", Int(64), nullable=True, default=None),
            Field("newer", String(), nullable=True),
            Field("newest", Bool(), nullable=True, default=True),
            work.with_(nullable=False),
        ],
    )["fields"]
    assert out[0] == {"name": "age", "type": ["int", "null"], "custom": True, "default": 3}
    assert out[1] == {"name": "new", "type": ["null", "long"], "default": None}
    assert out[2] == {"name": "newer", "type": ["null", "string"], "default": None}
    assert out[3] == {"name": "newest", "type": ["boolean", "null"], "default": True}
    assert out[4]["type"]["name"] == "Address"
    assert "default" not in out[4]


def test_a_cast_leaves_what_it_does_not_mean_any_more() -> None:
    day = record({"name": "d", "type": {"type": "int", "logicalType": "date", "mine": 1}, "default": 4})
    out = edited(day, lambda d: [d.with_(type=Int(64)), d.with_(name="t", type=Timestamp("ms", "UTC"), extra={}, default=MISSING)])
    assert out["fields"][0] == {"name": "d", "type": "long", "default": 4}
    assert out["fields"][1] == {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}}


def test_new_types_are_spelled_plainly() -> None:
    fields = [
        Field("p", Decimal(10, 2)), Field("u", Uuid()), Field("e", Enum(("A",))), Field("f", Fixed(3)),
        Field("m", Map(Field("value", Date()))),
        Field("x", Union((Field("int", Int(32)), Field("string", String()))), nullable=True),
    ]  # fmt: skip
    out = json.loads(FORMAT.render(schema(*fields)))
    assert out["name"] == "Record"
    assert [f["type"] for f in out["fields"]] == [
        {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        {"type": "string", "logicalType": "uuid"},
        {"type": "enum", "name": "Record_e", "symbols": ["A"]},
        {"type": "fixed", "name": "Record_f", "size": 3},
        {"type": "map", "values": {"type": "int", "logicalType": "date"}},
        ["null", "int", "string"],
    ]


@pytest.mark.parametrize(
    ("type", "hint"),
    [
        (Map(Field("value", Int(64)), key=Int(64)), "map<T>"),
        (Decimal(5, -2), "decimal(5,0)"),
        (Enum(("a b",)), "a_b"),
        (Reference("nowhere"), "Drop"),
    ],
)
def test_what_avro_lacks_is_refused_with_what_to_use(type: Type, hint: str) -> None:
    with pytest.raises(SchemaError) as caught:
        FORMAT.render(schema(Field("f", type)))
    assert hint in caught.value.hint


HELD = {
    "int8": {"type": "int"},
    "uint16": {"type": "int"},
    "uint32": {"type": "long"},
    "uint64": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0},
    "half": {"type": "float"},
    "integer": {"type": "string"},
    "number": {"type": "string"},
    "json": {"type": "string"},
    "time(s)": {"type": "int"},
    "time(ns)": {"type": "long"},
    "timestamp(s)": {"type": "long"},
    "timestamp(s, Europe/Paris)": {"type": "long"},
    "timestamp(us, Europe/Paris)": {"type": "long", "logicalType": "timestamp-micros"},
    "duration(ms)": {"type": "long"},
}


@pytest.mark.parametrize(("text", "held"), HELD.items())
def test_types_that_avro_lacks_are_named_beside_what_holds_them(text: str, held: dict[str, Any]) -> None:
    given = schema(Field("f", parse_type(text)), Field("l", List(Field("item", parse_type(text), nullable=True))))
    out = FORMAT.render(given)
    assert json.loads(out)["fields"][0]["type"] == {**held, "instar.type": text}
    back = FORMAT.parse(out)
    assert [field_text(f) for f in back.record.fields] == [field_text(f) for f in given.record.fields]
    assert FORMAT.render(back) == out


@pytest.mark.parametrize("type", [Integer(), Number(), Json()])
def test_what_avro_could_only_hold_as_text_is_refused_for_a_new_field(type: Type) -> None:
    with pytest.raises(SchemaError, match=r"a\.b"):
        FORMAT.check_new(Field("a", Record((Field("b", type),))), ("a",))


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"type": "string", "instar.type": "int8"}, "says int8"),
        ({"type": "long", "instar.type": "timestamp(us, Europe/Paris)"}, "timestamp-micros"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 1, "instar.type": "uint64"}, "uint64"),
        ({"type": "array", "items": "int", "instar.type": "int8"}, "array"),
        ({"type": "int", "instar.type": "smallint"}, "int16"),
        ({"type": "int", "instar.type": 8}, "not a type's name"),
        ({"type": "bytes", "instar.type": "decimal(\N{SUPERSCRIPT TWO},1)"}, "cannot be read"),
        ({"type": "bytes", "instar.type": f"fixed({'9' * 5000})"}, "cannot be read"),
        ({"type": "int", "instar.type": "list<" * 2000 + "int8" + ">" * 2000}, "nested too deeply"),
        ({"type": "int", "instar.tags": "pii"}, "list of strings"),
    ],
)
def test_a_named_type_that_contradicts_what_holds_it_is_refused(node: Any, says: str) -> None:
    with pytest.raises(SchemaError) as caught:
        FORMAT.parse(json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": node}]}))
    assert says in f"{caught.value.message} {caught.value.hint}"
    assert "R.f" in caught.value.message


def test_tags_stand_in_the_field_s_object_else_in_the_type_s() -> None:
    text = {"type": "string", "instar.tags": ["a"]}
    document = {
        "type": "record", "name": "R", "instar.tags": ["root"],
        "fields": [
            {"name": "one", "type": "string", "instar.tags": ["pii", "é"]},
            {"name": "two", "type": text},
            {"name": "three", "type": {"type": "array", "items": ["null", text]}},
            {"name": "four", "type": {"type": "enum", "name": "E", "symbols": ["A"], "instar.tags": ["e"]}},
            {"name": "five", "type": "E"},
        ],
    }  # fmt: skip
    found = FORMAT.parse(json.dumps(document))
    three = found.record["three"].type
    assert isinstance(three, List)
    assert found.root.tags == ("root",)
    assert [f.tags for f in found.record.fields] == [("pii", "é"), ("a",), (), ("e",), ()]
    assert three.item.tags == ("a",)
    assert json.loads(FORMAT.render(found)) == document
    changed = [f.with_(tags=("new",) if f.name != "one" else ()) for f in found.record.fields]
    out = json.loads(FORMAT.render(schema(*changed)))["fields"]
    assert [f.get("instar.tags") for f in out] == [None, ["new"], ["new"], ["new"], ["new"]]
    assert out[1]["type"] == {"type": "string"}
    assert FORMAT.parse(FORMAT.render(schema(*changed))).record["four"].tags == ("new",)


def test_illegal_names_optional_fields_and_wrong_defaults_are_refused() -> None:
    for field in (Field("a b", Int(64)), Field("1st", Int(64)), Field("é", Int(64))):
        with pytest.raises(SchemaError, match="legal field name") as caught:
            FORMAT.render(schema(field))
        assert "use '" in caught.value.hint
    with pytest.raises(SchemaError, match="optional"):
        FORMAT.render(schema(Field("a", Int(64), optional=True)))
    with pytest.raises(SchemaError, match="does not fit"):
        FORMAT.render(schema(Field("a", Int(32), default="x")))


def test_a_deep_schema_is_refused_or_read_but_never_a_crash() -> None:
    deep = '{"type": "array", "items": ' * 5000 + '"int"' + "}" * 5000
    with pytest.raises(SchemaError, match=r"deep|JSON"):
        FORMAT.parse(deep)


@pytest.mark.parametrize(("written", "default"), [("15e-1", "1.5"), ("15e1", 150), ("1.0", "1.0"), ("-7", -7)])
def test_a_number_given_as_text_is_a_default_with_all_its_digits(written: str, default: str | int) -> None:
    field = FORMAT.parse(record({"name": "f", "type": NUMBER, "default": written})).record["f"]
    assert str(field.default) == str(default)
