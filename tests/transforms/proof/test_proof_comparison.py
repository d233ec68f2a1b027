"""The comparison itself: what DuckDB is asked, over relations made by hand."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.compute import pc
from instar.transforms.proof.check import Check
from instar.transforms.proof.compare import compare
from instar.transforms.proof.connection import sealed
from instar.transforms.proof.exact import differ, meeting
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.raw import raw
from instar.transforms.proof.relation import Relation, Stream
from tests.transforms.proof.conftest import staged_at


def stream(name: str, batches: list[list]) -> Stream:
    schema = pa.schema([(name + "0", pa.array([x for b in batches for x in b]).type)])
    return Stream(name, schema, lambda: (pa.record_batch([pa.array(b, schema.field(0).type)], schema=schema) for b in batches))


def compared(old: list[list], new: list[list], *checks: Check, at_once: int | None = None):
    with sealed(memory=1 << 27) as connection:
        relation = Relation(connection, [stream("old", old), stream("new", new)])
        asked = checks or [Check("x", "sql", "old0", "new0")]
        return compare(relation, asked, tallies=["count(old0)", "count(new0)"], at_once=at_once)


def test_batches_of_any_size_are_set_side_by_side():
    counted, outcomes = compared([[1, 2, 3], [4], [5, 6]], [[1], [2, 3, 4, 5, 6]])
    assert (counted, [o.problem for o in outcomes]) == ([6, 6], [""])


class Stopped(BaseException):
    """As a signal's handler raises it."""


@pytest.mark.parametrize("checks", [1, 3])
def test_a_signal_that_comes_while_a_stream_is_read_is_no_difference(checks):
    schema = pa.schema([("old0", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1, 2]], schema=schema)
        raise Stopped

    asked = [Check(f"c{i}", "sql", f"old0 + {i}", "new0") for i in range(checks)]
    with sealed(memory=1 << 27) as connection:
        relation = Relation(connection, [Stream("old", schema, batches), stream("new", [[1, 2], [3]])])
        with pytest.raises(Stopped):
            compare(relation, asked, tallies=["count(*)"])


def test_a_signal_that_comes_while_a_function_of_the_users_is_at_work_is_no_difference():
    def function(values: pa.Array) -> pa.Array:
        raise KeyboardInterrupt

    with sealed(memory=1 << 27) as connection:
        connection.create_function("f", function, ["BIGINT"], "BIGINT", type="arrow")  # type: ignore[arg-type]
        relation = Relation(connection, [stream("old", [[1, 2]]), stream("new", [[1, 2]])])
        with pytest.raises(KeyboardInterrupt):
            compare(relation, [Check("x", "repeated", "f(old0)", "new0"), Check("y", "sql", "old0", "new0")], tallies=["count(*)"])


def test_the_first_difference_is_told():
    counted, (outcome,) = compared([[1, 2, 3, 4]], [[1, 2, 9, 9]])
    assert (outcome.row, outcome.problem) == (2, "record 2 holds 9, not 3 (2 records differ)")
    assert counted == [4, 4]


def test_a_shorter_side_differs_where_it_ends():
    counted, (outcome,) = compared([[1, 2, 3]], [[1, 2]])
    assert (counted, outcome.row, outcome.problem) == ([3, 2], 2, "record 2 holds null, not 3")


@pytest.mark.parametrize("at_once", [None, 1, 2, 3])
def test_a_check_that_cannot_be_evaluated_is_told_apart(at_once):
    checks = [Check(f"c{i}", "sql", "old0", "new0") for i in range(7)]
    checks[2] = Check("bad", "sql", "CASE WHEN old0 = 2 THEN error('no') ELSE old0 END", "new0")
    checks[5] = Check("unbound", "sql", "nowhere", "new0")
    counted, outcomes = compared([[1, 2]], [[1, 2]], *checks, at_once=at_once)
    assert [i for i, o in enumerate(outcomes) if o.failed] == [2, 5]
    assert "no" in outcomes[2].problem
    assert counted == [2, 2]


@pytest.mark.parametrize(("at_once", "passes"), [(None, 1), (2, 3), (5, 2)])
def test_what_a_stage_computes_is_computed_once(at_once, passes):
    asked, calls = list[str](), list[int]()

    def function(values: pa.Array) -> pa.Array:
        calls.append(len(values))
        return pc.multiply(values, 2)

    class Counted(Relation):
        def rows(self, query):
            asked.append(query)
            return super().rows(query)

    with sealed(memory=1 << 27) as connection:
        connection.create_function("f", function, ["BIGINT"], "BIGINT", type="arrow")  # type: ignore[arg-type]
        stages = [[("twice", "f(old0)")], [("more", "twice + 1")]]
        relation = Counted(connection, [stream("old", [[1, 2]]), stream("new", [[2, 4]])], stages)
        checks = [Check(f"c{i}", "sql", "2 * old0", "new0") for i in range(4)]
        checks[1:1] = [Check(f"s{i}", "repeated", text, "new0") for i, text in enumerate(("twice", "more - 1"))]
        counted, outcomes = compare(relation, checks, tallies=["count(*)"], at_once=at_once)
    assert (counted, {outcome.failed for outcome in outcomes}) == ([2], {False})
    assert (len(asked), sum(calls)) == (passes, 2)


def test_an_error_of_a_side_comes_out_as_it_was():
    class Broken(Exception):
        pass

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1])], names=["new0"])
        raise Broken("here")

    with sealed(memory=1 << 27) as connection:
        broken = Stream("new", pa.schema([("new0", pa.int64())]), batches)
        relation = Relation(connection, [stream("old", [[1, 2]]), broken])
        with pytest.raises(Broken, match="here"):
            compare(relation, [Check("x", "sql", "old0", "new0")], tallies=["count(*)"])


def test_the_connection_reads_nothing_but_its_files(tmp_path):
    for name in ("mine", "other"):
        pq.write_table(pa.table({"x": [1]}), tmp_path / name)
    with sealed(tmp_path / "mine", memory=1 << 27) as connection:
        assert connection.execute(f"SELECT x FROM read_parquet('{tmp_path / 'mine'}')").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            connection.execute(f"SELECT x FROM read_parquet('{tmp_path / 'other'}')")
        with pytest.raises(duckdb.Error):
            connection.execute("SET enable_external_access = true")


def test_what_a_file_says_of_its_values_decides_nothing(tmp_path):
    """Parquet's min and max leave NaN out, and DuckDB concludes from them that there is none."""
    pq.write_table(pa.table({"x": [math.nan, 1.0, 2.0]}), tmp_path / "f")
    found = []
    for trusting in (True, False):
        with sealed(tmp_path / "f", memory=1 << 27, trusting=trusting) as connection:
            found.append(connection.execute(f"SELECT count_if(isnan(x)) FROM read_parquet('{tmp_path / 'f'}')").fetchall()[0][0])
    assert found == [0, 1]  # once DuckDB counts one itself, nothing need be turned off


FLOATS = [0.0, -0.0, 1.5, math.nan, -math.nan, math.inf, None]


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "DOUBLE[]", "STRUCT(a DOUBLE, b VARCHAR)", "MAP(VARCHAR, DOUBLE)"])
@pytest.mark.parametrize("left", range(len(FLOATS)))
def test_floats_are_equal_only_to_themselves(kind, left):
    shape = {"[": "[{}]", "S": "{{'a': {}, 'b': 'x'}}", "M": "MAP {{'k': {}}}"}.get("[" if "[]" in kind else kind[0], "{}")
    for right in range(len(FLOATS)):
        values = ["NULL" if v is None else f"'{v!r}'::DOUBLE" if v == v else _nan(v) for v in (FLOATS[left], FLOATS[right])]
        one, other = (f"CAST({shape.format(value)} AS {kind})" for value in values)
        type = duckdb.sqltype(kind)
        found = duckdb.execute(f"SELECT {differ('a', 'b', type, type)} FROM (SELECT {one} AS a, {other} AS b)").fetchall()[0][0]
        assert found == (left != right), values


def _nan(value: float) -> str:
    return "'nan'::DOUBLE" if math.copysign(1, value) > 0 else "-('nan'::DOUBLE)"


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ("INTEGER", "BIGINT", "BIGINT"),
        ("UTINYINT", "TINYINT", "SMALLINT"),
        ("UBIGINT", "BIGINT", "HUGEINT"),
        ("TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP_S", "TIMESTAMP_NS", "TIMESTAMP_NS"),
        ("UUID", "VARCHAR", "VARCHAR"),
        ("INTEGER[]", "BIGINT[]", "BIGINT[]"),
        ("TIMESTAMP", "TIMESTAMPTZ", None),
        ("FLOAT", "DOUBLE", None),
        ("BIGINT", "DOUBLE", None),
        ("BIGINT", "VARCHAR", None),
        ("DECIMAL(10,2)", "DECIMAL(12,2)", None),
        ("STRUCT(a INTEGER)", "STRUCT(b INTEGER)", None),
        ("INTEGER[]", "INTEGER", None),
    ],
)
def test_types_meet_only_where_nothing_is_lost(left, right, common):
    assert meeting(duckdb.sqltype(left), duckdb.sqltype(right)) == common
    assert meeting(duckdb.sqltype(right), duckdb.sqltype(left)) == common


def test_bits_of_slices_are_those_of_the_slice():
    whole = pa.array([[1.5, None], None, [], [2.5]], pa.list_(pa.float64()))
    assert raw(whole[1:]).to_pylist() == raw(whole).to_pylist()[1:]
    struct = pa.array([{"a": "x"}, None, {"a": None}])
    assert raw(struct[1:]).to_pylist() == [None, {"f0": None}]


def test_a_proof_travels_between_processes(tmp_path, staged):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    unit, receipt = staged(path, "parquet", [op.rename("a", to="b")])
    proof = prove_file(*pickle.loads(pickle.dumps((unit, receipt))))
    assert pickle.loads(pickle.dumps(proof)) == proof


def test_a_column_stored_apart_and_in_one_row_group_of_any_size_is_compared_in_little_memory(tmp_path, staged):
    """DuckDB holds a vector of each column, not a row group: 64 MB are plenty for a million rows in one."""
    path: Path = tmp_path / "data.parquet"
    rows = 1_000_000
    pq.write_table(pa.table({f"c{i}": pa.array(range(i, rows + i), pa.int64()) for i in range(6)}), path, row_group_size=rows)
    unit, receipt = staged(path, "parquet", [op.rename("c0", to="d0"), op.cast("c1", "double")])
    from dataclasses import replace

    assert prove_file(replace(unit, memory=64 << 20), receipt).verdict == "proved"


@pytest.mark.parametrize("tagged", [False, True])
def test_a_value_that_the_migration_refuses_is_no_damage(tmp_path: Path, tagged: bool) -> None:
    source, staged = tmp_path / "a.parquet", tmp_path / "new.parquet"
    pq.write_table(pa.table({"a": ["1", "2"], "b": ["3", "4"]}), source)
    operations = [*([op.set_tag("a", "pii")] if tagged else []), op.cast("a", "int64"), op.cast("b", "int64")]
    unit, receipt = staged_at(staged, source, "parquet", operations)
    pq.write_table(pa.table({"a": ["1", "secret"], "b": ["3", "4"]}), source)
    proof = prove_file(unit, receipt)
    problems = {column.path: column.problem for column in proof.columns if column.problem}
    assert (proof.verdict, proof.unread, set(problems)) == ("failed", "", {"a"})
    said = "record 1 does not hold what it must" if tagged else "record 1 cannot be recomputed"
    assert (problems["a"].startswith(said), "secret" in problems["a"]) == (True, not tagged)
