"""Which compiled parts are there, and who is told that one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from instar.cli.main import instar
from instar.formats import compiled

FORMATS = Path(__file__).resolve().parents[2] / "formats"


def test_each_source_has_its_module_listed() -> None:
    sources = {f"instar.formats.{path.parent.name}.{path.stem}" for path in FORMATS.rglob("*.c")}
    assert sources == set(compiled.PARTS.values())


def test_the_version_says_which_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "PARTS", {"orc": "json", "json": "instar.formats.json._never_built"})
    said = CliRunner().invoke(instar, ["--version"]).output
    assert said.endswith(" (without the compiled part for json)\n")
    monkeypatch.setattr(compiled, "PARTS", {"orc": "json"})
    assert "without" not in CliRunner().invoke(instar, ["--version"]).output


def test_a_part_that_cannot_be_loaded_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of another machine, or cut off."""
    (tmp_path / "of_another_machine.abi3.so").write_bytes(b"\x7fELF")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(compiled, "PARTS", {"json": "of_another_machine"})
    assert compiled.compiled_part("json") is None
    assert compiled.missing_parts() == ("json",)


def test_a_part_of_another_source_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "PARTS", {"avro": "json"})
    assert compiled.compiled_part("avro") is None
