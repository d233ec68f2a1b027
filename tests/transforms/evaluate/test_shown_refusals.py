"""What refusals say of values that Python's own types do not reach: Arrow's text, never an error of its own."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from instar import op
from instar.formats.errors import DataError
from instar.formats.schema import Field, List, Map, Schema, Type, schema
from instar.formats.typetext import parse_type
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.evaluate.plain import from_python
from instar.transforms.evaluate.record import PlainValues, compile_records
from instar.transforms.mapping import chain
from tests.laws.interpreters import to_batch

LATE = 253_402_300_799_999 + 86_400_000


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("timestamp(ms)", LATE, "10000-01-01"),
        ("timestamp(ms, Europe/Paris)", LATE, "1000"),
        ("list<timestamp(ms)>", [LATE], "10000-01-01 23:59:59.999"),
        ("list<timestamp(ms, Europe/Paris)>", [LATE - 86_400_000], "9999-12-31 23:59:59.999"),
        ("record{at: timestamp(ms)}", {"at": LATE}, "10000-01-01 23:59:59.999"),
        ("map<timestamp(ms)>", {"k": LATE}, "10000-01-01 23:59:59.999"),
        ("duration(ns)", 1, "1"),
        ("time(ns)", 1, "00:00:00.000000001"),
        ("timestamp(ns)", 1, "1970-01-01"),
        ("string", "it's", '"it\'s"'),
    ],
)
def test_sql_that_fails_shows_the_value(text: str, value: Any, shown: str) -> None:
    type = parse_type(text)
    mapping = chain(schema(Field("v", type)), [op.derive("n", "int64", sql="CASE WHEN v IS NOT NULL THEN 'x'::BIGINT END")])
    with pytest.raises(DataError, match="gives no int64 for") as error:
        compile_batches(mapping)(to_batch([{"v": value}], mapping.source.root))
    assert shown in error.value.message
    with pytest.raises(DataError, match="gives no int64 for") as again:
        compile_records(mapping, PlainValues())([{"v": value}])
    assert again.value.message == error.value.message


def test_a_map_with_a_key_twice_shows_the_key_whatever_its_values_are() -> None:
    maps = pa.MapArray.from_arrays([0, 2], ["k", "k"], pa.array([LATE, 0]).cast(pa.timestamp("ms")))
    mapping = chain(schema(Field("m", Map(Field("value", parse_type("timestamp(ms)"))))), [op.cast("m{}", "string")])
    with pytest.raises(DataError, match="the map has the key 'k' twice"):
        compile_batches(mapping)(pa.record_batch({"m": maps}))


NEAR = [
    ("timestamp(ms)", LATE),
    ("timestamp(ms, Europe/Paris)", 253_402_300_799_999),
    ("date", 2_932_897),
    ("timestamp(s)", -(2**60)),
]


@pytest.mark.parametrize(("text", "value"), NEAR)
def test_a_function_is_not_given_what_it_cannot_be_given(text: str, value: int) -> None:
    type = parse_type(text)
    for source, row in _everywhere(type, value):
        mapping = chain(source, [op.python(str, reads=["v"], writes={"t": "string"})])
        for run in (
            lambda m, row: compile_batches(m)(to_batch([row], m.source.root)),
            lambda m, row: compile_records(m, PlainValues())([row]),
        ):
            with pytest.raises(DataError, match="beyond what Python's datetime reaches") as error:
                run(mapping, row)
            assert error.value.where is not None
            assert error.value.where.row == 0


def _everywhere(type: Type, value: int) -> list[tuple[Schema, dict[str, Any]]]:
    return [(schema(Field("v", type)), {"v": value}), (schema(Field("v", List(Field("item", type)))), {"v": [value]})]


@pytest.mark.parametrize(("text", "value"), NEAR)
def test_tables_keep_values_of_any_size(text: str, value: int) -> None:
    mapping = chain(schema(Field("v", parse_type(text))), [op.map_values("v", {0: 1}, otherwise="keep")])
    out = compile_batches(mapping)(to_batch([{"v": value}], mapping.source.root))
    assert out.column(0).equals(from_python([value], parse_type(text)))
    assert compile_records(mapping, PlainValues())([{"v": value}]) == [{"v": value}]
