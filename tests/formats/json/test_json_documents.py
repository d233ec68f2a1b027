"""JSON Schema documents to logical schemas and back, as they are and after changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

import jsonschema_specifications
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.formats.errors import SchemaError
from instar.formats.json import FORMAT
from instar.formats.json.text import dumps, loads
from instar.formats.schema import (
    MISSING,
    Bool,
    Enum,
    Field,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Other,
    Record,
    Reference,
    Schema,
    String,
    Type,
    Union,
    field_text,
    schema,
)
from instar.formats.typetext import parse_type

D7 = "http://json-schema.org/draft-07/schema#"
D20 = "https://json-schema.org/draft/2020-12/schema"

WEBHOOK: dict[str, Any] = {
    "$schema": D7,
    "$id": "https://example.test/push.schema.json",
    "title": "push event",
    "type": "object",
    "required": ["ref", "commits", "repository", "sender"],
    "properties": {
        "ref": {"type": "string", "pattern": "^refs/", "description": "The full git ref."},
        "size": {"type": "integer", "format": "int32", "minimum": 0, "default": 0},
        "base_ref": {"type": ["string", "null"]},
        "state": {"type": "string", "enum": ["open", "closed"]},
        "merged": {"enum": ["yes", "no", None]},
        "score": {"type": "number"},
        "ratio": {"type": "number", "format": "double", "default": 1.5},
        "commits": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/commit"}},
        "head_commit": {"oneOf": [{"$ref": "#/definitions/commit"}, {"type": "null"}]},
        "repository": {"$ref": "#/definitions/repository"},
        "sender": {"allOf": [{"$ref": "#/definitions/user"}], "description": "Who pushed."},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 50}},
        "payload": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "either": {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"minProperties": 2}]},
        "anything": True,
        "tree": {"$ref": "#/definitions/node"},
        "x": {"x-internal": {"deep": [1, 2.5, None]}},
        "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
        "const": {"const": 3},
        "nothing": {"type": "null"},
    },
    "additionalProperties": False,
    "definitions": {
        "commit": {"type": "object", "properties": {"id": {"type": "string"}, "distinct": {"type": "boolean"}}, "required": ["id"]},
        "repository": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "stars": {"type": "integer", "format": "int64"}},
            "required": ["name", "not_described"],
        },
        "user": {"type": "object", "properties": {"login": {"type": "string"}}, "required": ["login"]},
        "node": {"type": "object", "properties": {"left": {"$ref": "#/definitions/node"}, "value": {"type": "number"}}},
        "unused": {"type": "string", "x": {"$comment": "stays"}},
    },
}

PYDANTIC: dict[str, Any] = {
    "$defs": {
        "Address": {
            "properties": {"zip": {"title": "Zip", "type": "string"}},
            "required": ["zip"],
            "title": "Address",
            "type": "object",
        }
    },
    "properties": {
        "name": {"title": "Name", "type": "string"},
        "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None, "title": "Age"},
        "home": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None, "description": "where from"},
        "tags": {"items": {"type": "string"}, "title": "Tags", "type": "array", "default": []},
    },
    "required": ["name"],
    "title": "Person",
    "type": "object",
}


def parsed(document: Any, library: dict[str, str] | None = None) -> Schema:
    return FORMAT.parse(json.dumps(document), library=library)


def written(s: Schema) -> Any:
    return json.loads(FORMAT.render(s))


def same(a: Any, b: Any) -> bool:
    """Equal with the order of keys, and booleans not taken for numbers."""
    return json.dumps(a) == json.dumps(b)


def replaced(s: Schema, change: Callable[[tuple[Field, ...]], tuple[Field, ...]]) -> Schema:
    return Schema(s.root.with_(type=Record(change(s.record.fields))), s.definitions)


def with_field(s: Schema, name: str, /, **changes: Any) -> Schema:
    return replaced(s, lambda fields: tuple(f.with_(**changes) if f.name == name else f for f in fields))


def bare(f: Field) -> Field:
    """Without what only the document said."""
    match f.type:
        case Record(fields):
            kind: Type = Record(tuple(map(bare, fields)))
        case List(item):
            kind = List(bare(item))
        case Map(value):
            kind = Map(bare(value))
        case _:
            kind = f.type
    return f.with_(type=kind, extra={})


# ---- as they are
def real_documents() -> list[Path]:
    """Schemas that others wrote, from what is installed here: draft metaschemas and the like."""
    folder = Path(jsonschema_specifications.__file__).parent / "schemas"
    drafts = ("draft4", "draft6", "draft7", "draft201909", "draft202012")
    return sorted(p for d in drafts for p in (folder / d).rglob("*") if p.is_file())


@pytest.mark.parametrize("path", real_documents(), ids=lambda p: "/".join(p.parts[-2:]))
def test_documents_of_others_come_back_unchanged(path: Path) -> None:
    text = path.read_text()
    found = FORMAT.parse(text)
    assert same(written(found), json.loads(text))
    assert FORMAT.parse(FORMAT.render(found)) == found


@pytest.mark.parametrize("document", [WEBHOOK, PYDANTIC], ids=["webhook", "pydantic"])
def test_realistic_documents_come_back_unchanged(document: Any) -> None:
    assert same(written(parsed(document)), document)


def test_what_is_modelled() -> None:
    record = parsed(WEBHOOK).record
    types: dict[str, Type] = {f.name: f.type for f in record.fields}
    assert types["ref"] == String()
    assert types["size"] == Int(32)
    assert types["state"] == Enum(("open", "closed"))
    assert types["score"] == Number()
    assert types["ratio"] == Float(64)
    assert isinstance(types["payload"], Union)
    assert [(b.name, b.type) for b in types["payload"].branches] == [("string", String()), ("integer", Integer())]
    assert types["anything"] == types["x"] == types["pair"] == types["const"] == Json()
    assert types["nothing"] == Null()
    assert types["head_commit"] == Reference("commit")
    assert types["tree"] == Reference("node")
    assert isinstance(types["labels"], Map)
    assert types["labels"].value.type == String()
    assert isinstance(types["commits"], List)
    assert types["commits"].item.type == Reference("commit")
    assert isinstance(types["repository"], Record)
    assert types["repository"]["stars"].type == Int(64)
    assert isinstance(types["sender"], Record)
    assert {f.name for f in record.fields if not f.optional} == {"ref", "commits", "repository", "sender"}
    assert {f.name for f in record.fields if f.nullable} == {
        "base_ref", "merged", "head_commit", "anything", "x", "nothing",
    }  # fmt: skip
    assert record["ref"].doc == "The full git ref."
    assert record["sender"].doc == "Who pushed."
    assert parsed(WEBHOOK).root.doc == "push event"
    assert record["size"].default == 0
    assert record["ratio"].default == 1.5
    assert record["ref"].default is MISSING
    assert set(parsed(WEBHOOK).definitions) == {"commit", "node"}


def test_nullable_wrappers_of_generators() -> None:
    record = parsed(PYDANTIC).record
    assert (record["age"].type, record["age"].nullable, record["age"].default) == (Integer(), True, None)
    assert isinstance(record["home"].type, Record)
    assert record["home"].nullable
    assert record["home"].doc == "where from"
    assert record["tags"].default == []


def test_a_default_that_nobody_has_the_memory_for_is_none() -> None:
    members = '"a": {"type": "integer", "default": 1e999999999}, "b": {"type": "integer", "default": 1e2}'
    record = FORMAT.parse(f'{{"type": "object", "properties": {{{members}}}}}').record
    assert (record["a"].default, record["b"].default) == (MISSING, 100)


def test_shared_references_inside_one_document() -> None:
    document = {"$id": "https://example.test/a", "type": "object", "$defs": {"P": {"$anchor": "p", "type": "integer"}},
                "properties": {"a": {"$ref": "#p"}, "b": {"$ref": "https://example.test/a#/$defs/P"}}}  # fmt: skip
    found = parsed(document)
    assert [f.type for f in found.record.fields] == [Reference("P"), Reference("P")]
    assert found.definitions["P"].type == Integer()
    assert same(written(found), document)


def test_a_document_that_refers_to_itself() -> None:
    document = {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}}
    found = parsed(document)
    assert isinstance(found.record["children"].type, List)
    assert found.record["children"].type.item.type == Reference("#")
    assert same(written(found), document)
    with pytest.raises(SchemaError, match="alters what '#' refers to"):
        FORMAT.render(with_field(found, "name", name="title"))


def test_references_to_registered_documents() -> None:
    address = json.dumps({"$id": "https://example.test/address", "type": "object", "properties": {"zip": {"type": "string"}}})
    document = {"type": "object", "properties": {"home": {"$ref": "https://example.test/address"}, "work": {"$ref": "address"}}}
    found = parsed(document, {"address": address})
    assert same(written(found), document)
    with pytest.raises(SchemaError, match="leads nowhere") as error:
        parsed({"properties": {"home": {"$ref": "adress"}}}, {"address": address})
    assert "Did you mean 'address'?" in error.value.hint


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07"])
def test_earlier_drafts_ignore_what_stands_beside_a_reference(draft: str) -> None:
    document = {
        "$schema": f"http://json-schema.org/{draft}/schema#",
        "definitions": {"name": {"type": "string"}},
        "properties": {"a": {"$ref": "#/definitions/name", "type": "integer"}},
    }
    found = parsed(document)
    assert found.record["a"].type == String()
    assert same(written(found), document)


def test_a_draft_04_document_keeps_its_own_keywords(tmp_path: Path) -> None:
    """Its ids are `id`, its exclusive bounds true or false; both mean there what they meant, in the document and for records."""
    document = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "https://example.test/base.json",
        "type": "object",
        "additionalProperties": False,
        "definitions": {"share": {"id": "share.json", "type": "number", "minimum": 0, "exclusiveMinimum": True}},
        "properties": {"share": {"$ref": "share.json"}, "n": {"type": "integer"}},
    }
    found = parsed(document)
    assert found.record["share"].type == Number()
    assert same(written(found), document)
    path = tmp_path / "one.json"
    path.write_text('{"share": 0.5, "n": 1}')
    assert FORMAT.validate(path, found) is None
    path.write_text('{"share": 0}')
    assert "share" in (FORMAT.validate(path, found) or "")


def test_2019_09_lets_keywords_stand_beside_a_reference() -> None:
    document = {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$defs": {"name": {"$anchor": "n", "type": "string"}},
        "properties": {"a": {"$ref": "#n", "minLength": 3}, "b": {"$ref": "#n", "description": "Of somebody."}},
    }
    found = parsed(document)
    assert found.record["a"].type == Json()
    assert found.record["b"].type == Reference("name")
    assert same(written(found), document)


def test_one_reference_text_may_mean_several_things() -> None:
    """`#` is the nearest schema with an id: no change, so nothing to refuse."""
    document = {
        "$schema": D7,
        "properties": {"tree": {"oneOf": [{"$ref": "#"}, {"type": "string"}]}},
        "definitions": {
            "other": {"$id": "https://example.test/other", "properties": {"self": {"not": {"$ref": "#"}}}},
        },
    }
    assert same(written(parsed(document)), document)


def test_a_format_of_the_metaschema_is_no_reason_to_refuse() -> None:
    """Generators from TypeScript write types' names with their arguments into `$ref`, though `<` is not allowed in a URI."""
    document = {
        "$schema": D7,
        "definitions": {"Def<(string|null)>": {"type": ["string", "null"]}},
        "properties": {"a": {"$ref": "#/definitions/Def<(string|null)>"}},
    }
    found = parsed(document)
    assert found.record["a"].type == String()
    assert same(written(found), document)


def test_a_renamed_property_keeps_its_place_among_the_required() -> None:
    document = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["c", "a", "elsewhere", "b"]}
    found = parsed(document)
    a, b, c = found.record.fields
    assert written(Schema(found.root.with_(type=Record((a.with_(name="z"), b, c)))))["required"] == ["c", "z", "elsewhere", "b"]
    assert written(Schema(found.root.with_(type=Record((b, c)))))["required"] == ["c", "elsewhere", "b"]
    new = a.with_(name="new")
    assert written(Schema(found.root.with_(type=Record((new, a, b, c)))))["required"] == ["c", "a", "elsewhere", "b", "new"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "object",}', "not JSON: .* at line 1"),
        ('{"type": "object", "type": "string"}', "the key 'type' twice"),
        ('{"properties": {"a": {"type": "strin"}}}', "#/properties/a/type"),
        ('{"properties": {"a": {"$ref": "#/$defs/b"}}}', "'#/\\$defs/b' at #/properties/a leads nowhere"),
        ('{"$schema": "http://json-schema.org/draft-03/schema#"}', "draft-03"),
        ('{"default": NaN}', "NaN"),
        ("[]", "is an object"),
        ('{"properties": {"a": ' * 250 + "{}" + "}}" * 250, "nested too deeply"),
        ('{"title": "\\ud800"}', "surrogate"),
        ('{"maximum": 1e99999999999999999999}', "a number whose exponent is beyond"),
        ('{"required": "a"}', "#/required"),
        ('{"$ref": "https://example.test/nowhere"}', "leads nowhere"),
    ],
)
def test_documents_that_are_not_valid_name_the_place(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        FORMAT.parse(text)


def test_numbers_in_documents_are_not_rounded() -> None:
    text = '{"properties":{"a":{"type":"number","maximum":12345678901234567890.123,"default":1e400,"multipleOf":0.1}}}'
    again = loads(FORMAT.render(FORMAT.parse(text)))["properties"]["a"]
    assert again["maximum"] == Exact("12345678901234567890.123")
    assert again["default"] == Exact("1e400")
    assert again["multipleOf"] == 0.1


# ---- after changes
def test_a_renamed_key_keeps_its_place_requiredness_and_words() -> None:
    new = written(with_field(parsed(WEBHOOK), "ref", name="git_ref"))
    assert next(iter(new["properties"])) == "git_ref"
    assert new["properties"]["git_ref"] == WEBHOOK["properties"]["ref"]
    assert set(new["required"]) == {"git_ref", "commits", "repository", "sender"}
    assert same({k: v for k, v in new.items() if k not in ("properties", "required")},
                {k: v for k, v in WEBHOOK.items() if k not in ("properties", "required")})  # fmt: skip


def test_added_dropped_and_moved_keys() -> None:
    found = parsed(WEBHOOK)
    added = Field("currency", String(), default="USD", doc="ISO 4217")
    moved = replaced(
        found,
        lambda fields: (
            *(f for f in fields if f.name not in ("ref", "labels")),
            added,
            Field("git", Record((found.record["ref"], found.record["labels"]))),
        ),
    )
    new = written(moved)
    assert new["properties"]["currency"] == {"type": "string", "description": "ISO 4217", "default": "USD"}
    assert new["properties"]["git"] == {
        "type": "object",
        "properties": {"ref": WEBHOOK["properties"]["ref"], "labels": WEBHOOK["properties"]["labels"]},
        "required": ["ref"],
    }
    assert set(new["required"]) == {"commits", "repository", "sender", "currency", "git"}
    assert "ref" not in new["properties"]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("ref", {"nullable": True}, {"type": ["string", "null"], "pattern": "^refs/", "description": "The full git ref."}),
        ("ref", {"type": Integer()}, {"type": "integer", "description": "The full git ref."}),
        ("size", {"type": Int(64)}, {"type": "integer", "format": "int64", "minimum": 0, "default": 0}),
        ("size", {"type": Number()}, {"type": "number", "minimum": 0, "default": 0}),
        ("size", {"type": String(), "default": MISSING}, {"type": "string"}),
        ("base_ref", {"nullable": False}, {"type": "string"}),
        ("state", {"nullable": True}, {"type": ["string", "null"], "enum": ["open", "closed", None]}),
        ("state", {"type": String()}, {"type": "string"}),
        ("state", {"type": Enum(("open", "shut"))}, {"type": "string", "enum": ["open", "shut"]}),
        ("merged", {"nullable": False}, {"enum": ["yes", "no"]}),
        ("const", {"nullable": True}, {"anyOf": [{"const": 3}, {"type": "null"}]}),
        ("payload", {"nullable": True}, {"anyOf": [{"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "null"}]}),
        ("anything", {"nullable": False}, {"not": {"type": "null"}}),
        ("anything", {"type": Bool(), "nullable": False}, {"type": "boolean"}),
        ("head_commit", {"nullable": False}, {"$ref": "#/definitions/commit"}),
        ("tree", {"nullable": True}, {"anyOf": [{"$ref": "#/definitions/node"}, {"type": "null"}]}),
        ("pair", {"type": String()}, {"type": "string"}),
        ("score", {"doc": "out of ten"}, {"type": "number", "description": "out of ten"}),
        ("labels", {"type": Map(Field("value", Number()))}, {"type": "object", "additionalProperties": {"type": "number"}}),
    ],
)
def test_a_changed_field(name: str, changes: dict[str, Any], expected: Any) -> None:
    changed = with_field(parsed(WEBHOOK), name, **changes)
    new = written(changed)
    assert new["properties"][name] == expected
    again = parsed(new).record[name]
    assert bare(again.with_(default=MISSING, doc="")) == bare(changed.record[name].with_(default=MISSING, doc=""))
    others = {k: v for k, v in new["properties"].items() if k != name}
    assert others == {k: v for k, v in WEBHOOK["properties"].items() if k != name}


def test_a_required_field_of_a_generator_loses_its_wrapper() -> None:
    required = with_field(parsed(PYDANTIC), "age", nullable=False, optional=False, default=MISSING)
    assert written(required)["properties"]["age"] == {"type": "integer", "title": "Age"}
    assert written(required)["required"] == ["name", "age"]
    required = with_field(parsed(PYDANTIC), "home", nullable=False, default=MISSING)
    assert written(required)["properties"]["home"] == {"$ref": "#/$defs/Address", "description": "where from"}


def test_a_change_inside_an_inlined_definition_is_written_at_the_definition() -> None:
    found = parsed(WEBHOOK)
    repository = found.record["repository"]
    assert isinstance(repository.type, Record)
    inner = Record(tuple(f.with_(name="title") if f.name == "name" else f for f in repository.type.fields))
    new = written(with_field(found, "repository", type=inner))
    assert new["properties"]["repository"] == {"$ref": "#/definitions/repository"}
    assert list(new["definitions"]) == list(WEBHOOK["definitions"])
    assert list(new["definitions"]["repository"]["properties"]) == ["title", "stars"]
    assert set(new["definitions"]["repository"]["required"]) == {"title", "not_described"}


def test_a_change_of_a_shared_definition() -> None:
    found = parsed(WEBHOOK)
    commit = found.definitions["commit"]
    assert isinstance(commit.type, Record)
    sha = Record(tuple(f.with_(name="sha") if f.name == "id" else f for f in commit.type.fields))
    new = written(Schema(found.root, {**found.definitions, "commit": commit.with_(type=sha)}))
    assert new["definitions"]["commit"]["required"] == ["sha"]
    assert new["properties"] == WEBHOOK["properties"]


def test_dropping_the_one_use_of_a_definition_drops_it() -> None:
    new = written(replaced(parsed(WEBHOOK), lambda fields: tuple(f for f in fields if f.name != "repository")))
    assert "repository" not in new["definitions"]
    assert "unused" in new["definitions"]
    new = written(replaced(parsed(PYDANTIC), lambda fields: tuple(f for f in fields if f.name != "home")))
    assert "$defs" not in new


def test_a_keyword_that_speaks_of_a_gone_property_is_refused() -> None:
    found = parsed(WEBHOOK)
    with pytest.raises(SchemaError, match="'anyOf' at either speaks of the property 'a'") as error:
        FORMAT.render(with_field(found, "either", type=Record((Field("b", String()),))))
    assert "register" in error.value.hint
    dependent = parsed({"properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}})
    with pytest.raises(SchemaError, match="dependentRequired"):
        FORMAT.render(with_field(dependent, "b", name="c"))


def test_a_change_behind_a_reference_that_rides_along_is_refused() -> None:
    document = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/T"},
            "b": {"oneOf": [{"$ref": "#/$defs/T"}, {"type": "object"}]},
            "c": {"type": "string"},
        },
        "$defs": {"T": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    }
    found = parsed(document)
    assert same(written(with_field(found, "c", name="d"))["$defs"], document["$defs"])
    target = found.definitions["T"]
    with pytest.raises(SchemaError, match="'#/\\$defs/T'"):
        FORMAT.render(Schema(found.root, {"T": target.with_(type=Record((Field("y", Integer()),)))}))


@pytest.mark.parametrize(
    "type", [Union((Field("a", Integer()), Field("b", String()))), Map(Field("value", String()), Int(32)), Other("x")]
)
def test_types_that_json_cannot_hold_are_refused(type: Type) -> None:
    with pytest.raises(SchemaError, match="JSON has no type") as error:
        FORMAT.render(schema(Field("deep", Record((Field("x", type),)))))
    assert "deep.x" in error.value.message
    assert error.value.hint


HELD = {
    "date": {"type": "string", "format": "date"},
    "time(ms)": {"type": "string"},
    "timestamp(us)": {"type": "string"},
    "timestamp(ns, Europe/Paris)": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "fixed(3)": {"type": "string", "contentEncoding": "base64"},
    "decimal(10,2)": {"type": "number"},
    "half": {"type": "number"},
    "duration(ms)": {"type": "integer"},
}


@pytest.mark.parametrize(("text", "held"), HELD.items())
def test_types_that_json_schema_lacks_are_named_beside_what_holds_them(text: str, held: dict[str, Any]) -> None:
    given = schema(
        Field("f", parse_type(text), tags=("pii",)), Field("l", List(Field("item", parse_type(text), nullable=True)), optional=True)
    )
    out = FORMAT.render(given)
    properties = json.loads(out)["properties"]
    assert properties["f"] == {**held, "instar.type": text, "instar.tags": ["pii"]}
    assert properties["l"]["items"] == {**held, "type": [held["type"], "null"], "instar.type": text}
    back = FORMAT.parse(out)
    assert [field_text(f) for f in back.record.fields] == [field_text(f) for f in given.record.fields]
    assert [f.tags for f in back.record.fields] == [("pii",), ()]
    assert FORMAT.render(back) == out


@pytest.mark.parametrize("text", HELD)
def test_a_type_s_keywords_go_with_it(text: str) -> None:
    named = parsed({"type": "object", "properties": {"f": {**HELD[text], "instar.type": text, "description": "x"}}})
    plain = parsed({"type": "object", "properties": {"f": {"type": "string", "format": "email", "minLength": 1}}})
    for type, node in (
        (String(), {"type": "string", "description": "x"}),
        (Int(8), {"type": "integer", "format": "int8", "description": "x"}),
    ):
        out = written(named.root.type and with_field(named, "f", type=type))
        assert out["properties"]["f"] == node
    out = written(with_field(plain, "f", type=parse_type(text)))["properties"]["f"]
    assert {k: v for k, v in out.items() if k != "minLength"} == {**HELD[text], "instar.type": text}


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"type": "integer", "instar.type": "date"}, "says date"),
        ({"type": "string", "enum": ["a"], "instar.type": "date"}, "says date"),
        ({"type": "object", "properties": {}, "instar.type": "date"}, "says date"),
        ({"type": ["string", "integer"], "instar.type": "date"}, "says date"),
        ({"type": "string", "instar.type": "datum"}, "no type"),
        ({"type": "string", "instar.type": True}, "not a type's name"),
        ({"type": "string", "instar.tags": ["a", 1]}, "list of strings"),
    ],
)
def test_a_named_type_that_contradicts_what_holds_it_is_refused(node: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says) as error:
        parsed({"type": "object", "properties": {"f": node}})
    assert "f: instar." in error.value.message


def test_defaults_of_named_types_are_values_and_come_back_as_they_were_written() -> None:
    properties = {
        "d": {"type": "string", "instar.type": "date", "default": "1970-01-11"},
        "m": {"type": "number", "instar.type": "decimal(5,2)", "default": 1.5},
        "n": {"type": "string", "instar.type": "date", "default": "soon"},
    }
    found = parsed({"type": "object", "properties": properties})
    assert [f.default for f in found.record.fields] == [10, Exact("1.50"), MISSING]
    assert written(found)["properties"] == properties
    changed = written(with_field(found, "d", default=11))["properties"]["d"]
    assert changed["default"] == "1970-01-12"


SCALARS = st.sampled_from([String(), Bool(), Integer(), Number(), Int(8), Int(64), Int(32, False), Float(32), Float(64), Json()])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def types(below: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    field = st.builds(lambda t, n: Field("", t, nullable=n or isinstance(t, Json)), below, st.booleans())
    records = st.dictionaries(NAMES, st.tuples(field, st.booleans()), max_size=4).map(
        lambda found: Record(tuple(f.with_(name=name, optional=optional) for name, (f, optional) in found.items()))
    )
    return st.one_of(records, field.map(lambda f: List(f.with_(name="item"))), field.map(lambda f: Map(f.with_(name="value"))))


@settings(max_examples=examples(bounded=50, many=150), deadline=None)
@given(st.recursive(SCALARS | st.just(Enum(("a", "b"))), types, max_leaves=8))
def test_what_is_rendered_parses_to_the_same_schema(kind: Type) -> None:
    made = schema(Field("root", kind, nullable=isinstance(kind, Json)))
    text = FORMAT.render(made)
    found = FORMAT.parse(text)
    assert bare(found.root) == made.root
    assert FORMAT.render(found) == text


def test_the_text_of_a_document() -> None:
    assert dumps({"a": [1, "x"], "b": [], "c": {}, "d": [{"e": Exact("1.50")}]}) == (
        '{\n  "a": [1, "x"],\n  "b": [],\n  "c": {},\n  "d": [\n    {\n      "e": 1.50\n    }\n  ]\n}'
    )


OBJECT = {"type": "object"}


def kinds(*texts: str) -> dict[str, Any]:
    return {**OBJECT, "properties": {"kind": {"enum": list(texts)}}, "required": ["kind"]}


@pytest.mark.parametrize(
    ("branches", "names"),
    [
        ([{"type": "string"}, {"type": "array", "items": {"type": "string"}}], ["string", "array"]),
        ([{"enum": ["a", "b"]}, {"enum": ["c"]}, {"type": "boolean"}], ["string", "string_2", "boolean"]),
        ([kinds("a"), kinds("b", "c"), {"type": "null"}], ["a", "object"]),
        ([{"title": "A", **kinds("x")}, {"title": "A", **kinds("y")}], ["A", "A_2"]),
        (
            [
                {**OBJECT, "properties": {"a": {"type": "string"}}, "additionalProperties": False},
                {**OBJECT, "properties": {"b": {"type": "string"}}, "required": ["b"]},
            ],
            ["object", "object_2"],
        ),
        ([{"type": "integer"}, {"type": "number"}], None),
        ([{"type": "string"}, {"enum": ["a"]}], None),
        ([kinds("a", "b"), kinds("b", "c")], None),
        ([{**OBJECT, "properties": {"a": {}}}, {**OBJECT, "properties": {"b": {}}, "required": ["b"]}], None),
        ([{"type": ["string", "null"]}, {"type": "boolean"}], None),
        ([{"type": "string"}, True], None),
    ],
)
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_branches_that_their_values_tell_apart_are_a_union(keyword: str, branches: list[Any], names: list[str] | None) -> None:
    document = {"type": "object", "properties": {"u": {keyword: branches, "description": "one of them"}}}
    found = parsed(document)
    field = found.record["u"]
    assert same(written(found), document)
    if names is None:
        assert field.type == Json()
        return
    assert isinstance(field.type, Union)
    assert [b.name for b in field.type.branches] == names
    assert field.nullable == ({"type": "null"} in branches)
    required = written(with_field(found, "u", nullable=False))["properties"]["u"][keyword]
    assert required == [b for b in branches if b != {"type": "null"}]
