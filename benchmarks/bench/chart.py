"""The results as a chart: how many times as long as Instar each tool takes, on a logarithmic scale, with the spread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench.table import compared, named

INK = "#7f8790"
"""Of text and lines: readable on white and on black, for the background is left out."""
COLOURS = {
    "pyarrow": "#d9822b", "DuckDB": "#b08d00", "polars": "#3d85d6", "fastavro": "#c2549d", "orjson loop": "#3a9e5c",
    "jq": "#8e6fd0", "cp": INK,
}  # fmt: skip
MARKS = {"pyarrow": "o", "DuckDB": "s", "polars": "D", "fastavro": "^", "orjson loop": "v", "jq": "P", "cp": "|"}


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """chart.svg and chart.png, of the cases in which other tools do the same work."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "instar", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    from matplotlib import pyplot as plt

    cases = compared(results)
    figure, axes = plt.subplots(figsize=(8.2, 1.1 + 0.27 * len(cases)), layout="constrained")
    shown: dict[str, Any] = {}
    for i, case in enumerate(cases):
        for name, tool in case["tools"].items():
            if name not in COLOURS:
                continue
            times = tool[f"times_{case['clock']}"]
            error = [[times["value"] - min(times["low"], times["value"])], [max(times["high"], times["value"]) - times["value"]]]
            shown[name] = axes.errorbar(
                times["value"], -i, xerr=error, fmt=MARKS[name], color=COLOURS[name], markersize=6, elinewidth=1.2, label=name
            )
    axes.axvline(1, color=INK, linewidth=1.5)
    axes.set_xscale("log")
    axes.set_yticks([-i for i in range(len(cases))], [named(case) for case in cases])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
    axes.set_xlabel("times as long as Instar (the line at 1); to the right is slower")
    axes.grid(axis="x", color=INK, alpha=0.35, linewidth=0.6)
    order = [name for name in COLOURS if name in shown]
    figure.legend([shown[name] for name in order], order, loc="outside upper center", ncols=7, frameon=False, labelcolor=INK)
    dye(axes)
    for name in ("chart.svg", "chart.png"):
        metadata = {"Date": None} if name.endswith("svg") else {}
        figure.savefig(folder / name, transparent=True, dpi=160, metadata=metadata)
    plt.close(figure)


def dye(axes: Any) -> None:
    axes.tick_params(colors=INK, which="both")
    axes.xaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side == "bottom")
