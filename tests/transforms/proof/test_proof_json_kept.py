"""JSON files whose records keep the text of what is only carried: proved by it, and never where reading them would say no."""

from __future__ import annotations

import gzip
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from examples import examples

from instar import op
from instar.formats.format import format_named
from instar.transforms.mapping import Mapping, chain
from instar.transforms.proof import json as json_proof
from instar.transforms.proof import json_edits
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.json_kept import kept
from instar.transforms.proof.json_lines import NotPlain, Objects
from tests.transforms.proof.conftest import problems
from tests.transforms.proof.test_proof_json import OPERATIONS, SCHEMA, line

ROWS = 60
NESTED = [
    op.rename("id", to="number"),
    op.rename("user.login", to="handle"),
    op.rename("items[].n", to="m"),
    op.drop("constant"),
    op.drop("user.age"),
]
COMPUTED = [op.cast("size", "string"), op.add("user.verified", "bool", default=False), op.rename("items[].t", to="text")]
CHAINS: dict[str, list[Any]] = {"renames": NESTED[:3], "drops": NESTED, "computed": [*NESTED[:4], *COMPUTED], "all": OPERATIONS}


@pytest.fixture
def schema() -> Any:
    import json

    return format_named("json").parse(json.dumps(SCHEMA))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.ndjson"
    path.write_text("".join(line(i) + "\n" for i in range(ROWS)), encoding="utf-8")
    return path


def found(unit: Any) -> Any:
    """With the compiled part as without."""
    places = kept(Path(unit.source), Path(unit.staged), unit.mapping)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_edits, "PART", "instar.transforms.proof._never_built")
        assert kept(Path(unit.source), Path(unit.staged), unit.mapping) == places
    return places


@pytest.mark.parametrize("name", CHAINS)
def test_what_keeps_its_text_is_found(file: Path, staged: Callable[..., Any], schema: Any, name: str) -> None:
    unit, receipt = staged(file, "json", CHAINS[name], schema)
    places = found(unit)
    assert places is not None
    assert places.rows == ROWS
    assert {("number",), ("price",), ("any",), ()} <= places.places or name == "all"
    proof = prove_file(unit, receipt)
    assert (proof.verdict, proof.failures, proof.rows_old, proof.rows_new) == ("proved", (), ROWS, ROWS)
    full = prove_file(unit, receipt, level="full")
    assert {c.path for c in proof.columns} == {c.path for c in full.columns}


def test_what_is_computed_is_not_said_to_be_kept(file: Path, staged: Callable[..., Any], schema: Any) -> None:
    unit, _ = staged(file, "json", CHAINS["computed"], schema)
    places = found(unit).places
    assert {("user",), ("user", "handle"), ("items",), ("price",)} <= places
    assert not {("size",), ("user", "verified")} & places


def test_renames_are_proved_without_a_reader(file: Path, staged: Callable[..., Any], schema: Any, tmp_path: Path) -> None:
    (tmp_path / "work").write_bytes(pickle.dumps(staged(file, "json", CHAINS["drops"], schema)))
    code = (
        "import pickle, sys; from instar.transforms.proof.integrity import prove_file;"
        f"proof = prove_file(*pickle.load(open({str(tmp_path / 'work')!r}, 'rb')));"
        "print(proof.verdict, 'duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["proved", "False"]


def test_compressed_lines_too(tmp_path: Path, staged: Callable[..., Any], schema: Any) -> None:
    path = tmp_path / "data.ndjson.gz"
    path.write_bytes(gzip.compress("".join("\ufeff" * (i == 0) + line(i) + "\r\n\r\n" for i in range(9)).encode()))
    unit, receipt = staged(path, "json", CHAINS["drops"], schema)
    assert found(unit).rows == 9
    assert prove_file(unit, receipt).verdict == "proved"


@pytest.mark.parametrize(
    "text", ["[" + ",".join(map(line, range(5))) + "]", line(4).replace(",", ",\n"), ""], ids=["array", "document", "none"]
)
def test_other_files_are_read(tmp_path: Path, staged: Callable[..., Any], schema: Any, text: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text, encoding="utf-8")
    unit, receipt = staged(path, "json", CHAINS["drops"], schema)
    assert prove_file(unit, receipt).verdict == "proved"


# ---- faults
FAULTS: dict[str, tuple[str, str]] = {
    "another value": ('"price":5', '"price":6'),
    "another text of a number": ('"price":1.10', '"price":1.1'),
    "null for a value": ('"price":5', '"price":null'),
    "a key twice": ('"price":5', '"price":5,"price":5'),
    "a key twice, hidden": ('"price":5', '"price":4,"price":5'),
    "a key lost": ('"price":5,', ""),
    "a key more": ('"price":5', '"price":5,"new":1'),
    "another key": ('"unknown1":', '"unknown2":'),
    "what no schema knows": ('{"deep":[1.0]}', '{"deep":[1.00]}'),
    "not renamed": ('"number":', '"id":'),
    "not renamed inside": ('"handle":', '"login":'),
    "lost inside": ('"handle": "\\u00e9"', '"handle": null'),
    "an item lost": (" , {}]", "]"),
    "inside of an item": ('"m":1,', '"m":2,'),
    "a key twice inside": ('"later": 1.5', '"later": 1.5, "later": 1.5'),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operations", [NESTED, [*NESTED, *COMPUTED]], ids=["renames", "computed"])
def test_a_planted_fault_is_found(file: Path, staged: Callable[..., Any], schema: Any, fault: str, operations: list[Any]) -> None:
    unit, receipt = staged(file, "json", operations, schema)
    text = Path(unit.staged).read_text(encoding="utf-8")
    right, wrong = FAULTS[fault]
    assert right in text
    Path(unit.staged).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    assert found(unit) is None
    proof = prove_file(unit, receipt)
    assert proof.unread or problems(proof)


def test_an_order_of_keys_that_changed_is_found(file: Path, staged: Callable[..., Any], schema: Any) -> None:
    unit, receipt = staged(file, "json", NESTED, schema)
    text = Path(unit.staged).read_text(encoding="utf-8")
    scores, value = '"scores":{"a":1,"b":null}', '"\\u0061ny":1'
    if f"{scores},{value}" not in text:
        value = '"any":1'
    assert f"{scores},{value}" in text
    Path(unit.staged).write_text(text.replace(f"{scores},{value}", f"{value},{scores}", 1), encoding="utf-8")
    assert found(unit) is None
    assert problems(prove_file(unit, receipt))


def test_a_key_twice_in_what_is_only_carried_is_found_in_both(tmp_path: Path, staged: Callable[..., Any]) -> None:
    path = tmp_path / "data.ndjson"
    path.write_text('{"a":1,"b":{"x":{"y":1}}}\n', encoding="utf-8")
    schema = format_named("json").parse('{"type":"object","properties":{"a":{"type":"integer"}}}')
    unit, receipt = staged(path, "json", [op.rename("a", to="c")], schema)
    for file in (path, Path(unit.staged)):
        file.write_text(file.read_text(encoding="utf-8").replace('"y":1', '"y":1,"y":1'), encoding="utf-8")
    assert found(unit) is None
    assert "given twice" in prove_file(unit, receipt).unread


def test_a_swap_that_did_not_happen_is_found(tmp_path: Path, staged: Callable[..., Any]) -> None:
    """Old and new lines are the same, and must not be."""
    path = tmp_path / "data.ndjson"
    path.write_text('{"a":1,"b":2}\n{"a":1}\n', encoding="utf-8")
    schema = format_named("json").parse('{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}')
    swap = [op.rename("a", to="c"), op.rename("b", to="a"), op.rename("c", to="b")]
    unit, receipt = staged(path, "json", swap, schema)
    assert found(unit).rows == 2
    assert prove_file(unit, receipt).verdict == "proved"
    Path(unit.staged).write_bytes(path.read_bytes())
    assert found(unit) is None
    assert problems(prove_file(unit, receipt))


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_said_to_be_kept_reads_as_right(
    file: Path, staged: Callable[..., Any], schema: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any byte of the new file changed: where texts alone say that all is kept, reading them finds nothing wrong, either."""
    unit, receipt = staged(file, "json", CHAINS[name], schema)
    whole, chance = Path(unit.staged).read_bytes(), random.Random(name)
    accepted = 0
    for _ in range(examples(bounded=60, many=600)):
        at = chance.randrange(len(whole))
        changed = whole[:at] + bytes([chance.choice(b' ,:{}[]"01ab\\\n')]) + whole[at + chance.randrange(2) :]
        Path(unit.staged).write_bytes(changed)
        if found(unit) is None:
            continue
        accepted += 1
        monkeypatch.setattr(json_proof, "kept", kept)
        quick = prove_file(unit, receipt)
        monkeypatch.setattr(json_proof, "kept", lambda *_: None)
        slow = prove_file(unit, receipt)
        assert (quick.verdict, set(problems(quick))) == (slow.verdict, set(problems(slow))), changed[at - 20 : at + 20]
    assert accepted < 150


# ---- what it rests on
def test_objects_are_taken_apart_only_where_nothing_is_hidden() -> None:
    objects = Objects()
    for text in (b'{"a":1,"b":[ 1 , 2]}', b'{"a": 1, "b": "x"}', b'{ "a" :1}', '{"é":"ü"}'.encode(), b'{"\\u0061":1}', b"{}"):
        assert all(bytes(value) in text for value in objects.fields(text).values())
    for twice in (b'{"a":1,"a":1}', b'{"a": 1,"\\u0061":2}', b'{"a":1,"b":2,"c":3,"d":4,"a":1}'):
        with pytest.raises(ValueError, match="given twice"):
            objects.fields(twice)
    for other in (b"[]", b"1", b'{"a":}', b'{"a":1'):
        with pytest.raises(NotPlain):
            objects.fields(other)


def test_nothing_is_found_in_mappings_that_keep_nothing(file: Path, staged: Callable[..., Any]) -> None:
    schema = format_named("json").parse('{"type":"object","properties":{"id":{"type":"integer"}}}')
    mapping: Mapping = chain(schema, [op.cast("id", "string")])
    assert kept(file, file, mapping) is None


# ---- whole records foreseen from their values
FLAT = """{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "number"}},
"required": ["a"], "additionalProperties": true}"""
STYLES = {"compact": (",", ":"), "spaced": (", ", ": "), "unusual": (" ,", " :")}
CHANGES: dict[str, list[Any]] = {
    "renamed": [op.rename("a", to="number")],
    "swapped": [op.rename("a", to="x"), op.rename("b", to="a"), op.rename("x", to="b")],
    "docs": [op.set_doc("b", "a text")],
}


def flat(style: str) -> list[str]:
    comma, colon = STYLES[style]
    records = [
        {"a": "1", "b": '"x"', "c": "1.50"},
        {"c": "2", "a": "3"},
        {"a": "4", "other": '"a"', "b": '"\\"a\\":"'},
        {"a": "5", "b": '"y"'},
    ]
    return ["{" + comma.join(f'"{name}"{colon}{value}' for name, value in each.items()) + "}" for each in records]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_byte_of_a_record_of_another_form_passes(change: str, style: str, tmp_path: Path, staged: Callable[..., Any]) -> None:
    """Each byte of the new file is changed, or taken away, in turn."""
    path = tmp_path / "data.ndjson"
    path.write_text("\n".join(flat(style)) + "\n")
    unit, receipt = staged(path, "json", CHANGES[change], format_named("json").parse(FLAT))
    assert found(unit).rows == 4
    assert prove_file(unit, receipt).verdict == "proved"
    staged_file, right = Path(unit.staged), Path(unit.staged).read_bytes()
    for at in range(len(right)):
        if right[at : at + 1].isspace():
            continue
        for wrong in (right[:at] + right[at + 1 :], right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]):
            staged_file.write_bytes(wrong)
            assert found(unit) is None, wrong
    staged_file.write_bytes(b"".join(right.splitlines(keepends=True)[::-1]))
    assert found(unit) is None


@pytest.mark.parametrize("old", ['{"a":1,"a":1}', '{"a":1,"number":2}', '{"a":1,"\\u0061":1}', '{"number":7,"a":1}'])
def test_keys_that_are_in_the_way_of_a_rename_are_left_to_the_readers(old: str, tmp_path: Path, staged: Callable[..., Any]) -> None:
    path = tmp_path / "data.ndjson"
    path.write_text('{"a":1}\n')
    unit, _ = staged(path, "json", CHANGES["renamed"], format_named("json").parse(FLAT))
    path.write_text(old + "\n")
    for new in (old.replace('"a"', '"number"'), '{"number":1}', old):
        Path(unit.staged).write_text(new + "\n")
        assert found(unit) is None
