"""Avro files spliced: blocks copied as they are, records made of bytes of old ones; the results are those of a rewrite."""

from __future__ import annotations

import datetime
import decimal
import json
import random
import tracemalloc
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.container import opened
from instar.formats.compiled import PARTS, compiled_part
from instar.formats.errors import InstarError
from instar.formats.format import Rewrite, Rewritten, Stamp
from instar.transforms import operations as op
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.request import rewrite_request

if TYPE_CHECKING:
    from tests.formats.avro.conftest import Files

needs_compiled = pytest.mark.skipif(compiled_part("avro") is None, reason="the compiled part for avro is not built here")

FLIGHT = {
    "type": "record", "name": "flight", "namespace": "air",
    "fields": [
        {"name": "year", "type": "int", "doc": "of departure"},
        {"name": "carrier", "type": ["null", "string"], "default": None},
        {"name": "place", "type": {"type": "record", "name": "Place", "fields": [
            {"name": "lat", "type": "double"}, {"name": "lon", "type": "double"}, {"name": "name", "type": ["string", "null"]},
        ]}},
        {"name": "stops", "type": {"type": "array", "items": {"type": "record", "name": "Stop", "fields": [
            {"name": "code", "type": "string"}, {"name": "minutes", "type": "long"},
        ]}}},
        {"name": "delay", "type": ["null", "double"]},
    ],
}  # fmt: skip


def flights(count: int) -> list[dict[str, Any]]:
    return [
        {
            "year": 2000 + i % 30,
            "carrier": None if i % 7 == 0 else f"C{i % 11}",
            "place": {"lat": i / 7, "lon": -i / 3, "name": None if i % 5 else "é" * (i % 90)},
            "stops": [{"code": f"S{j}", "minutes": i * j} for j in range(i % 4)],
            "delay": None if i % 3 == 0 else i * 0.5,
        }
        for i in range(count)
    ]


def request(source: Path, target: Path, operations: Sequence[Operation], like: Path | None = None) -> Rewrite:
    schema = FORMAT.inspect(like or source).schema
    assert schema is not None
    mapping = chain(schema, operations)
    return rewrite_request(FORMAT, mapping, source, target, memory=1 << 24, stamp=Stamp("s", 2), progress=lambda rows, size: None)


def both_ways(source: Path, operations: Sequence[Operation], files: Files) -> tuple[Path, Path, Rewritten]:
    """The file spliced, and rewritten record by record."""
    spliced, rewritten = files.path(), files.path()
    done = FORMAT.rewrite(request(source, spliced, operations))
    FORMAT.rewrite(replace(request(source, rewritten, operations), splice=None))
    return spliced, rewritten, done


def data_of(path: Path) -> bytes:
    """All that is behind the header."""
    with opened(path) as container:
        return path.read_bytes()[container.header.size :]


def contents(path: Path) -> list[Any]:
    """Header, and the records of each block, decompressed."""
    with opened(path) as container:
        return [container.header, *((block.rows, container.data(block)) for block in container.blocks())]


# ---- blocks as they are
VERBATIM: list[list[Operation]] = [
    [op.rename("delay", to="departure_delay")],
    [op.rename("place.name", to="title"), op.rename("stops[].code", to="airport")],
    [op.set_doc("year", "of arrival")],
    [op.rename("year", to="carrier2"), op.rename("carrier", to="year"), op.rename("carrier2", to="carrier")],
]


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
@pytest.mark.parametrize("operations", VERBATIM)
def test_names_change_and_the_blocks_do_not(operations: list[Operation], codec: str, files: Files) -> None:
    source = files.write(FLIGHT, flights(500), codec=codec, sync_interval=900)
    spliced, rewritten, done = both_ways(source, operations, files)
    assert (done.way, done.why, done.rows_in, done.rows_out) == ("spliced", "", 500, 500)
    assert data_of(spliced) == data_of(source)
    assert files.read(spliced) == files.read(rewritten)
    with opened(spliced) as one, opened(rewritten) as other:
        assert one.header == other.header


def test_a_block_is_not_even_decompressed(files: Files) -> None:
    source = files.write(FLIGHT, flights(50), codec="deflate")
    with opened(source) as container:
        (block,) = container.blocks()
    content = bytearray(source.read_bytes())
    content[block.start : block.start + 8] = bytes(8)
    damaged = files.raw(bytes(content))
    spliced = files.path()
    FORMAT.rewrite(request(damaged, spliced, VERBATIM[0]))
    assert data_of(spliced) == data_of(damaged)


@pytest.mark.parametrize("cut", [1, 17, 300])
def test_a_file_that_is_cut_off_is_refused_in_the_same_words(cut: int, files: Files) -> None:
    whole = files.write(FLIGHT, flights(100), sync_interval=900)
    source = files.raw(whole.read_bytes()[:-cut])
    said = []
    for splice in (True, False):
        given = request(source, files.path(), VERBATIM[0], like=whole)
        with pytest.raises(Exception, match="cut off") as caught:
            FORMAT.rewrite(given if splice else replace(given, splice=None))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_progress_is_told_once_of_what_is_begun_twice(files: Files) -> None:
    whole = files.write(FLIGHT, flights(100), sync_interval=900)
    told: list[int] = []
    source = files.raw(whole.read_bytes()[:-1])
    given = request(source, files.path(), VERBATIM[0], like=whole)
    given = replace(given, progress=lambda rows, size: told.append(rows))
    with pytest.raises(Exception, match="cut off"):
        FORMAT.rewrite(given)
    assert sum(told) <= 100


# ---- records from pieces
SPLICED: list[list[Operation]] = [
    [op.drop("year")],
    [op.drop("delay")],
    [op.drop("stops"), op.drop("place.lat")],
    [op.add("currency", "string", default="USD"), op.add("gone", "int64", nullable=True), op.add("first", "double", default=1.5)],
    [op.move("place.lat", to="latitude"), op.move("year", to="place.year")],
    [op.reorder(["delay", "year"])],
    [op.cast("year", "string"), op.add("currency", "string", default="USD"), op.drop("stops")],
    [op.cast("place.lat", "string"), op.rename("place.lon", to="longitude")],
    [op.cast("stops[].minutes", "string"), op.drop("stops[].code")],
    [op.allow_null("year"), op.drop("delay")],
    [op.allow_null("stops")],
    [op.cast("year", "double"), op.cast("delay", "string"), op.derive("far", "bool", sql="year > 2010")],
    [op.cast("delay", "int32", on_error="null"), op.cast("carrier", "bool", on_error="null")],
    [op.require("carrier", fill="none"), op.cast("year", "int64")],
    [op.derive("late", "bool", sql="coalesce(delay, 0) > 10"), op.drop("delay")],
    [op.map_values("carrier", {"C1": "One"}, otherwise="null"), op.rename("carrier", to="airline")],
]


@needs_compiled
@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
@pytest.mark.parametrize("operations", SPLICED)
def test_records_are_put_together_as_a_rewrite_writes_them(operations: list[Operation], codec: str, files: Files) -> None:
    source = files.write(FLIGHT, flights(700), codec=codec, sync_interval=3000)
    spliced, rewritten, done = both_ways(source, operations, files)
    assert (done.way, done.why, done.rows_in, done.rows_out) == ("spliced", "", 700, 700)
    assert spliced.read_bytes() == rewritten.read_bytes()
    assert len(files.read(spliced)) == 700


@needs_compiled
def test_blocks_that_hold_much_more_than_they_take_are_not_all_unpacked_at_once(files: Files) -> None:
    source = files.write(FLIGHT, [{**flights(2)[1], "carrier": "c" * 1000}] * 40_000, codec="deflate", sync_interval=1 << 20)
    given = replace(request(source, files.path(), [op.drop("year")]), memory=1 << 28)
    tracemalloc.start()
    try:
        done = FORMAT.rewrite(given)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.way == "spliced"
    assert most < 16 << 20


def test_without_the_compiled_part_the_file_is_rewritten_and_says_why(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "avro", "instar.formats.avro._never_built")
    source = files.write(FLIGHT, flights(50))
    made, rewritten, done = both_ways(source, [op.drop("year")], files)
    assert done.way == "rewritten"
    assert "compiled part for avro is missing" in done.why
    assert made.read_bytes() == rewritten.read_bytes()
    assert both_ways(source, VERBATIM[0], files)[2].way == "spliced"


# ---- every type
EVERYTHING = {
    "type": "record", "name": "Everything",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "big", "type": ["null", "long"]},
        {"name": "nothing", "type": "null"},
        {"name": "single", "type": ["float", "null"]},
        {"name": "blob", "type": "bytes"},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 3}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "tags", "type": {"type": "map", "values": ["null", "string", {"type": "array", "items": "Kind"}]}},
        {"name": "either", "type": ["string", "null", "long", "Code"]},
        {"name": "both", "type": ["int", "string"]},
        {"name": "tree", "type": {"type": "record", "name": "Tree", "fields": [
            {"name": "label", "type": "string"}, {"name": "inner", "type": {"type": "array", "items": "Tree"}},
        ]}},
        {"name": "maybe", "type": ["null", {"type": "record", "name": "Pair", "fields": [
            {"name": "a", "type": "int"}, {"name": "b", "type": ["null", "string"]},
        ]}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "time", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]},
        {"name": "fixed_price", "type": {
            "type": "fixed", "name": "Price", "size": 5, "logicalType": "decimal", "precision": 9, "scale": 2,
        }},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
    ],
}  # fmt: skip


def of_everything(count: int) -> list[dict[str, Any]]:
    def tree(depth: int) -> dict[str, Any]:
        return {"label": f"t{depth}", "inner": [tree(depth - 1) for _ in range(depth)]}

    return [
        {
            "flag": i % 2 == 0,
            "small": (-1) ** i * i * 7919,
            "big": None if i % 4 == 0 else (-1) ** i * 3**i % (1 << 62),
            "nothing": None,
            "single": None if i % 5 == 0 else i / 8,
            "blob": bytes(i % 200),
            "code": b"%03d" % (i % 1000),
            "kind": "AB"[i % 2],
            "tags": {f"k{j}": (None, "x" * j, ["A", "B"])[j % 3] for j in range(i % 6)},
            "either": ("text", None, i, b"fix")[i % 4],
            "both": i if i % 2 else str(i),
            "tree": tree(i % 4),
            "maybe": None if i % 3 == 0 else {"a": i, "b": None if i % 2 else f"b{i}"},
            "day": datetime.date(1970, 1, 1) + datetime.timedelta(days=i * 37),
            "at": None if i % 6 == 0 else datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC) + datetime.timedelta(hours=i),
            "time": datetime.time(i % 24, i % 60),
            "price": None if i % 7 == 0 else decimal.Decimal(i) / 4,
            "fixed_price": decimal.Decimal(-i) / 4,
            "id": str(uuid.UUID(int=i)),
        }
        for i in range(count)
    ]


EVERY: list[list[Operation]] = [
    [op.drop("flag")], [op.drop("nothing")], [op.drop("either")], [op.drop("tags")], [op.drop("tree")],
    [op.drop("maybe")], [op.drop("id")],
    [op.reorder(["id", "tree", "either", "nothing", "tags", "maybe"])],
    [op.cast("flag", "string"), op.cast("small", "int64"), op.cast("big", "string"), op.cast("single", "double")],
    [op.cast("day", "string"), op.cast("at", "string"), op.cast("id", "string"), op.cast("kind", "string")],
    [op.cast("price", "string"), op.cast("fixed_price", "decimal(12,2)"), op.cast("time", "time(us)")],
    [op.cast("blob", "string", on_error="null"), op.drop("time")],
    [op.derive("twice", "int64", sql="small::bigint * 2"), op.derive("late", "bool", sql="at > timestamptz '2024-03-05'")],
    [op.rename("tree", to="forest"), op.allow_null("day"), op.allow_null("both"), op.drop("code")],
    [op.map_values("kind", {"A": "Alpha", "B": "Beta"}), op.require("big", fill=0), op.move("maybe.a", to="a")],
    [op.cast("maybe.a", "int64"), op.drop("maybe.b")],
    [op.add("note", "string", nullable=True), op.add("count", "int32", default=-5), op.add("small2", "bool", default=True)],
]  # fmt: skip


@needs_compiled
@pytest.mark.parametrize("operations", EVERY)
def test_every_type_is_carried_and_converted_as_in_a_rewrite(operations: list[Operation], files: Files) -> None:
    source = files.write(EVERYTHING, of_everything(120), codec="deflate", sync_interval=2000)
    spliced, rewritten, done = both_ways(source, operations, files)
    assert (done.way, done.why) == ("spliced", "")
    assert contents(spliced) == contents(rewritten)
    assert len(files.read(spliced)) == 120


@needs_compiled
def test_the_values_are_those_that_fastavro_finds(files: Files) -> None:
    source = files.write(EVERYTHING, of_everything(300), sync_interval=5000)
    spliced, _, _ = both_ways(source, [op.drop("tags"), op.rename("either", to="one"), op.cast("small", "string")], files)
    expected = [{**r, "one": r["either"], "small": str(r["small"])} for r in files.read(source)]
    for record in expected:
        del record["tags"], record["either"]
    assert files.read(spliced) == expected


# ---- variants: files whose nulls stand elsewhere, or are not allowed
def variant_request(source: Path, target: Path, version: Any, operations: Sequence[Operation]) -> Rewrite:
    """A file that is rewritten by the migration of a version of which it is a variant."""
    own = FORMAT.inspect(source).schema
    assert own is not None
    mapping = chain(FORMAT.parse(json.dumps(version)), operations).rebased(own)
    return rewrite_request(FORMAT, mapping, source, target, memory=1 << 24, stamp=None, progress=lambda rows, size: None)


@needs_compiled
@pytest.mark.parametrize("operations", [[op.rename("delay", to="late")], [op.drop("year")], [op.cast("year", "string")]])
def test_a_variant_comes_out_with_the_nulls_of_the_version(operations: list[Operation], files: Files) -> None:
    turned = json.loads(json.dumps(FLIGHT))
    for field in turned["fields"]:
        if field["name"] == "delay":
            field["type"] = ["double", "null"]
        if field["name"] == "carrier":
            field.update(type=["string", "null"], default="none")
    inner = turned["fields"][3]["type"]["items"]["fields"]
    inner[1]["type"] = ["null", "long"]
    version = json.loads(json.dumps(FLIGHT))
    version["fields"][3]["type"]["items"]["fields"][1]["type"] = ["long", "null"]
    source = files.write(turned, flights(300), sync_interval=2000)
    spliced, rewritten = files.path(), files.path()
    given = variant_request(source, spliced, version, operations)
    assert FORMAT.rewrite(given).way == "spliced"
    FORMAT.rewrite(replace(variant_request(source, rewritten, version, operations), splice=None))
    assert spliced.read_bytes() == rewritten.read_bytes()
    assert len(files.read(spliced)) == 300


# ---- what is odd is rewritten, and refused in the same words
def told(given: Rewrite) -> str:
    with pytest.raises(InstarError) as caught:
        FORMAT.rewrite(given)
    return f"{caught.value!r} {caught.value.where}"


REFUSED: list[list[Operation]] = [
    [op.cast("carrier", "int32")],
    [op.cast("delay", "int32"), op.drop("year")],
    [op.require("carrier"), op.drop("year")],
    [op.derive("bad", "int32", sql="cast(carrier as integer)")],
    [op.map_values("carrier", {"C1": "One"}), op.drop("delay")],
]


@needs_compiled
@pytest.mark.parametrize("operations", REFUSED)
def test_a_refused_value_is_refused_in_the_same_words(operations: list[Operation], files: Files) -> None:
    source = files.write(FLIGHT, flights(900), sync_interval=3000)
    spliced = told(request(source, files.path(), operations))
    assert spliced == told(replace(request(source, files.path(), operations), splice=None))
    assert ") record " in spliced


@needs_compiled
def test_a_block_that_is_damaged_is_refused_in_the_same_words(files: Files) -> None:
    whole = files.write(FLIGHT, flights(400), sync_interval=3000)
    with opened(whole) as container:
        blocks = list(container.blocks())
    choose = random.Random(5)
    different = 0
    for _ in range(40):
        content = bytearray(whole.read_bytes())
        block = choose.choice(blocks)
        content[block.start + choose.randrange(block.size)] ^= 1 << choose.randrange(8)
        source = files.raw(bytes(content))
        for operations in ([op.drop("year")], [op.cast("year", "string")]):
            spliced, rewritten = files.path(), files.path()
            results = []
            for target in (spliced, rewritten):
                given = request(source, target, operations, like=whole)
                try:
                    FORMAT.rewrite(given if target == spliced else replace(given, splice=None))
                    results.append(target.read_bytes())
                except InstarError as error:
                    results.append(f"{error!r} {error.where}")
            assert results[0] == results[1]
            different += isinstance(results[0], str)
    assert different > 5


@needs_compiled
def test_what_is_nested_too_deeply_for_the_compiled_part_is_rewritten(files: Files) -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "id", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}
    schema = {"type": "record", "name": "Root", "fields": [{"name": "head", "type": node}, {"name": "n", "type": "int"}]}
    deep = b"\x00\x02" * 600 + b"\x00\x00" + b"\x02"
    source = files.blocks(schema, (1, deep))
    spliced, rewritten, done = both_ways(source, [op.drop("n")], files)
    assert (done.way, done.why) == ("rewritten", "a record is odd")
    assert data_of(spliced) == data_of(rewritten)


@needs_compiled
def test_bytes_that_say_a_number_in_more_bytes_than_it_needs_stay(files: Files) -> None:
    """A count of more bytes than needed, a union's index likewise: what the one way does not know the other one does."""
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "a", "type": {"type": "array", "items": "int"}},
        {"name": "u", "type": ["null", "int"]},
        {"name": "n", "type": "long"},
    ]}  # fmt: skip
    plain = b"\x82\x00\x0e\x80\x00" + b"\x02\x0e" + b"\x8e\x00"
    sized = b"\x01\x02\x0e\x00" + b"\x00" + b"\x8e\x80\x00"
    for data in (plain, sized):
        source = files.blocks(schema, (2, data * 2))
        for operations in ([op.add("x", "int32", default=1)], [op.drop("u")], [op.cast("n", "string")]):
            spliced, rewritten, _ = both_ways(source, operations, files)
            assert data_of(spliced) == data_of(rewritten)
