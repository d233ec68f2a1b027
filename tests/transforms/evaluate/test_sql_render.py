"""Mappings as DuckDB SQL: no name of a user's, no text that grows with sharing, nothing computed where a record is null."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from instar import op
from instar.formats.schema import Field, Int, List, Map, Number, Record, String, Timestamp, Type, Union, Uuid, schema
from instar.formats.typetext import parse_type
from instar.transforms.evaluate import duck
from instar.transforms.evaluate.plain import from_python, to_python
from instar.transforms.evaluate.sql import REFUSED, adopted, render, render_expression, sql_type
from instar.transforms.expression import Cast, Literal, Source, When
from instar.transforms.mapping import chain

INT, TEXT = Int(64), String()


def test_what_is_shared_is_written_once() -> None:
    source = schema(Field("a", INT))
    lengths = []
    for steps in (4, 8, 16, 32):
        mapping = chain(source, [op.derive("a", "int64", sql="(a % 7) * 2 + a // 3", replace=True)] * steps)
        lengths.append(len(render(mapping, {"a": "c0"}).select("t")))
    assert lengths[3] < 10 * lengths[0]
    mapping = chain(source, [op.derive("a", "int64", sql="(a % 7) * 2 + a // 3", replace=True)] * 32)
    assert duck.connection().sql(render(mapping, {"a": "c0"}).select("(SELECT 5 AS c0)")).fetchall() == [(_repeated(5, 32),)]


def _repeated(a: int, steps: int) -> int:
    for _ in range(steps):
        a = (a % 7) * 2 + a // 3
    return a


def test_no_name_of_a_users_is_written() -> None:
    inner = Record((Field('we"ird', INT), Field('WE"IRD', TEXT)))
    mapping = chain(
        schema(Field("select", inner, nullable=True), Field("Select", TEXT)),
        [op.rename('select."we""ird"', to='"x.y"'), op.cast('select."x.y"', "string")],
    )
    text = render(mapping, {"select": "c0", "Select": "c1"}).select("t")
    assert "ird" not in text.replace('select."x.y"', "").lower()


def test_an_expression_by_itself_binds_what_it_shares_and_guards_it() -> None:
    a, number = Source(("a",), TEXT), Source(("n",), INT)
    shared = Cast(a, TEXT, INT)
    e = When(number, Cast(When(shared, shared, Literal(7, INT)), INT, TEXT))
    text = render_expression(e, lambda s: "c" + s.path[0])
    run = duck.connection().sql
    values = "(VALUES ('5', 1), (NULL, 1), ('no number', NULL)) AS t(ca, cn)"
    assert run(f"SELECT {text} FROM {values}").fetchall() == [("5",), ("7",), (None,)]
    with pytest.raises(duckdb.Error, match=REFUSED):
        run(f"SELECT {text} FROM (VALUES ('no number', 1)) AS t(ca, cn)").fetchall()


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("record{a: int64, A: list<string>}", "STRUCT(f0 BIGINT, f1 VARCHAR[])"),
        ("map<decimal(5,2)>", "MAP(VARCHAR, DECIMAL(5,2))"),
        ("timestamp(ms, Europe/Paris)", "TIMESTAMPTZ"),
        ("timestamp(ns)", "TIMESTAMP_NS"),
        ("decimal(50,2)", "BLOB"),
        ("json", "BLOB"),
        ("union<int64, string>", "BLOB"),
        ("duration(us)", "BIGINT"),
        ("integer", "VARCHAR"),
        ("uuid", "VARCHAR"),
    ],
)
def test_each_type_has_one_form_that_is_compared(type: str, expected: str) -> None:
    assert sql_type(parse_type(type)) == expected


def test_opaque_columns_are_carried_as_blobs() -> None:
    opaque = Union((Field("0", INT), Field("1", TEXT)))
    mapping = chain(schema(Field("u", opaque, nullable=True), Field("x", INT)), [op.rename("u", to="U"), op.cast("x", "string")])
    text = render(mapping, {"u": "c0", "x": "c1"}).select("(SELECT 'ab'::BLOB AS c0, 1::BIGINT AS c1)")
    assert duck.connection().sql(text).fetchall() == [(b"ab", "1")]


def test_a_readers_structs_are_adopted_by_position() -> None:
    type = Record((Field("a", INT), Field("A", List(Field("item", Record((Field("", Uuid()),)))))))
    text = adopted("c0", type)
    value = "row(1, [row('6f1e2f0a-0000-4000-8000-00000000abcd'::UUID)])"
    out = duck.connection().sql(f"SELECT {text} AS x FROM (SELECT {value} AS c0)")
    assert str(out.types[0]) == "STRUCT(f0 BIGINT, f1 STRUCT(f0 VARCHAR)[])"
    assert out.fetchall() == [({"f0": 1, "f1": [{"f0": "6f1e2f0a-0000-4000-8000-00000000abcd"}]},)]


LITERALS: list[tuple[Type, Any]] = [
    (TEXT, "it's\0é"),
    (Timestamp("us", "UTC"), -1),
    (Timestamp("ms"), 1_577_836_800_123),
    (Map(Field("value", INT, nullable=True)), {"a": 1, "": None}),
    (Record((Field("x", List(Field("item", TEXT))),)), {"x": ["a", "b"]}),
    (Number(), 10**30),
    (parse_type("date"), -719162),
    (parse_type("time(us)"), 86_399_999_999),
    (parse_type("bytes"), b"\0\xff'"),
    (parse_type("double"), float("inf")),
    (parse_type("duration(s)"), -5),
]


@pytest.mark.parametrize(("type", "value"), LITERALS)
def test_a_literal_means_the_same_as_the_value(type: Type, value: Any) -> None:
    from instar.transforms.evaluate.duck_arrays import from_duck
    from instar.transforms.evaluate.sql_types import literal

    made = duck.computed(literal(value, type), [], 1)
    assert to_python(from_duck(made, type), type) == to_python(from_python([value], type), type)


def test_the_connection_is_closed_to_the_world() -> None:
    connection = duck.connect(memory=100 << 20)
    for text in ("SELECT * FROM read_csv('/etc/passwd')", "SET threads = 4", "INSTALL httpfs", "COPY (SELECT 1) TO '/tmp/x.csv'"):
        with pytest.raises(duckdb.Error):
            connection.execute(text)
    assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
