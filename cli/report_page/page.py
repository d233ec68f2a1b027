"""An account as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.cli.layout import counted, duration, size
from instar.cli.report_page import sections
from instar.cli.report_page.words import verdict
from instar.formats.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
HINT = "Install what it is made with: pip install 'instar[report]'"


def run_page(told: Mapping[str, Any]) -> str:
    """The page of one run.

    Raises:
        UsageError: what pages are made with is not installed.
    """
    template = _environment().get_template("run.html")
    try:
        return template.render(
            told=told,
            verdict=verdict(told),
            figures=sections.figures(told),
            steps=sections.schema_steps(told),
            columns=sections.columns(told),
            broken=sections.broken(told),
            profiled=sections.profiled(told),
            gates=told["gates"],
            audited=sections.audited(told),
            properties=sections.properties(told),
            pace=sections.pace(told),
            moments=sections.moments(told),
            reasons=sections.reasons(told),
            commands=sections.commands(told),
        )
    except ModuleNotFoundError as error:
        raise _missing(error) from error


def index_page(project: str, accounts: Sequence[Mapping[str, Any]], links: Mapping[str, str]) -> str:
    """All runs of a project, by dataset, the newest first; `links`: where the page of a run is, by its id.

    Raises:
        UsageError: what pages are made with is not installed.
    """
    datasets: dict[str, list[dict[str, Any]]] = {}
    for told in sorted(accounts, key=lambda told: str(told["run"]), reverse=True):
        row = {"told": told, "verdict": verdict(told), "link": links.get(str(told["run"]))}
        datasets.setdefault(str(told["dataset"]), []).append(row)
    return _environment().get_template("index.html").render(project=project, datasets=dict(sorted(datasets.items())))


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"number": lambda value: "?" if value is None else f"{value:,}", "size": size, "duration": duration}
    made.filters |= {"moment": lambda text: text[:19].replace("T", " "), "counted": lambda n, one, many="": counted(n, one, many)}
    made.filters |= {"shown": sections.shown, "short": lambda value: f"{value:.3g}" if value < 1000 else f"{value:,.0f}"}
    return made


def _missing(error: ModuleNotFoundError) -> UsageError:
    return UsageError(f"{error.name} is not installed, which pages are made with", hint=HINT)
