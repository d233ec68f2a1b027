"""What a shell completes beside commands and options: datasets, subjects, versions and runs of the project that one is in.

Nothing here reads data files or imports a library that does. Where there is no project, or it is broken, there is nothing to
complete: the person is in the middle of a line, and the command itself will say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from instar.transforms.configuration import Configuration

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(names: Callable[[click.Context], Iterable[str]]) -> Completer:
    """Those of the names that begin with what was typed; none where anything goes wrong."""

    @wraps(names)
    def completer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            return [name for name in names(ctx) if name.startswith(incomplete)]
        except Exception:  # a traceback into the line that is being typed helps nobody
            return []

    return completer


@_completing
def datasets(ctx: click.Context) -> Iterable[str]:
    return sorted(_configuration(ctx).datasets)


def datasets_or_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Both kinds of names, as far as a shell takes both: files where no dataset begins so."""
    found = datasets(ctx, param, incomplete)
    return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")]


@_completing
def subjects(ctx: click.Context) -> Iterable[str]:
    from instar.formats.registry import Registry

    return Registry(_configuration(ctx).schemas).subjects()


@_completing
def versions(ctx: click.Context) -> Iterable[str]:
    """Of the subject, or of the dataset's, that the line names; of all datasets' where it names none so far."""
    from instar.formats.registry import Registry

    configuration = _configuration(ctx)
    subject, dataset = ctx.params.get("subject"), ctx.params.get("dataset") or ctx.params.get("source")
    named = [configuration.dataset(dataset)] if dataset else configuration.datasets.values()
    registry = Registry(configuration.schemas)
    known = {v for of in ([subject] if subject else [d.subject for d in named]) for v in registry.versions(of)}
    return map(str, sorted(known))


@_completing
def runs(ctx: click.Context) -> Iterable[str]:
    """Of the dataset that the line names, the newest first."""
    return _runs(_configuration(ctx), ctx.params["dataset"])


@_completing
def datasets_and_runs(ctx: click.Context) -> Iterable[str]:
    configuration = _configuration(ctx)
    names = sorted(configuration.datasets)
    return [*names, *(run for name in names for run in _runs(configuration, name))]


def _configuration(ctx: click.Context) -> Configuration:
    from instar.transforms.configuration import find_project, load

    return load(find_project(Path(ctx.find_root().params.get("folder") or ".").resolve()))


def _runs(configuration: Configuration, dataset: str) -> list[str]:
    from instar.formats.discover import state_folder
    from instar.transforms.run.state import State, run_folders

    settings = configuration.dataset(dataset)
    return [run.id for run in reversed(run_folders(State(state_folder(settings.path.resolve(), settings.state))))]
