"""Avro files spliced: blocks copied as they are, records made of bytes of old ones; the results are those of a rewrite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.container import opened
from instar.formats.compiled import PARTS, compiled_part
from instar.formats.format import Rewrite, Rewritten, Stamp
from instar.transforms import operations as op
from instar.transforms.mapping import Operation, chain
from instar.transforms.run.stage import rewrite_request

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


def test_without_the_compiled_part_the_file_is_rewritten_and_says_why(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "avro", "instar.formats.avro._never_built")
    source = files.write(FLIGHT, flights(50))
    made, rewritten, done = both_ways(source, [op.drop("year")], files)
    assert done.way == "rewritten"
    assert "compiled part for avro is missing" in done.why
    assert made.read_bytes() == rewritten.read_bytes()
    assert both_ways(source, VERBATIM[0], files)[2].way == "spliced"
