"""Docs and tags that files remember are the target's: what a migration takes away is gone, and what no version says is, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.schema import Bytes, Field, Int, Record, Schema
from instar.transforms.proof.integrity import prove_file

NOTES = {b"instar.tags": b'["pii"]', b"instar.doc": b"told", b"unit": b"metre"}
BARE = Schema(
    Field(
        "", Record((Field("a", Int(64), nullable=True), Field("r", Record((Field("n", Bytes(), nullable=True),)), nullable=True)))
    )
)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    columns = [pa.array([1, 2]), pa.array([{"n": b"a"}, None])]
    fields = [pa.field(name, column.type, metadata=NOTES) for name, column in zip("ar", columns, strict=True)]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


@pytest.mark.parametrize(
    ("operations", "a", "r"),
    [
        ([op.unset_tag("a", "pii")], {"tags"}, set()),
        ([op.unset_tag("r", "pii"), op.cast("r.n", "string")], set(), {"tags"}),
        ([op.set_doc("a", ""), op.cast("a", "string")], {"doc"}, set()),
        ([op.set_doc("r", "")], set(), {"doc"}),
    ],
)
def test_what_is_taken_away_from_a_column_that_stays_is_gone(parquet, staged, operations, a, r) -> None:
    unit, receipt = staged(parquet, "parquet", operations)
    assert [prove_file(unit, receipt, level=level).failures for level in ("auto", "full")] == [(), ()]
    assert [gone(field) for field in pq.read_schema(unit.staged)] == [a, r]


@pytest.mark.parametrize("operations", [[op.rename("a", to="b")], [op.cast("r.n", "string")], [op.set_doc("a", "new")]])
def test_notes_of_a_file_that_its_version_does_not_have_are_no_fault(parquet, staged, operations) -> None:
    unit, receipt = staged(parquet, "parquet", operations, BARE)
    assert [prove_file(unit, receipt, level=level).failures for level in ("auto", "full")] == [(), ()]
    assert all(
        field.metadata[b"unit"] == b"metre" and b"instar.tags" not in field.metadata for field in pq.read_schema(unit.staged)
    )


def gone(field: pa.Field) -> set[str]:
    return {key.decode().removeprefix("instar.") for key in NOTES if key not in field.metadata}


def test_an_avro_type_with_a_namespace_of_its_own_may_be_defined_at_another_use(tmp_path: Path, staged: Any) -> None:
    """The first use goes, and the next one has the definition."""
    inner = {"type": "record", "name": "T", "namespace": "p", "fields": [{"name": "x", "type": "long"}]}
    fields = [{"name": "first", "type": inner}, {"name": "second", "type": "p.T"}, {"name": "n", "type": "long"}]
    path = tmp_path / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, [{"first": {"x": 1}, "second": {"x": 2}, "n": 3}])
    unit, receipt = staged(path, "avro", [op.drop("first"), op.rename("n", to="m")])
    assert [prove_file(unit, receipt, level=level).failures for level in ("auto", "full")] == [(), ()]
