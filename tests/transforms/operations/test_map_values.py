"""map_values: through a table, in every interpreter; what the way back knows of it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from instar import op
from instar.formats.errors import InstarError, MigrationError
from instar.formats.schema import Enum, Field, Schema, schema
from instar.formats.typetext import parse_type
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.record import PlainValues, compile_records
from instar.transforms.mapping import chain
from instar.transforms.recovered import MAPPED
from tests.laws.interpreters import by_format, by_record, by_sql
from tests.transforms.operations.agreed import agreed, back, of, target

ANY: Any = "skip"
CITIES = {"EWR": "Newark", "JFK": "New York", "it's": "\0é"}


def values(field: str, table: dict[Any, Any], *given: Any, **more: Any) -> Any:
    new = agreed(of(v=field), [op.map_values("v", table, **more)], *({"v": v} for v in given))
    return new if new == "refused" else [row["v"] for row in new]


def test_values_become_what_the_table_says():
    assert values("string?", CITIES, "EWR", None, "it's", "JFK") == ["Newark", None, "\0é", "New York"]
    assert values("string", CITIES, "EWR", "LGA") == "refused"
    assert values("string", CITIES, "EWR", "LGA", otherwise="null") == ["Newark", None]
    assert values("string", CITIES, "EWR", "LGA", otherwise="keep") == ["Newark", "LGA"]
    assert values("string?", CITIES, "EWR", "LGA", None, default="?") == ["Newark", "?", None]
    assert values("string", {"a": None, "b": "c"}, "a", "b") == [None, "c"]
    assert values("string", {"a": None, "b": None}, "a", "b") == [None, None]
    assert values("string", {"a": None, "b": "c"}, "x") == "refused"
    assert values("string", {"a": None, "b": "c"}, "x", "a", otherwise="keep") == ["x", None]


@pytest.mark.parametrize(
    ("type", "table", "given", "expected"),
    [
        ("int8", {1: 2, -128: 127}, [1, -128], [2, 127]),
        ("uint64", {2**64 - 1: 0}, [2**64 - 1], [0]),
        ("bool", {True: False, False: True}, [True, False], [False, True]),
        ("decimal(9,2)", {"1.5": "2.50"}, [Decimal("1.50")], [Decimal("2.50")]),
        ("bytes", {b"\xff": b""}, [b"\xff"], [b""]),
        ("fixed(2)", {b"ab": b"cd"}, [b"ab"], [b"cd"]),
        ("date", {"2020-02-29": "1970-01-01"}, [18321], [0]),
        ("time(ms)", {"00:00:01": "23:00"}, [1000], [82_800_000]),
        ("timestamp(ns, UTC)", {"2020-01-01T00:00:00.000000001Z": 5}, [1577836800000000001], [5]),
        ("timestamp(s)", {"1969-12-31T23:59:59": 1}, [-1], [1]),
        ("duration(ms)", {1: 2}, [1], [2]),
        ("uuid", {"00000000-0000-0000-0000-00000000000a": "00000000-0000-0000-0000-000000000001"},
         ["00000000-0000-0000-0000-00000000000a"], ["00000000-0000-0000-0000-000000000001"]),
    ],
)  # fmt: skip
def test_every_scalar_type_can_be_looked_up(type: str, table: dict[Any, Any], given: list[Any], expected: list[Any]):
    assert values(type, table, *given) == expected
    assert values(type, table, *given, otherwise="keep") == expected
    old, losses = back(of(v=type), [op.map_values("v", table)], *({"v": v} for v in given))
    assert ([row["v"] for row in old], losses) == (given, ())


@pytest.mark.parametrize(
    ("type", "table", "given", "expected"),
    [
        ("integer", {10**30: 5, 5: 7}, [5, 10**30], [7, 5]),
        ("number", {1: Decimal("2.5"), Decimal("2.50"): 1}, [Decimal("2.5"), Decimal("1.0")], [1, Decimal("2.5")]),
    ],
)
def test_numbers_of_json_are_looked_up_by_value(type: str, table: dict[Any, Any], given: list[Any], expected: list[Any]):
    steps = [op.map_values("v", table), op.derive("w", "double", sql="v::DOUBLE")]  # SQL has the lookup computed over arrays, too
    mapping, rows = chain(of(v=type), steps), [{"v": v} for v in given]
    assert by_record(mapping, rows) == [{"v": v, "w": float(v)} for v in expected]
    assert by_format("json")(mapping, rows) == by_record(mapping, rows)
    for value in (6, 10**1000):
        assert by_record(mapping, [{"v": value}]) == "refused"


def test_the_new_values_may_be_of_another_type():
    assert values("string", {"low": 0.5, "high": 2}, "high", "low", to="double") == [2.0, 0.5]
    assert back(of(v="string"), [op.map_values("v", {"low": 0.5, "none": 0}, to="double")], {"v": "low"}, {"v": "none"}) == (
        [{"v": "low"}, {"v": "none"}], ()
    )  # fmt: skip
    assert values("int64", {1: "one"}, 1, 7, to="string", default="many") == ["one", "many"]
    assert target(of(v="int64"), op.map_values("v", {1: "one"}, to="enum(one, two)", default="two")) == {"v": "enum(one, two)"}


def test_what_may_be_null_afterwards():
    assert target(of(v="string"), op.map_values("v", CITIES)) == {"v": "string"}
    for step in (op.map_values("v", CITIES, otherwise="null"), op.map_values("v", CITIES, default=None)):
        assert target(of(v="string"), step) == {"v": "string?"}
    assert target(of(v="string"), op.map_values("v", {"a": None})) == {"v": "string?"}


ENUM = schema(Field("v", Enum(("x", "y", "z"), name="ns.E"), nullable=True, default="x"))


def enum(table: dict[str, Any], **more: Any) -> str:
    return target(ENUM, op.map_values("v", table, **more))["v"]


def test_an_enum_becomes_an_enum_of_the_new_values():
    assert enum({"x": "a", "y": "b", "z": "c"}) == "enum(a, b, c)?"
    assert enum({"x": "a", "y": "a", "z": "c"}) == "enum(a, c)?"
    assert enum({"y": "b"}, otherwise="keep") == "enum(b, x, z)?"
    assert enum({"y": "b"}, otherwise="null") == "enum(b)?"
    assert enum({"y": "b"}, default="rest") == "enum(b, rest)?"
    assert enum({"x": "1", "y": "2", "z": "3"}, to="string") == "string?"
    assert enum({"x": "left"}, otherwise="keep", to="string") == "string?"
    rows = [{"v": v} for v in ("x", None, "y", "z")]
    new = agreed(ENUM, [op.map_values("v", {"y": "b"}, otherwise="keep")], *rows)
    assert [row["v"] for row in new] == ["x", None, "b", "z"]
    assert back(ENUM, [op.map_values("v", {"y": "b"}, otherwise="keep")], *rows) == (rows, ())
    with pytest.raises(InstarError, match="does not say what becomes of 'y', 'z' of v"):
        enum({"x": "a"})
    with pytest.raises(InstarError, match="'q' is not a symbol"):
        enum({"q": "a"}, otherwise="keep")


def test_inside_lists_maps_and_null_records():
    s = of(items="list<record{c: string}>?", m="map<int64?>", r="record{c: string}?")
    steps = [op.map_values("items[].c", CITIES), op.map_values("m{}", {1: 10}, otherwise="keep"), op.map_values("r.c", {"a": "b"})]
    rows = [
        {"items": [{"c": "EWR"}, {"c": "JFK"}], "m": {"k": 1, "n": None, "o": 2}, "r": None},
        {"items": None, "m": {}, "r": {"c": "a"}},
    ]
    assert agreed(s, steps, *rows) == [
        {"items": [{"c": "Newark"}, {"c": "New York"}], "m": {"k": 10, "n": None, "o": 2}, "r": None},
        {"items": None, "m": {}, "r": {"c": "b"}},
    ]
    assert agreed(s, steps, {**rows[1], "r": {"c": "z"}}) == "refused"


@pytest.mark.parametrize(
    ("table", "more", "again"),
    [
        ({"a": "A", "b": "B"}, {}, {"a": "a", "b": "b"}),
        ({"a": "b", "b": "a"}, {"otherwise": "keep"}, {"a": "a", "b": "b", "c": "c"}),
        ({"a": "A", "b": "A", "c": "C"}, {}, {"a": None, "b": None, "c": "c"}),
        ({"a": "A"}, {"otherwise": "null"}, {"a": "a", "x": None}),
        ({"a": "A"}, {"default": "?"}, {"a": "a", "x": None, "?": None}),
        ({"a": "A", "b": "?"}, {"default": "?"}, {"a": "a", "b": None, "x": None}),
        ({"a": "A", "b": "a"}, {"otherwise": "keep"}, {"a": None, "b": "b", "A": None, "x": "x"}),
        ({"a": "A", "b": None}, {}, {"a": "a", "b": None}),
    ],
)
def test_the_way_back_gives_what_can_be_told(table: dict[str, Any], more: dict[str, Any], again: dict[str, Any]):
    given = [{"v": v} for v in (*again, None)]
    old, losses = back(of(v="string?"), [op.map_values("v", table, **more)], *given)
    assert [row["v"] for row in old] == [*again.values(), None]
    assert losses == (() if all(k == v for k, v in again.items()) else (f"v: {MAPPED}",))


def test_a_loss_that_may_not_be_null_needs_an_entry():
    mapping = chain(of(v="string"), [op.map_values("v", {"a": "A", "b": "A"})])
    assert [loss.fatal for loss in mapping.inverse()[1]] == [True]
    _, losses = mapping.inverse({"v": "lower(v)"})
    assert [(loss.restored, loss.fatal) for loss in losses] == [(True, False)]


@pytest.mark.parametrize(
    ("source", "make", "words", "hint"),
    [
        (of(v="string"), lambda: op.map_values("v", {}), "table of values is empty", "old"),
        (of(v="string"), lambda: op.map_values("v", {None: "a"}), "null is not looked up", "op.require"),
        (of(v="string"), lambda: op.map_values("v", {"a": "b"}, otherwise=ANY), "otherwise is 'skip'", "default"),
        (of(v="string"), lambda: op.map_values("v", {"a": "b"}, otherwise="null", default="x"), "both otherwise", "one"),
        (of(v="string"), lambda: op.map_values("v", {1: "b"}), "1 is not a value of type string", "string"),
        (of(v="int64"), lambda: op.map_values("v", {1: "b"}), "'b' is not a value of type int64", "to="),
        (of(v="int64"), lambda: op.map_values("v", {1: "b"}, otherwise="keep", to="string"), "cannot stay", "default="),
        (of(v="date"), lambda: op.map_values("v", {0: 1, "1970-01-01": 2}), "twice", "same value"),
        (of(v="double"), lambda: op.map_values("v", {1.5: 2.0}), "cannot be looked up", "CASE"),
        (of(v="list<string>"), lambda: op.map_values("v", {"a": "b"}), "cannot be looked up", "inside"),
        (of(v="string"), lambda: op.map_values("v", {"a": float("nan")}, to="double"), "cannot stand", "another"),
        (of(v="string"), lambda: op.map_values("w", {"a": "b"}), "there is no field w", "v"),
    ],
)
def test_refusals(source: Schema, make: Any, words: str, hint: str):
    with pytest.raises(MigrationError) as error:
        chain(source, [make()])
    assert words in error.value.message
    assert hint in error.value.hint


def test_a_long_table_is_not_shown_whole():
    with pytest.raises(MigrationError) as error:
        chain(of(w="string"), [op.map_values("v", {str(i): "x" for i in range(1000)})])
    assert 'map_values("v", {"0": "x"' in error.value.message
    assert "and 994 more" in error.value.message
    assert len(error.value.message) < 300


def test_lookups_compose_with_casts_moves_and_fills():
    s = of(r="record{c: string}?", n="string?")
    steps = [
        op.map_values("r.c", {"1": "10"}, otherwise="keep"), op.cast("r.c", "int64"),
        op.map_values("r.c", {10: 100}, otherwise="keep"), op.move("r.c", to="c", emptied="drop"),
        op.map_values("n", {"a": "b"}), op.require("n", fill="none"),
    ]  # fmt: skip
    rows = [{"r": {"c": "1"}, "n": None}, {"r": None, "n": "a"}, {"r": {"c": "7"}, "n": "a"}]
    assert agreed(s, steps, *rows) == [{"n": "none", "c": 100}, {"n": "b", "c": None}, {"n": "b", "c": 7}]


def test_a_table_of_ten_thousand_pairs_is_fast():
    pairs = {f"k{i:05}": f"v{i:05}" for i in range(10_000)}
    mapping = chain(of(v="string"), [op.map_values("v", pairs)])
    rows = [{"v": f"k{i * 7919 % 10_000:05}"} for i in range(20_000)]
    batch = pa.RecordBatch.from_pylist(rows)
    for run in (compile_records(mapping, PlainValues()), compile_batches(mapping)):
        given: Any = rows if run.__name__ == "converted" else batch
        run(given)
        start = time.perf_counter()
        run(given)
        assert time.perf_counter() - start < 1
    start = time.perf_counter()
    assert by_sql(mapping, rows)[1] == {"v": "v07919"}
    assert time.perf_counter() - start < 5


def test_the_type_of_an_enum_is_a_new_one():
    field = chain(ENUM, [op.map_values("v", {"x": "a", "y": "b", "z": "c"})]).target.record["v"]
    assert (field.type, getattr(field.type, "name", None)) == (parse_type("enum(a, b, c)"), "")
