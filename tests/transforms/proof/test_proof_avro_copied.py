"""Avro files of which the blocks were copied: proved by their bytes, without reading a value, where that proves something."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from instar import op
from instar.formats.schema import Schema
from instar.transforms.mapping import chain, identity
from instar.transforms.proof.avro_blocks import Damaged, header_of, records
from instar.transforms.proof.avro_copied import prove_copied
from instar.transforms.proof.avro_shape import shape_of
from instar.transforms.proof.in_place import only_renames
from instar.transforms.proof.integrity import prove_file
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.test_proof_avro import SCHEMA, record

ROWS = 400
RENAMES = [
    op.rename("id", to="key"),
    op.rename("place.x", to="east"),
    op.rename("items[].n", to="number"),
    op.set_doc("ratio", "of what there is"),
]


@pytest.fixture(params=["null", "deflate"])
def file(tmp_path: Path, request: Any) -> Path:
    path = tmp_path / "data.avro"
    with path.open("wb") as opened:
        fastavro.writer(opened, SCHEMA, (record(i % 250) for i in range(ROWS)), codec=request.param, sync_interval=500)
    return path


def by_bytes(unit: Any) -> Any:
    return prove_copied(Path(unit.source), Path(unit.staged), unit.mapping.rebased(unit.schema))


def test_what_is_only_called_otherwise_is_proved_by_its_bytes(file: Path, staged: Callable[..., Any]) -> None:
    unit, receipt = staged(file, "avro", RENAMES)
    assert by_bytes(unit) is not None
    proof = prove_file(unit, receipt)
    assert (proof.verdict, proof.failures, proof.rows_old, proof.rows_new) == ("proved", (), ROWS, ROWS)
    full = prove_file(unit, receipt, level="full")
    assert {c.path for c in proof.columns} == {c.path for c in full.columns}
    assert {c.way for c in proof.columns} == {"bytes"} < {c.way for c in full.columns}


def test_it_loads_no_reader(file: Path, staged: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "work").write_bytes(pickle.dumps(staged(file, "avro", RENAMES)))
    code = (
        "import pickle, sys; from instar.transforms.proof.integrity import prove_file;"
        f"proof = prove_file(*pickle.load(open({str(tmp_path / 'work')!r}, 'rb')));"
        "print(proof.verdict, 'duckdb' in sys.modules, 'fastavro' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["proved", "False", "False"]


@pytest.mark.parametrize(
    "operations",
    [[op.drop("raw")], [op.cast("count", "int64")], [op.allow_null("id")], [op.add("x", "int32", default=1)]],
    ids=str,
)
def test_what_is_not_only_a_rename_is_read(file: Path, staged: Callable[..., Any], operations: list[Any]) -> None:
    unit, receipt = staged(file, "avro", operations)
    same = unit.mapping.is_identity()
    assert (by_bytes(unit) is not None) == same
    assert prove_file(unit, receipt).verdict == "proved"


# ---- faults
def replanted(file: Path, change: Callable[[bytes, bytes], bytes], header: Callable[[Any], Any] = lambda schema: schema) -> None:
    """The file with what is behind its header changed, of which `change` gets the bytes and the sync marker; and its schema."""
    with file.open("rb") as opened:
        metadata, sync = header_of(opened)
        body = opened.read()
    metadata["avro.schema"] = json.dumps(header(json.loads(metadata["avro.schema"]))).encode()
    pairs = b"".join(_number(len(part)) + part for key, value in metadata.items() for part in (key.encode(), value))
    file.write_bytes(b"Obj\x01" + _number(len(metadata)) + pairs + b"\x00" + sync + change(body, sync))


def _number(value: int) -> bytes:
    value, made = value << 1, b""
    while value >= 0x80:
        made, value = made + bytes([value & 0x7F | 0x80]), value >> 7
    return made + bytes([value])


def flipped(body: bytes, _: bytes) -> bytes:
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def without_a_block(body: bytes, sync: bytes) -> bytes:
    return body[body.index(sync) + 16 :]


def block_twice(body: bytes, sync: bytes) -> bytes:
    first = body[: body.index(sync) + 16]
    return first + body


def exchanged(body: bytes, sync: bytes) -> bytes:
    one, two, rest = body.split(sync, 2)
    return sync.join([two, one, rest])


@pytest.mark.parametrize("change", [flipped, without_a_block, block_twice, exchanged])
def test_other_blocks_are_found(file: Path, staged: Callable[..., Any], change: Callable[[bytes, bytes], bytes]) -> None:
    unit, receipt = staged(file, "avro", RENAMES)
    replanted(Path(unit.staged), change)
    assert by_bytes(unit) is None
    proof = prove_file(unit, receipt)
    assert proof.unread or problems(proof)


def _same(body: bytes, _: bytes) -> bytes:
    return body


def swapped(schema: Any) -> Any:
    """The names of two fields of one type, one for the other."""
    fields = schema["fields"]
    one, two = (next(f for f in fields if f["name"] == name) for name in ("always", "beside"))
    one["name"], two["name"] = two["name"], one["name"]
    return schema


def null_last(schema: Any) -> Any:
    field = next(f for f in schema["fields"] if f["name"] == "count")
    field["type"] = list(reversed(field["type"]))
    field.pop("default", None)
    return schema


def in_another_order(schema: Any) -> Any:
    return {**schema, "fields": list(reversed(schema["fields"]))}


@pytest.mark.parametrize("header", [swapped, null_last, in_another_order])
def test_blocks_under_a_header_that_means_something_else_are_found(
    tmp_path: Path, staged: Callable[..., Any], header: Callable[[Any], Any]
) -> None:
    path = tmp_path / "data.avro"
    fields: list[Any] = [{"name": "constant", "type": "string"}, {"name": "beside", "type": "string"}]
    fields.append({"name": "count", "type": ["null", "int"], "default": None})
    with path.open("wb") as opened:
        schema = {"type": "record", "name": "R", "fields": fields}
        fastavro.writer(opened, schema, [{"constant": "a", "beside": f"b{i}", "count": None} for i in range(9)])
    unit, receipt = staged(path, "avro", [op.rename("constant", to="always")])
    assert by_bytes(unit) is not None
    replanted(Path(unit.staged), _same, header)
    assert by_bytes(unit) is None
    proof = prove_file(unit, receipt)
    assert proof.unread or problems(proof)


def test_blocks_that_were_only_copied_where_fields_move_are_found(tmp_path: Path, staged: Callable[..., Any]) -> None:
    """`a` and `b` have one type, so that the old blocks under the new header can be read as well."""
    path = tmp_path / "data.avro"
    fields = [{"name": name, "type": "string"} for name in ("a", "b")]
    with path.open("wb") as opened:
        fastavro.writer(opened, {"type": "record", "name": "R", "fields": fields}, [{"a": "1", "b": "2"}])
    unit, receipt = staged(path, "avro", [op.reorder(["b", "a"])])
    assert prove_file(unit, receipt).verdict == "proved"
    with path.open("rb") as opened:
        header_of(opened)
        body = opened.read()
    replanted(Path(unit.staged), lambda *_: body)
    assert set(problems(prove_file(unit, receipt))) == {"a", "b"}


# ---- what it rests on
def test_shapes_have_no_names_and_everything_else() -> None:
    def record(*types: Any, name: str = "R") -> Any:
        return {"type": "record", "name": name, "fields": [{"name": f"{name}{i}", "type": t} for i, t in enumerate(types)]}

    tree = record("int", {"type": "array", "items": "T"}, name="T")
    wood = record("int", {"type": "array", "items": "x.W"}, name="x.W")
    assert shape_of(tree) == shape_of(wood)
    assert shape_of(record("int")) == shape_of(record({"type": "int", "logicalType": "date"}, name="S"))
    different: list[Any] = [
        record("int"), record("long"), record("int", "int"), record(["null", "int"]), record(["int", "null"]), tree,
        record({"type": "map", "values": "int"}), record({"type": "array", "items": "int"}), record(record("int", name="I")),
        record({"type": "enum", "name": "E", "symbols": ["A", "B"]}), record({"type": "enum", "name": "E", "symbols": ["B", "A"]}),
        record({"type": "fixed", "name": "F", "size": 4}), record({"type": "fixed", "name": "F", "size": 5}),
    ]  # fmt: skip
    shapes = [shape_of(document) for document in different]
    assert len(set(shapes)) == len(shapes)
    with pytest.raises(ValueError, match="does not define"):
        shape_of(record("Unknown"))


def test_only_renames_is_said_of_renames_only(file: Path, staged: Callable[..., Any]) -> None:
    from instar.formats.format import format_named

    source = format_named("avro").inspect(file).schema
    assert isinstance(source, Schema)
    assert only_renames(identity(source))
    assert only_renames(chain(source, [*RENAMES, op.rename("<Created>.id", to="made")]))
    swap = [op.rename("place.x", to="z"), op.rename("place.y", to="x"), op.rename("place.z", to="y")]
    assert only_renames(chain(source, swap))
    others = [op.drop("raw"), op.reorder(["raw"]), op.cast("count", "int64"), op.allow_null("id"), op.move("place.x", to="x")]
    assert not any(only_renames(chain(source, [other])) for other in others)


def test_what_is_wrong_with_a_block_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "data.avro"
    with path.open("wb") as opened:
        fastavro.writer(opened, SCHEMA, (record(i) for i in range(50)), codec="deflate")
    content = bytearray(path.read_bytes())
    with path.open("rb") as opened:
        header_of(opened)
        content[opened.tell() + 6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"^block 0 is damaged in record 0: Error -3 while decompressing"):
        list(records(path))
