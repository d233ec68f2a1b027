"""Where a proof says that something is wrong: the record where values can be read, else the row group and column, or the block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.schema import Field, Int, Map, Record, Schema
from instar.transforms.proof.damage import damaged_chunk
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.leaf_values import first_unlike
from tests.mutations import avro_container
from tests.mutations.arrow_values import array_of, values_of
from tests.mutations.neutral import Pairs

ROWS, AT = 40, 23
MAPS = {
    "type": "record",
    "name": "r",
    "fields": [{"name": "id", "type": "long"}, {"name": "counts", "type": {"type": "map", "values": "long"}}],
}


def parquet(path: Path, columns: dict[str, tuple[pa.DataType, list[Any]]], **options: Any) -> None:
    table = pa.table({name: array_of(values, type) for name, (type, values) in columns.items()})
    pq.write_table(table, path, row_group_size=10, **options)


@pytest.mark.parametrize("level", ["auto", "full"])
@pytest.mark.parametrize("operation", [op.rename("id", to="n"), op.cast("id", "string"), op.cast("counts{}", "string")])
def test_a_key_twice_in_an_avro_map_is_found(tmp_path, staged, operation, level):
    """Readers that make a dict of a map do not see it."""
    path = tmp_path / "data.avro"
    avro_container.created(path, MAPS, Field("", staged_record()), records(), "null", 10)
    unit, receipt = staged(path, "avro", [operation])
    root = unit.mapping.target.root
    held = avro_container.read(Path(unit.staged), root)
    held[AT]["counts"] = Pairs([*held[AT]["counts"], held[AT]["counts"][0]])
    avro_container.write(Path(unit.staged), Path(unit.staged), root, held, 10)
    found = {c.path: c.row for c in prove_file(unit, receipt, level=level).columns if c.problem}
    assert found == {"counts": AT}


def test_keys_that_were_twice_in_an_avro_map_are_no_fault(tmp_path, staged):
    path = tmp_path / "data.avro"
    held = records()
    held[AT]["counts"] = Pairs([("a", 1), ("a", 2)])
    avro_container.created(path, MAPS, Field("", staged_record()), held, "null", 10)
    unit, receipt = staged(path, "avro", [op.cast("id", "string")])
    assert [prove_file(unit, receipt, level=level).failures for level in ("auto", "full")] == [(), ()]


def staged_record() -> Any:
    return Record((Field("id", Int(64)), Field("counts", Map(Field("value", Int(64))))))


def records() -> list[Any]:
    return [{"id": i, "counts": Pairs([("a", i), ("b", 0)])} for i in range(ROWS)]


def test_a_value_that_duckdb_has_not_is_named_with_its_record(tmp_path, staged):
    path, type = tmp_path / "data.parquet", pa.map_(pa.string(), pa.int64())
    parquet(path, {"counts": (type, [Pairs([("a", i)]) for i in range(ROWS)])})
    unit, receipt = staged(path, "parquet", [op.cast("counts{}", "string")])
    held = values_of(pq.read_table(unit.staged)["counts"].combine_chunks())
    held[AT] = Pairs([*held[AT], *held[AT]])
    parquet(Path(unit.staged), {"counts": (pa.map_(pa.string(), pa.string()), held)})
    found = [(c.path, c.row, c.problem) for c in prove_file(unit, receipt).columns if c.row is not None]
    assert found == [("counts", AT, f"record {AT} cannot be recomputed: Invalid Input Error: Map keys must be unique.")]


def test_a_chunk_that_cannot_be_read_is_named(tmp_path, staged):
    path = tmp_path / "data.parquet"
    columns = {"id": (pa.int64(), list(range(ROWS))), "name": (pa.string(), [f"name {i}" * 9 for i in range(ROWS)])}
    parquet(path, columns, compression="snappy", use_dictionary=False)
    unit, receipt = staged(path, "parquet", [op.rename("id", to="n")])
    chunk = pq.read_metadata(unit.staged).row_group(2).column(1)
    content = bytearray(Path(unit.staged).read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 60 : end] = b"\xff" * 60
    Path(unit.staged).write_bytes(content)
    assert "column name cannot be read in row group 2" in prove_file(unit, receipt).unread
    assert damaged_chunk(path, Path(unit.staged), 1 << 27) == "column name in row group 2 of its new form"
    assert damaged_chunk(Path(unit.staged), path, 1 << 27) == "column name in row group 2 of its old form"
    assert not damaged_chunk(path, path, 1 << 27)


def test_a_block_that_cannot_be_read_is_named(tmp_path, staged):
    path = tmp_path / "data.avro"
    avro_container.created(path, MAPS, Field("", staged_record()), records(), "null", 10)
    unit, receipt = staged(path, "avro", [op.cast("id", "string")])
    content = Path(unit.staged).read_bytes()
    _, _, blocks = avro_container.taken_apart(content)
    at = content.index(blocks[2][1])
    Path(unit.staged).write_bytes(content[:at] + b"\xff" * 9 + content[at + 9 :])
    assert "block 2 is damaged in record 20" in prove_file(unit, receipt).unread


@pytest.mark.parametrize("array", [False, True])
def test_a_json_record_that_is_no_text_is_named(tmp_path, staged, array):
    path = tmp_path / "data.ndjson"
    lines = [f'{{"id":{i},"t":"text {i}"}}' for i in range(ROWS)]
    path.write_text("[\n" + ",\n".join(lines) + "]\n" if array else "\n".join(lines) + "\n")
    unit, receipt = staged(path, "json", [op.cast("id", "string")], Schema(Field("", Record((Field("id", Int(64)),))), open=True))
    content = Path(unit.staged).read_bytes()
    Path(unit.staged).write_bytes(content.replace(f"text {AT}".encode(), f"te\udcfft {AT}".encode(errors="surrogateescape")))
    assert f"record {AT}" in prove_file(unit, receipt).unread


LISTS = [[1, 2], None, [], [3], [4, 5, 6], [7]]


@pytest.mark.parametrize(
    ("at", "other"), [(None, None), (0, [1]), (1, []), (2, None), (3, [3, 3]), (4, None), (5, []), (5, [7, 8])]
)  # fmt: skip
def test_the_first_record_in_which_two_leaves_are_in_other_lists(at, other):
    """DuckDB reads a list of records by the levels of one of its leaves only."""
    lists = [other if row == at else value for row, value in enumerate(LISTS)]
    one, two = (pa.array(some, pa.list_(pa.int64())) for some in (LISTS, lists))
    assert first_unlike(one, two) == at
    assert first_unlike(one[1:], two[1:]) == (at and at - 1 if at != 0 else None)
