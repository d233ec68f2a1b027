"""Where results are kept: results.json, and what is made of it. Cases measured later take the place of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench.cases import CASES
from benchmarks.bench.chart import draw
from benchmarks.bench.table import page


def merged(folder: Path, environment: Mapping[str, str], cases: Mapping[str, Any]) -> dict[str, Any]:
    """The cases with those that are kept in the folder, if they were measured in the same environment; in the suite's order."""
    file = folder / "results.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    earlier = kept["cases"] if kept.get("environment") == dict(environment) else {}
    every = {**earlier, **cases}
    return {"environment": dict(environment), "cases": {case.name: every[case.name] for case in CASES if case.name in every}}


def write(folder: Path, results: Mapping[str, Any]) -> None:
    """results.json, table.md, chart.svg and chart.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (folder / "table.md").write_text(page(results))
    draw(results, folder)
