"""Puts the results into the README, between its markers: the chart, a short table, where it was measured and by which command.

python -m benchmarks.bench.readme
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.bench.environment import CHECKOUT
from benchmarks.bench.summary import spelled
from benchmarks.bench.table import OTHERS, compared, named, seconds

BEGIN, END = "<!-- benchmark: written by python -m benchmarks.bench.readme -->", "<!-- benchmark ends -->"
RESULTS = CHECKOUT / "benchmarks" / "results"


def main() -> None:
    readme = CHECKOUT / "README.md"
    results = json.loads((RESULTS / "results.json").read_text())
    text = readme.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{readme} has no place for the results: {BEGIN} … {END}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    readme.write_text(before + BEGIN + "\n" + section(results) + END + after)


def section(results: Mapping[str, Any]) -> str:
    """The chart, and a line a case: Instar first, then the others from the fastest to the slowest, and `cp`, which only copies."""
    rows = [
        f"| {named(case)} | {case['data']['rows']:,} | {time(case)} | {others(case)} | {copying(case)} |"
        for case in compared(results)
    ]
    known = results["environment"]
    commands = " and ".join(dict.fromkeys(f"`{case['command']}`" for case in compared(results)))
    versions = ", ".join(f"{name} {known[name]}" for name in ("Python", "pyarrow", "duckdb", "polars", "fastavro", "orjson"))
    return "\n".join(
        [
            "![How many times as long as Instar other tools take](benchmarks/results/chart.svg)",
            "",
            "| work | records | Instar | others, × its time | `cp`, × its time |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Medians, one core each, two for the whole command. {known['processor']}, {known['cores']} cores, {known['memory']};",
            f"{versions}.",
            f"These figures are of {commands}; `make bench` runs each tool five times.",
            "[All of them](benchmarks/results/table.md), with spread, memory, the whole command and what is not reached, and",
            "[how they are measured](benchmarks/README.md).",
            "",
        ]
    )


def time(case: Mapping[str, Any]) -> str:
    clock, tool = case["clock"], next(iter(case["tools"].values()))
    return f"{seconds(tool[clock])}{' CPU' if clock == 'cpu' else ''}"


def others(case: Mapping[str, Any]) -> str:
    """From the fastest to the slowest; Instar's own are in the table of all."""
    tools = case["tools"].items()
    times = {name: tool[f"times_{case['clock']}"]["value"] for name, tool in tools if name.startswith(OTHERS)}
    return ", ".join(f"{name} {spelled(times[name])}" for name in sorted(times, key=lambda name: times[name]))


def copying(case: Mapping[str, Any]) -> str:
    tool = case["tools"].get("cp")
    return spelled(tool[f"times_{case['clock']}"]["value"]) if tool else ""


if __name__ == "__main__":
    main()
