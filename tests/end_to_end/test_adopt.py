"""`init --from` in a project that knows the subject already, and what is left where it fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from support import Answer, tree


def test_files_of_several_registered_versions_are_adopted_as_they_are(
    project: Path, instar: Callable[..., Answer], tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    shutil.copy(project / "data" / "weather" / "EWR.avro", mixed)
    assert instar("upgrade", "weather", at=project).code == 0
    shutil.copy(project / "data" / "weather" / "JFK.avro", mixed)
    answer = instar("init", "--from", str(mixed), "--subject", "weather", at=project)
    assert answer.code == 0, answer.err
    assert instar("current", "mixed", "--json", at=project).json[0]["versions"] == {"1": 1, "3": 1}


def test_a_subject_of_another_format_is_refused_and_nothing_is_left(
    project: Path, instar: Callable[..., Answer], tmp_path: Path
) -> None:
    data = tmp_path / "table"
    data.mkdir()
    pq.write_table(pa.table({"n": [1]}), data / "a.parquet")
    before = tree(project)
    answer = instar("init", "--from", str(data), "--subject", "weather", at=project)
    assert answer.code == 2
    assert "the schemas of weather are avro" in answer.err
    assert tree(project) == before


def test_a_dataset_whose_format_is_not_its_subject_s_is_refused(project: Path, instar: Callable[..., Answer]) -> None:
    toml = project / "instar.toml"
    toml.write_text(toml.read_text().replace('format = "avro"', 'format = "json"'))
    for verb in ("status", "plan", "upgrade"):
        answer = instar(verb, "weather", at=project)
        assert (answer.code, "the schemas of weather are avro" in answer.err) == (2, True), answer


def test_the_lines_of_instar_toml_stay_as_they_were(project: Path, instar: Callable[..., Answer], tmp_path: Path) -> None:
    toml, data = project / "instar.toml", tmp_path / "table"
    data.mkdir()
    pq.write_table(pa.table({"n": [1]}), data / "a.parquet")
    text = toml.read_bytes().replace(b"\n", b"\r\n")
    toml.write_bytes(text)
    assert instar("init", "--from", str(data), at=project).code == 0
    assert toml.read_bytes().startswith(text)
