"""Spliced files against files whose every record is converted: the same bytes, the same errors, whatever the text."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from instar import op
from instar.formats.compiled import PARTS, missing_parts
from instar.formats.errors import DataError, InstarError
from instar.formats.format import Rewrite, Rewritten
from instar.formats.json import FORMAT
from instar.formats.json.layout import BOM
from instar.formats.schema import Schema
from instar.transforms.mapping import Mapping, Operation, chain
from instar.transforms.run.request import rewrite_request
from tests.laws.cases import Case, cases
from tests.laws.test_laws import EXAMPLES, JSON, PLAIN, law

from .respelled import damaged, respelled

pytestmark = pytest.mark.skipif("json" in missing_parts(), reason="the compiled part for JSON is not built here")

SCHEMA = """{"type": "object", "properties": {
  "id": {"type": "integer", "minimum": -9223372036854775808, "maximum": 9223372036854775807},
  "name": {"type": ["string", "null"]},
  "note": {"type": "string"},
  "inner": {"type": ["object", "null"], "properties": {
    "x": {"type": "integer", "minimum": -2147483648, "maximum": 2147483647}, "y": {"type": "string"},
    "deep": {"type": "object", "properties": {"z": {"type": "number"}}}}},
  "items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}, "sku": {"type": "string"}}}},
  "tags": {"type": "object", "additionalProperties": {"type": "integer", "minimum": -2147483648, "maximum": 2147483647}}},
  "required": ["id"]}"""

OPERATIONS: dict[str, tuple[Operation, ...]] = {
    "nothing": (),
    "renamed": (op.rename("id", to="key"), op.rename("note", to="remark")),
    "swapped": (op.rename("id", to="was"), op.rename("note", to="id"), op.rename("was", to="note")),
    "dropped": (op.drop("id"), op.drop("inner")),
    "dropped first of two": (op.drop("name"), op.drop("note"), op.drop("inner"), op.drop("items"), op.drop("tags")),
    "added": (op.add("new", "string", default='"é', position=0), op.add("last", "int64", nullable=True)),
    "cast": (op.cast("id", "string"),),
    "renamed and cast": (op.rename("id", to="key"), op.cast("key", "string"), op.drop("note")),
    "filled": (op.require("name", fill="?"),),
    "renamed and filled": (op.rename("name", to="title"), op.require("title", fill="?"), op.drop("id")),
    "inside": (op.rename("inner.x", to="ex"), op.drop("inner.y"), op.add("inner.new", "int32", default=1)),
    "deep inside": (op.cast("inner.deep.z", "string"), op.rename("inner", to="outer")),
    "in each": (op.cast("items[].price", "string"), op.rename("items[].sku", to="code")),
    "in each value": (op.cast("tags{}", "string"),),
    "moved in": (op.move("note", to="inner.note", where_null="drop"),),
    "moved out": (op.move("inner.deep.z", to="z", emptied="drop"), op.drop("items[].sku")),
    "into a new record": (op.move("id", to="made.id"), op.move("name", to="made.name")),
    "sql": (op.derive("size", "int64", sql="length(note)", nullable=True), op.drop("note"), op.cast("inner.x", "string")),
    "sql of nothing": (op.derive("made", "string", sql="'a' || 'b'"), op.drop("id")),
    "sql inside": (op.derive("inner.twice", "int64", sql="x * 2", nullable=True), op.rename("id", to="key")),
}

RECORDS = [
    '{"id":1,"name":"a","note":"b","inner":{"x":1,"y":"t","deep":{"z":1.50}},"items":[{"price":1e2,"sku":"s"},{}],"tags":{"a":1,"b":2}}',
    '{"id": 2, "name": null, "note": "é", "inner": null, "items": [], "tags": {}}',
    '{"note":"first","id":-0}',
    '{"id":12345678901234567,"other":[1, 2,{"any":true}],"inner":{"deep":{"z":2,"w":[]}}}',
    '{"id" : 3 ,"items":[ {"price" : 1.10 , "sku":"x"} , {"price":2} ],"tags":{ "k" : 5 }}',
    '{"id":4}',
    '{ "id":5 }',
    '{"id":6,"n\\u0061me":"escaped key"}',
    '{"inner":{"x":7,"x2":{"x":[]}},"id":7,"tags":{"é":1}}',
    '{"id" :8 , "":null,"zz": 1}',
]
ODD = [
    "{}", "{ }", "null", "[]", "7", '"id"', '{"id":1,"id":2}', '{"id":1,"\\u0069d":2}', '{"id":"x"}', '{"id":1.5}',
    '{"id":1,"new":2}', '{"id":1,"key":2}', '{"id":1,"inner":[]}', '{"id":1,"inner":{"x":1,"x":2}}',
    '{"id":1,"tags":{"a":1,"a":2}}', '{"id":1,"items":{}}', '{"id":1,"items":[{"price":"dear"}]}',
    '{"id":1,}', '{"id":1', '{"id":01}', '{"id":1,"note":"\\ud800"}',
    '{"id":1,"note":"\x02"}', '{"id":NaN}', '{"id":1} x', '{"id":1,"d":' + "[" * 300 + "]" * 300 + "}",
    '{"id":1,"tags":{"a":99999999999}}', '{"id":1,"name":5}',
    '{"id":1,"tags":{' + ",".join(f'"k{i}":{i}' for i in range(80)) + "}}",
]  # fmt: skip
PACKED: dict[str, Callable[[bytes], bytes]] = {".ndjson": bytes, ".ndjson.gz": gzip.compress, ".ndjson.zst": zstandard.compress}


def request_for(mapping: Mapping, source: Path, memory: int = 1 << 26) -> Rewrite:
    target = source.with_name("new-" + source.name)
    return rewrite_request(FORMAT, mapping, source, target, memory=memory, stamp=None, progress=lambda rows, size: None)


def outcome(request: Rewrite) -> tuple[Any, Rewritten | None]:
    """The new file's bytes, or all that the error says."""
    try:
        done = FORMAT.rewrite(request)
    except InstarError as error:
        return (type(error), error.message, error.hint, error.where), None
    return request.target.read_bytes(), done


def both_ways(mapping: Mapping, source: Path, memory: int = 1 << 26) -> tuple[Any, Rewritten | None]:
    """What comes of the spliced file, which is held against the one of which every record is converted."""
    plain, done = outcome(replace(request_for(mapping, source, memory), splice=None))
    spliced, said = outcome(request_for(mapping, source, memory))
    assert spliced == plain
    if done and said:
        assert (said.rows_in, said.rows_out) == (done.rows_in, done.rows_out)
    return spliced, said


def schema() -> Schema:
    return FORMAT.parse(SCHEMA)


# ---- by hand
@pytest.mark.parametrize("what", OPERATIONS)
def test_records_of_every_form(what: str, tmp_path: Path) -> None:
    mapping = chain(schema(), OPERATIONS[what])
    source = tmp_path / "data.ndjson"
    for record in RECORDS:
        source.write_text(record)
        spliced, said = both_ways(mapping, source)
        assert said is not None, (record, spliced)
    source.write_text("\n".join(RECORDS) + "\n", encoding="utf-8")
    _, said = both_ways(mapping, source)
    assert said is not None
    assert said.way == "spliced"


@pytest.mark.parametrize("what", OPERATIONS)
def test_odd_records_come_out_or_are_refused_as_without_splicing(what: str, tmp_path: Path) -> None:
    mapping = chain(schema(), OPERATIONS[what])
    source = tmp_path / "data.ndjson"
    for record in ODD:
        source.write_text("\n".join([RECORDS[0], record, *RECORDS]), encoding="utf-8")
        both_ways(mapping, source)


def test_an_error_names_its_record_though_those_before_were_spliced(tmp_path: Path) -> None:
    lines = [RECORDS[2]] * 40_000
    lines[31_000] = '{"id":"x"}'
    source = tmp_path / "data.ndjson"
    source.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        FORMAT.rewrite(request_for(chain(schema(), [op.cast("id", "string"), op.rename("note", to="remark")]), source))
    assert caught.value.where is not None
    assert (caught.value.where.row, caught.value.where.path) == (31_000, "id")


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n \t\n"])
def test_lines_of_every_kind_in_pieces(name: str, end: str, tmp_path: Path) -> None:
    """Small memory cuts the file into many chunks; blocks end anywhere."""
    spare = random.Random(7)
    lines = [respelled(spare.choice(RECORDS), spare).replace("\n", " ") for _ in range(1_000)]
    for bom, last in ((b"", ""), (BOM, end), (b"", end + " ")):
        source = tmp_path / f"data{name}"
        source.write_bytes(PACKED[name](bom + (end.join(lines) + last).encode()))
        spliced, said = both_ways(chain(schema(), OPERATIONS["renamed and cast"]), source, memory=1 << 20)
        assert said is not None
        assert (said.way, said.rows_in) == ("spliced", 1_000)
        assert spliced != source.read_bytes()


SAME: dict[str, tuple[Operation, ...]] = {
    "nothing": (),
    "docs": (op.set_doc("id", "its number"), op.set_doc("inner.deep.z", "how deep"), op.set_doc("items[].price", "in euros")),
    "null allowed": (op.allow_null("id"),),
    "there and back": (
        op.rename("id", to="key"),
        op.rename("inner.x", to="ex"),
        op.rename("inner.ex", to="x"),
        op.rename("key", to="id"),
    ),
}


@pytest.mark.parametrize("name", [*PACKED, ".json.gz"])
@pytest.mark.parametrize("what", SAME)
def test_a_file_of_which_no_record_changes_keeps_its_very_bytes(what: str, name: str, tmp_path: Path) -> None:
    """Compressed bytes, too: they are not unpacked and packed again, which would make others of them."""
    source = tmp_path / f"data{name}"
    text = f"[{', '.join(RECORDS)}]" if ".json" in name else "\n".join(RECORDS) + "\n"
    pack = PACKED.get(name, lambda text: gzip.compress(text, 1))
    source.write_bytes(pack(text.encode()))
    told: list[tuple[int, int]] = []
    request = replace(request_for(chain(schema(), SAME[what]), source), progress=lambda rows, size: told.append((rows, size)))
    done = FORMAT.rewrite(request)
    assert request.target.read_bytes() == source.read_bytes()
    assert (done.way, done.why, done.rows_in, done.rows_out) == ("spliced", "", len(RECORDS), len(RECORDS))
    assert tuple(map(sum, zip(*told, strict=True))) == (len(RECORDS), source.stat().st_size)


def test_without_the_compiled_part_such_a_file_keeps_its_very_bytes_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARTS, "json", "instar.formats.json._never_built")
    source = tmp_path / "data.ndjson.gz"
    source.write_bytes(gzip.compress("\n".join(RECORDS).encode(), 1))
    request = request_for(chain(schema(), SAME["docs"]), source)
    done = FORMAT.rewrite(request)
    assert request.target.read_bytes() == source.read_bytes()
    assert (done.way, done.rows_in) == ("rewritten", len(RECORDS))
    source.write_bytes(gzip.compress(b'{"id":1}\n{"id":1,"id":2}'))
    with pytest.raises(DataError):
        FORMAT.rewrite(request)


@pytest.mark.parametrize("what", [name for name in OPERATIONS if name != "nothing"])
def test_any_other_change_writes_records_anew(what: str) -> None:
    levels = request_for(chain(schema(), OPERATIONS[what]), Path("data.ndjson")).splice.levels  # type: ignore[union-attr]
    assert levels is None or not levels.verbatim


@pytest.mark.parametrize("what", ["nothing", "renamed", "in each", "sql"])
def test_arrays_and_documents(what: str, tmp_path: Path) -> None:
    mapping = chain(schema(), OPERATIONS[what])
    source = tmp_path / "data.json"
    indented = json.dumps(json.loads(RECORDS[0]), indent=2)
    texts = [
        indented + "\n", f"[{indented}]", "[\n  " + ",\n  ".join(RECORDS) + "\n]\n", "[]", " [ ] ",
        f"[{RECORDS[0]},]", f"[{RECORDS[0]}", "\ufeff" + indented, f"[{RECORDS[0]} {RECORDS[1]}]", f"[{RECORDS[0]},1]",
    ]  # fmt: skip
    for text in texts:
        source.write_text(text, encoding="utf-8")
        both_ways(mapping, source)


def test_without_the_compiled_part_every_record_is_converted_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARTS, "json", "instar.formats.json._never_built")
    source = tmp_path / "data.ndjson"
    source.write_text(RECORDS[0])
    done = FORMAT.rewrite(request_for(chain(schema(), OPERATIONS["renamed"]), source))
    assert done.way == "rewritten"
    assert "compiled part for json is missing" in done.why


@pytest.mark.parametrize("name", [".json", ".json.gz"])
def test_a_large_array_in_pieces(name: str, tmp_path: Path) -> None:
    spare = random.Random(13)
    texts = [respelled(spare.choice(RECORDS), spare) for _ in range(2_000)]
    texts[500] = '{"id":1,"long":"' + "x" * 300_000 + '"}'
    mapping = chain(schema(), OPERATIONS["renamed and cast"])
    pack = gzip.compress if name.endswith(".gz") else bytes
    for odd in ('{"id":9}', '{"id":"x"}') if name.endswith(".gz") else ('{"id":9}', "7", '{"id":1,}', "{", '{"id":1}]'):
        texts[1_500] = odd
        whole = "".join(spare.choice([",", ",\n  ", " , "]) + text for text in texts).lstrip(" ,")
        source = tmp_path / f"data{name}"
        source.write_bytes(pack(f"[{whole}\n]\n".encode()))
        _, said = both_ways(mapping, source, memory=1 << 20)
        assert (said is not None) == (odd == '{"id":9}')


def test_several_threads_give_the_same(tmp_path: Path) -> None:
    spare = random.Random(3)
    source = tmp_path / "data.ndjson"
    source.write_text("\n".join(spare.choice(RECORDS) for _ in range(60_000)), encoding="utf-8")
    request = request_for(chain(schema(), OPERATIONS["renamed and cast"]), source)
    alone, _ = outcome(request)
    together, done = outcome(replace(request_for(chain(schema(), OPERATIONS["renamed and cast"]), source), threads=3))
    assert together == alone
    assert done is not None
    assert (done.rows_in, done.way) == (60_000, "spliced")


def test_an_error_in_one_of_several_threads_is_the_first_of_the_file(tmp_path: Path) -> None:
    lines = [RECORDS[2]] * 60_000
    lines[31_000] = lines[45_000] = '{"id":"x"}'
    source = tmp_path / "data.ndjson"
    source.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        FORMAT.rewrite(replace(request_for(chain(schema(), [op.cast("id", "string")]), source), threads=3))
    assert caught.value.where is not None
    assert caught.value.where.row == 31_000


@pytest.mark.parametrize("threads", [1, 3])
def test_a_bad_record_is_told_before_an_end_that_cannot_be_read(threads: int, tmp_path: Path) -> None:
    """However many threads read ahead."""
    spare = random.Random(4)
    lines = [json.dumps({"id": spare.getrandbits(60), "note": spare.randbytes(90).hex()}) for _ in range(10_000)]
    lines[100] = '{"id":"x"}'
    packed = gzip.compress("\n".join(lines).encode())
    source = tmp_path / "data.ndjson.gz"
    source.write_bytes(packed[: len(packed) * 9 // 10])
    with pytest.raises(DataError) as caught:
        FORMAT.rewrite(replace(request_for(chain(schema(), [op.cast("id", "string")]), source), threads=threads))
    assert caught.value.where is not None
    assert caught.value.where.row == 100


# ---- generated
some = settings(law, max_examples=max(6, EXAMPLES // 4))
"""Law 5 has the same on other files; here some of the records are damaged."""


def check_case(case: Case, seed: int, folder: Path) -> None:
    """The case's records, spelled anew, some of them damaged, as lines."""
    mapping, spare = chain(case.schema, case.operations), random.Random(seed)
    write = FORMAT.values(case.schema, case.schema).encoder(case.schema.root)
    try:
        texts = [bytes(write(row)).decode() for row in case.rows]
        FORMAT.render(mapping.target)
    except InstarError:
        return  # JSON has no NaN, and not every type
    source = folder / "data.ndjson"
    spelled = [respelled(spare.choice(texts), spare).encode() for _ in range(6)]
    source.write_bytes(b"\n".join(spelled))
    both_ways(mapping, source)
    for _ in range(3):
        source.write_bytes(b"\n".join([*spelled[:2], damaged(spare.choice(spelled), spare), *spelled[2:]]))
        both_ways(mapping, source)


@some
@given(cases(scalars=JSON), st.integers(0, 10**9))
def test_generated_records(tmp_path_factory: pytest.TempPathFactory, case: Case, seed: int) -> None:
    check_case(case, seed, tmp_path_factory.mktemp("json"))


@some
@given(cases(optional=True, most=4, scalars=PLAIN), st.integers(0, 10**9))
def test_generated_records_with_missing_and_unknown_keys(tmp_path_factory: pytest.TempPathFactory, case: Case, seed: int) -> None:
    check_case(case, seed, tmp_path_factory.mktemp("json"))


@some
@given(cases(named=True, scalars=JSON), st.integers(0, 10**9))
def test_generated_records_with_named_types(tmp_path_factory: pytest.TempPathFactory, case: Case, seed: int) -> None:
    check_case(case, seed, tmp_path_factory.mktemp("json"))


def _mutated(records: Sequence[str], spare: random.Random) -> bytes:
    return b"\n".join(damaged(spare.choice(records).encode(), spare) for _ in range(4))


def test_damaged_texts(tmp_path: Path) -> None:
    spare = random.Random(11)
    mappings = [chain(schema(), operations) for what, operations in OPERATIONS.items() if "sql" not in what]
    source = tmp_path / "data.ndjson"
    for _ in range(60):
        source.write_bytes(_mutated(RECORDS, spare))
        both_ways(spare.choice(mappings), source)
