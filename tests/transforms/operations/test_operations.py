"""What each operation means, and what it refuses."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import instar
from instar.formats.errors import InstarError, MigrationError
from instar.formats.format import format_named
from instar.formats.path import path_text
from instar.formats.schema import Date, Decimal, Field, Float, Int, List, Map, Null, Record, Schema, String, field_text, schema
from instar.transforms import operations as op
from instar.transforms.mapping import chain
from instar.transforms.spelling import operation_text
from tests.reference import Refused, evaluate

I64, STR = Int(64), String()
SOURCE = schema(
    Field("x", I64, doc="the x", default=3, tags=("key",), extra={"id": 1}),
    Field("n", STR, nullable=True),
    Field("r", Record((Field("p", I64), Field("q", STR, nullable=True))), nullable=True),
    Field("items", List(Field("item", Record((Field("price", Float(64)), Field("s", STR)))))),
    Field("tags", Map(Field("value", I64, nullable=True))),
    Field("o", STR, optional=True, nullable=True),
    Field("odd.name", I64),
)
ROW: dict[str, Any] = {
    "x": 5,
    "n": None,
    "r": {"p": 1, "q": "q"},
    "items": [{"price": 2.0, "s": "s"}],
    "tags": {"a": 1, "b": None},
    "o": "o",
    "odd.name": 9,
}


def target(*operations: Any, source: Schema = SOURCE) -> dict[str, str]:
    return {f.name: field_text(f) for f in chain(source, operations).target.record.fields}


def out(*operations: Any, row: dict[str, Any] = ROW) -> dict[str, Any]:
    return evaluate(chain(SOURCE, operations), row)


def refused(*operations: Any, source: Schema = SOURCE) -> InstarError:
    with pytest.raises(InstarError) as error:
        chain(source, operations)
    assert error.value.exit_code == 2
    return error.value


def test_the_operations_of_scripts_are_reached_from_the_package():
    assert instar.op is op
    made = {name: getattr(op, name) for name in op.__all__}
    assert dir(op) == sorted(made)
    assert {spelled(each) for each in made.values()} == made.keys()


def spelled(operation: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation.__name__).lower()


@pytest.mark.parametrize(
    ("name", "words"), [("remove", "op.drop"), ("delete", "op.drop"), ("renam", "op.rename"), ("zzz", "are add")]
)
def test_another_name_for_an_operation_is_answered(name: str, words: str):
    with pytest.raises(AttributeError, match=words):
        getattr(op, name)


# ---- rename
def test_rename_keeps_everything_but_the_name():
    mapping = chain(SOURCE, [op.rename("x", to="y z")])
    assert mapping.target.record.fields[0] == SOURCE.record["x"].with_(name="y z")
    assert out(op.rename("r.p", to="pp"))["r"] == {"pp": 1, "q": "q"}
    assert out(op.rename('"odd.name"', to='"even ""odder"""'))['even "odder"'] == 9
    assert chain(SOURCE, [op.rename("o", to="p")]).target.record["p"].optional


def test_rename_refuses_what_is_taken_missing_or_a_path():
    assert "there is a field n already" in str(refused(op.rename("x", to="n")))
    assert "Did you mean 'items'?" in refused(op.rename("item", to="y")).hint
    with pytest.raises(MigrationError, match=r"'r\.x' is a path, not a name") as error:
        op.rename("x", to="r.x")
    assert "op.move" in error.value.hint
    with pytest.raises(MigrationError, match="does not end in a field's name"):
        op.rename("items[]", to="y")


# ---- add
def test_add_writes_its_default_into_every_record():
    mapping = chain(SOURCE, [op.add("c", "string", default="USD")])
    assert mapping.target.record.fields[-1] == Field("c", STR, default="USD")
    assert out(op.add("c", "string", default="USD"))["c"] == "USD"
    assert out(op.add("items[].c", "int32", default=1))["items"] == [{"price": 2.0, "s": "s", "c": 1}]


def test_add_without_a_default_may_be_null_and_is():
    assert target(op.add("c", "string"))["c"] == "string?"
    assert out(op.add("c", "string"))["c"] is None
    assert target(op.add("c", "string?", default="x"))["c"] == "string?"
    assert target(op.add("c", "string", default="x", nullable=True))["c"] == "string?"


def test_nothing_is_added_inside_a_null_record():
    assert out(op.add("r.k", "int64", default=1), row={**ROW, "r": None})["r"] is None


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ({}, "x n r items tags o odd.name c"),
        ({"position": 0}, "c x n r items tags o odd.name"),
        ({"after": "n"}, "x n c r items tags o odd.name"),
        ({"before": '"odd.name"'}, "x n r items tags o c odd.name"),
        ({"position": 7}, "x n r items tags o odd.name c"),
    ],
)
def test_a_new_field_goes_where_it_is_told(place: dict[str, Any], order: str):
    assert list(target(op.add("c", "int64", **place))) == order.split()
    assert list(target(op.derive("c", "int64", sql="x", **place))) == order.split()


def test_add_refuses_what_cannot_be():
    assert "there is a field x already" in str(refused(op.add("x", "int64")))
    assert "there is no field nope" in str(refused(op.add("nope.c", "int64")))
    assert "there is no field nope" in str(refused(op.add("c", "int64", after="nope")))
    assert "no position 8 among 7 fields" in str(refused(op.add("c", "int64", position=8)))
    assert "more than one of position, after and before" in str(refused(op.add("c", "int64", position=0, after="x")))
    for wrong, message in [
        (lambda: op.add("c", "varchar"), "'varchar' is not one of Instar's type names"),
        (lambda: op.add("c", "int8", default=128), "it must be from -128 to 127"),
        (lambda: op.add("c", "int64", nullable=False), "may not be null and has no default"),
        (lambda: op.add("c", "int64?", nullable=False), "says the contrary"),
        (lambda: op.add("c..d", "int64"), "cannot be read at character"),
        (lambda: op.add("", "int64"), "cannot be read"),
    ]:
        with pytest.raises(InstarError, match=message):
            wrong()


def test_types_and_literals_may_be_objects():
    mapping = chain(SOURCE, [op.add("d", Date(), default=dt.date(1970, 1, 11)), op.add("m", Decimal(5, 2), default="1.5")])
    assert evaluate(mapping, ROW) == {**ROW, "d": 10, "m": decimal.Decimal("1.50")}


# ---- drop
def test_drop_takes_the_field_and_what_is_in_it():
    assert out(op.drop("r"), op.drop("items[].s")) == {k: v for k, v in ROW.items() if k not in ("r", "items")} | {
        "items": [{"price": 2.0}]
    }


def test_drop_refuses_to_leave_a_record_without_fields():
    error = refused(op.drop("r.p"), op.drop("r.q"))
    assert "operation 2" in str(error)
    assert "r would be a record without fields" in str(error)
    assert "Drop r itself" in error.hint
    assert "the data would be a record without fields" in str(refused(op.drop("x"), source=schema(Field("x", I64))))


# ---- cast
def test_cast_changes_the_type_and_keeps_the_rest():
    field = chain(SOURCE, [op.cast("x", "string")]).target.record["x"]
    assert (field.type, field.doc, field.tags, field.extra, field.nullable) == (STR, "the x", ("key",), {"id": 1}, False)
    assert out(op.cast("x", "string"), op.cast("tags{}", "string"))["tags"] == {"a": "1", "b": None}
    assert out(op.cast("items[].price", "int32"))["items"] == [{"price": 2, "s": "s"}]


def test_a_value_that_cannot_be_cast_fails_or_becomes_null():
    with pytest.raises(Refused):
        out(op.cast("o", "int64"))
    assert out(op.cast("o", "int64", on_error="null"))["o"] is None
    assert target(op.cast("x", "int8", on_error="null"))["x"] == "int8?"


def test_cast_refuses_pairs_that_are_not_in_the_table():
    error = refused(op.cast("r", "string"))
    assert "there is no cast from record{p: int64, q: string?} to string" in str(error)
    assert 'operation 1, cast("r", "string")' in str(error)
    assert "x is int64 already" in str(refused(op.cast("x", "int64")))
    with pytest.raises(MigrationError, match="on_error is 'skip'"):
        op.cast("x", "string", on_error="skip")  # type: ignore[arg-type]
    with pytest.raises(MigrationError, match="on_error is 'null'"):
        op.head("x", on_error="null")  # type: ignore[arg-type]
    with pytest.raises(MigrationError, match="of what default_sql computes, and there is none"):
        op.add("x", "string", on_error="fail")
    with pytest.raises(MigrationError, match="nullable=False forbids"):
        op.merge(["x", "y"], to="z", sql="x || y", on_error="null", nullable=False)
    with pytest.raises(InstarError, match="ends in"):
        op.cast("x", "string?")


# ---- derive
def test_derive_computes_from_the_fields_of_its_record():
    assert out(op.derive("d", "int64", sql="x * 2"))["d"] == 10
    assert out(op.derive("r.d", "string", sql="q || p"))["r"] == {"p": 1, "q": "q", "d": "q1"}
    assert out(op.derive("items[].d", "double", sql="price + 1"))["items"] == [{"price": 2.0, "s": "s", "d": 3.0}]
    assert out(op.derive("d", "string", sql='r.q || "odd.name"'))["d"] == "q9"
    assert out(op.derive("r.d", "int64", sql="p"), row={**ROW, "r": None})["r"] is None


def test_a_derived_field_may_be_null_unless_told():
    assert target(op.derive("d", "string", sql="n"))["d"] == "string?"
    assert target(op.derive("d", "string", sql="n", nullable=False))["d"] == "string"
    with pytest.raises(Refused):
        out(op.derive("d", "string", sql="n", nullable=False))


def test_derive_replaces_only_when_told():
    error = refused(op.derive("x", "int64", sql="x + 1"))
    assert "there is a field x already" in str(error)
    assert "replace=True" in error.hint
    assert out(op.derive("x", "string", sql="'x' || x", replace=True))["x"] == "x5"
    assert list(target(op.derive("n", "string", sql="upper(n)", replace=True))) == list(target())
    assert "there is no field y" in str(refused(op.derive("y", "int64", sql="x", replace=True)))


def test_derive_names_what_its_sql_does_not_find():
    error = refused(op.derive("d", "int64", sql="X + 1"))
    assert "names X, which is not a field" in str(error)
    assert "Did you mean 'x'?" in error.hint


# ---- move
def test_move_nests_unnests_and_renames_on_the_way():
    assert out(op.move("x", to="new.deep.y")) == {k: v for k, v in ROW.items() if k != "x"} | {"new": {"deep": {"y": 5}}}
    assert target(op.move("x", to="new.y"))["new"] == "record{y: int64}"
    assert out(op.move("x", to="x.value"))["x"] == {"value": 5}
    assert out(op.move("items[].s", to="items[].in.s"))["items"] == [{"price": 2.0, "in": {"s": "s"}}]
    assert list(target(op.move("x", to="x", after="n"))) == ["n", "x", "r", "items", "tags", "o", "odd.name"]


def test_what_leaves_a_nullable_or_optional_record_may_be_absent():
    assert target(op.move("r.p", to="p"))["p"] == "int64?"
    s = schema(Field("o", Record((Field("k", I64), Field("l", I64))), optional=True))
    field = chain(s, [op.move("o.k", to="k")]).target.record["k"]
    assert (field.nullable, field.optional) == (False, True)


def test_a_record_that_move_empties_goes_or_is_refused():
    s = schema(
        Field("r", Record((Field("in", Record((Field("p", I64),))),))), Field("m", Record((Field("p", I64),)), nullable=True)
    )
    assert target(op.move("r.in.p", to="p"), source=s) == {"m": "record{p: int64}?", "p": "int64"}
    error = refused(op.move("m.p", to="p"), source=s)
    assert "m would be left without fields" in str(error)
    assert 'emptied="drop"' in error.hint
    assert list(target(op.move("m.p", to="p", emptied="drop"), source=s)) == ["r", "p"]
    assert target(op.move("r.in.p", to="r.p"), source=s)["r"] == "record{p: int64}"


NULLED = schema(
    Field("note", STR),
    Field("c", Record((Field("m", I64), Field("in", Record((Field("k", I64),))))), nullable=True),
    Field("o", Record((Field("k", I64),)), optional=True),
    Field("items", List(Field("item", Record((Field("s", STR), Field("n", Record((Field("k", I64),)), nullable=True)))))),
)
"""Records that may be null or missing, for fields to go into."""


@pytest.mark.parametrize(
    ("path", "to", "record", "why"),
    [
        ("note", "c.note", "c", "may be null"),
        ("note", "c.in.note", "c", "may be null"),
        ("note", "c.new.note", "c", "may be null"),
        ("o.k", "c.k", "c", "may be null"),
        ("note", "o.note", "o", "may be missing"),
        ("items[].s", "items[].n.s", "items[].n", "may be null"),
    ],
)
def test_a_field_goes_into_a_record_that_may_be_absent_only_when_told(path: str, to: str, record: str, why: str):
    error = refused(op.move(path, to=to, emptied="drop"), source=NULLED)
    assert f"{record} {why}, and where it is, the value of {path} would be lost" in str(error)
    assert 'where_null="drop"' in error.hint
    assert f'op.require("{record}")' in error.hint
    chain(NULLED, [op.move(path, to=to, emptied="drop", where_null="drop")])


def test_where_null_says_what_becomes_of_the_value():
    mapping = chain(NULLED, [op.move("note", to="c.note", where_null="drop")])
    rest: dict[str, Any] = {"o": {"k": 1}, "items": []}
    assert evaluate(mapping, {"note": "kept", "c": {"m": 1, "in": {"k": 2}}, **rest})["c"]["note"] == "kept"
    assert evaluate(mapping, {"note": "gone", "c": None, **rest}) == {"c": None, **rest}
    with pytest.raises(MigrationError, match="where_null is 'keep'") as error:
        op.move("x", to="y.x", where_null="keep")  # type: ignore[arg-type]
    assert '"refuse" or "drop"' in error.value.hint


def test_within_one_record_that_may_be_null_a_field_moves_freely():
    assert target(op.move("c.m", to="c.in.m"), source=NULLED)["c"] == "record{in: record{k: int64, m: int64}}?"
    assert target(op.move("c.in.k", to="c.k", emptied="drop"), source=NULLED)["c"] == "record{m: int64, k: int64}?"
    assert target(op.require("c"), op.move("note", to="c.note"), source=NULLED)["c"].endswith("note: string}")


# ---- move, where records hold keys that no schema names
def opened(source: Schema) -> Schema:
    return replace(source, open=True)


EMPTIED = schema(
    Field("p", Record((Field("u", I64),))), Field("m", Record((Field("u", I64),)), nullable=True),
    Field("deep", Record((Field("in", Record((Field("u", I64),))),))),
)  # fmt: skip


def test_a_record_that_may_hold_other_keys_goes_only_when_told():
    error = refused(op.move("p.u", to="u"), source=opened(EMPTIED))
    assert "p would be left without fields, and keys in it that no schema names would be lost" in str(error)
    assert 'emptied="drop"' in error.hint
    told = chain(opened(EMPTIED), [op.move("p.u", to="u", emptied="drop")])
    assert told.target.record.names == ("m", "deep", "u")
    assert target(op.move("p.u", to="u"), source=EMPTIED) == target(op.move("p.u", to="u", emptied="drop"), source=opened(EMPTIED))


@pytest.mark.parametrize(
    ("path", "to", "record"), [("p.u", "p", "p"), ("deep.in.u", "deep.u", "deep.in"), ("deep.in", "in", "deep"), ("m.u", "u", "m")]
)
def test_wherever_it_is(path: str, to: str, record: str):
    error = refused(op.move(path, to=to), source=opened(EMPTIED))
    assert f"{record} would be left without fields" in str(error)
    assert "keys in it that no schema names" in str(error)
    assert ("whether it was null" in str(error)) == (record == "m")


def test_a_record_that_the_script_emptied_before_says_it_as_well():
    operations = [op.rename("p", to="q"), op.allow_null("q.u"), op.move("q.u", to="u")]
    assert "q would be left without fields" in str(refused(*operations, source=opened(EMPTIED)))


def test_a_move_that_leaves_fields_or_drops_the_record_by_name_is_explicit_enough():
    told = [op.add("p.v", "int64"), op.move("p.u", to="u"), op.drop("p")]
    assert chain(opened(EMPTIED), told).target.record.names == ("m", "deep", "u")


def test_only_json_says_that_records_are_open():
    documents = {
        "json": '{"type": "object", "properties": {"p": {"type": "object", "properties": {"u": {"type": "integer"}}}}}',
        "avro": '{"type": "record", "name": "r", "fields": [{"name": "p", "type": "long"}]}',
    }
    assert {name: format_named(name).parse(text).open for name, text in documents.items()} == {"json": True, "avro": False}
    parquet = format_named("parquet")
    assert not parquet.parse(parquet.render(EMPTIED)).open
    source = format_named("json").parse(documents["json"])
    assert chain(source, [op.rename("p", to="q")]).target.open
    assert chain(source, [op.rename("p", to="q")]).inverse()[0].target.open
    assert "p would be left without fields" in str(refused(op.move("p.u", to="u"), source=source))


def test_an_inferred_schema_is_open(tmp_path: Path):
    (tmp_path / "a.ndjson").write_text('{"p": {"u": 1}}\n')
    (tmp_path / "none.ndjson").write_text("")
    json = format_named("json")
    assert [json.infer([tmp_path / name]).open for name in ("a.ndjson", "none.ndjson")] == [True, True]


def test_nothing_moves_across_a_list_or_map():
    for path, to in [("items[].s", "s"), ("x", "items[].x"), ("items[].s", "tags{}.s"), ("u<A>.s", "s"), ("s", "<A>.s")]:
        with pytest.raises(MigrationError, match="not in the same element, branch or type"):
            op.move(path, to=to)
    assert "items is list<" in str(refused(op.move("x", to="items.x")))
    assert "tags is map<" in str(refused(op.move("tags.x", to="y")))


def test_move_refuses_what_is_taken_or_has_no_fields():
    assert "there is a field n already" in str(refused(op.move("r.q", to="n")))
    assert "n is string, not a record" in str(refused(op.move("x", to="n.x")))
    with pytest.raises(MigrationError, match="emptied is 'keep'"):
        op.move("x", to="y.x", emptied="keep")  # type: ignore[arg-type]


# ---- require and allow_null
def test_require_refuses_or_fills_what_is_absent():
    assert target(op.require("n"))["n"] == "string"
    with pytest.raises(Refused):
        out(op.require("n"))
    assert out(op.require("n", fill="-"))["n"] == "-"
    assert out(op.require("tags{}", fill=0))["tags"] == {"a": 1, "b": 0}
    assert out(op.require("o", fill="-"), row={k: v for k, v in ROW.items() if k != "o"})["o"] == "-"
    assert not chain(SOURCE, [op.require("o")]).target.record["o"].optional


def test_inside_a_null_record_nothing_is_required():
    assert out(op.require("r.q"), row={**ROW, "r": None})["r"] is None
    with pytest.raises(Refused):
        out(op.require("r.q"), row={**ROW, "r": {"p": 1, "q": None}})


def test_require_refuses_what_cannot_be_filled():
    assert "x is required already" in str(refused(op.require("x")))
    nothing = chain(schema(Field("x", Null(), nullable=True)), [])
    for operation, words in ((op.require("x"), "x is of type null"), (op.allow_null("x"), "x may be null already")):
        with pytest.raises(MigrationError, match=words):
            operation.edit(nothing)
    assert "5 is not a value of type string" in str(refused(op.require("n", fill=5)))
    assert "a record cannot be filled" in refused(op.require("r", fill={"p": 1, "q": ""})).hint
    with pytest.raises(MigrationError, match="cannot be filled with null"):
        op.require("n", fill=None)


def test_allow_null_changes_the_schema_only():
    assert target(op.allow_null("x"))["x"] == "int64?"
    assert target(op.allow_null("items[]"))["items"] == "list<record{price: double, s: string}?>"
    assert out(op.allow_null("x"), op.allow_null("items[].price")) == ROW
    assert "n may be null already" in str(refused(op.allow_null("n")))


# ---- operations as text
@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (op.rename("a", to='"b""c"'), 'rename("a", to="\\"b\\"\\"c\\"")'),
        (op.add("a.b", "string", default="x"), 'add("a.b", "string", default="x")'),
        (op.add("a", Int(32), position=0), 'add("a", "int32", position=0)'),
        (op.cast("x", "string", on_error="null"), 'cast("x", "string", on_error="null")'),
        (op.derive("a", "double", sql="x\n+ 1"), 'derive("a", "double", sql="x\\n+ 1")'),
        (op.allow_null("x"), 'allow_null("x")'),
        (op.require("x", fill=0), 'require("x", fill=0)'),
        (op.move("x", to="y", emptied="drop"), 'move("x", to="y", emptied="drop")'),
        (op.move("x", to="y.x", where_null="drop"), 'move("x", to="y.x", where_null="drop")'),
    ],
)
def test_an_operation_is_shown_as_a_script_spells_it(operation: Any, text: str):
    assert operation_text(operation) == text
    assert operation_text(eval(f"op.{text}", {"op": op})) == text


def test_every_error_names_the_operation_and_the_path():
    for operation in (
        op.rename("no", to="x"), op.add("no.x", "int64"), op.drop("no"), op.cast("no", "string"),
        op.derive("no.x", "int64", sql="1"), op.move("no", to="x.y"), op.require("no"), op.allow_null("no"),
    ):  # fmt: skip
        error = refused(op.allow_null("x"), operation)
        assert str(error).startswith(f"operation 2, {operation_text(operation)}: there is no field {path_text(('no',))}")
