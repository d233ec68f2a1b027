"""Mappings over raw records: only what is touched is opened or decoded, and an error says which record and field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from instar import op
from instar.formats.errors import DataError
from instar.formats.format import format_named
from instar.formats.schema import Field, Float, Int, Integer, Json, List, Record, Schema, String, schema
from instar.transforms.evaluate.record import PlainValues, compile_records
from instar.transforms.mapping import Operation, chain

INNER = Record((Field("id", Int(64), optional=True), Field("name", String(), nullable=True, optional=True)))
SCHEMA = schema(
    Field("a", Integer(), nullable=True, optional=True),
    Field("b", Float(64), optional=True),
    Field("r", INNER, nullable=True, optional=True),
    Field("xs", List(Field("item", INNER)), optional=True),
    Field("any", Json(), optional=True),
)


def run(lines: list[str], *operations: Operation, source: Schema = SCHEMA) -> list[str]:
    mapping = chain(source, operations)
    convert = compile_records(mapping, format_named("json").values(mapping.source, mapping.target))
    return [bytes(out).decode() for out in convert([line.encode() for line in lines])]


ODD = '{"a" :12345678901234567890123,  "b":1.10,"k\\u0065y":1e2, "r": { "id":5 , "more":[ 1 ]}, "any":{"x":1.0}}'


def test_a_record_that_nothing_touches_is_the_very_text() -> None:
    assert run([ODD, "{}"], op.rename("xs", to="ys")) == [ODD, "{}"]
    assert run([ODD], op.cast("xs[].id", "string")) == [ODD]


def test_a_touched_record_keeps_every_other_text() -> None:
    assert run([ODD], op.rename("a", to="A"), op.cast("r.id", "string")) == [
        ODD.replace('"a" :', '"A" :').replace('"id":5', '"id":"5"')
    ]


def test_what_is_not_read_is_not_decoded() -> None:
    line = '{"a":1,"b":"no number at all","r":{"id":"nor this"}}'
    assert run([line], op.derive("c", "string", sql="a::VARCHAR")) == [line[:-1] + ',"c":"1"}']


def test_sql_runs_once_for_a_batch_also_inside_lists() -> None:
    lines = [
        '{"xs":[{"id":1},{"id":2}],"a":1}',
        '{"a":2}',
        '{"xs":[],"a":3}',
        '{"xs":[{},{"id":7}],"a":null}',
    ]
    out = run(lines, op.derive("xs[].twice", "int64", sql="id * 2"), op.derive("s", "string", sql="'n' || a"))
    assert [json.loads(line) for line in out] == [
        {"xs": [{"id": 1, "twice": 2}, {"id": 2, "twice": 4}], "a": 1, "s": "n1"},
        {"a": 2, "s": "n2"},
        {"xs": [], "a": 3, "s": "n3"},
        {"xs": [{"twice": None}, {"id": 7, "twice": 14}], "a": None, "s": None},
    ]


@pytest.mark.parametrize(
    ("operations", "line", "path", "words"),
    [
        ([op.cast("r.id", "int8")], '{"r":{"id":300}}', "r.id", ("300", "int64", "int8")),
        ([op.cast("a", "int64")], '{"a":12345678901234567890123}', "a", ("integer", "int64")),
        ([op.require("r.name")], '{"r":{"id":1}}', "r.name", ("null",)),
        ([op.cast("xs[].id", "bool")], '{"xs":[{"id":1},{"id":2}]}', "xs[].id", ("2", "bool")),
        ([op.add("r.new", "int64", default=1)], '{"r":{"new":5}}', "r", ("new",)),
        ([op.cast("b", "string")], '{"b":"x"}', "b", ("x",)),
        ([op.derive("d", "int64", sql="a + 1")], '{"a":12345678901234567890123}', "d", ("beyond int64",)),
        ([op.derive("d", "int64", sql="CAST(r.name AS BIGINT)")], '{"r":{"name":"x"}}', "d", ("x", "int64")),
    ],
)
def test_a_refusal_names_its_record_and_its_field(operations: list[Any], line: str, path: str, words: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as error:
        run(["{}" if path != "r.name" else '{"r":null}', line], *operations)
    assert error.value.where is not None
    assert (error.value.where.row, error.value.where.path) == (1, path)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert error.value.hint


def test_plain_records_that_stay_as_they_are_are_the_very_ones() -> None:
    rows = [{"a": 1, "r": {"id": 1}}, {}]
    out = compile_records(chain(SCHEMA, [op.rename("xs", to="ys")]), PlainValues())(rows)
    assert all(new is old for new, old in zip(out, rows, strict=True))


def test_no_records_are_no_records() -> None:
    mapping = chain(SCHEMA, [op.derive("s", "string", sql="a::VARCHAR")])
    assert compile_records(mapping, PlainValues())([]) == []


def test_sql_over_a_list_that_sql_computes_is_an_input_of_sql_under_another_condition() -> None:
    other = Field("other", Record((Field("x", Int(64)),)), nullable=True)
    mapping = chain(
        schema(Field("a", Int(64)), other),
        [
            op.derive("l", "list<record{a: int64?}?>", sql="[{'a': a}]"),
            op.derive("l[].b", "int64", sql="a + 1"),
            op.derive("n", "int64", sql="len(l)"),
            op.move("n", to="other.n", where_null="drop"),
        ],
    )
    made = compile_records(mapping, PlainValues())([{"a": 1, "other": {"x": 5}}, {"a": 2, "other": None}])
    assert made == [
        {"a": 1, "other": {"x": 5, "n": 1}, "l": [{"a": 1, "b": 2}]},
        {"a": 2, "other": None, "l": [{"a": 2, "b": 3}]},
    ]
