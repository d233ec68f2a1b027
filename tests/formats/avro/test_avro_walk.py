"""The compiled walk over Avro blocks: it accepts nothing that the walk in Python refuses, and never leaves its buffers.

`make fuzz` runs the same with a build that watches every read and write.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import fastavro
import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.compiled_layout import TooManyBranches, compiled_layout
from instar.formats.avro.container import block_bytes
from instar.formats.avro.physical import layout, layouts
from instar.formats.avro.pieces import slots_of
from instar.formats.avro.walk import Damaged, records_walker
from instar.formats.compiled import compiled_part
from instar.formats.errors import SchemaError

part = compiled_part("avro")
pytestmark = pytest.mark.skipif(part is None, reason="the compiled part for avro is not built here")
walk: Any = part
ROUNDS = 60


class Schemas:
    """Random schemas of records, and records of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def record(self) -> dict[str, Any]:
        fields = [{"name": f"c{i}", "type": self.type(0)} for i in range(self.random.randrange(1, 6))]
        return {"type": "record", "name": "Root", "fields": fields}

    def type(self, depth: int) -> Any:
        choose = self.random
        self.count += 1
        kinds = ["plain"] * 5 + ["fixed", "enum", "array", "map", "union", "union", "record", "record"]
        match choose.choice(kinds) if depth < 4 else "plain":
            case "fixed":
                return {"type": "fixed", "name": f"F{self.count}", "size": choose.randrange(1, 9)}
            case "enum":
                return {"type": "enum", "name": f"E{self.count}", "symbols": ["A", "B", "C"]}
            case "array":
                return {"type": "array", "items": self.type(depth + 1)}
            case "map":
                return {"type": "map", "values": self.type(depth + 1)}
            case "union":
                branches = ["null", choose.choice(["int", "string", {"type": "array", "items": "int"}]), "boolean", "double"]
                branches = branches[choose.randrange(2) : choose.randrange(2, 5)]
                choose.shuffle(branches)
                return branches
            case "record":
                name = f"R{self.count}"
                fields = [{"name": f"f{i}", "type": self.type(depth + 1)} for i in range(choose.randrange(4))]
                fields += [{"name": "again", "type": ["null", name]}] if choose.random() < 0.4 else []
                return {"type": "record", "name": name, "fields": fields}
        return choose.choice(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])

    def value(self, type: Any, named: dict[str, Any], depth: int = 0) -> Any:
        choose = self.random
        if isinstance(type, str) and type in named:
            type = named[type]
        match type:
            case list():
                return self.value("null" if depth > 4 and "null" in type else choose.choice(type), named, depth + 1)
            case {"type": "record"}:
                named[type["name"]] = type
                return {f["name"]: self.value(f["type"], named, depth + 1) for f in type["fields"]}
            case {"type": "array"}:
                return [self.value(type["items"], named, depth + 1) for _ in range(choose.randrange(4))]
            case {"type": "map"}:
                return {str(i): self.value(type["values"], named, depth + 1) for i in range(choose.randrange(4))}
            case {"type": "fixed"}:
                return bytes(type["size"])
            case {"type": "enum"}:
                return "B"
        return {
            "null": None, "boolean": True, "int": choose.randrange(-1 << 31, 1 << 31), "long": choose.randrange(-1 << 63, 1 << 63),
            "float": 1.5, "double": 2.5, "bytes": b"x" * choose.randrange(80), "string": "s" * choose.randrange(130),
        }[type]  # fmt: skip

    def data(self, schema: dict[str, Any], rows: int) -> bytes:
        out, parsed = io.BytesIO(), fastavro.parse_schema(schema)
        for _ in range(rows):
            fastavro.schemaless_writer(out, parsed, self.value(schema, {}))
        return out.getvalue()

    def damaged(self, data: bytes) -> bytes:
        choose, out = self.random, bytearray(data)
        for _ in range(choose.randrange(1, 4)):
            match choose.randrange(6):
                case 0 | 1 | 2 if out:
                    out[choose.randrange(len(out))] = choose.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF, choose.randrange(256)])
                case 3 if out:
                    del out[choose.randrange(len(out)) :]
                case 4:
                    out += choose.randbytes(choose.randrange(9))
                case 5:
                    out = bytearray(choose.randbytes(choose.randrange(60)))
        return bytes(out)


@pytest.mark.parametrize("seed", range(int(os.environ.get("INSTAR_FUZZ", "6"))))
def test_it_accepts_what_python_accepts_and_survives_the_rest(seed: int) -> None:
    schemas = Schemas(seed)
    accepted = refused = 0
    for _ in range(20):
        schema = schemas.record()
        try:
            parsed = FORMAT.parse(json.dumps(schema))
        except SchemaError:  # two types alike in a union
            continue
        known, slots, rows = layouts(parsed.definitions), slots_of(parsed.root), schemas.random.randrange(1, 20)
        compiled, python = compiled_layout(walk, slots, known), records_walker(layout(parsed.root), known)
        marks = sorted(schemas.random.sample(range(len(slots) + 1), schemas.random.randrange(1, len(slots) + 2)))
        whole = schemas.data(schema, rows)
        for number, data in enumerate([whole, *(schemas.damaged(whole) for _ in range(ROUNDS))]):
            fits = _fits(python, data, rows)
            try:
                offsets = walk.locate(compiled, data, [0, len(data), rows], marks)
            except walk.Odd:
                assert number, "records that were written are odd"
                refused += 1
                continue
            assert fits
            accepted += 1
            _use(schemas.random, data, offsets, len(marks), rows)
    assert accepted > 20
    assert refused > 20


def _fits(python: Any, data: bytes, rows: int) -> bool:
    try:
        return python(data, 0, rows, len(data), [], []) == len(data)
    except (Damaged, IndexError, RecursionError):
        return False


def _use(choose: random.Random, data: bytes, offsets: bytes, width: int, rows: int) -> None:
    """Everything else with these offsets, and with such that make no sense: a result, or one of the two exceptions."""
    for given in (offsets, choose.randbytes(len(offsets)), bytes(0 if i % 4 else byte for i, byte in enumerate(offsets))):
        start, stop = choose.randrange(width), choose.randrange(width)
        for form, null in ((walk.PLAIN, -1), (walk.NULLABLE, 0), (walk.NULLABLE, 1), (walk.BRANCHED, 0), (walk.BRANCHED, -1)):
            with suppress(walk.Odd, ValueError):
                walk.raws(data, given, width, start, stop, form, null, 0, rows)
            for type in range(walk.BYTES + 1):
                with suppress(walk.Odd, ValueError):
                    nulls, valid, values, texts = walk.column(data, given, width, start, stop, form, null, type)
                    count = rows // 8 if type == walk.BOOLEAN else rows
                    walk.encoded(type, count, 0, choose.choice([-1, 0, 1]), valid if nulls else b"", values, texts)
        with suppress(walk.Odd, ValueError):
            walk.assemble(data, given, width, [0, len(data), rows], list(_pieces(choose, width, rows)))


def _pieces(choose: random.Random, width: int, rows: int) -> Iterator[tuple[Any, ...]]:
    for _ in range(choose.randrange(5)):
        match choose.randrange(4):
            case walk.CONSTANT:
                yield walk.CONSTANT, choose.randbytes(choose.randrange(5))
            case walk.MADE:
                yield walk.MADE, *walk.joined([choose.randbytes(choose.randrange(5)) for _ in range(rows)])
            case kind:
                yield kind, choose.randrange(width), choose.randrange(width)


def test_arguments_that_make_no_sense_are_refused() -> None:
    compiled = walk.layout([walk.NUMBER, 0, 0, 0], [], [0])
    for nodes, children, slots in [
        ([99, 0, 0, 0], [], [0]),
        ([walk.ARRAY, 1, 0, 0], [], [0]),
        ([walk.RECORD, 0, 0, 2], [0], [0]),
        ([walk.RECORD, 0, 0, 1], [5], [0]),
        ([walk.NUMBER, 0, 0, 0], [], [1]),
        ([walk.NUMBER, 0, 0, 0], [], [-1]),
    ]:
        with pytest.raises(ValueError, match="no layout"):
            walk.layout(nodes, children, slots)
    with pytest.raises(walk.Odd):
        walk.locate(compiled, b"\x02", [0, 2, 1], [0, 1])
    with pytest.raises(walk.Odd):
        walk.locate(compiled, b"\x02", [0, 1, -1], [0, 1])
    with pytest.raises(ValueError, match="boundary"):
        walk.locate(compiled, b"\x02", [0, 1, 1], [0, 2])
    with pytest.raises(ValueError):  # noqa: PT011  whatever CPython says of a thing that is no layout
        walk.locate(object(), b"\x02", [0, 1, 1], [0])
    offsets = walk.locate(compiled, b"\x02\x04", [0, 2, 2], [0, 1])
    with pytest.raises(ValueError, match="no such place"):
        walk.raws(b"\x02\x04", offsets, 2, 0, 2, walk.PLAIN, -1, 0, 2)
    with pytest.raises(ValueError, match="no such records"):
        walk.raws(b"\x02\x04", offsets, 2, 0, 1, walk.PLAIN, -1, 0, 3)
    with pytest.raises(ValueError, match="no such piece"):
        walk.assemble(b"\x02\x04", offsets, 2, [0, 2, 2], [(walk.MADE, b"", b"")])
    with pytest.raises(ValueError, match="too few offsets"):
        walk.assemble(b"\x02\x04", offsets, 2, [0, 2, 5], [(walk.COPIED, 0, 1)])
    with pytest.raises(ValueError, match="no such column"):
        walk.encoded(walk.INT64, 2, 0, -1, b"", b"1234567", b"")
    with pytest.raises(walk.Odd):
        walk.encoded(walk.INT64, 1, 0, -1, b"\x00", bytes(8), b"")


@pytest.mark.parametrize("value", [0, -1, 63, -64, 64, 1 << 31, -(1 << 63), (1 << 63) - 1])
def test_numbers_there_and_back(value: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)
    data = out.getvalue()
    offsets = walk.locate(walk.layout([walk.NUMBER, 0, 0, 0], [], [0]), data, [0, len(data), 1], [0, 1])
    nulls, valid, values, texts = walk.column(data, offsets, 2, 0, 1, walk.PLAIN, -1, walk.INT64)
    assert (nulls, valid, int.from_bytes(values, "little", signed=True), texts) == (0, b"\x01", value, b"")
    encoded, ends = walk.encoded(walk.INT64, 1, 0, -1, b"", values, b"")
    assert (encoded[: len(data)], ends) == (data, len(data).to_bytes(4, "little"))


def test_values_of_one_byte_are_not_written_into() -> None:
    """CPython shares bytes of one byte."""
    data = b"\x04" * 9
    offsets = walk.locate(walk.layout([walk.FIXED, 1, 0, 0], [], [0]), data, [0, 9, 9], [0, 1])
    assert walk.raws(data, offsets, 2, 0, 1, walk.BRANCHED, 0, 0, 9) == [bytes([2])] * 9
    assert bytes([4])[0] == 4


def test_a_union_of_too_many_branches_is_told() -> None:
    branches = [{"type": "fixed", "name": f"F{i}", "size": 1} for i in range(65)]
    schema = {"type": "record", "name": "R", "fields": [{"name": "u", "type": branches}]}
    parsed = FORMAT.parse(json.dumps(schema))
    with pytest.raises(TooManyBranches):
        compiled_layout(walk, slots_of(parsed.root), layouts(parsed.definitions))


def test_heads_of_whole_blocks_are_found() -> None:
    sync = bytes(range(16))
    blocks = [block_bytes(rows, bytes(size), sync) for rows, size in ((1, 0), (200, 70), (3, 5))]
    data = b"".join(blocks)
    assert walk.heads(data, sync) == [1, 2, 0, 200, 2 + 16 + 4, 70, 3, 2 + 16 + 4 + 70 + 16 + 2, 5]
    for cut in range(len(data)):
        assert len(walk.heads(data[:cut], sync)) == 3 * sum(cut >= len(b"".join(blocks[: i + 1])) for i in range(3))
    assert walk.heads(block_bytes(-1, b"x", sync), sync) == []
    assert walk.heads(data[:-1] + b"x", sync) == walk.heads(data[:-1], sync)
    assert walk.heads(b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + sync, sync) == []
    for seed in range(300):
        walk.heads(random.Random(seed).randbytes(40), sync[: seed % 3])
