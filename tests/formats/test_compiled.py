"""Which compiled parts are there, and who is told that one is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from instar.cli.main import instar
from instar.formats import compiled
from instar.transforms.proof import avro_columns, json_edits

FORMATS = Path(__file__).resolve().parents[2] / "formats"


def test_each_source_has_its_module_listed() -> None:
    sources = {f"instar.formats.{path.parent.name}.{path.stem}" for path in FORMATS.rglob("*.c")}
    assert sources == set(compiled.PARTS.values())


def test_the_version_says_which_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "PARTS", {"orc": "json", "json": "instar.formats.json._never_built"})
    for proofs in (avro_columns, json_edits):
        monkeypatch.setattr(proofs, "compiled_part", lambda: sys)
    said = CliRunner().invoke(instar, ["--version"]).output
    assert said.endswith(" (without the compiled part for json)\n")
    monkeypatch.setattr(compiled, "PARTS", {"orc": "json"})
    assert "without" not in CliRunner().invoke(instar, ["--version"]).output
    monkeypatch.setattr(json_edits, "compiled_part", lambda: None)
    assert CliRunner().invoke(instar, ["--version"]).output.endswith(" (without the compiled part for proofs of json)\n")


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


@pytest.mark.parametrize("format", compiled.PARTS)
@pytest.mark.parametrize("stale", [1, None, 10_000])
def test_a_part_of_an_older_or_newer_source_is_told_and_not_used(
    format: str, stale: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a checkout: the source was changed, and the part not built again."""
    part = ModuleType("of_another_source")
    if stale is not None:
        part.__dict__["INTERFACE"] = stale
    monkeypatch.setitem(sys.modules, "of_another_source", part)
    monkeypatch.setattr(compiled, "PARTS", {format: "of_another_source"})
    assert compiled.compiled_part(format) is None
    assert f"(without the compiled part for {format})" in CliRunner().invoke(instar, ["--version"]).output


def test_each_source_says_its_interface() -> None:
    for format, module in compiled.PARTS.items():
        sources = "".join(each.read_text() for each in FORMATS.glob(f"{format}/*.[ch]"))
        (number,) = re.findall(r'"INTERFACE", (\d+)|define INTERFACE (\d+)', sources)
        assert int("".join(number)) == compiled.INTERFACES[format], module
