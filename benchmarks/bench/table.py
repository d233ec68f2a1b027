"""The results as Markdown: a table a group of cases, and where it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench.summary import spelled

Results = Mapping[str, Any]
OTHERS = ("pyarrow", "DuckDB", "polars", "fastavro", "orjson loop", "jq")
"""What a user would pick instead."""


def page(results: Results) -> str:
    """All of it."""
    parts = ["# Benchmark\n", how(results)]
    for group, cases in grouped(results["cases"].values()).items():
        parts += [f"\n## {group}\n", table(cases)]
    parts += ["\n" + where(results)]
    return "\n".join(parts) + "\n"


def grouped(cases: Any) -> dict[str, list[Results]]:
    groups: dict[str, list[Results]] = {}
    for case in cases:
        groups.setdefault(case["group"], []).append(case)
    return groups


def table(cases: Sequence[Results]) -> str:
    """One row a case. The first tool's time, then of every other: its time, and how many times the first tool's that is."""
    names: list[str] = []
    for case in cases:
        names += [name for name in (*case["tools"], *case["missing"]) if name not in names]
    head = ["case", *names, "peak memory, MB", "target", "reached"]
    rows = [[title(case), *(cell(case, name) for name in names), memory(case), *targets(case)] for case in cases]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def title(case: Results) -> str:
    data = case["data"]
    files = f"{data['files']:,} files, " if data["files"] > 1 else ""
    return f"{case['title']}<br>{files}{data['rows']:,} rows, {data['bytes'] / 1e6:,.0f} MB"


def compared(results: Results) -> list[Results]:
    """The cases in which other tools do the same work, and not only `cp`, or Instar itself."""
    every = [(case, list(case["tools"])) for case in results["cases"].values()]
    return [case for case, tools in every if {*OTHERS} & set(tools) and not tools[0].startswith("proof")]


def named(case: Results) -> str:
    """Where the groups do not stand above: the format and the codec, and what was done."""
    parts = [part.strip().removeprefix("codec ") for part in case["group"].split(",")]
    return f"{' '.join(parts[:2]) if parts[0] in ('Parquet', 'Avro') else parts[0]}: {case['title']}"


def cell(case: Results, name: str) -> str:
    """Seconds of wall and processor time; then the ratio by the case's clock, with its spread."""
    if name in case["missing"]:
        return "missing"
    tool = case["tools"].get(name)
    if tool is None:
        return ""
    count = sum(run is not None for run in tool["runs"])
    runs = "" if count == len(tool["runs"]) else f", {count} run{'s' * (count > 1)}"
    way = f", {tool['told']['way']}" if "way" in tool["told"] else ""
    time = f"{seconds(tool['wall'])}, {seconds(tool['cpu'])} CPU{runs}{way}"
    if name == next(iter(case["tools"])):
        return time
    times = tool[f"times_{case['clock']}"]
    spread = f" ({spelled(times['low'])}–{spelled(times['high'])})" if count > 1 else ""
    return f"**{spelled(times['value'])} ×**{spread}<br>{time}"


def seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def memory(case: Results) -> str:
    return ", ".join(f"{name} {tool['peak'] / 1e6:,.0f}" for name, tool in case["tools"].items() if name != "cp")


def targets(case: Results) -> list[str]:
    each = case["targets"]
    return [
        "<br>".join(target["wanted"] for target in each),
        "<br>".join(f"{target['measured']} {'✓' if target['met'] else '✗ not met'}" for target in each),
    ]


def how(results: Results) -> str:
    rounds = max((len(tool["runs"]) for case in results["cases"].values() for tool in case["tools"].values()), default=0)
    return (
        f"Medians of up to {rounds} runs a tool, in turns, each in a fresh process that has imported its libraries and done the\n"
        "work once on a small file before the clock starts; but `instar upgrade` is measured from the start of its process, as\n"
        "pip installs it: with what Instar depends on and nothing else. Warm page cache; nobody else calls fsync. One core: the\n"
        "process is pinned to it. × says how many times the first tool's time (wall; CPU for Avro, JSON and proofs) the tool\n"
        "takes, in brackets the least and the greatest of the rounds. Memory is the peak of the whole process, libraries\n"
        "included. Every output was compared with the others by value. zstd is at level 1 everywhere. A tool that had its time\n"
        "in a case has fewer runs."
    )


def where(results: Results) -> str:
    known = results["environment"]
    versions = ", ".join(
        f"{name} {value}" for name, value in known.items() if name not in ("processor", "cores", "memory", "system", "cp", "jq")
    )
    programs = ", ".join(known[name] for name in ("cp", "jq") if name in known)
    environments = [
        f"{name}: {tool['told']['measured_in']}"
        for case in results["cases"].values()
        for name, tool in case["tools"].items()
        if "measured_in" in tool["told"]
    ]
    commands = sorted({f"`{case['command']}` at {case['commit']}, {case['measured']}" for case in results["cases"].values()})
    return (
        f"{known['processor']}, {known['cores']} cores, {known['memory']}, {known['system']}. {versions}; {programs}.\n\n"
        + "\n".join(f"- {line}" for line in (*dict.fromkeys(environments), *commands))
    )
