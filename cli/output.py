"""Reports for people (rich, on stdout) or as JSON; the only place that prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instar.formats.errors import Collected, InstarError, ProofError

if TYPE_CHECKING:
    from rich.console import Console

    from instar.transforms.answers import StatusReport


def show(report: Any, as_json: bool, *, verbose: bool = False) -> None:
    """One report object."""
    if as_json:
        echo_json(report.as_json())
        return
    from instar.cli.console import render

    render(console(), report, verbose=verbose)


def show_all(reports: Sequence[Any], as_json: bool, *, one: bool, verbose: bool = False) -> None:
    """Several reports of a kind; as JSON a list unless `one` was asked for."""
    if as_json:
        echo_json(reports[0].as_json() if one else [report.as_json() for report in reports])
        return
    for report in reports:
        show(report, False, verbose=verbose)


def show_current(reports: Sequence[StatusReport], as_json: bool) -> None:
    """A line a dataset."""
    if as_json:
        echo_json(
            [{"dataset": r.dataset, "newest": r.newest, "versions": {str(v.version): v.files for v in r.versions}} for r in reports]
        )
        return
    from instar.cli.layout import counted

    for r in reports:
        several = len(r.versions) > 1
        at = ", ".join(f"version {v.version}" + (f" ({counted(v.files, 'file')})" if several else "") for v in r.versions)
        newest = " (newest)" if [v.version for v in r.versions] == [r.newest] else f", newest is {r.newest}"
        odd = f", {counted(len(r.problems), 'file')} of no known version" if r.problems else ""
        click.echo(f"{r.dataset}: {at or 'no data files'}{newest if r.versions else ''}{odd}")


def show_made(path: Path, then: str, as_json: bool) -> None:
    """A file that a command wrote for the user to go on with."""
    if as_json:
        echo_json({"path": str(path)})
    else:
        click.echo(f"Wrote {path}\n{then}")


def show_text(name: str, text: str, as_json: bool, **facts: Any) -> None:
    """A text that is the answer, as it is."""
    if as_json:
        echo_json({**facts, name: text})
    else:
        click.echo(text, nl=False)


def echo_json(value: Any) -> None:
    from instar.transforms.report import json_text

    click.echo(json_text(value, _plain), nl=False)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} in a report")


def error_json(error: InstarError, code: int) -> dict[str, Any]:
    """What a failure is with `--json`; several collected ones stand under `errors`."""
    where = {k: v for k, v in (error.where.__dict__ if error.where else {}).items() if v is not None}
    out: dict[str, Any] = {"message": str(error), "hint": error.hint, "where": where, "exit": code}
    if isinstance(error, Collected):
        out["errors"] = [error_json(inner, code) for inner in error.errors]
    if isinstance(error, ProofError) and error.examples:
        out["examples"] = list(error.examples)
    return out


SHOWN_ERRORS = 20


def show_error(error: InstarError) -> None:
    """On stderr: what, where, and what to do next."""
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(str(error), err=True)
    _show_examples(error)
    if isinstance(error, Collected):
        for inner in error.errors[:SHOWN_ERRORS]:
            click.echo(f"  {inner}", err=True)
            _show_examples(inner)
            if inner.hint and inner.hint != error.hint:
                click.echo(f"    {inner.hint}", err=True)
        if len(error.errors) > SHOWN_ERRORS:
            click.echo(f"  … and {len(error.errors) - SHOWN_ERRORS} more; --json lists all", err=True)
    if error.hint:
        click.echo(error.hint, err=True)


def _show_examples(error: InstarError) -> None:
    """Where a proof failed: the first records that differ."""
    if not isinstance(error, ProofError) or not error.examples:
        return
    from instar.cli.examples import told_lines

    for line in told_lines(error.examples):
        click.echo(line, err=True)


def console() -> Console:
    """Where people read."""
    import sys

    from rich.console import Console

    class Heard(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # `main` answers it for all commands alike; rich would exit with 1

    # a table that is piped or redirected keeps a line for each row, however long
    return Heard(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 10_000)
