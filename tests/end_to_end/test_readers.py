"""Readers in processes of their own while runs publish, as `make readers` counts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "readers.py"
PROMISED = {"one file by its name", "instar: dataset.scan"}
COUNTED = {f"duckdb glob{way}" for way in ("", ", union_by_name", ", columns of both")}
COUNTED |= {f"pyarrow dataset{way}" for way in ("", ", columns of both")}


def counted(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(BENCHMARK), "--json", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("publishes", "methods"),
    [(4, ["exchange", "replace"]), pytest.param(200, ["exchange", "exchange-names", "replace"], marks=pytest.mark.slow)],
)
def test_a_name_means_one_whole_file_and_a_scan_never_mixes_whatever_is_published(publishes: int, methods: list[str]) -> None:
    arguments = ("--publishes", str(publishes), "--methods", *methods, "--files", "6")
    found = counted(*arguments, "--readers", "path,scan", "duckdb,pyarrow")
    assert set(found) == set(methods)
    for method, measure in found.items():
        assert measure["publishes"] == publishes
        assert set(measure["reads"]) == PROMISED | COUNTED
        for reader in PROMISED:
            gone = {"gone"} if method == "exchange-names" and reader.startswith("one file") else set[str]()
            assert {"clean"} <= set(measure["reads"][reader]) <= {"clean"} | gone
        assert sum(sum(outcomes.values()) for outcomes in measure["during"].values()) > 0
