"""`instar verify OLD NEW`: two directories or files held against each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from instar.cli.names import subjects

if TYPE_CHECKING:
    from instar.transforms.comparison.report import ComparisonReport
    from instar.transforms.progress import Progress
    from instar.transforms.project import Project

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = ("subject", "from_", "to", "key", "unordered", "level")


def comparing(function: F) -> F:
    """The options of a comparison."""
    for option in (
        click.option(
            "--level",
            type=click.Choice(["counts", "auto", "full"]),
            help="counts: statistics of each column only; full: both these and all values. [default: auto]",
        ),
        click.option("--unordered", is_flag=True, help="Records may stand anywhere, in any order; how often each occurs counts."),
        click.option("--key", metavar="A,B", help="Columns that tell records apart, wherever they stand."),
        click.option("--to", "to", type=int, metavar="M", help="The version of NEW. [default: the newest]"),
        click.option("--from", "from_", type=int, metavar="N", help="The version of OLD."),
        click.option("--subject", metavar="SUBJECT", shell_complete=subjects, help="OLD goes through its migrations first."),
    ):
        function = option(function)
    return function


def two_sides(first: str | None, second: str | None, given: dict[str, Any]) -> tuple[Path, Path] | None:
    """The two paths, where two are meant; None for a dataset and its run.

    Raises:
        UsageError: one of the two is not there.
    """
    if first is not None and second is not None and Path(first).exists() and Path(second).exists():
        return Path(first), Path(second)
    from instar.formats.errors import UsageError

    asked = [f"--{name.rstrip('_')}" for name in OPTIONS if given.get(name)]
    plain = second is None or re.match(r"\d{8}-\d{6}-", second)
    if not asked and (plain or not (first and Path(first).exists())):
        return None
    if first is None or second is None:
        run = " A run is proved in full by --proof full." if given.get("level") == "full" else ""
        raise UsageError(
            f"{asked[0]} is for comparing two sides", hint=f"Name both: instar verify OLD NEW{'.' if run else ''}{run}"
        )
    missing = first if not Path(first).exists() else second
    raise UsageError(f"there is nothing at {missing}", hint="Name two directories, or two files: instar verify OLD NEW")


def compare_sides(
    folder: Path, sides: tuple[Path, Path], given: dict[str, Any], options: dict[str, Any], progress: Progress
) -> ComparisonReport:
    """The report of a comparison. No project is needed where no subject is named."""
    from instar.cli.options import cores
    from instar.cli.reading import names
    from instar.transforms.configuration import parse_size
    from instar.transforms.estimate import workers_worth
    from instar.transforms.project import compare_sides as compare

    level = given["level"] or options.get("proof") or "auto"
    asked: dict[str, Any] = {
        "level": level,
        "key": names(given["key"], "--key"),
        "unordered": given["unordered"],
        "memory": parse_size(options["memory"]) if options.get("memory") else 0,
        "workers": options.get("workers") or workers_worth(sides[0], cores()),
        "progress": progress,
    }
    if options.get("examples") is not None:
        asked["examples"] = options["examples"]
    if given["subject"] is None:
        if given["from_"] is not None or given["to"] is not None:
            from instar.formats.errors import UsageError

            raise UsageError("versions of which subject?", hint="Say --subject SUBJECT, or leave --from and --to out.")
        return compare(*sides, **asked)
    return _project(folder).compare(*sides, subject=given["subject"], from_=given["from_"], to=given["to"], **asked)


def show_compared(report: ComparisonReport, as_json: bool, *, verbose: bool) -> None:
    """For people or as JSON."""
    from instar.cli.output import console, echo_json

    if as_json:
        echo_json(report.as_json())
        return
    from instar.cli.show_comparison import show_comparison

    show_comparison(console(), report, verbose=verbose)


def _project(folder: Path) -> Project:
    from instar.cli.options import opened

    return opened(folder)
