"""Avro files: read, counted, rewritten with everything kept, compared. fastavro is the independent reader and writer."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import pytest

from instar.formats.avro import FORMAT
from instar.formats.avro.codecs import codec_named
from instar.formats.avro.container import MAGIC, SCHEMA, block_bytes, header_bytes, opened
from instar.formats.errors import DataError, FileError, Where
from instar.formats.format import Rewrite, Stamp
from instar.formats.path import EACH_ITEM
from instar.formats.path import Path as FieldPath
from instar.formats.schema import MISSING, Field, Int, Record, Schema, String

if TYPE_CHECKING:
    from tests.formats.avro.conftest import Files

SYNC = bytes(range(16))
STAMP = Stamp("flights", 3)
CODECS = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")
STOP = {"type": "record", "name": "Stop", "fields": [{"name": "at", "type": "int"}]}
FLIGHT: dict[str, Any] = {
    "type": "record", "name": "a.Flight", "aliases": ["Trip"], "doc": "one flight",
    "fields": [
        {"name": "carrier", "type": "string", "doc": "two letters", "own": [1]},
        {"name": "delay", "type": ["null", "double"], "default": None},
        {"name": "stops", "type": {"type": "array", "items": STOP}},
    ],
}  # fmt: skip


def flights(count: int) -> list[dict[str, Any]]:
    return [
        {"carrier": f"C{i % 7}", "delay": None if i % 3 else i / 8, "stops": [{"at": i + k} for k in range(i % 4)]}
        for i in range(count)
    ]


def of_records(schema: Schema, change: Callable[..., Any]) -> Schema:
    """The schema with other fields of the root: `change` gets them."""
    assert isinstance(schema.root.type, Record)
    type = replace(schema.root.type, fields=tuple(change(*schema.root.type.fields)))
    return Schema(schema.root.with_(type=type), schema.definitions)


def avro_files(folder: Path) -> list[Path]:
    paths = [
        p for p in sorted((*(folder / "avro-share").rglob("*"), *(folder / "arrow-testing/data/avro").iterdir())) if p.is_file()
    ]
    return [p for p in paths if FORMAT.recognises(p.read_bytes()[:64], p.name)]


# ---- other projects' files
REFUSED = {
    "avro-1237-bad-union-discriminant.avro": "ends within block 1",  # a newline at its end, before the union is met
    "avro-1238-truncated.avro": "block 0 is cut off",
    "person-10.no-codec.avro": "ends within block 1",  # a newline at its end; fastavro refuses it as well
}


def test_files_of_other_projects_are_rewritten_equal_or_refused(conformance: Path, files: Files) -> None:
    refused = set()
    for path in (paths := avro_files(conformance)):
        if path.name in REFUSED:
            with pytest.raises(FileError, match=REFUSED[path.name]):
                FORMAT.inspect(path)
            refused.add(path.name)
            continue
        facts = FORMAT.inspect(path)
        out, done = files.rewrite(path)
        assert done.rows_in == done.rows_out == facts.rows == FORMAT.count(path)
        assert FORMAT.inspect(out).physical["metadata"] == facts.physical["metadata"]
        assert _contents(out) == _contents(path)
        assert facts.schema is not None
        assert FORMAT.fidelity(path, out, target=facts.schema, carried={(): ()}, stamp=None) == ()
        if facts.layout != "zstandard" and path.name != "syncInMeta.avro":  # which fastavro cannot read on every Python
            assert repr(files.read(out)) == repr(files.read(path)), path  # repr: NaN equals itself
    assert refused == REFUSED.keys()
    assert len(paths) > 50


def test_every_value_of_other_projects_files_goes_through_python(conformance: Path, files: Files) -> None:
    through = 0
    for path in avro_files(conformance):
        if path.name in REFUSED:
            continue
        schema = FORMAT.inspect(path).schema
        assert schema is not None
        values = FORMAT.values(schema, schema)
        decode, encode = values.decoder(schema.root), values.encoder(schema.root)
        out, done = files.rewrite(path, lambda rows, d=decode, e=encode: [e(d(row)) for row in rows])
        assert _contents(out) == _contents(path)
        through += done.rows_in
    assert through > 6000


def _contents(path: Path) -> list[tuple[int, bytes]]:
    with opened(path) as container:
        return [(block.rows, container.data(block)) for block in container.blocks()]


def test_the_weather_of_all_codecs_is_the_same(conformance: Path, files: Files) -> None:
    folder = conformance / "avro-share/data"
    plain = files.read(folder / "weather.avro")
    with opened(folder / "weather-zstd.avro") as container:
        data = b"".join(container.data(block) for block in container.blocks())
    with opened(folder / "weather.avro") as container:
        assert data == b"".join(container.data(block) for block in container.blocks())
    assert len(plain) == FORMAT.count(folder / "weather-snappy.avro") == 5


def test_the_bad_union_index_is_found_behind_the_stray_newline(conformance: Path, files: Files) -> None:
    bad = (conformance / "avro-share/c-tests/avro-1237-bad-union-discriminant.avro").read_bytes()
    path = files.raw(bad.removesuffix(b"\n"))
    with pytest.raises(FileError, match="union's index 2 where there are 2 branches") as caught:
        files.rewrite(path)
    assert caught.value.where == Where(file=str(path), row=1)


# ---- what a file is
@pytest.mark.parametrize("codec", CODECS)
def test_all_codecs_are_read_and_written(codec: str, files: Files) -> None:
    plain = files.write(FLIGHT, flights(500), sync_interval=2000)
    with opened(plain) as container:
        compress = codec_named(codec).compress
        head = header_bytes({**container.header.metadata, "avro.codec": codec.encode()}, SYNC)
        blocks = [block_bytes(b.rows, compress(container.data(b)), SYNC) for b in container.blocks()]
    path = files.raw(head + b"".join(blocks))
    facts = FORMAT.inspect(path)
    assert (facts.layout, facts.rows, facts.physical["blocks"]) == (codec, 500, len(blocks))
    out, _ = files.rewrite(path)
    assert out.read_bytes() == path.read_bytes()
    assert len(blocks) == 3
    if codec != "zstandard":
        assert files.read(out) == flights(500)


def test_fastavro_s_own_compressed_files_are_read(files: Files) -> None:
    for codec in ("deflate", "snappy", "bzip2", "xz"):
        path = files.write(FLIGHT, flights(300), codec=codec)
        out, _ = files.rewrite(path)
        assert files.read(out) == flights(300)
        assert _contents(out) == _contents(path)


def test_facts_of_a_file(files: Files) -> None:
    path = files.write(FLIGHT, flights(10), metadata={"instar.subject": "flights", "instar.version": "3", "key": "é"})
    facts = FORMAT.inspect(path)
    assert (facts.format, facts.layout, facts.rows, facts.stamp) == ("avro", "null", 10, STAMP)
    assert facts.size == path.stat().st_size
    assert facts.physical["metadata"]["key"] == "é"
    assert json.dumps(dict(facts.physical))
    assert FORMAT.recognises(path.read_bytes()[:64], "000000_0")
    assert not FORMAT.recognises(b"PAR1", "x.avro")
    assert FORMAT.validate(path, Schema(Field("", String()))) is None
    assert FORMAT.unkeepable(path, target=FORMAT.infer([path]), carried={}) == ()


def test_no_records_and_no_fields(files: Files) -> None:
    for path, rows in (
        (files.write(FLIGHT, []), 0),
        (files.write({"type": "record", "name": "E", "fields": []}, [{}] * 5000), 5000),
    ):
        out, done = files.rewrite(path, stamp=STAMP)
        assert done.rows_out == rows == FORMAT.inspect(out).rows
        assert len(files.read(out)) == rows


def test_empty_blocks_stay(files: Files) -> None:
    path = files.blocks("int", (0, b""), (2, b"\x02\x04"), (0, b""), (0, b""), (1, b"\x06"), (0, b""))
    out, _ = files.rewrite(path, lambda rows: list(rows))
    assert out.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("long", [5, -1]),
        (["null", "string"], [None, "x"]),
        (["int", "null", "string"], [1, None, "x"]),
        ({"type": "array", "items": "int"}, [[1], []]),
        ({"type": "map", "values": "int"}, [{"a": 1}]),
        (["null", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}], [None, {"a": 1}]),
    ],
)
def test_a_root_that_is_not_a_record(schema: Any, data: list[Any], files: Files) -> None:
    path = files.write(schema, data)
    assert FORMAT.inspect(path).rows == len(data)
    out, _ = files.rewrite(path)
    assert out.read_bytes() == path.read_bytes()


# ---- rewriting
def test_renamed_dropped_added_and_reordered(files: Files) -> None:
    path = files.write(FLIGHT, flights(10_000), codec="deflate", sync_interval=5000, metadata={"zz": "1", "aa": "2"})
    source = FORMAT.inspect(path).schema
    assert source is not None
    target = of_records(
        source,
        lambda carrier, delay, stops: [
            delay,
            Field("currency", String(), default="USD"),
            carrier.with_(name="airline"),
            Field("k", Int(64), nullable=True),
        ],
    )
    values = FORMAT.values(source, target)
    open_, seal = values.opener(source.root), values.sealer(target.root)
    usd = values.encoder(target.record["currency"])("USD")
    out, done = files.rewrite(
        path,
        lambda rows: [
            seal(r, {"delay": r["delay"], "currency": usd, "airline": r["carrier"], "k": None}) for r in map(open_, rows)
        ],
        target,
        stamp=STAMP,
    )
    assert done.rows_out == 10_000
    assert files.read(out) == [
        {"delay": r["delay"], "currency": "USD", "airline": r["carrier"], "k": None} for r in flights(10_000)
    ]
    with opened(path) as old, opened(out) as new:
        assert [b.rows for b in old.blocks()] == [b.rows for b in new.blocks()]
        assert new.header.sync == SYNC
        assert list(new.header.metadata) == [*old.header.metadata, "instar.subject", "instar.version"]
        kept = [new.header.metadata[key] for key in ("zz", "aa", "avro.codec")]
        assert kept == [b"1", b"2", b"deflate"]
    carried: dict[FieldPath, FieldPath] = {("delay",): ("delay",), ("airline",): ("carrier",)}
    assert FORMAT.fidelity(path, out, target=target, carried=carried, stamp=STAMP) == ()


def test_the_same_rewrite_twice_gives_the_same_bytes(files: Files) -> None:
    for codec in ("deflate", "snappy", "bzip2", "xz"):
        path = files.write(FLIGHT, flights(2000), codec=codec)
        assert files.rewrite(path, stamp=STAMP)[0].read_bytes() == files.rewrite(path, stamp=STAMP)[0].read_bytes()


def test_an_old_stamp_is_replaced_in_place_or_taken_away(files: Files) -> None:
    path = files.write(FLIGHT, flights(1), metadata={"instar.version": "2", "x": "y", "instar.subject": "flights"})
    with opened(files.rewrite(path, stamp=Stamp("flights", 10))[0]) as new, opened(path) as old:
        assert list(new.header.metadata) == list(old.header.metadata)
        assert new.header.metadata["instar.version"] == b"10"
    with opened(files.rewrite(path)[0]) as new:
        assert "instar.subject" not in new.header.metadata


@pytest.mark.parametrize("version", ["x", "", "-1", "9" * 5000])
def test_a_stamp_without_a_version_is_none(version: str, files: Files) -> None:
    path = files.write(FLIGHT, flights(1), metadata={"instar.subject": "flights", "instar.version": version})
    assert FORMAT.inspect(path).stamp is None


def test_an_unchanged_schema_keeps_its_very_text(files: Files) -> None:
    text = json.dumps(FLIGHT, indent=7) + "\n "
    head = header_bytes({SCHEMA: text.encode()}, SYNC)
    with opened(files.rewrite(files.raw(head), stamp=STAMP)[0]) as container:
        assert container.header.metadata[SCHEMA].decode() == text


def test_ambiguous_union_branches_stay(files: Files) -> None:
    """fastavro would write each 3 as the first branch that takes it: so the bytes are made here, and compared."""
    union = ["null", "int", "long", "float", "double", "string"]
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "u", "type": union}]}
    values = [b"\x00", b"\x02\x06", b"\x04\x06", b"\x06" + struct.pack("<f", 3), b"\x08" + struct.pack("<d", 3), b"\x0a\x023"]
    path = files.blocks(schema, (6, b"".join(b"\x02" + each for each in values)))
    source = FORMAT.inspect(path).schema
    assert source is not None
    target = of_records(source, lambda a, u: [u.with_(name="v"), a])
    access = FORMAT.values(source, target)
    open_, seal = access.opener(source.root), access.sealer(target.root)
    out, _ = files.rewrite(path, lambda rows: [seal(r, {"v": r["u"], "a": r["a"]}) for r in map(open_, rows)], target)
    assert _contents(out) == [(6, b"".join(each + b"\x02" for each in values))]
    assert [row["v"] for row in files.read(out)] == [None, 3, 3, 3.0, 3.0, "3"]


def test_batches_are_bounded_and_blocks_stay_whole(files: Files) -> None:
    path = files.write(FLIGHT, flights(30_000), sync_interval=1 << 24)
    sizes: list[int] = []

    def convert(rows: list[Any]) -> list[Any]:
        sizes.append(len(rows))
        return rows

    out, _ = files.rewrite(path, convert)
    assert sum(sizes) == 30_000
    assert max(sizes) <= 4096
    assert len(_contents(out)) == len(_contents(path)) == 1
    assert out.read_bytes() == path.read_bytes()
    small = files.write({"type": "bytes"}, [bytes(100_000)] * 50, sync_interval=1 << 24)
    sizes.clear()
    files.rewrite(small, convert, memory=1 << 20)
    assert max(sizes) < 10


def test_many_small_blocks_are_converted_together(files: Files) -> None:
    path = files.blocks("int", *[(1, b"\x02")] * 1000)
    calls: list[int] = []

    def convert(rows: list[Any]) -> list[Any]:
        calls.append(len(rows))
        return rows

    seen: list[tuple[int, int]] = []
    out, _ = files.rewrite(path, convert, progress=lambda rows, size: seen.append((rows, size)))
    assert calls == [1000]
    assert out.read_bytes() == path.read_bytes()
    assert sum(rows for rows, _ in seen) == sum(size for _, size in seen) == 1000


def test_a_null_for_a_required_field_names_the_record(files: Files) -> None:
    path = files.write(FLIGHT, flights(100))
    source = FORMAT.inspect(path).schema
    assert source is not None
    target = of_records(source, lambda carrier, delay, stops: [carrier, delay.with_(nullable=False, default=MISSING), stops])
    with pytest.raises(DataError) as caught:
        files.rewrite(path, lambda rows: [dict(row) for row in rows], target)
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (1, "delay")


def test_a_source_of_another_schema_than_planned_is_refused(files: Files) -> None:
    path, other = files.write(FLIGHT, flights(3)), files.write("int", [1])
    schema = FORMAT.inspect(path).schema
    assert schema is not None
    with pytest.raises(FileError, match="not the one it was planned with"):
        FORMAT.rewrite(Rewrite(other, files.path(), lambda rows: rows, schema, schema, (), {}, None, 1 << 20))


# ---- what files have in common
def test_infer_takes_null_from_any_file(files: Files) -> None:
    looser = json.loads(json.dumps(FLIGHT))
    looser["fields"][0]["type"] = ["null", "string"]
    looser["fields"][2]["type"]["items"]["fields"][0]["type"] = ["int", "null"]
    a, b = files.write(FLIGHT, []), files.write(looser, [])
    for paths in ([a, b], [b, a]):
        common = FORMAT.infer(paths)
        assert common.record["carrier"].nullable
        assert common.record["carrier"].doc == "two letters"
        inner = json.loads(FORMAT.render(common))["fields"][2]["type"]["items"]["fields"][0]["type"]
        assert inner == ["int", "null"]


def test_infer_names_both_files_field_and_types(files: Files) -> None:
    other = json.loads(json.dumps(FLIGHT))
    other["fields"][1]["type"] = ["null", "long"]
    a, b = files.write(FLIGHT, []), files.write(other, [])
    with pytest.raises(FileError) as caught:
        FORMAT.infer([a, b])
    for part in (str(a), str(b), "delay", "double", "int64"):
        assert part in caught.value.message


# ---- fidelity
def changed(files: Files, path: Path, **changes: Any) -> Path:
    """A copy with another codec, sync marker, metadata, schema or division into blocks."""
    with opened(path) as container:
        metadata, sync = dict(container.header.metadata), changes.get("sync", SYNC)
        metadata.update(changes.get("metadata", {}))
        blocks = [(b.rows, container.data(b)) for b in container.blocks()]
    compress = codec_named(metadata["avro.codec"].decode()).compress
    if changes.get("join"):
        blocks = [(sum(rows for rows, _ in blocks), b"".join(data for _, data in blocks))]
    return files.raw(header_bytes(metadata, sync) + b"".join(block_bytes(rows, compress(data), sync) for rows, data in blocks))


def schema_with(change: Callable[[Any], None]) -> dict[str, Any]:
    schema = json.loads(json.dumps(FLIGHT))
    change(schema)
    return {"metadata": {SCHEMA: json.dumps(schema).encode()}}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"metadata": {"avro.codec": b"deflate"}}, "avro.codec"),
        ({"sync": bytes(16)}, "avro.sync"),
        ({"metadata": {"key": b"other"}}, "avro.metadata"),
        ({"metadata": {"more": b""}}, "avro.metadata"),
        ({"metadata": {"instar.version": b"4", "instar.subject": b"flights"}}, "avro.stamp"),
        ({"join": True}, "avro.blocks"),
        (schema_with(lambda s: s.update(name="b.Flight")), "avro.name"),
        (schema_with(lambda s: s.update(aliases=[])), "avro.properties"),
        (schema_with(lambda s: s.update(doc="another")), "avro.doc"),
        (schema_with(lambda s: s["fields"][0].update(own=[2])), "avro.properties"),
        (schema_with(lambda s: s["fields"][0].pop("doc")), "avro.doc"),
        (schema_with(lambda s: s["fields"][1].update(type=["double", "null"])), "avro.union-order"),
        (schema_with(lambda s: s["fields"][1].update(type=["null", {"type": "double", "x": 1}])), "avro.properties"),
        (schema_with(lambda s: s["fields"][1].update(type=["null", "long"])), "avro.schema"),
        (schema_with(lambda s: s["fields"][2]["type"]["items"].update(name="Halt")), "avro.name"),
    ],
)
def test_each_undeclared_difference_is_found(changes: dict[str, Any], code: str, files: Files) -> None:
    path = files.write(FLIGHT, flights(500), sync_interval=2000, metadata={"key": "value"})
    target = FORMAT.inspect(path).schema
    assert target is not None
    carried: dict[FieldPath, FieldPath] = {
        place: place for place in ((), ("carrier",), ("delay",), ("stops",), ("stops", EACH_ITEM), ("stops", EACH_ITEM, "at"))
    }
    assert FORMAT.fidelity(path, changed(files, path), target=target, carried=carried, stamp=None) == ()
    found = FORMAT.fidelity(path, changed(files, path, **changes), target=target, carried=carried, stamp=None)
    assert code in {each.code for each in found}
    assert all(each.message for each in found)


def test_a_wrong_unit_in_the_header_is_found(files: Files) -> None:
    def timed(unit: str) -> dict[str, Any]:
        return {
            "type": "record",
            "name": "R",
            "fields": [{"name": "t", "type": {"type": "long", "logicalType": f"timestamp-{unit}"}}],
        }

    path, wrong = files.write(timed("millis"), []), files.write(timed("micros"), [])
    target = FORMAT.inspect(path).schema
    assert target is not None
    found = FORMAT.fidelity(path, wrong, target=target, carried={("t",): ("t",)}, stamp=None)
    assert found[0].code == "avro.schema"
    assert "timestamp(us, UTC)" in found[0].message


def test_fastavro_reads_what_we_write_with_named_unions(files: Files) -> None:
    """Two records of one shape in a union: which of them a value is stays."""
    point = [{"type": "record", "name": name, "fields": [{"name": "x", "type": "int"}]} for name in ("A", "B")]
    schema = {"type": "record", "name": "R", "fields": [{"name": "u", "type": [*point, "null"]}]}
    path = files.write(schema, [{"u": ("B", {"x": 1})}, {"u": None}, {"u": ("A", {"x": 2})}])
    out, _ = files.rewrite(path, lambda rows: [dict(row) for row in rows])
    assert files.read(out, return_record_name=True) == [{"u": ("B", {"x": 1})}, {"u": None}, {"u": ("A", {"x": 2})}]
    assert out.read_bytes() == path.read_bytes()
    assert path.read_bytes()[:4] == MAGIC
    assert fastavro.is_avro(str(out))
