"""JSON files: layouts recognised and kept, streamed, compressed alike, and refused where they are damaged."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instar.formats.errors import DataError, FileError
from instar.formats.format import Rewrite, Rewritten
from instar.formats.json import FORMAT
from instar.formats.json.layout import BOM
from instar.formats.json.rewrite import records
from instar.formats.json.split import pieces
from instar.formats.json.streams import blocks
from instar.formats.schema import Field, Integer, Json, schema
from tests.formats.json.json_texts import RECORDS, VALUES

SCHEMA = schema(Field("id", Integer()), Field("x", Json()))
Convert = Callable[[list[Any]], list[Any]]


def untouched(records: list[Any]) -> list[Any]:
    v = FORMAT.values(SCHEMA, SCHEMA)
    opener, sealer = v.opener(SCHEMA.root), v.sealer(SCHEMA.root)
    return [sealer(found, dict(found)) for found in map(opener, records)]


def with_a_new_key(records: list[Any]) -> list[Any]:
    v = FORMAT.values(SCHEMA, SCHEMA)
    opener, sealer = v.opener(SCHEMA.root), v.sealer(SCHEMA.root)
    return [sealer(found, {**found, "new": msgspec.Raw(b"true")}) for found in map(opener, records)]


def rewritten(
    source: Path,
    target: Path,
    convert: Convert = untouched,
    memory: int = 1 << 30,
    progress: Callable[[int, int], None] = lambda rows, size: None,
) -> Rewritten:
    return FORMAT.rewrite(Rewrite(source, target, convert, SCHEMA, SCHEMA, (), {}, None, memory, progress))


def unlike(old: Path, new: Path) -> set[str]:
    return {u.code for u in FORMAT.fidelity(old, new, target=SCHEMA, carried={}, stamp=None)}


def zst(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


LAYOUTS: list[tuple[str, bytes, str, int]] = [
    ("a.json", b'{"id":1}\n{"id":2}\n', "lines", 2),
    ("a.json", b'\n  {"id":1}\r\n\r\n {"id": 2} ', "lines", 2),
    ("a.ndjson", b'{"id":1}\n', "lines", 1),
    ("a.jsonl", b'{"id":1}', "lines", 1),
    ("a.json", b'{"id":1}', "document", 1),
    ("a.json", b'{"id":1}\n\n', "document", 1),
    ("part-00000", b'{\n  "id": 1,\n  "x": [\n    {"id":1}\n  ]\n}\n', "document", 1),
    ("a.json", b'[{"id":1},{"id":2}]', "array", 2),
    ("a.ndjson", b' \n[\n  {"id": 1},\n  {"id": 2}\n]\n', "array", 2),
    ("a.json", b"[]", "array", 0),
    ("a.json", b"[ \n ]", "array", 0),
    ("a.json", b"", "lines", 0),
    ("a.json", b" \n\n", "lines", 0),
    ("a.json", BOM + b'{"id":1}\n{"id":2}', "lines", 2),
    ("a.json", BOM + b'[{"id":1}]', "array", 1),
    ("a.json", BOM + b'{"id":\n1}', "document", 1),
    ("a.json", BOM, "lines", 0),
]


@pytest.mark.parametrize("packed", ["", "gz", "zst"])
@pytest.mark.parametrize(("name", "text", "kind", "count"), LAYOUTS)
def test_layouts_are_recognised_and_kept(tmp_path: Path, name: str, text: bytes, kind: str, count: int, packed: str) -> None:
    pack = {"": bytes, "gz": gzip.compress, "zst": zst}[packed]
    unpack = {"": bytes, "gz": gzip.decompress, "zst": lambda data: zstandard.ZstdDecompressor().decompress(data)}[packed]
    path, new, again = tmp_path / (name + (packed and f".{packed}")), tmp_path / "new", tmp_path / "again"
    path.write_bytes(pack(text))
    facts = FORMAT.inspect(path)
    assert facts.layout == kind + (packed and f".{packed}")
    assert (facts.format, facts.schema, facts.stamp, facts.rows, facts.size) == ("json", None, None, None, path.stat().st_size)
    assert FORMAT.count(path) == count
    assert rewritten(path, new) == Rewritten(count, count)
    written = new.read_bytes()
    if packed == "gz":
        assert unpack(written) == text
        assert written[3:8] == bytes(5)  # no name, no time
    elif packed == "zst":
        assert zstandard.ZstdDecompressor().decompressobj().decompress(written) == text
    else:
        assert written == text
    assert unlike(path, new) == set()
    rewritten(path, again)
    assert again.read_bytes() == written
    assert FORMAT.unkeepable(path, target=FORMAT.infer([path]), carried={}) == ()
    if text.removeprefix(BOM).strip():
        assert FORMAT.recognises(path.read_bytes()[: 1 << 16], "")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (b'{"id":1}\r\n\r\n{"id": 2}\r\n', b'{"id":1,"new":true}\r\n\r\n{"id": 2, "new":true}\r\n'),
        (b'[\n  {\n    "id": 1\n  }\n]\n', b'[\n  {\n    "id": 1,\n    "new": true\n  }\n]\n'),
        (b'{\r\n\t"id": 1,\r\n\t"x": {}\r\n}', b'{\r\n\t"id": 1,\r\n\t"x": {},\r\n\t"new": true\r\n}'),
        (BOM + b'[{"id":1} , {"id":2}]', BOM + b'[{"id":1,"new":true} , {"id":2,"new":true}]'),
    ],
)
def test_what_is_between_records_stays_when_they_change(tmp_path: Path, text: bytes, after: bytes) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(text)
    rewritten(old, new, with_a_new_key)
    assert new.read_bytes().replace(b'"new": true', b'"new":true') == after.replace(b'"new": true', b'"new":true')
    assert unlike(old, new) == set()


@settings(max_examples=examples(bounded=33, many=100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, max_size=5), st.integers(1, 30), st.sampled_from(["array", "lines"]), st.data())
def test_pieces_are_the_text_however_it_is_read(
    tmp_path: Path, values: list[str], size: int, kind: Any, data: st.DataObject
) -> None:
    """Blocks of a few bytes put every border in every place."""
    blank = st.sampled_from(["", " ", "\r\n", "\n\t"])
    if kind == "array":
        text = data.draw(blank) + "["
        for i, value in enumerate(values):
            text += ("," if i else "") + data.draw(blank) + value + data.draw(blank)
        text += "]" + data.draw(blank)
    else:
        values = [value.replace("\n", " ").replace("\r", " ") for value in values]
        text = "".join(value + data.draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n"])) for value in values)
    raw = text.encode()
    blocks: Iterator[bytes] = (raw[i : i + size] for i in range(0, len(raw), size))
    found = list(pieces(kind, blocks, tmp_path))
    assert b"".join(before + (record or b"") for before, record in found) == raw
    assert [record for _, record in found] == [*(value.encode() for value in values), None]


def test_deep_and_long_records_in_an_array(tmp_path: Path) -> None:
    deep = '{"id":' + "[" * 40 + '"}]\\""' + "]" * 40 + "}"
    long = '{"id":"' + "x{[" * 300_000 + '"}'
    path = tmp_path / "a.json"
    path.write_text(f"[{deep},{long}, {deep} ,{long}]")
    assert list(records(path)) == [text.encode() for text in (deep, long, deep, long)]


@settings(max_examples=examples(bounded=20, many=60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RECORDS, min_size=1, max_size=4), st.sampled_from(["array", "lines", "document"]))
def test_untouched_files_come_out_byte_for_byte(tmp_path: Path, records: list[str], kind: str) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    if kind == "lines":
        text = "\n".join(record.replace("\n", " ").replace("\r", "\t") for record in records)
    else:
        text = "[" + " ,".join(records) + "]\n" if kind == "array" else records[0]
    old.write_text(text, newline="")
    rewritten(old, new)
    assert new.read_bytes() == old.read_bytes()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    record = json.dumps({"id": 1, "x": {"text": "y" * 200}}, indent=1)
    for name, parts in (("a.json", ("[", ",", "]")), ("b.ndjson", ("", "\n", "\n"))):
        path, new = tmp_path / name, tmp_path / f"{name}.new"
        line = record if name == "a.json" else record.replace("\n", "")
        path.write_text(parts[0] + parts[1].join([line] * 25_000) + parts[2])
        tracemalloc.start()
        assert rewritten(path, new, untouched, memory=16 << 20).rows_in == 25_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert path.stat().st_size > 5_500_000
        assert peak < 4_000_000
        assert new.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("pack", [gzip.compress, zst], ids=["gz", "zst"])
def test_text_that_packs_well_is_unpacked_in_pieces(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Equal lines become a ten-thousandth in zstandard: a few kilobytes would be all of them at once."""
    path, text = tmp_path / "a", b'{"id": 1, "name": "the same"}\n' * 10_000
    path.write_bytes(pack(text * 100) + pack(text))
    assert path.stat().st_size < 1 << 17
    found = list(blocks(path))
    assert max(map(len, found)) < 1 << 24
    assert b"".join(found) == text * 101


def test_progress_counts_every_row_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"id":1}\n' * 50_000)
    told: list[tuple[int, int]] = []
    rewritten(path, tmp_path / "new", progress=lambda rows, size: told.append((rows, size)))
    assert sum(rows for rows, _ in told) == 50_000
    assert sum(size for _, size in told) == path.stat().st_size
    assert len(told) > 4


# ---- fidelity
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'{"id":1}\n{"id":2}\n', b'[{"id":1},{"id":2}]\n', "json.layout"),
        (b'{"id":1}\n{"id":2}\n', b'{"id":1}\n{"id":2}', "json.final-newline"),
        (b'{"id":1}\r\n{"id":2}\r\n', b'{"id":1}\n{"id":2}\r\n', "json.newlines"),
        (b'{"id":1}\n\n{"id":2}\n', b'{"id":1}\n{"id":2}\n', "json.newlines"),
        (BOM + b'{"id":1}', b'{"id":1}', "json.bom"),
        (b'{\r\n"id":1}', b'{\n"id":1}', "json.newlines"),
        (gzip.compress(b'{"id":1}', mtime=0), b'{"id":1}', "json.compression"),
    ],
)
def test_a_difference_of_form_is_named(tmp_path: Path, old: bytes, new: bytes, code: str) -> None:
    (tmp_path / "old.json").write_bytes(old)
    (tmp_path / "new.json").write_bytes(new)
    assert code in unlike(tmp_path / "old.json", tmp_path / "new.json")
    assert unlike(tmp_path / "old.json", tmp_path / "old.json") == set()


# ---- what is no JSON, or damaged
@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b'{"a":1}', "part-0", True), (b" \n[ {", "part-0", True), (b"[1,2]", "x", True), (b"{}", "x", True), (b"[", "x", True),
        (BOM + b'{ "a"', "x", True), (gzip.compress(b'{"a":1}' * 99, mtime=0)[:40], "x.gz", True), (zst(b'[{"a":1}]'), "x", True),
        (b"", "a.jsonl", True), (b"", "_SUCCESS", False), (b"  ", "a.json.gz", True),
        (b"PAR1\x15\x04", "a.json", False), (b"Obj\x01\x04", "x", False), (b"[section]\nkey=1", "setup.cfg", False),
        (b"{% if x %}", "x.html", False), (b"hello", "README", False), (gzip.compress(b"hello", mtime=0), "x.gz", False),
        (b"a,b\n1,2\n", "x.csv", False), (b"[![Build](x)]", "README.md", False), (b"\x1f\x8b\x00garbage", "x.json.gz", True),
    ],
)  # fmt: skip
def test_recognition(head: bytes, name: str, expected: bool) -> None:
    assert FORMAT.recognises(head, name) is expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b'{"id":1}\n' * 5000, mtime=0)[:-9], "cut off"),
        (zst(b'{"id":1}\n' * 5000)[:-4], "cut off|damaged"),
        (gzip.compress(b'{"id":1}\n' * 5000, mtime=0)[:30] + b"garbage garbage garbage", "damaged"),
        ('{"id":1}\n'.encode("utf-16"), "UTF-16|not JSON"),
        (b"PAR1 and more", "is not JSON: it begins with"),
        (b'[{"id":1},{"id":2}', "cut off: its array has no end after 2 records"),
        (b'[{"id":1},{"id":', "cut off: its array has no end after 1 records"),
        (b'[{"id":1},"abc', "cut off: its array has no end after 1 records"),
        (b"[", "cut off: its array has no end after 0 records"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    for act in (FORMAT.count, lambda p: rewritten(p, tmp_path / "new"), lambda p: FORMAT.infer([p])):
        with pytest.raises(FileError, match=message):
            act(path)


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        (b'[{"id":1} {"id":2}]', 1, "',' is missing"),
        (b'[{"id":1},]', 1, "comma after the last"),
        (b'[{"id":1},,{"id":2}]', 1, "a record is missing"),
        (b'[{"id":1}]\n[{"id":2}]', 1, "more after the end"),
        (b'[{"id":1}}]', 1, "',' is missing"),
    ],
)
def test_arrays_that_are_malformed_name_the_record(tmp_path: Path, text: bytes, row: int, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=message) as error:
        rewritten(path, tmp_path / "new")
    assert error.value.where
    assert error.value.where.row == row


def test_an_error_of_the_conversion_passes_through(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"id":1}\n{"id":1,"id":2}\n')
    with pytest.raises(DataError, match="the key 'id' is in one object twice"):
        rewritten(path, tmp_path / "new")


def test_a_late_key_of_many_records_survives(tmp_path: Path) -> None:
    """Readers that sample do not see a key that is first in the last of 60,000 records."""
    path, new = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    path.write_text('{"id": 1}\n' * 59_999 + '{"id": 1, "late": 1.10}\n')
    rewritten(path, new, with_a_new_key)
    assert new.read_text().splitlines()[-1] == '{"id": 1, "late": 1.10, "new": true}'
    assert FORMAT.infer([path]).record["late"].optional
