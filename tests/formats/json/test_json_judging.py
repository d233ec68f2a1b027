"""Records against schemas, and schemas out of records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instar.formats.errors import FileError, MalformedError, SchemaError
from instar.formats.json import FORMAT
from instar.formats.json.rewrite import records
from instar.formats.schema import (
    Bool,
    Field,
    Float,
    Int,
    Integer,
    Json,
    List,
    Map,
    Null,
    Number,
    Record,
    Schema,
    String,
    Type,
    schema,
)
from tests.formats.json.json_texts import RECORDS

EVENTS = [
    {"id": "1", "type": "PushEvent", "actor": {"id": 1, "login": "a", "url": "https://x"}, "public": True,
     "payload": {"push_id": 10115855396, "size": 1,
                 "commits": [{"sha": "9f3", "author": {"name": "b", "email": "c"}, "distinct": True}]}},
    {"id": "2", "type": "WatchEvent", "actor": {"id": 2, "login": "b", "url": "https://y"}, "public": True,
     "payload": {"action": "started"}, "org": {"id": 3}},
    {"id": "3", "type": "IssuesEvent", "actor": {"id": 3, "login": "c", "url": None}, "public": True,
     "payload": {"action": "closed", "issue": {"number": 7, "body": None, "labels": [], "score": 1}, "commits": []}},
    {"id": "4", "type": "IssuesEvent", "actor": {"id": 4, "login": "d", "url": "https://z"}, "public": False,
     "payload": {"action": "opened", "issue": {"number": "7a", "body": "x", "labels": [{"name": "bug"}], "score": 1.5}}},
]  # fmt: skip


def lines(folder: Path, *records: Any, name: str = "a.ndjson") -> Path:
    path = folder / name
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


# ---- infer
@pytest.mark.parametrize("text", ['{"a":' * 500 + "1" + "}" * 500, "[" * 500 + "]" * 500])
def test_what_lies_very_deep_is_of_any_shape(text: str, tmp_path: Path) -> None:
    found = FORMAT.infer([lines(tmp_path, f'{{"x":{text}}}')])
    depth, type = 0, found.record["x"].type
    while isinstance(type, Record | List):
        depth, type = depth + 1, type.item.type if isinstance(type, List) else type.fields[0].type
    assert depth == 63
    assert isinstance(type, Json)
    assert FORMAT.parse(FORMAT.render(found)) == FORMAT.parse(FORMAT.render(FORMAT.parse(FORMAT.render(found))))
    assert FORMAT.validate(tmp_path / "a.ndjson", found) is None


def test_events_of_many_kinds(tmp_path: Path) -> None:
    path = lines(tmp_path, *EVENTS)
    found = FORMAT.infer([path])
    record = found.record
    assert record.names == ("id", "type", "actor", "public", "payload", "org")
    assert [f.name for f in record.fields if f.optional] == ["org"]
    actor, payload = record["actor"].type, record["payload"].type
    assert isinstance(actor, Record)
    assert isinstance(payload, Record)
    assert actor["url"] == Field("url", String(), nullable=True)
    assert {f.name for f in payload.fields if not f.optional} == set()
    issue, commits = payload["issue"].type, payload["commits"].type
    assert isinstance(issue, Record)
    assert isinstance(issue["number"].type, Json)
    assert issue["score"].type == Number()
    assert issue["body"].nullable
    assert isinstance(commits, List)
    assert isinstance(commits.item.type, Record)
    document = json.loads(FORMAT.render(found))
    assert document["properties"]["payload"]["properties"]["issue"]["properties"]["number"] == {"type": ["string", "integer"]}
    assert FORMAT.validate(path, found) is None
    assert FORMAT.render(FORMAT.parse(FORMAT.render(found))) == FORMAT.render(found)


@pytest.mark.parametrize(
    ("values", "kind", "nullable"),
    [
        (["1", "2"], Integer(), False), (["1", "1.0"], Number(), False), (["1", "1e2", "null"], Number(), True),
        (["12345678901234567890123"], Integer(), False), (["1e400"], Number(), False), (['"1"', "null"], String(), True),
        (["true"], Bool(), False), (["null", "null"], Null(), True), (["1", '"a"'], Json(), False),
        (["{}", "null"], Record(()), True), (["[1]", "[null, 2]"], List(Field("item", Integer(), True)), False),
        (["[]"], List(Field("item", Json(), nullable=True)), False),
    ],
)  # fmt: skip
def test_types_from_all_records(tmp_path: Path, values: list[str], kind: Type, nullable: bool) -> None:
    found = FORMAT.infer([lines(tmp_path, *(f'{{"x":{value}}}' for value in values))]).record["x"]
    assert (found.type, found.nullable, found.optional) == (kind, nullable, False)


def test_files_are_taken_together(tmp_path: Path) -> None:
    files = [lines(tmp_path, {"a": 1, "b": 1}, name="1.ndjson"), lines(tmp_path, {"a": None}, {"c": 2.5, "a": 1}, name="2.ndjson"),
             lines(tmp_path, name="3.ndjson")]  # fmt: skip
    found = FORMAT.infer(files)
    assert found.record.fields == (
        Field("a", Integer(), nullable=True), Field("b", Integer(), optional=True), Field("c", Number(), optional=True),
    )  # fmt: skip
    assert FORMAT.infer([]).record.fields == ()
    assert json.loads(FORMAT.render(FORMAT.infer([])))["type"] == "object"


def test_more_forms_than_are_counted_at_once(tmp_path: Path) -> None:
    found = FORMAT.infer([lines(tmp_path, *({"a": i, f"k{i}": 1} for i in range(9000)))])
    assert len(found.record.fields) == 9001
    assert not found.record["a"].optional
    assert found.record["k8999"].optional


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1}\n[1]\n', "is an array, not an object"),
        ('{"a":1}\n{"a":{"b":1,"b":2}}\n', "the key 'b'"),
        ('{"a":1}\n{"a"\n', "not valid"),
    ],
)
def test_records_that_give_no_schema(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(text)
    with pytest.raises(FileError, match=message) as error:
        FORMAT.infer([path])
    assert error.value.where
    assert (error.value.where.file, error.value.where.row) == (str(path), 1)


@settings(max_examples=examples(bounded=26, many=80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_records_fit_the_schema_that_they_give(tmp_path: Path, texts: list[str]) -> None:
    path = lines(tmp_path, *(record.replace("\n", " ").replace("\r", " ") for record in texts))
    found = FORMAT.infer([path])
    assert FORMAT.validate(path, found) is None
    v = FORMAT.values(found, found)
    decode = v.decoder(found.root)
    for text in records(path):
        assert set(decode(text)) <= set(found.record.names)


# ---- validate
def misfit(folder: Path, s: Schema, *records: Any) -> str | None:
    try:
        return FORMAT.validate(lines(folder, *records), s)
    except MalformedError as error:
        return str(error)


PLAIN = schema(
    Field("id", Int(64)),
    Field("a", Record((Field("b", Integer()), Field("c", Float(32), optional=True))), optional=True),
    Field("items", List(Field("item", Record((Field("price", Number(), nullable=True),)))), optional=True),
    Field("odd.name", Map(Field("value", Int(8))), optional=True),
)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": 1, "a": {"b": 2}, "items": [{"price": None}, {"price": 1.10}], "odd.name": {"k": -128}, "unknown": [1]}, None),
        ('{"id": 1.0, "a": {"b": 12345678901234567890123}}', None),
        ('{"id": 1, "a": {"b": 1, "c": 0.1}, "items": []}', None),
        ('{"id": 1, "a": {"b": 1, "c": -3.4028235e+38}}', None),
        ('{"id": 1, "a": {"b": 1, "c": 3.4028236e+38}}', "record 1, field a.c: 3.4028236e+38 is greater than"),
        ('{"id": 1, "x": "\\ud800 half a pair"}', None),
        ({"id": "x"}, 'record 1, field id: "x" is a string, expected integer'),
        ({"id": 1, "a": {"b": "x"}}, 'record 1, field a.b: "x" is a string, expected integer'),
        ({"id": 1, "items": [{"price": 1}, {"price": "1"}]}, 'record 1, field items[1].price: "1" is a string, expected'),
        ({"id": 2**63}, "record 1, field id: 9223372036854775808 is greater than"),
        ({"id": 1, "odd.name": {"k": 128}}, 'record 1, field "odd.name".k: 128 is greater than'),
        ('{"id": 1, "a": {"b": 1, "c": 1e39}}', "record 1, field a.c: 1e+39 is greater than"),
        ('{"id": 1.00000000000000000001}', "record 1, field id: 1.00000000000000000001 is a number, expected integer"),
        ({"a": None}, "record 1"),
        ('{"id": 1, "a": {"b": 1, "b": 2}}', "record 1: the key 'b' is in one object twice"),
        ('{"id": 1, "x": [{"y": {"z" :1, "\\u007a": 2}}]}', "record 1: the key 'z' is in one object twice"),
        ('{"id": 1, "x": "a \\":1, \\":2"}', None),
        ('{"id": NaN}', "record 1: not valid JSON"),
        ('{"id": 1} x', "record 1: not valid JSON"),
        ("7", "record 1: 7 is an integer, expected an object"),
    ],
)
def test_the_first_misfit_is_named(tmp_path: Path, record: Any, expected: str | None) -> None:
    found = misfit(tmp_path, PLAIN, {"id": 1}, record, {"id": "later"}) if expected else misfit(tmp_path, PLAIN, {"id": 1}, record)
    assert found == expected if expected is None else (found or "").startswith(expected), found


def test_invalid_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"id":1}\n{"id":1,"x":"\xff"}\n')
    with pytest.raises(MalformedError, match="record 1: not valid UTF-8: byte 0xff"):
        FORMAT.validate(path, PLAIN)


def test_the_registered_document_itself_is_asked(tmp_path: Path) -> None:
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "when": {"type": "string", "format": "date-time"},
            "x": {"oneOf": [{"type": "integer", "format": "int32"}, {"$ref": "#/definitions/y"}]},
            "home": {"$ref": "address"},
        },
        "additionalProperties": False,
        "definitions": {"y": {"type": "string"}},
    }
    s = FORMAT.parse(json.dumps(document), library={"address": '{"type": "object", "required": ["zip"]}'})
    assert misfit(tmp_path, s, {"code": "EUR", "when": "not checked", "x": 1, "home": {"zip": 1}}) is None
    assert "code" in (misfit(tmp_path, s, {"code": "euro"}) or "")
    assert "home" in (misfit(tmp_path, s, {"home": {}}) or "")
    assert "field x" in (misfit(tmp_path, s, {"x": 2**31}) or "")
    assert "other" in (misfit(tmp_path, s, {"other": 1}) or "")


def test_a_pattern_that_is_no_pattern(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"#/properties/a: .* is not a regular expression"):
        FORMAT.parse('{"properties": {"a": {"pattern": "("}}}')
    s = FORMAT.parse('{"properties": {"a": {"patternProperties": {"(?<=a+)b": {}}}}}')
    assert misfit(tmp_path, s, {"a": "x"}) is None
