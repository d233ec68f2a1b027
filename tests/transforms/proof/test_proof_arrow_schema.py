"""The Arrow schema among a Parquet file's key-values is held against the file and the target: some readers go by it alone."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.parquet.footer import get, items
from instar.formats.parquet.thrift import BINARY, Struct
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.unit import Receipt, Unit
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.footers import changed

KEY = b"ARROW:schema"


@pytest.fixture
def proved(tmp_path: Path, staged: Callable[..., tuple[Unit, Receipt]]) -> tuple[Unit, Receipt]:
    schema = pa.schema(
        [
            pa.field("a", pa.int64(), metadata={"unit": "metre"}),
            pa.field("kind", pa.dictionary(pa.int32(), pa.string())),
            pa.field("record", pa.struct([pa.field("x", pa.large_string(), nullable=False, metadata={"of": "x"})])),
            pa.field("tags", pa.map_(pa.string(), pa.int32())),
            pa.field("items", pa.list_(pa.duration("s"))),
        ],
        metadata={"made": "by hand"},
    )
    rows = [{"a": i, "kind": f"k{i % 3}", "record": {"x": str(i)}, "tags": [("k", i)], "items": [i]} for i in range(100)]
    file = tmp_path / "data.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), file, row_group_size=50)
    unit, receipt = staged(file, "parquet", [op.cast("a", "int32"), op.rename("kind", to="sort")])
    assert prove_file(unit, receipt).verdict == "proved"
    return unit, receipt


def hint(file: str) -> bytes:
    return pq.read_metadata(file).metadata[KEY]


def hinted(file: str, value: bytes) -> None:
    def change(footer: Struct, _: list[Struct]) -> None:
        for pair in items(footer, 5):
            if get(pair, 1) == KEY:
                pair[2] = (BINARY, value)

    changed(Path(file), change)


def others(schema: pa.Schema) -> Iterator[tuple[str, pa.Schema]]:
    """Schemas that are not the file's, each with the place that is wrong; "" is the file."""
    yield "", schema.with_metadata({**(schema.metadata or {}), b"made": b"by nobody"})
    yield "", schema.with_metadata({k: v for k, v in (schema.metadata or {}).items() if k != b"made"})
    yield "", schema.set(0, schema.field(0).with_name("b"))
    yield "", schema.remove(4)
    yield "a", schema.set(0, schema.field(0).with_type(pa.int16()))
    yield "a", schema.set(0, schema.field(0).with_nullable(False))
    yield "a", schema.set(0, schema.field(0).with_metadata({"unit": "mile"}))
    yield "a", schema.set(0, schema.field(0).remove_metadata())
    yield "sort", schema.set(1, schema.field(1).with_type(pa.dictionary(pa.int8(), pa.string())))
    record = schema.field(2).type
    yield "record", schema.set(2, schema.field(2).with_type(pa.struct([record.field(0).with_name("y")])))
    yield "record", schema.set(2, schema.field(2).with_type(pa.struct([record.field(0).with_nullable(True)])))
    yield "record", schema.set(2, schema.field(2).with_type(pa.struct([record.field(0).with_metadata({"of": "y"})])))
    yield "tags", schema.set(3, schema.field(3).with_type(pa.map_(pa.string(), pa.int64())))
    yield "items", schema.set(4, schema.field(4).with_type(pa.list_(pa.duration("ns"))))


def test_another_arrow_schema_is_found(proved: tuple[Unit, Receipt]) -> None:
    unit, receipt = proved
    right = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(hint(unit.staged))))
    for place, schema in others(right):
        hinted(unit.staged, base64.b64encode(schema.serialize().to_pybytes()))
        assert place in problems(prove_file(unit, receipt)), schema


def test_a_flipped_bit_that_some_reader_sees_is_found(proved: tuple[Unit, Receipt]) -> None:
    unit, receipt = proved
    right, chance = hint(unit.staged), random.Random(5)
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(right)))
    seen = 0
    for _ in range(40):
        value = bytearray(right)
        value[chance.randrange(len(value))] ^= 1 << chance.randrange(7)
        hinted(unit.staged, bytes(value))
        try:
            flipped = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(bytes(value), validate=True)))
            same = flipped.equals(schema, check_metadata=True)
        except (ValueError, OSError):
            same = False
        proof = prove_file(unit, receipt)
        assert same or proof.unread or problems(proof) or proof.fidelity
        seen += not same
    assert seen >= 15  # the others are in what the form leaves empty
