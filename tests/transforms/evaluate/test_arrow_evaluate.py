"""Mappings over record batches: what is carried keeps its storage, what is touched is exact, and errors say where."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from instar import op
from instar.formats.arrow import logical_schema
from instar.formats.errors import DataError, UsageError
from instar.transforms.evaluate.arrow import compile_batches
from instar.transforms.mapping import Operation, chain

DICTIONARY = pa.dictionary(pa.int8(), pa.string())
BATCH = pa.RecordBatch.from_pydict(
    {
        "d": pa.array(["x", "y", "x"]).dictionary_encode().cast(DICTIONARY),
        "l": pa.array([[1, 2], None, []], pa.large_list(pa.field("element", pa.int32(), nullable=False, metadata={"a": "b"}))),
        "f": pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float32(), 2)),
        "s": pa.array(
            [{"v": "1", "w": b"a"}, None, {"v": "x", "w": None}],
            pa.struct([pa.field("v", pa.string_view(), metadata={"id": "7"}), pa.field("w", pa.large_binary())]),
        ),
        "n": pa.array([1, 2, 300], pa.int64()),
    }
)


def run(*operations: Operation, batch: pa.RecordBatch = BATCH) -> pa.RecordBatch:
    mapping = chain(logical_schema(batch.schema), operations)
    convert = compile_batches(mapping)
    out = convert(batch.select(list(mapping.reads()) or batch.schema.names[:1]))
    out.validate(full=True)
    assert convert(batch.slice(0, 0).select(list(mapping.reads()) or batch.schema.names[:1])).schema.equals(
        out.schema, check_metadata=True
    )
    return out


def test_carried_columns_are_the_very_arrays_under_new_names() -> None:
    out = run(op.rename("d", to="D"), op.rename("f", to="F"))
    assert out.schema.names == ["D", "l", "F", "s", "n"]
    for new, old in (("D", "d"), ("l", "l"), ("F", "f"), ("s", "s")):
        assert out.column(new).type.equals(BATCH.column(old).type, check_metadata=True)
        assert [b and b.address for b in out.column(new).buffers()] == [b and b.address for b in BATCH.column(old).buffers()]


def test_a_record_that_is_taken_apart_keeps_its_children_in_their_storage() -> None:
    out = run(op.rename("s.v", to="V"), op.add("s.new", "int16", default=5))
    field = out.schema.field("s").type
    assert [str(f.type) for f in field] == ["string_view", "large_binary", "int16"]
    assert field.field("V").metadata == {b"id": b"7"}
    assert out.column("s").to_pylist() == [{"V": "1", "w": b"a", "new": 5}, None, {"V": "x", "w": None, "new": 5}]


def test_lists_keep_their_kind_and_their_items_name() -> None:
    out = run(op.cast("l[]", "string"), op.cast("f[]", "double"))
    assert out.schema.field("l").type.equals(
        pa.large_list(pa.field("element", pa.string(), nullable=False, metadata={"a": "b"})), check_metadata=False
    )
    assert out.schema.field("f").type == pa.list_(pa.float64(), 2)
    assert out.column("l").to_pylist() == [["1", "2"], None, []]
    assert out.column("f").to_pylist() == [[1.0, 2.0], [3.0, 4.0], None]


@pytest.mark.parametrize(
    ("operations", "row", "path", "words"),
    [
        ([op.cast("n", "int8")], 2, "n", ("300", "int64", "int8")),
        ([op.cast("s.v", "int64")], 2, "s.v", ("'x'", "string", "int64")),
        ([op.require("s")], 1, "s", ("null",)),
        ([op.require("s.w")], 2, "s.w", ("null",)),
        ([op.cast("l[]", "bool")], 0, "l[]", ("2", "int32", "bool")),
        ([op.derive("q", "int8", sql="(n + 1)::TINYINT")], 2, "q", ("(300)", "int8")),
        ([op.derive("q", "int32", sql="CASE WHEN d = 'y' THEN CAST('no' AS INTEGER) END")], 1, "q", ("'y'", "int32")),
    ],
)
def test_a_refusal_names_its_record_its_field_and_the_value(
    operations: list[Any], row: int, path: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as error:
        run(*operations)
    assert error.value.where is not None
    assert (error.value.where.row, error.value.where.path) == (row, path)
    assert all(word in error.value.message for word in words), error.value.message
    assert error.value.hint


def test_sql_over_a_record_within_a_record_names_the_one_that_it_fails_on() -> None:
    batch = pa.RecordBatch.from_pydict({"r": [{"in": {"v": v}} for v in ("1", "2", "x", "4")]})
    with pytest.raises(DataError, match=r"'x'.*Could not convert") as error:
        run(op.derive("q", "int32", sql="CASE WHEN r IS NOT NULL THEN CAST(r.in.v AS INTEGER) END"), batch=batch)
    assert error.value.where is not None
    assert error.value.where.row == 2


def test_a_filling_that_the_storage_cannot_hold_is_refused() -> None:
    with pytest.raises(DataError, match=r"fixed_size_list.*\[2\]"):
        run(op.require("f", fill=[]))


def test_what_a_computed_value_is_stored_as_is_what_the_target_names() -> None:
    batch = pa.RecordBatch.from_pydict({"u": pa.array(["6f1e2f0a-0000-4000-8000-00000000abcd", None])})
    out = run(
        op.cast("u", "uuid"),
        op.derive("h", "half", sql="0.5::FLOAT"),
        op.derive("t", "time(ms)", sql="TIME '12:00:00.5'"),
        batch=batch,
    )
    assert [str(t) for t in out.schema.types] == ["extension<arrow.uuid>", "halffloat", "time32[ms]"]
    assert out.column("t").cast(pa.int32()).to_pylist() == [43_200_500] * 2


def test_timestamps_with_zones_reach_sql_and_come_back() -> None:
    batch = pa.RecordBatch.from_pydict({"t": pa.array([0, 86_400_000, None], pa.timestamp("ms", "Europe/Paris"))})
    out = run(op.derive("next", "timestamp(ms, Europe/Paris)", sql="t + INTERVAL 1 DAY"), batch=batch)
    assert out.column("next").cast(pa.int64()).to_pylist() == [86_400_000, 172_800_000, None]
    with pytest.raises(DataError, match="timestamp"):
        run(op.derive("next", "timestamp(ms, UTC)", sql="t + INTERVAL 1 MICROSECOND"), batch=batch)


def test_a_required_leaf_below_a_null_record_is_written() -> None:
    import io

    import pyarrow.parquet as pq

    type = pa.struct([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string(), nullable=False)])
    batch = pa.RecordBatch.from_arrays([pa.array([{"a": 1, "b": "x"}, None], type)], schema=pa.schema([pa.field("s", type)]))
    out = run(op.cast("s.a", "string"), op.rename("s.b", to="c"), batch=batch)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([out]), sink)
    assert pq.read_table(sink).to_pylist() == [{"s": {"a": "1", "c": "x"}}, {"s": None}]


@pytest.mark.parametrize(
    ("type", "sql", "words"),
    [
        ("int64", "n / 3", ("DOUBLE", "int64", "round(")),
        ("int32", "n", ("BIGINT", "int32", "::INTEGER")),
        ("double", "n * 1.6", ("DECIMAL", "double", "::DOUBLE")),
        ("string", "n", ("BIGINT", "string", "::VARCHAR")),
        ("double", "random()", ("random",)),
        ("date", "today()", ("today",)),
        ("string", "upper(d", ("d",)),
        ("int64", "nonsense(n)", ("nonsense",)),
        ("timestamp(us)", "now()", ("now",)),
        ("string", "version()", ("version",)),
        ("string", "getvariable('x')", ("getvariable",)),
        ("string", "read_text('/etc/passwd')", ("read_text",)),
        ("interval", "n", ("interval",)),
    ],
)
def test_sql_that_is_not_what_it_says_is_refused_before_any_data(type: str, sql: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as error:
        compile_batches(chain(logical_schema(BATCH.schema), [op.derive("q", type, sql=sql)]))
    told = f"{error.value} {error.value.hint}"
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("type", "sql"),
    [
        ("int64", "round(n / 3)::BIGINT"),
        ("int64", "n"),
        ("double", "n::DOUBLE * 2"),
        ("string", "d || '!'"),
        ("bool", "d IN ('x', 'y') AND n BETWEEN 1 AND 2"),
        ("list<int64>", "[n, n + 1]"),
        ("date", "DATE '2020-01-01' + n::INTEGER"),
        ("int64", "list_sum(list_transform([n], lambda x: x + n))::BIGINT"),
        ("string", "strftime(make_timestamp(n), '%Y')"),
        ("decimal(20,2)", "n::DECIMAL(18,1)"),
        ("string", "coalesce(nullif(d, 'x'), 'none')"),
        ("string", "NULL"),
        ("float", "1::TINYINT"),
        ("timestamp(us)", "make_timestamp(n)"),
        ("map<int64>", "map(['k'], [n])"),
        ("string", "d -- a comment"),
        ("bool", "d IS NULL"),
        ("record{a: int64?}", "{'a': n}"),
        ("string", "regexp_extract(d, '(.)', 1)"),
        ("string", "s.v"),
        ("bytes", "encode(d)"),
    ],
)
def test_sql_that_is_what_it_says_is_allowed(type: str, sql: str) -> None:
    out = run(op.derive("q", type, sql=sql), batch=BATCH.slice(0, 2))
    assert len(out) == 2
