"""Files of lines that are edited only: proved by the compiled part and by Python alike, and faults in them found."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from instar.formats.format import format_named
from instar.transforms.proof import json_edits, json_kept
from instar.transforms.proof.integrity import prove_file
from instar.transforms.proof.json_edits import compiled_part
from tests.transforms.proof.test_proof_json_edits import BUILT, OLD, OPERATIONS, SCHEMA, needs_part


@pytest.fixture(params=["compiled", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the part, and without."""
    if request.param == "python":
        monkeypatch.setattr(json_edits, "PART", "instar.transforms.proof._never_built")
    elif BUILT is None:
        pytest.skip("the proof's compiled part for JSON is not built here")
    return request.param


LINES = [
    OLD,
    '{"\\u0061":1}',
    "{}",
    OLD.replace("1", "2"),
    '{ "a" : 1 , "b":2 }',
    '{"z":"' + "long " * 200 + '"}',
    '{"a":1,"b":2}',
    '{"a":1}',
]


@pytest.mark.parametrize("end", ["\n", "\r\n\r\n"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("window", [8, 100, 1 << 18])
def test_files_are_proved_and_faults_in_them_found(
    tmp_path: Path, staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, way: str, end: str, compress: Any, window: int
) -> None:
    monkeypatch.setattr(json_edits, "_WINDOW", window)
    path = tmp_path / "data.ndjson"
    path.write_bytes(compress(("\ufeff" + end.join(LINES)).encode()))
    unit, receipt = staged(path, "json", OPERATIONS, format_named("json").parse(json.dumps(SCHEMA)))

    def rows() -> int | None:
        found = json_kept.kept(path, Path(unit.staged), unit.mapping)
        return None if found is None else found.rows

    assert rows() == len(LINES)
    assert prove_file(unit, receipt).verdict == "proved"
    whole = Path(unit.staged).read_bytes()
    text = gzip.decompress(whole) if whole[:2] == b"\x1f\x8b" else whole
    written = text.splitlines(keepends=True)
    for wrong in (
        b"".join(written[:-1]),
        b"".join(written) + b"\n{}",
        b"".join(reversed(written)),
        text.replace(b'"number":2', b'"number":3'),
        text.replace(b"long", b"lang", 1),
        b"\n" + text,
        b"",
    ):
        Path(unit.staged).write_bytes(compress(wrong))
        assert rows() is None
    if compress is gzip.compress:
        Path(unit.staged).write_bytes(whole[:-20])
        assert rows() is None


@needs_part
def test_plain_lines_are_proved_without_python(tmp_path: Path, staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the samples above only those with an escaped key, or white space that a writer does not keep, are judged in Python."""
    judged: list[bytes] = []

    def watched(source: Path, new: Path, levels: Any, part: ModuleType, judge: Any) -> int | None:
        return json_edits.proved_rows(source, new, levels, part, lambda a, b: judged.append(a) is None and judge(a, b))

    monkeypatch.setattr(json_kept, "proved_rows", watched)
    path = tmp_path / "data.ndjson"
    path.write_text("\n".join(LINES * 50) + "\n", encoding="utf-8")
    unit, receipt = staged(path, "json", OPERATIONS, format_named("json").parse(json.dumps(SCHEMA)))
    assert prove_file(unit, receipt).verdict == "proved"
    assert set(judged) == {b'{"\\u0061":1}'}


def test_a_part_of_another_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_edits, "PART", "json")
    assert compiled_part() is None
    source = Path(json_edits.__file__).with_name("_json_edits.c").read_text(encoding="utf-8")
    assert f'"INTERFACE", {json_edits.INTERFACE})' in source
