"""Arrow schema documents: they come back equal as JSON, and a malformed one names its place."""

from __future__ import annotations

import copy
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from instar.formats.arrow import arrow_schema, logical_schema
from instar.formats.errors import SchemaError
from instar.formats.parquet.document import parse, render
from instar.formats.schema import Enum, Field, Integer, List, Number, Record, String, Timestamp, field_text, schema

CONFORMANCE = Path(os.environ.get("INSTAR_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
FOLDER = CONFORMANCE / "arrow-testing" / "data" / "arrow-ipc-stream" / "integration"
FILES = sorted(FOLDER.glob("**/*.json.gz"))
needs_files = pytest.mark.skipif(not FILES, reason=f"no conformance files in {FOLDER}")


def has_twins(nodes: list[dict]) -> bool:
    """Do two fields of one record have one name? (Union branches and such may.)"""
    return len({n["name"] for n in nodes}) < len(nodes) or any(
        has_twins(n["children"]) for n in nodes if n["type"]["name"] == "struct"
    )


@needs_files
@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_arrows_own_schemas_come_back(path: Path) -> None:
    text = json.dumps({"schema": json.loads(gzip.decompress(path.read_bytes()))["schema"]})
    if has_twins(json.loads(text)["schema"]["fields"]):
        with pytest.raises(SchemaError, match="two fields with one name"):
            parse(text)
        return
    assert json.loads(render(parse(text))) == json.loads(text)


@needs_files
@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_arrows_own_schemas_mean_what_pyarrow_reads(path: Path) -> None:
    """The JSON's schema made into pyarrow's is that of the stream beside it."""
    stream = path.with_name(path.name.replace(".json.gz", ".stream"))
    text = json.dumps({"schema": json.loads(gzip.decompress(path.read_bytes()))["schema"]})
    if has_twins(json.loads(text)["schema"]["fields"]) or "interval" in path.name:
        pytest.skip("duplicate names are refused; pyarrow has no Python form of two interval types")
    theirs = pa.ipc.open_stream(stream.read_bytes()).schema
    assert arrow_schema(parse(text)).equals(theirs, check_metadata="non_canonical" not in path.name)


def example() -> dict:
    field = {"name": "route", "nullable": True, "type": {"name": "struct"}, "children": [
        {"name": "dest", "nullable": False, "type": {"name": "utf8"}, "children": [], "metadata": [{"key": "a", "value": "b"}]},
        {"name": "stops", "nullable": True, "type": {"name": "largelist"}, "children": [
            {"name": "element", "nullable": False, "type": {"name": "decimal", "precision": 9, "scale": 2}, "children": []}]},
    ]}  # fmt: skip
    return {"schema": {"fields": [field], "metadata": [], "endianness": "little"}}


def test_odd_spellings_come_back() -> None:
    given = example()
    del given["schema"]["fields"][0]["children"][0]["children"]
    given["schema"]["fields"][0]["someone's key"] = [1]
    assert json.loads(render(parse(json.dumps(given)))) == given


@pytest.mark.parametrize(
    ("place", "key", "value", "said"),
    [
        (("fields", 0), "name", 1, "'name' must be a string"),
        (("fields", 0, "children", 0), "nullable", "yes", "route.dest: 'nullable' must be true or false"),
        (("fields", 0, "children", 0), "type", {"name": "varchar"}, "route.dest: there is no name 'varchar'"),
        (("fields", 0, "children", 0), "type", {"name": "int", "bitWidth": 7, "isSigned": True}, "no integer of 7 bits"),
        (("fields", 0, "children", 0), "type", {"name": "timestamp", "unit": "MONTH"}, "no unit 'MONTH'"),
        (("fields", 0, "children", 0), "type", {"name": "struct", "x": 1}, None),
        (("fields", 0, "children", 0), "metadata", {"a": "b"}, "'metadata' must be an array"),
        (("fields", 0, "children", 0), "dictionary", {"id": 0}, "has no 'indexType'"),
        (("fields", 0, "children", 1), "children", [], "route.stops: has 0 children where its type has 1"),
        (
            ("fields", 0, "children", 1, "children", 0, "type"),
            "precision",
            39,
            "route.stops.element: a decimal of 128 bits holds 1 to 38",
        ),
        (("fields",), 0, [], "expected an object"),
        ((), "fields", {}, "'schema' has no array 'fields'"),
    ],
)
def test_malformed_documents_name_the_place(place: tuple, key: str, value: object, said: str | None) -> None:
    document = copy.deepcopy(example())
    node = document["schema"]
    for step in place:
        node = node[step]
    node[key] = value
    if said is None:
        assert json.loads(render(parse(json.dumps(document)))) == document
        return
    with pytest.raises(SchemaError) as caught:
        parse(json.dumps(document))
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"schema": []}', '{"schema": {"fields": []}, "batches": []}',
                                  '{"schema": {"fields": NaN}}', '{"schema": {"fields": [], "fields": []}}'])  # fmt: skip
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(SchemaError):
        parse(text)


def test_a_file_schema_becomes_a_document_and_comes_back() -> None:
    given = pa.schema(
        [pa.field("d", pa.dictionary(pa.int8(), pa.string())), pa.field("e", pa.list_(pa.dictionary(pa.int8(), pa.string())))],
        metadata={b"raw": b"\xff"},
    )
    text = render(logical_schema(given))
    assert arrow_schema(parse(text)).equals(given, check_metadata=True)
    assert [f["id"] for f in (json.loads(text)["schema"]["fields"][0]["dictionary"],)] == [0]
    assert json.loads(text)["schema"]["fields"][1]["children"][0]["dictionary"]["id"] == 1
    assert render(parse(text)) == text


def test_types_that_arrow_lacks_are_named_in_the_metadata() -> None:
    given = schema(
        Field("state", Enum(("in progress", "done"))),
        Field("size", Number()),
        Field("count", List(Field("item", Integer()))),
        Field("at", Timestamp("s", "UTC"), extra={"metadata": [["instar.type", "timestamp(s, UTC)"]]}),
        Field("wall", Timestamp("s")),
    )
    text = render(given)
    fields = json.loads(text)["schema"]["fields"]
    assert fields[0]["type"] == {"name": "utf8"}
    assert fields[0]["metadata"] == [{"key": "instar.type", "value": 'enum("in progress", done)'}]
    assert [fields[i]["type"].get("unit") for i in (3, 4)] == ["MILLISECOND", "SECOND"]
    assert [field_text(f) for f in parse(text).record.fields] == [field_text(f) for f in given.record.fields]
    assert render(parse(text)) == text


@pytest.mark.parametrize(
    ("named", "says"), [("date", "is utf8|is string|there is string"), ("dat", "there is no type"), ("int64", "int64")]
)
def test_a_document_whose_named_type_contradicts_what_holds_it_is_refused(named: str, says: str) -> None:
    text = render(schema(Field("a", Record((Field("state", Enum(("x", "y"))),)))))
    with pytest.raises(SchemaError, match=says) as caught:
        parse(text.replace("enum(x, y)", named))
    assert "a.state" in caught.value.message


def test_a_named_type_goes_when_the_field_becomes_another_type() -> None:
    state = parse(render(schema(Field("state", Enum(("x", "y")))))).record["state"]
    made = parse(render(schema(state.with_(type=String()), state.with_(name="n", type=Enum(("z",))))))
    assert [f.type for f in made.record.fields] == [String(), Enum(("z",))]
    assert "instar.type" not in dict(made.record["state"].extra.get("metadata", ()))


def test_an_empty_record_is_a_schema() -> None:
    assert parse(render(schema())).record.fields == ()
    assert parse(render(schema(Field("", String(), nullable=True)))).record[""].nullable
