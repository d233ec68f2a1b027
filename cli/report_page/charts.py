"""The page's charts: SVG by matplotlib, text as text, colours as the page's CSS variables."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

COLOURS = {"#0a0001": "--old", "#0a0002": "--new", "#0a0003": "--muted", "#0a0004": "--line"}
"""What is drawn in, and the CSS variables that take its place: the page knows whether it is light or dark."""
OLD, NEW, MUTED, LINE = COLOURS
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 9, "font.family": "sans-serif",
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED, "axes.labelsize": 9, "xtick.color": MUTED, "ytick.color": MUTED, "text.color": MUTED,
    "xtick.major.size": 0, "ytick.major.size": 0, "axes.axisbelow": True,
}  # fmt: skip


def histogram(side: Mapping[str, Any], *, new: bool, label: str) -> str:
    """The bins of one side of a profiled column, each side at its own scale: bins before and after are not of one width."""
    bins = side["bins"]
    most = max(bin["count"] for bin in bins)
    with _drawing(5.2, 1.7, label) as (axes, done):
        axes.bar(range(len(bins)), [bin["count"] for bin in bins], width=0.86, color=NEW if new else OLD, align="edge")
        axes.set_xlim(-0.1, max(len(bins), 6))
        axes.set_ylim(0, most * 1.04)
        axes.set_yticks([])
        axes.set_xticks([])
    return done[0]


def cumulative(moments: Sequence[tuple[float, float]], unit: str, label: str) -> str:
    """How much was done after so many seconds, from nothing on."""
    with _drawing(9.5, 2.3, label) as (axes, done):
        times, amounts = [0.0, *(at for at, _ in moments)], [0.0, *(amount for _, amount in moments)]
        axes.fill_between(times, amounts, color=NEW, alpha=0.18, linewidth=0)
        axes.plot(times, amounts, color=NEW, linewidth=1.8)
        _axes(axes, "seconds", unit)
    return done[0]


def rates(values: Sequence[float], unit: str, label: str) -> str:
    """How fast each file was written, in their order."""
    with _drawing(9.5, 2.3, label) as (axes, done):
        axes.bar(range(1, len(values) + 1), values, width=0.8, color=NEW)
        _axes(axes, "files, in the order of their names", unit)
        axes.set_xlim(0.3, max(len(values), 8) + 0.7)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return done[0]


def spreads(queries: Sequence[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]], label: str) -> str:
    """Query times on a logarithmic scale, old above new: the median, half of all times (thick) and all of them (thin).

    The queries are numbered: their names stand beside the chart, where they can be of any length and script."""
    from matplotlib.ticker import LogLocator, NullLocator

    with _drawing(9.5, 0.6 + 0.45 * len(queries), label) as (axes, done):
        for number, (_, old, new) in enumerate(queries):
            for times, colour, at in ((old, OLD, number - 0.16), (new, NEW, number + 0.16)):
                if times and times.get("range_ms"):
                    axes.plot(times["range_ms"], [at, at], color=colour, linewidth=1.2)
                    axes.plot(times["quartiles_ms"], [at, at], color=colour, linewidth=5, solid_capstyle="butt")
                if times:
                    axes.plot([times["median_ms"]], [at], marker="o" if colour == NEW else "s", color=colour, markersize=6)
        axes.set_xscale("log")
        axes.set_yticks(range(len(queries)), [str(number) for number in range(1, len(queries) + 1)])
        axes.set_ylim(len(queries) - 0.5, -0.5)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(_plain)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_xlabel("milliseconds")
    return done[0]


def _plain(value: float, position: Any) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _axes(axes: Any, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_title(up, loc="left", fontsize=9, color=MUTED)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:g}")
    axes.yaxis.get_major_locator().set_params(nbins=4)


@contextmanager
def _drawing(width: float, height: float, label: str) -> Iterator[tuple[Any, list[str]]]:
    """Axes of so many inches; when they are drawn, their SVG stands in the list. The same drawing gives the same SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    done: list[str] = []
    settings: Any = {**_SETTINGS, "svg.hashsalt": label}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots(), done
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    done.append(_for_the_page(out.getvalue(), label))


def _for_the_page(svg: str, label: str) -> str:
    """Only the drawing, as large as its place, with a name, its colours the page's, and ids that no other drawing has."""
    from html import escape
    from zlib import crc32

    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>| font-family: [^;]*;", "", drawing, flags=re.DOTALL)
    named = f'role="img" aria-label="{escape(label)}">'
    drawing = re.sub(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda found: f"<svg {found[1]} {named}", drawing, count=1)
    for colour, variable in COLOURS.items():
        drawing = drawing.replace(colour, f"var({variable})")
    own = f"c{crc32(label.encode()):08x}-"
    drawing = re.sub(r'\bid="', f'id="{own}', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\g<1>{own}", drawing)
    return re.sub(r">\s+<", "><", drawing).strip()
