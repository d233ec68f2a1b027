"""Every type that Parquet files hold, in files of every shape: what is migrated is proved, and DuckDB sees the same values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instar import op
from instar.formats.errors import DataError, InstarError
from instar.formats.format import format_named
from instar.formats.path import EACH_ITEM, EACH_VALUE, path_text
from instar.formats.path import Path as Place
from instar.formats.schema import Field, List, Map, Record
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.parquet_corners import corners

CORNERS = corners()
TABLE = pa.table(CORNERS)
SLICED = TABLE.drop_columns([n for n, a in CORNERS.items() if "view" in str(a.type)])  # pyarrow writes no slices of views
ADD = [op.add("added", "string", default="new")]
Staged = Callable[..., Any]


def write(path: Path, table: pa.Table, **how: Any) -> Path:
    pq.write_table(table, path, **how)
    return path


def by_duckdb(path: Path, columns: list[int]) -> dict[int, str]:
    """The columns' values, of those that Python can be given without more packages."""
    names = pq.read_schema(path).names
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table = f"read_parquet('{path}', hive_partitioning = false) AS t({aliases})"
        return {i: repr(connection.execute(f"SELECT CAST(c{i} AS VARCHAR) FROM {table}").fetchall()) for i in columns}


SHAPES: dict[str, Callable[[Path], Path]] = {
    "plain": lambda path: write(path, TABLE),
    "without ARROW:schema": lambda path: write(path, TABLE, store_schema=False),
    "a row a group": lambda path: write(path, SLICED, row_group_size=1),
    "no rows": lambda path: write(path, SLICED.slice(0, 0)),
    "V2 pages": lambda path: write(path, TABLE, data_page_version="2.0", compression="zstd", write_page_index=True),
    "no dictionaries": lambda path: write(path, TABLE, use_dictionary=False, compression="none", write_page_checksum=True),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_every_type_is_carried(staged: Staged, tmp_path: Path, shape: Callable[[Path], Path]) -> None:
    file = shape(tmp_path / "corners.parquet")
    unit, receipt = staged(file, "parquet", [*ADD, op.rename("int32", to="renamed")])
    proof = prove_file(unit, receipt, level="full")
    assert not problems(proof)
    assert proof.fidelity == ()
    count = len(pq.read_schema(file).names)
    assert by_duckdb(Path(unit.staged), [*range(count)]) == by_duckdb(file, [*range(count)])


def attempt(staged: Staged, file: Path, operations: list[Any]) -> Any:
    """What `staged` gives, or None where that is refused with a hint."""
    try:
        return staged(file, "parquet", operations)
    except InstarError as refused:
        if not refused.hint:
            raise
        return None


def inside(place: Place, field: Field) -> Iterator[tuple[str, Any]]:
    """Operations on a field or below it, each with a name."""
    at = path_text(place)
    match field.type:
        case Record(fields):
            yield f"add in {at}", op.add(path_text((*place, "new")), "int32", default=1)
            for inner in fields:
                yield from inside((*place, inner.name), inner)
        case List(item):
            yield from inside((*place, EACH_ITEM), item)
        case Map(value):
            yield from inside((*place, EACH_VALUE), value)
        case _:
            yield from ((f"cast {at} to {to}", op.cast(at, to)) for to in ("string", "int64"))


NESTED = [name for name, array in CORNERS.items() if pa.types.is_nested(array.type)]


@pytest.mark.parametrize("column", [*NESTED, "tensor", "opaque", "decimal256_76", "date64"])
def test_what_an_operation_does_inside_is_proved_or_refused(staged: Staged, tmp_path: Path, column: str) -> None:
    file = write(tmp_path / "corner.parquet", TABLE.select([column]))
    schema = format_named("parquet").inspect(file).schema
    assert schema is not None
    done = 0
    for name, operation in inside((column,), schema.record[column]):
        if (made := attempt(staged, file, [operation])) is None:
            continue
        proof = prove_file(*made)
        assert not problems(proof), name
        assert proof.verdict == "proved", name
        done += 1
    assert done or column in NOTHING_INSIDE


NOTHING_INSIDE = {
    "decimal256_76", "nulls", "words", "opaque_bytes", "list_of_opaque_bytes", "list_of_json", "list_of_uuid", "json",
}  # fmt: skip


def test_a_map_with_a_key_twice_is_carried_but_not_gone_into(staged: Staged, tmp_path: Path) -> None:
    rows = [[("a", 1)], None, [("b", 1), ("c", 2), ("b", 3)]]
    file = write(tmp_path / "twice.parquet", pa.table({"tags": pa.array(rows, pa.map_(pa.string_view(), pa.int32()))}))
    unit, receipt = staged(file, "parquet", [op.rename("tags", to="labels"), *ADD])
    assert prove_file(unit, receipt).verdict == "proved"
    assert pq.read_table(unit.staged)["labels"].to_pylist() == rows
    with pytest.raises(DataError, match="the map has the key 'b' twice") as caught:
        staged(file, "parquet", [op.cast("tags{}", "string")])
    assert caught.value.where is not None
    assert caught.value.where.row == 2


@pytest.mark.parametrize("groups", [True, False])
def test_a_file_without_columns_gets_one(staged: Staged, tmp_path: Path, groups: bool) -> None:
    file = tmp_path / "none.parquet"
    with pq.ParquetWriter(file, pa.schema([])) as writer:
        if groups:
            writer.write_table(pa.table({"a": [1, 2, 3]}).select([]))
    unit, receipt = staged(file, "parquet", ADD)
    assert prove_file(unit, receipt).verdict == "proved"
    assert pq.read_schema(unit.staged).names == ["added"]
    assert pq.read_metadata(unit.staged).num_rows == pq.read_metadata(file).num_rows


def test_a_file_without_row_groups_is_migrated(staged: Staged, tmp_path: Path) -> None:
    file = tmp_path / "none.parquet"
    pq.ParquetWriter(file, TABLE.schema).close()
    unit, receipt = staged(file, "parquet", [*ADD, op.cast("int32", "string"), op.add("record.new", "int32", default=1)])
    assert prove_file(unit, receipt).verdict == "proved"


def test_values_of_megabytes_and_names_of_kilobytes(staged: Staged, tmp_path: Path) -> None:
    long = "s" * 20_000
    file = write(tmp_path / "long.parquet", pa.table({long: ["x" * (9 << 20), None, "y" * (5 << 20)], "n": [1, 2, 3]}))
    unit, receipt = staged(file, "parquet", [op.rename(long, to="short"), op.cast("n", "string"), *ADD])
    assert prove_file(unit, receipt).verdict == "proved"


def test_a_thousand_columns(staged: Staged, tmp_path: Path) -> None:
    file = write(tmp_path / "wide.parquet", pa.table({f"c{i}": pa.array([i, None]) for i in range(1000)}))
    unit, receipt = staged(file, "parquet", [op.rename("c5", to="x"), op.cast("c7", "string"), *ADD])
    assert prove_file(unit, receipt).verdict == "proved"


EXAMPLES = max(10, int(os.environ.get("INSTAR_EXAMPLES") or 0) // 10)


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tables_of_any_columns_keep_their_values(staged: Staged, tmp_path: Path, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(SLICED.column_names), min_size=1, max_size=6, unique=True))
    rows = data.draw(st.lists(st.integers(0, 3), max_size=12))
    how = data.draw(
        st.fixed_dictionaries(
            {
                "compression": st.sampled_from(["none", "snappy", "gzip", "brotli", "zstd", "lz4"]),
                "use_dictionary": st.booleans(),
                "data_page_version": st.sampled_from(["1.0", "2.0"]),
                "write_page_index": st.booleans(),
                "store_schema": st.booleans(),
                "row_group_size": st.integers(1, 12),
            }
        )
    )
    pieces = [SLICED.select(names).slice(row, 1) for row in rows] or [SLICED.select(names).slice(0, 0)]
    file = write(tmp_path / "any.parquet", pa.concat_tables(pieces), **how)
    schema = format_named("parquet").inspect(file).schema
    assert schema is not None
    offered = [(None, None), *((name, o) for name in names for _, o in inside((name,), schema.record[name]))]
    touched, operation = data.draw(st.sampled_from(offered))
    operations = [*ADD, *([operation] if operation else [])]
    if (done := attempt(staged, file, operations)) is None:
        return
    proof = prove_file(*done)
    assert not problems(proof)
    assert proof.verdict == "proved"
    unit, _ = done
    same = [i for i, name in enumerate(names) if name != touched]
    assert by_duckdb(Path(unit.staged), same) == by_duckdb(file, same)
