"""What is shared is computed once: a chain that uses a field twice, twenty times over, stays as long as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from instar import op
from instar.formats.schema import Field, Int, Schema, schema
from instar.transforms.evaluate.plain_values import PlainValues
from instar.transforms.evaluate.record_code import Code
from instar.transforms.evaluate.sql import render
from instar.transforms.left_behind import left_behind
from instar.transforms.mapping import Mapping, Operation, chain
from tests.laws.interpreters import by_arrow, by_record, by_sql, exactly
from tests.transforms.operations.agreed import of

Steps = Callable[[int], list[Operation]]


def derived(n: int) -> list[Operation]:
    return [op.derive("a", "double", sql="a * 0.5 + a / 3", replace=True)] * n


def in_lists(n: int) -> list[Operation]:
    return [op.derive("l[].a", "double", sql="a * 0.5 + a / 3", replace=True)] * n


def looked_up(n: int) -> list[Operation]:
    both = op.derive("k", "string", sql="CASE WHEN k = 'a' THEN k ELSE lower(k) END", nullable=False, replace=True)
    return [op.map_values("k", {"a": "b", "b": "a"}), both] * (n // 2)


def cast_in_lists(n: int) -> list[Operation]:
    return [op.cast("x[]", "string"), op.cast("x[]", "int64")] * (n // 2)


def guarded(n: int) -> list[Operation]:
    twice = op.derive("r.k", "int64", sql="coalesce(k, 0) + k // 2", nullable=False, replace=True)
    return [
        step for i in range(n // 2) for step in (twice, op.derive(f"r.j{i}", "int64", sql="k + k"), op.move(f"r.j{i}", to=f"j{i}"))
    ]


def filled(n: int) -> list[Operation]:
    return [op.require("x", fill=1), op.derive("x", "int64", sql="x + x // 2", replace=True)] * (n // 2)


CASES: list[tuple[Schema, Steps, list[dict[str, Any]]]] = [
    (of(a="double"), derived, [{"a": 1.0}]),
    (of(l="list<record{a: double}>"), in_lists, [{"l": [{"a": 1.0}, {"a": 2.0}]}, {"l": []}]),
    (of(k="string"), looked_up, [{"k": "a"}, {"k": "b"}]),
    (of(x="list<int64>"), cast_in_lists, [{"x": [1, 2]}]),
    (of(r="record{k: int64}?"), guarded, [{"r": None}, {"r": {"k": 1}}]),
    (of(x="int64?"), filled, [{"x": None}, {"x": 2}]),
]


@pytest.mark.parametrize(("source", "steps", "rows"), CASES, ids=[steps.__name__ for _, steps, _ in CASES])
def test_twice_the_chain_is_about_twice_the_work(source: Schema, steps: Steps, rows: list[dict[str, Any]]):
    start = time.perf_counter()
    ten, twenty = (chain(source, steps(n)) for n in (10, 20))
    sql, code = [_sql_length(m) for m in (ten, twenty)], [_code_length(m) for m in (ten, twenty)]
    assert sql[1] < 5 * sql[0], sql  # twice the fields under one guard are up to four times the text; never 1000 times
    assert code[1] < 3.5 * code[0], code
    new = exactly(by_record(twenty, rows))
    assert exactly(by_arrow(twenty, rows)) == new
    assert exactly(by_sql(twenty, rows)) == new
    twenty.inverse()
    twenty.touched()
    twenty.carried()
    left_behind(twenty)
    twenty.rebased(source)
    assert time.perf_counter() - start < 30


def _sql_length(mapping: Mapping) -> int:
    return len(render(mapping, {f.name: f"c{i}" for i, f in enumerate(mapping.source.record.fields)}).select("old"))


def _code_length(mapping: Mapping) -> int:
    code = Code(PlainValues(), mapping.source, mapping.target.definitions)
    code.root(mapping.root)
    return len(code.lines)


def test_three_hundred_fields_and_a_hundred_operations():
    source = schema(*(Field(f"f{i}", Int(64)) for i in range(300)))
    start = time.perf_counter()
    mapping = chain(source, [op.rename(f"f{i}", to=f"g{i}") for i in range(100)])
    mapping.inverse()
    assert len(mapping.untouched()) == 300
    assert time.perf_counter() - start < 10
