"""`fidelity.allow`: what a rewrite cannot keep refuses the file, until its owner lets it go; then the proof lets it go, too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import Answer, data_tree


@pytest.fixture
def hadoop(conformance: Path, tmp_path: Path, instar: Callable[..., Answer]) -> Path:
    """A project with a file in Hadoop's LZ4, which nothing writes any more, and a migration that encodes a column of it again."""
    folder = tmp_path / "team"
    (folder / "data" / "old").mkdir(parents=True)
    shutil.copy(conformance / "parquet-testing" / "data" / "hadoop_lz4_compressed.parquet", folder / "data" / "old")
    assert instar("init", "--from", "data/old", at=folder).code == 0
    script = '"""A number."""\nfrom instar import op\nupgrade = [op.require("v11", fill=0.5)]\n'
    (folder / "migrations" / "old").mkdir()
    (folder / "migrations" / "old" / "0002_number.py").write_text(script)
    assert instar("register", "old", at=folder).code == 0
    return folder


def allow(folder: Path, code: str) -> None:
    with (folder / "instar.toml").open("a") as file:
        file.write(f'\n[datasets.old.fidelity]\nallow = ["{code}"]\n')


def test_what_cannot_be_kept_refuses_and_names_the_way_out(hadoop: Path, instar: Callable[..., Answer]) -> None:
    before = data_tree(hadoop)
    answer = instar("upgrade", "old", "--json", at=hadoop)
    assert answer.code == 1
    assert 'allow = ["parquet.codec"]' in answer.json["error"]["hint"]
    assert data_tree(hadoop) == before


def test_what_is_allowed_is_reported_and_passes_the_proof(hadoop: Path, instar: Callable[..., Answer]) -> None:
    allow(hadoop, "parquet.codec")
    values = pq.read_table(hadoop / "data" / "old")["c0"].to_pylist()
    report = instar("upgrade", "old", "--json", at=hadoop).json
    assert report["proof"]["verdict"] == "proved"
    assert {found["code"] for found in report["proof"]["checks"][0]["allowed"]} == {"parquet.codec"}
    assert any("allowed: parquet.codec" in note for note in report["notes"])
    assert pq.read_table(hadoop / "data" / "old")["c0"].to_pylist() == values


@pytest.mark.parametrize(
    ("code", "word"), [("parquet.codecs", "'parquet.codec'"), ("parquet.schema", "Remove it"), ("json.bom", "parquet.")]
)
def test_a_code_that_says_nothing_or_too_much_is_refused(hadoop: Path, instar: Callable[..., Answer], code: str, word: str) -> None:
    allow(hadoop, code)
    answer = instar("plan", "old", "--json", at=hadoop)
    assert answer.code == 2
    assert word in answer.json["error"]["hint"]
