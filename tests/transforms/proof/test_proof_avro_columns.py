"""Avro records read field by field hold what they hold when they are read one by one, whatever stands in the file."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instar import op
from instar.transforms.proof import avro_columns
from instar.transforms.proof.avro_blocks import Damaged, records
from instar.transforms.proof.avro_columns import NotSplitError, columns, compiled_part, nodes_of
from instar.transforms.proof.integrity import prove_file

BUILT = compiled_part()
needs_part = pytest.mark.skipif(BUILT is None, reason="the proof's compiled part for Avro is not built here")
PART: Any = BUILT
EXAMPLES = int(os.environ.get("INSTAR_EXAMPLES", "60"))

TREE = {
    "type": "record",
    "name": "Tree",
    "fields": [{"name": "v", "type": "int"}, {"name": "below", "type": {"type": "array", "items": "Tree"}}],
}
SCHEMA: Any = {
    "type": "record",
    "name": "Event",
    "namespace": "com.example",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "flag", "type": "boolean"},
        {"name": "ratio", "type": ["float", "null"]},
        {"name": "exact", "type": "double"},
        {"name": "nothing", "type": "null"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "raw", "type": "bytes"},
        {"name": "tree", "type": ["null", TREE]},
        {"name": "choice", "type": ["null", "int", "string", "Hash"]},
        {"name": "scores", "type": {"type": "map", "values": ["null", "int"]}},
        {"name": "again", "type": ["null", "Tree", "Kind"]},
    ],
}
NAMES = [field["name"] for field in SCHEMA["fields"]]


def event(n: int) -> dict[str, Any]:
    spare = random.Random(n)
    tree = {"v": n, "below": [{"v": i, "below": [{"v": -1, "below": []}] * (i % 2)} for i in range(n % 4)]}
    return {
        "id": (-1) ** n * spare.getrandbits(n % 64), "text": None if n % 3 else "é" * (n % 90), "flag": n % 2 == 0,
        "ratio": None if n % 5 else n / 7, "exact": n / 3, "nothing": None, "at": n * 1000, "kind": "AB"[n % 2],
        "hash": spare.randbytes(4), "raw": spare.randbytes(n % 200), "tree": None if n % 4 == 3 else tree,
        "choice": [None, n, str(n), ("com.example.Hash", b"1234")][n % 4],
        "scores": {str(i): None if i % 2 else i for i in range(n % 5)},
        "again": [None, ("com.example.Tree", tree), ("com.example.Kind", "B")][n % 3],
    }  # fmt: skip


def written(path: Path, count: int, codec: str = "null", schema: Any = SCHEMA, make: Callable[[int], Any] = event) -> Path:
    with path.open("wb") as out:
        fastavro.writer(out, fastavro.parse_schema(schema), map(make, range(count)), codec=codec, sync_interval=2000)
    return path


@needs_part
@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
@pytest.mark.parametrize("count", [0, 1, 5000])
def test_fields_hold_what_records_hold(tmp_path: Path, codec: str, count: int) -> None:
    path = written(tmp_path / "data.avro", count, codec)
    expected = list(records(path))
    for names in (NAMES, ["id"], ["again", "tree"], ["nothing", "kind"]):
        found = list(columns(path, names, PART))
        assert all(list(some) == names for some in found)
        for name in names:
            assert [value for some in found for value in some[name]] == [record[name] for record in expected]


@needs_part
def test_what_cannot_be_split_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "data.avro", 300)
    whole = path.read_bytes()
    for at in range(1, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at])
        try:
            found = sum(len(some["id"]) for some in columns(path, NAMES, PART))
        except NotSplitError:
            continue
        assert found < 300  # it ends behind a block
    path.write_bytes(whole)
    with pytest.raises(NotSplitError, match="no such fields"):
        list(columns(path, ["missing"], PART))
    own = {"type": "record", "name": "Own", "fields": [{"name": "below", "type": ["null", "Own"]}]}
    path = written(tmp_path / "own.avro", 3, schema=own, make=lambda n: {"below": {"below": None}})
    with pytest.raises(NotSplitError):
        list(columns(path, ["below"], PART))


OPERATIONS = [op.cast("id", "string"), op.rename("text", to="words"), op.add("made", "string", default="x")]


@pytest.mark.parametrize("way", ["compiled", "python"])
def test_faults_are_found(tmp_path: Path, staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """With the part, and without."""
    if way == "python":
        monkeypatch.setattr(avro_columns, "PART", "instar.transforms.proof._never_built")
    elif BUILT is None:
        pytest.skip("the proof's compiled part for Avro is not built here")
    unit, receipt = staged(written(tmp_path / "data.avro", 200), "avro", OPERATIONS)
    for level in ("auto", "full"):
        assert prove_file(unit, receipt, level=level).verdict == "proved"
    new = Path(unit.staged)
    with new.open("rb") as file:
        reader = fastavro.reader(file, return_record_name=True, return_record_name_override=True)
        schema, made = reader.writer_schema, list[Any](reader)
    for change in ({"id": "7"}, {"words": "other"}, {"made": "y"}, {"exact": -0.0}, {"raw": b""}, {"scores": {}}):
        wrong = [{**record, **(change if number == 151 else {})} for number, record in enumerate(made)]
        assert wrong != made
        with new.open("wb") as out:
            fastavro.writer(out, schema, wrong)  # type: ignore[arg-type]
        found = prove_file(unit, receipt)
        assert found.verdict == "failed"
        assert [column.row for column in found.columns if column.problem] == [151], change


@needs_part
@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(data=st.binary(max_size=80), count=st.integers(0, 5), seed=st.integers(0, 1000))
def test_no_bytes_are_read_beyond_their_end(data: bytes, count: int, seed: int) -> None:
    """Drawn bytes behind real records; what is split is all of the block, and what fastavro reads of it, too."""
    form, schema = PART.form(nodes_of(SCHEMA)), fastavro.parse_schema(SCHEMA)
    real = io.BytesIO()
    fastavro.schemaless_writer(real, schema, event(seed))
    block = bytearray(real.getvalue() + data)
    if seed % 3:
        block[seed % len(block)] = (block[seed % len(block)] + seed) % 256
    split = PART.split(form, count, bytes(block), b"\1" * len(NAMES))
    if split:
        assert sum(map(len, split)) == len(block)
        assert PART.split(form, count, bytes(block), bytes(len(NAMES))) == (b"",) * len(NAMES)
    read, whole = io.BytesIO(bytes(block)), True
    try:
        for _ in range(count):
            fastavro.schemaless_reader(read, schema, None)
    except Exception:
        whole = False
    assert split is not None or not whole or read.read(1)


@needs_part
def test_what_the_part_is_told_is_looked_at() -> None:
    for nodes in ((), ((0, 0, ()),), ((7, 0, (1,)),), ((7, 0, (-1,)),), ((9, 0, ()),), ((7, 0, (1,)), (5, 0, ())), ((7, -1, ()),)):
        with pytest.raises(ValueError, match=r"no record|no such"):
            PART.form(nodes)
    form = PART.form(((7, 0, (1,)), (0, 0, ())))
    assert PART.split(form, 3, b"", b"\1") == (b"",)
    assert PART.split(form, 1 << 40, b"", b"\1") is None
    with pytest.raises(ValueError, match="another number"):
        PART.split(form, 1, b"", b"")
    endless = PART.form(((7, 0, (0,)),))
    assert PART.split(endless, 1, b"", b"\1") is None
    enums = PART.form(((7, 0, (1,)), (8, 2, ())))
    assert [PART.split(enums, 1, bytes([byte]), b"\1") for byte in range(5)] == [(b"\0",), False, (b"\2",), False, False]
    unions = PART.form(((7, 0, (1,)), (4, 0, (2, 2)), (0, 0, ())))
    assert [PART.split(unions, 1, bytes([byte]), b"\0") for byte in range(5)] == [(b"",), False, (b"",), False, False]
    many = PART.form(((7, 0, (1,)), (5, 0, (2,)), (5, 0, (3,)), (0, 0, ())))  # lists of nulls in a list
    inner = b"\x80\x80\x80\x01\0"
    assert PART.split(many, 1, b"\x02" + inner + b"\0", b"\0") == (b"",)
    assert PART.split(many, 1, b"\x06" + 3 * inner + b"\0", b"\0") is None
    lists = PART.form(((7, 0, (1,)), (5, 0, (2,)), (0, 0, ())))
    assert PART.split(lists, 1, b"\x04\0", b"\1") == (b"\x04\0",)
    assert PART.split(lists, 1, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0", b"\1") is None


def test_a_part_of_another_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_columns, "PART", "json")
    assert compiled_part() is None
    source = Path(avro_columns.__file__).with_name("_avro_split.c").read_text(encoding="utf-8")
    assert f'"INTERFACE", {avro_columns.INTERFACE})' in source


@needs_part
def test_a_block_with_endlessly_many_records_of_no_bytes_is_not_begun(tmp_path: Path) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "null"}]}
    path = written(tmp_path / "data.avro", 0, schema=schema)
    path.write_bytes(path.read_bytes() + b"\x80\x80\x80\x80\x80\x40" + b"\0" + path.read_bytes()[-16:])
    with pytest.raises(NotSplitError, match=f"it says that it holds {1 << 40} records in 0 bytes"):
        list(columns(path, ["a"], PART))
    with pytest.raises(Damaged, match=r"^block 0 is damaged in record 0: it says that it holds"):
        list(records(path))
