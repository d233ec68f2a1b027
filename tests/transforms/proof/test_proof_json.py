"""Proofs of real JSON rewrites: right ones hold, damaged ones do not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from instar import op
from instar.formats.format import format_named
from instar.formats.schema import Field, Int, Record, Schema
from instar.transforms.proof import json_text
from instar.transforms.proof.integrity import prove_file
from tests.faults import plant, possible
from tests.transforms.proof.conftest import problems

SCHEMA = {
    "type": "object",
    "required": ["id", "constant"],
    "properties": {
        "id": {"type": "integer"},
        "constant": {"type": "string"},
        "price": {"type": ["number", "null"]},
        "size": {"type": "integer", "format": "int64"},
        "name": {"type": "string"},
        "user": {
            "type": ["object", "null"],
            "properties": {"login": {"type": "string"}, "age": {"type": "integer"}, "odd.\"'🦋": {"type": "boolean"}},
        },
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}, "t": {"type": "string"}}}},
        "scores": {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
        "any": {},
    },
}


def line(i: int) -> str:
    """A record, its keys in an order, with a spelling and with unregistered keys that depend on the number."""
    members = [
        f'"id": {i}' + ("0" * 22 if i == 3 else ""),
        '"constant":"same"',
        f'"price":{("1.10", "1e2", "null", "5")[i % 4]}',
        f'"user": {("null", json.dumps({"login": "é", "age": i, "later": 1.50}), "{}", json.dumps({"x": None, "age": 1}))[i % 4]}',
        f'"items":[{{"n":{i},"u":1}} , {{}}]' if i % 2 else '"items":[]',
        '"scores":{"a":1,"b":null}',
        f'"\\u0061ny":{("1", "[1.0]", "null")[i % 3]}',
        f'"unknown{i % 2}":{{"deep":[{i}.0]}}',
    ]
    if i % 3 == 0:
        members.append(f'"name":"n{i}"')
    if i % 5:
        members.append(f'"size":{i}')
    return "{" + ",".join(members[i % 3 :] + members[: i % 3]) + "}"


OPERATIONS = [
    op.rename("id", to="number"),
    op.cast("number", "string"),
    op.rename("user.login", to="handle"),
    op.cast("user.age", "string"),
    op.cast("items[].n", "string"),
    op.cast("scores{}", "string"),
    op.add("kind", "string", default="event"),
    op.add("user.verified", "bool", default=False),
    op.derive("twice", "int64", sql="coalesce(size, 0) * 2"),
    op.drop("constant"),
    op.move("name", to="user.name", where_null="drop"),
    op.allow_null("size"),
]


def schema(document=SCHEMA):
    return format_named("json").parse(json.dumps(document))


@pytest.fixture(params=["lines", "array", "gz"])
def file(tmp_path: Path, request) -> Path:
    path = tmp_path / ("data.json" + (".gz" if request.param == "gz" else ""))
    lines = [line(i) for i in range(40)]
    text = "[" + ",\n  ".join(lines) + "]\n" if request.param == "array" else "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if request.param == "gz" else text.encode())
    return path


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("operations", [[op.rename("id", to="key")], OPERATIONS], ids=["rename", "all"])
def test_a_right_rewrite_proves(file, staged, operations, level):
    proof = prove_file(*staged(file, "json", operations, schema()), level=level)
    assert problems(proof) == {}
    assert (proof.verdict, proof.rows_old, proof.rows_new) == ("proved", 40, 40)


@pytest.mark.parametrize("fault", possible("json"))
def test_a_planted_fault_is_found(file, staged, fault):
    unit, receipt = staged(file, "json", [op.rename("id", to="key")], schema())
    plant(fault, Path(unit.staged), "json")
    assert problems(prove_file(unit, receipt))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("1.10", "1.1", "price"),
        ("1e2", "100.0", "price"),
        ('"age": "1"', '"age": "2"', "user.age"),
        ('"deep":[1.0]', '"deep":[1]', ""),
        ('"later": 1.5', '"later": 1.50', "user"),
        ('"price":null', '"price":0', "price"),
        ('"price":null,', "", ""),
        ('"unknown0"', '"unknown2"', ""),
        ('"kind":"event"', '"kind":"other"', "kind"),
        ('"twice":22', '"twice":23', "twice"),
        ('"twice":22', '"twice":"22"', "twice"),
        ('"a":"1"', '"a":"2"', "scores"),
        ('"u":1', '"u":2', "items"),
        ('"verified":false', '"verified":null', "user.verified"),
        ("30000000000000000000000", "30000000000000000000001", "number"),
    ],
)
def test_a_small_change_is_found_where_it_is(tmp_path, staged, old, new, place):
    path = tmp_path / "data.json"
    path.write_text("\n".join(line(i) for i in range(12)) + "\n")
    unit, receipt = staged(path, "json", OPERATIONS, schema())
    text = Path(unit.staged).read_text()
    assert old in text
    Path(unit.staged).write_text(text.replace(old, new, 1))
    assert place in problems(prove_file(unit, receipt))


def test_keys_in_another_order_are_found(tmp_path, staged):
    path = tmp_path / "data.json"
    path.write_text('{"id":1,"constant":"c","zzz":1}\n')
    unit, receipt = staged(path, "json", [op.rename("id", to="key")], schema())
    assert problems(prove_file(unit, receipt)) == {}
    Path(unit.staged).write_text('{"constant":"c","key":1,"zzz":1}\n')
    assert list(problems(prove_file(unit, receipt))) == [""]
    Path(unit.staged).write_text('{"key":1,"zzz":1,"constant":"c"}\n')
    assert list(problems(prove_file(unit, receipt))) == [""]


@pytest.mark.parametrize("written", ['{"key":1}', '{"key":1,"constant":"c","size":null}'])
def test_missing_and_null_are_told_apart(tmp_path, staged, written):
    path = tmp_path / "data.json"
    path.write_text('{"id":1,"constant":"c"}\n')
    unit, receipt = staged(path, "json", [op.rename("id", to="key"), op.move("size", to="box.size")], schema())
    assert problems(prove_file(unit, receipt)) == {}
    Path(unit.staged).write_text(written + "\n")
    assert prove_file(unit, receipt).verdict == "failed"


def test_a_duplicated_key_in_the_new_file_cannot_be_read(tmp_path, staged):
    path = tmp_path / "data.json"
    path.write_text('{"id":1,"constant":"c"}\n')
    unit, receipt = staged(path, "json", [op.rename("id", to="key")], schema())
    Path(unit.staged).write_text('{"key":1,"key":1,"constant":"c"}\n')
    proof = prove_file(unit, receipt)
    assert proof.verdict == "failed"
    assert "given twice" in proof.unread
    assert proof.failures[0] == proof.unread


@pytest.mark.parametrize("text", ["", "[]\n"])
def test_no_records_prove(tmp_path, staged, text):
    path = tmp_path / "none.json"
    path.write_text(text)
    proof = prove_file(*staged(path, "json", OPERATIONS, schema()))
    assert (proof.verdict, proof.rows_new) == ("proved", 0)


def test_one_document_of_many_lines_proves(tmp_path, staged):
    path = tmp_path / "document.json"
    path.write_text(json.dumps(json.loads(line(7)), indent=2))
    proof = prove_file(*staged(path, "json", OPERATIONS, schema()))
    assert (problems(proof), proof.rows_new) == ({}, 1)


def test_nothing_is_required_inside_a_record_that_is_not_there(tmp_path, staged):
    path = tmp_path / "data.json"
    path.write_text('{"id":1,"constant":"c"}\n{"id":2,"constant":"c","user":null}\n{"id":3,"constant":"c","user":{"login":"x"}}\n')
    unit, receipt = staged(path, "json", [op.require("user.login")], schema())
    assert problems(prove_file(unit, receipt)) == {}
    Path(unit.staged).write_text(Path(unit.staged).read_text().replace('"x"', "null"))
    assert "user.login" in problems(prove_file(unit, receipt))


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize(("key", "right", "wrong"), [("version", "1", "1.0"), ("twice", "4", "4e0"), ("twice", "4", "4.0")])
def test_an_integer_that_a_migration_made_is_written_as_one(key, right, wrong, level, tmp_path, staged):
    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"n":{i}.0}}\n' for i in range(9)))
    schema = Schema(Field("", Record((Field("n", Int(64)),))), open=True)
    made = [op.add("version", "int64", default=1), op.derive("twice", "int64", sql="n * 2"), op.cast("n", "int32")]
    unit, receipt = staged(path, "json", made, schema)
    assert prove_file(unit, receipt, level=level).failures == ()
    lines = Path(unit.staged).read_text().splitlines()
    lines[2] = lines[2].replace(f'"{key}":{right}', f'"{key}":{wrong}')
    Path(unit.staged).write_text("\n".join(lines) + "\n")
    assert [(c.path, c.row) for c in prove_file(unit, receipt, level=level).columns if c.problem] == [(key, 2)]


MALFORMED = {
    "more after the end": ("]\n", "] x\n"),
    "another array": ("]\n", "]\n[]\n"),
    "no comma": ("},", "} "),
    "two commas": ("},", "},,"),
    "a comma first": ("[", "[,"),
    "a comma last": ("]\n", ",]\n"),
    "no end": ("]\n", "\n"),
}


SHORT = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "s": {"type": "string"}}}
KINDS = {"rename": [op.rename("s", to="t")], "derive": [op.derive("d", "int64", sql="id * 2")]}


@pytest.mark.parametrize("operations", KINDS.values(), ids=KINDS)
def test_an_array_that_is_not_json_is_not_proved(operations, tmp_path, staged):
    path = tmp_path / "data.json"
    path.write_text("[\n" + ",\n".join(f'{{"id":{i},"s":"x"}}' for i in range(3)) + "\n]\n")
    unit, receipt = staged(path, "json", operations, schema(SHORT))
    assert prove_file(unit, receipt).failures == ()
    text = Path(unit.staged).read_text()
    for what, (right, wrong) in MALFORMED.items():
        assert right in text
        Path(unit.staged).write_text(text.replace(right, wrong, 1))
        assert prove_file(unit, receipt).unread, what


@pytest.mark.parametrize("left_out", [(), (1,)])
def test_the_elements_of_an_array_are_found_across_pieces(left_out, tmp_path, monkeypatch):
    """Wherever a piece of the file ends: in a number, in a text, before a comma."""
    path = tmp_path / "data.json"
    path.write_text('\ufeff \n[ {"a" : 12} ,\n {"b":"] ,"},  3.25 ,"x",[ ] ] \n', encoding="utf-8")
    monkeypatch.setattr(json_text, "_CHUNK", 1)
    found = [json.loads(json_text.canonical(value)) for value in json_text.records(path, frozenset(left_out))]
    assert found == [each for number, each in enumerate([{"a": 12}, {"b": "] ,"}, 3.25, "x", []]) if number not in left_out]


@pytest.mark.parametrize("operations", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_packed_file_that_is_damaged_is_told(ending, operations, tmp_path, staged):
    pack = gzip.compress if ending == "gz" else zstandard.ZstdCompressor(write_checksum=True).compress
    path = tmp_path / f"data.ndjson.{ending}"
    path.write_bytes(pack("".join(f'{{"id":{i},"s":"x{i * 7919 % 1000}"}}\n' for i in range(300)).encode()))
    unit, receipt = staged(path, "json", operations, schema(SHORT))
    whole = Path(unit.staged).read_bytes()
    middle = len(whole) // 2
    for damaged in (whole + b"junk", whole[:-1], whole[:middle] + b"\xff\xff" + whole[middle + 2 :]):
        Path(unit.staged).write_bytes(damaged)
        assert prove_file(unit, receipt).unread


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("text", ['{"a":["SECRET"]}', '{"a":"SECRET"}', '["SECRET"]'])
def test_what_stands_around_a_field_is_not_quoted_where_it_could_be_a_hidden_one(tmp_path, staged, level, text):
    path = tmp_path / "data.ndjson"
    path.write_text('{"a":{"n":1,"ssn":"x","town":"y"}}\n', encoding="utf-8")
    inside = {"n": {"type": "integer"}, "ssn": {"type": "string"}, "town": {"type": "string"}}
    document = {"type": "object", "properties": {"a": {"type": "object", "properties": inside}}}
    operations = [op.set_tag("a.ssn", "pii"), op.cast("a.n", "string")]
    unit, receipt = staged(path, "json", operations, format_named("json").parse(json.dumps(document)))
    Path(unit.staged).write_text(text + "\n", encoding="utf-8")
    proof = prove_file(unit, receipt, level=level)
    assert "SECRET" not in repr(proof)
    assert problems(proof)["a.town"] == "record 0: what is around it is no record"
