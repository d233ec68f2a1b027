"""Lines of JSON of which some values are computed: the compiled walk finds no line right that Python would not."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from instar import op
from instar.formats.format import format_named
from instar.transforms.mapping import Mapping, chain
from instar.transforms.proof import json_edits
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.json_edits import compiled_part
from instar.transforms.proof.json_kept import judged_by
from instar.transforms.proof.json_levels import edited
from instar.transforms.proof.json_taken import Column

BUILT = compiled_part()
needs_part = pytest.mark.skipif(BUILT is None, reason="the proof's compiled part for JSON is not built here")
PART: Any = BUILT
EXAMPLES = int(os.environ.get("INSTAR_EXAMPLES", "60"))
ODD = 3

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "b": {"type": ["integer", "null"]},
        "c": {"type": "string"},
        "d": {"type": "number"},
        "e": {"type": "integer"},
        "point": {"type": ["object", "null"], "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    },
    "required": ["a"],
}
OPERATIONS = [
    op.cast("a", "string"),
    op.cast("b", "string"),
    op.rename("b", to="bb"),
    op.rename("c", to="text"),
    op.drop("e"),
    op.add("made", "string", default="é"),
    op.cast("point.x", "string"),
    op.add("point.z", "bool", default=True),
    op.rename("list[].n", to="m"),
]
RECORDS: list[dict[str, Any]] = [
    {"a": 1, "b": 22, "c": "x", "d": 1.5, "e": 7, "point": {"x": 3, "y": "é"}, "list": [{"n": 1}, {"n": 2, "more": {}}]},
    {"point": None, "e": 1, "unknown": {"a": [1, "}"]}, "c": 'quo"ted', "a": -5, "b": None},
    {"a": 12345678901234567890123, "list": [], "point": {"other": 1, "x": 0}},
    {"b": 0, "a": 0, "d": -0.0},
]


def mapping(operations: list[Any] = OPERATIONS) -> Mapping:
    return chain(format_named("json").parse(json.dumps(SCHEMA)), operations)


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)


@pytest.fixture(params=["compiled", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the part, and without."""
    if request.param == "python":
        monkeypatch.setattr(json_edits, "PART", "instar.transforms.proof._never_built")
    elif BUILT is None:
        pytest.skip("the proof's compiled part for JSON is not built here")
    return request.param


# ---- files
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_files_are_proved(tmp_path: Path, staged: Callable[..., Any], way: str, compress: Any) -> None:
    path = tmp_path / "data.ndjson"
    path.write_bytes(compress(("\ufeff" + lines(RECORDS * 3)).encode()))
    unit, receipt = staged(path, "json", OPERATIONS, format_named("json").parse(json.dumps(SCHEMA)))
    for level in ("auto", "full"):
        assert prove_file(unit, receipt, level=level).verdict == "proved"
    whole = Path(unit.staged).read_bytes()
    text = gzip.decompress(whole) if compress is gzip.compress else whole
    Path(unit.staged).write_bytes(compress(text.replace(b'"x":"3"', b'"x":"4"')))
    assert prove_file(unit, receipt).verdict == "failed"


@needs_part
@pytest.mark.parametrize("level", ["auto", "full"])
def test_faults_are_found(tmp_path: Path, staged: Callable[..., Any], level: Any) -> None:
    path = tmp_path / "data.ndjson"
    path.write_text(lines(RECORDS * 2))
    unit, receipt = staged(path, "json", OPERATIONS, format_named("json").parse(json.dumps(SCHEMA)))
    text = Path(unit.staged).read_bytes()
    for old, new in [
        (b'"a":"1"', b'"a":"2"'), (b'"a":"1"', b'"a":1'), (b'"bb":"22"', b'"bb":"23"'), (b'"bb":"22"', b'"bb":null'),
        (b'"bb":"22"', b'"b":"22"'), (b'"bb":"22",', b""), (b'"text":"x"', b'"text":"y"'), (b'"d":1.5', b'"d":1.50'),
        (b'"d":-0.0', b'"d":0.0'), (b',"made":"\xc3\xa9"', b""), (b'"made":"\xc3\xa9"', b'"made":"e"'), (b'"x":"3"', b'"x":"4"'),
        (b'"x":"3"', b'"x":null'), (b',"z":true', b""), (b'"z":true', b'"z":false'), (b'"m":2', b'"n":2'), (b'"m":2', b'"m":3'),
        (b'"unknown"', b'"unknown_"'), (b'"bb":null', b'"bb":"null"'), (b'"point":null', b'"point":{"z":true}'),
        (b'"a":"12345678901234567890123"', b'"a":"12345678901234567890124"'),
        (b'"a":"1"', b'"e":7,"a":"1"'), (b'"a":"1"', b'"made":"\xc3\xa9","a":"1"'),
    ]:  # fmt: skip
        wrong = text.replace(old, new, 1) if level == "auto" else new.join(text.rsplit(old, 1))
        assert wrong != text, old
        Path(unit.staged).write_bytes(wrong)
        assert prove_file(unit, receipt, level=level).verdict == "failed", (old, new)


@needs_part
@pytest.mark.parametrize("level", ["auto", "full"])
def test_plain_lines_are_proved_without_pythons_parser(
    tmp_path: Path, staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, level: Any
) -> None:
    path = tmp_path / "data.ndjson"
    path.write_text(lines([{**record, "a": number} for number in range(9000) for record in RECORDS[:2]]))
    operations = [*OPERATIONS[:-1], op.derive("f", "double", sql="CAST(a AS DOUBLE) * 2")]
    unit, receipt = staged(path, "json", operations, format_named("json").parse(json.dumps(SCHEMA)))

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("it is read by Python's parser")

    monkeypatch.setattr("instar.transforms.proof.json.records", refused)
    monkeypatch.setattr("instar.transforms.proof.json.fields_of", refused)
    found = prove_file(unit, receipt, level=level)
    assert found.verdict == "proved"
    ways = {(column.path, column.way) for column in found.columns}
    assert {("d", "bytes"), ("text", "bytes"), ("a", "sql"), ("f", "sql"), ("point.x", "sql")} <= ways
    assert (("text", "sql") in ways) == (level == "full")


@needs_part
def test_values_that_are_not_plain_are_read_one_by_one(tmp_path: Path, staged: Callable[..., Any]) -> None:
    """Numbers in other spellings, texts with escapes, keys with escapes, and lines that Python judges."""
    path = tmp_path / "data.ndjson"
    path.write_text('{"a":1.0,"c":"\\u0041"}\n{"a":1e2,"\\u0063":"x"}\n{"a":7 , "b" : 5}\n{"a":3}\n' * 50)
    operations = [op.cast("a", "string"), op.derive("long", "string", sql="c || 'é'")]
    unit, receipt = staged(path, "json", operations, format_named("json").parse(json.dumps(SCHEMA)))
    for level in ("auto", "full"):
        assert prove_file(unit, receipt, level=level).verdict == "proved"
    whole = Path(unit.staged).read_text()
    for old, new in (('"long":"Aé"', '"long":"Bé"'), ('"a":"100"', '"a":"101"'), ('"b" : 5', '"b" : 6')):
        assert old in whole
        Path(unit.staged).write_text(new.join(whole.rsplit(old, 1)))
        assert prove_file(unit, receipt).verdict == "failed"


# ---- lines
@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes]]:
    """Lines and what a rewrite makes of them."""
    from tests.transforms.proof.conftest import staged_at

    folder, spare = tmp_path_factory.mktemp("lines"), random.Random(7)
    records = [dict(spare.sample(list(record.items()), len(record))) for record in RECORDS for _ in range(40)]
    path = folder / "data.ndjson"
    path.write_text(lines(records), encoding="utf-8")
    unit, _ = staged_at(folder / "new.ndjson", path, "json", OPERATIONS, format_named("json").parse(json.dumps(SCHEMA)))
    return list(zip(path.read_bytes().splitlines(), Path(unit.staged).read_bytes().splitlines(), strict=True))


def walked(old: bytes, new: bytes) -> tuple[Column, ...] | None:
    """The values that are taken out of a line and its new form, if the walk finds these right. Each stands at the end of a buffer
    of its own, of a size at which sanitizers watch what is read."""
    told = TOLD
    assert told is not None
    known = PART.edits(told.levels, len(told.old) + len(told.new))
    old, new = b" " * 600 + old, b" " * 600 + new
    count, _, _, why = PART.proved(known, old, 0, len(old), True, new, 0, len(new), True)
    assert (count, why) in ((1, 0), (0, ODD), (0, 0))
    taken = tuple(Column(*each) for each in PART.taken(known))
    assert [len(column) for column in taken] == [count] * len(taken)
    by = {**{f"old {'.'.join(path)}": n for path, n in told.old.items()}, **{f"new {'.'.join(p)}": n for p, n in told.new.items()}}
    return tuple(taken[by[name]] for name in sorted(by)) if count else None


TOLD = edited(mapping().root, [("a",), ("b",), ("point", "x")], [("a",), ("bb",), ("made",), ("point", "x"), ("point", "z")])
NAMES = ["new a", "new bb", "new made", "new point.x", "new point.z", "old a", "old b", "old point.x"]


def value_at(line: bytes, *path: str) -> Any:
    found = json.loads(line)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


@needs_part
def test_what_a_rewrite_makes_is_found_right_and_its_values_are_taken(pairs: list[tuple[bytes, bytes]]) -> None:
    for old, new in pairs:
        taken = walked(old, new)
        assert taken is not None, (old, new)
        for name, column in zip(NAMES, taken, strict=True):
            side, path = name.split(" ")
            (value,) = column.values()
            text = bytes(value).decode() if isinstance(value, Raw) else str(value)
            assert text == str(value_at(new if side == "new" else old, *path.split("."))), (name, old, new)


@needs_part
@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(data=st.data())
def test_no_line_is_found_right_that_python_would_not(pairs: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    judged = judged_by(mapping())
    assert judged is not None
    sides = [bytearray(side) for side in data.draw(st.sampled_from(pairs))]
    spare = data.draw(st.randoms(use_true_random=False))
    for _ in range(spare.randrange(1, 3)):
        side = spare.choice(sides)
        at, size = spare.randrange(len(side)), spare.randrange(3)
        side[at : at + size] = spare.choice(
            [b"", b'"', b",", b"}", b" ", b"1", b"a", b"null", b'"a":1,', b"\xc3", b"\\", b":", b"{}"]
        )
    old, new = map(bytes, sides)
    if b"\n" in old + new or walked(old, new) is None:
        return
    assert judged.judge(old.strip(), new.strip()), (old, new)


@needs_part
@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(old=st.binary(max_size=60), new=st.binary(max_size=60))
def test_no_text_is_read_beyond_its_end(old: bytes, new: bytes) -> None:
    walked(b'{"a":1,' + old.replace(b"\n", b""), b'{"a":"1",' + new.replace(b"\n", b""))


@needs_part
def test_what_the_part_is_told_is_looked_at() -> None:
    for levels, columns in (
        (((0, ((b"a", 9, b"", -1, -1, -1),), ()),), 0),
        (((0, ((b"a", 0, b"", -1, 0, -1),), ()),), 0),
        (((0, ((b"a", 0, b"", -1, -1, 1),), ()),), 1),
        (((0, (), ((b"a", 0, -1),)),), 0),
        (((0, (), ((b"a", -3, -1),)),), 0),
        (((0, (), ((b"a", -1, 0),)),), 0),
        (((1, ((b"", 0, b"", -1, -1, -1),), ((b"a", -1, -1),)),), 0),
        (((0, (), ()),), -1),
    ):
        with pytest.raises(ValueError, match=r"no such|none that is told"):
            PART.edits(levels, columns)
    known = PART.edits(((0, (), ()),), 2)
    with pytest.raises(ValueError, match="other columns"):
        PART.noted(known, (b"1",))
    with pytest.raises(TypeError):
        PART.noted(known, (b"1", 1))
    for _ in range(1 << 14):
        PART.noted(known, (b"1", None))
    with pytest.raises(ValueError, match="full"):
        PART.noted(known, (b"1", None))
    assert PART.proved(known, b"{}", 0, 2, True, b"{}", 0, 2, True) == (0, 0, 0, 4)
    assert [Column(*each).values()[:2] for each in PART.taken(known)][1] == [None, None]
    assert PART.proved(known, b"{}", 0, 2, True, b"{}", 0, 2, True) == (1, 2, 2, 0)
