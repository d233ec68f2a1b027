"""What the commands have in common: their options, and how a command finds its project and shows its answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from instar.transforms.dataset import Dataset
    from instar.transforms.project import Project

F = TypeVar("F", bound=Callable[..., Any])


def verb(name: str, *, examples: str = "", negative_numbers: bool = False) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with `--json` and `-v`, whose help ends with examples (one a line); `negative_numbers`: -1 is an argument."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "ignore_unknown_options": negative_numbers}

    def made(function: Callable[..., Any]) -> click.Command:
        shown = "\n".join(f"  {line}" for line in examples.strip().splitlines())
        about = inspect.cleandoc(function.__doc__ or "")
        function.__doc__ = f"{about}\n\n\b\nExamples:\n{shown}\n" if shown else about
        command = click.command(name, context_settings=settings)(function)
        command.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Answer with one JSON object on stdout, nothing else."),
            click.Option(["-v", "--verbose"], is_flag=True, help="Say more; show the traceback of a fault."),
        ]
        return command

    return made


def opened(folder: Path) -> Project:
    """The project that `folder` is in."""
    from instar.transforms.configuration import find_project
    from instar.transforms.project import open_project

    return open_project(find_project(folder))


def chosen(project: Project, name: str | None, shadow: Path | None = None) -> Dataset:
    """The dataset named, or the only one there is; with `shadow` its runs are those that build another tree there."""
    found = _named(project, name)
    return found.shadowed(shadow) if shadow else found


def _named(project: Project, name: str | None) -> Dataset:
    from instar.formats.errors import UsageError

    if name is not None:
        return project.dataset(name)
    known = project.datasets()
    if len(known) == 1:
        return known[0]
    raise UsageError(
        "which dataset? " + (f"There are {', '.join(one.name for one in known)}." if known else "instar.toml has none."),
        hint="Name one of them." if known else "Adopt a directory with: instar init --from DIR",
    )


def running(function: F) -> F:
    """The options of the verbs that rewrite data."""
    for option in (
        click.option(
            "--skip-unreadable",
            is_flag=True,
            default=None,
            help="Leave files that cannot be read as they are, and name them; else they fail the run.",
        ),
        click.option(
            "--method",
            type=click.Choice(["exchange", "replace", "shadow"]),
            help="How to publish. [default: the best that works here]",
        ),
        click.option(
            "--max-errors",
            metavar="N|P%",
            help="Fail all the same where more records than these would be left out. [default: instar.toml's, else any number]",
        ),
        click.option(
            "--on-error",
            type=click.Choice(["fail", "quarantine"]),
            help="What becomes of records that cannot be migrated. [default: instar.toml's, else fail]",
        ),
    ):
        function = option(function)
    return working(shadowing(function))


def shadowing(function: F) -> F:
    """The option that says where another tree is built."""
    return click.option(
        "--shadow",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Speak of the new tree in DIR; DATASET itself is only read. [default: instar.toml's]",
    )(function)


def batching(function: F) -> F:
    """The options of the verbs that can publish part by part."""
    for option in (
        click.option("--batch-bytes", metavar="SIZE", help="So many source bytes at a time, such as 50GB."),
        click.option(
            "--batch-files",
            type=click.IntRange(1),
            metavar="N",
            help="Publish by replace, N files at a time: each batch is staged, proved and published before the next.",
        ),
    ):
        function = option(function)
    return function


def working(function: F) -> F:
    """The options of the verbs that prove data."""
    for option in (
        click.option(
            "--workers",
            type=click.IntRange(1),
            metavar="N",
            help="Processes that work side by side. [default: instar.toml's, else one a core, fewer for little data]",
        ),
        click.option(
            "--memory",
            metavar="SIZE",
            help="Budget for all of them and DuckDB together, such as 2GB. [default: instar.toml's, else 1GB]",
        ),
        click.option(
            "--proof", type=click.Choice(["auto", "full"]), default="auto", show_default=True, help="full: recompute every column."
        ),
        click.option(
            "--examples",
            type=click.IntRange(0),
            metavar="N",
            help="Records that are shown of each column that a proof finds to differ. [default: 5]",
        ),
    ):
        function = option(function)
    return function


def run_options(dataset: Dataset, **given: Any) -> Any:
    """The `Options` of a run: the command line's, then the dataset's own; then as many workers as its bytes are worth, up to one a
    core."""
    from instar.transforms.configuration import parse_size
    from instar.transforms.estimate import workers_worth
    from instar.transforms.job import Options

    sizes = {key: given.pop(key) for key in ("memory", "batch_bytes") if given.get(key) is not None}
    given["workers"] = given["workers"] or dataset.settings.workers
    if not given["workers"]:
        given |= {"workers": workers_worth(dataset.settings.path, cores()), "at_most": True}
    known = {key: value for key, value in given.items() if value is not None}
    known.update({key: parse_size(size) for key, size in sizes.items()})
    return Options(**known)


def cores() -> int:
    """As many workers as this process may use cores."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
