"""`instar report`: a run, or all runs, told for people: on the console, as a page, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instar.cli.names import datasets_and_runs, runs
from instar.cli.options import chosen, opened, shadowing, verb
from instar.cli.verify import meant

if TYPE_CHECKING:
    from instar.transforms.project import Project

EXAMPLES = """
instar report flights                          its last run
instar report 20261121-222141-166230           a run that `instar runs` lists
instar report flights --html flights.html      one page for who owns the data; --open shows it
instar report --list                           the runs of all datasets
instar report --all --html reports             a page of every run, and index.html over them
"""


@verb("report", examples=EXAMPLES)
@click.argument("dataset", metavar="[DATASET]", required=False, shell_complete=datasets_and_runs)
@click.argument("run", required=False, shell_complete=runs)
@click.option("--html", type=click.Path(path_type=Path), metavar="PATH", help="Write it as a page: one file, no network.")
@click.option("--open", "shown", is_flag=True, help="Show the page in the browser.")
@click.option("--list", "listed", is_flag=True, help="List all runs of the project, or of DATASET, with their verdicts.")
@click.option("--all", "every", is_flag=True, help="With --html: PATH is a folder for a page of every run, and an index.")
@shadowing
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    run: str | None,
    html: Path | None,
    shown: bool,
    listed: bool,
    every: bool,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Tell of a RUN of DATASET: the last one, unless it is named. Changes no data.

    What changed, how it was proved, what became of the values and the files, and how to go back: as the run wrote it into its
    report.json, and as far as its files are still there.
    """
    from instar.cli.output import echo_json

    _refuse_mixed(html=html, shown=shown, listed=listed, every=every, run=run)
    project = opened(folder)
    if listed or every:
        told = _all_runs(project, dataset, shadow)
        if not every or html is None:
            _list(told, as_json)
            return
        _written(_pages(project, told, html), shown, as_json)
        return
    found, id = meant(project, dataset, run)
    account = (found.shadowed(shadow) if shadow else found).account(id)
    if html is not None or shown:
        _written(_page(account.as_json(), html), shown, as_json)
    elif as_json:
        echo_json(account.as_json())
    else:
        from instar.cli.output import console
        from instar.cli.show_account import show_account

        show_account(console(), account.as_json(), verbose=verbose)


def _refuse_mixed(*, html: Path | None, shown: bool, listed: bool, every: bool, run: str | None) -> None:
    from instar.formats.errors import UsageError

    if (listed or every) and run is not None:
        raise UsageError("one run is named, and all are asked for", hint="Leave the run out, or --list and --all.")
    if listed and (html or shown or every):
        raise UsageError("--list is for the console", hint="A page over all runs: --all --html FOLDER")
    if every and html is None:
        raise UsageError("--all is for pages", hint="Say the folder for them with --html; --list lists all runs on the console.")


def _all_runs(project: Project, dataset: str | None, shadow: Path | None) -> list[dict[str, Any]]:
    found = [chosen(project, dataset, shadow)] if dataset else list(project.datasets())
    return [account.as_json() for each in found for account in each.accounts()]


def _list(told: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    from instar.cli.output import console, echo_json
    from instar.cli.report_page.words import verdict

    if as_json:
        keys = ("dataset", "run", "verb", "from", "to", "status", "rows_in", "rows_out", "rows_quarantined")
        echo_json(
            [
                {
                    **{key: each[key] for key in keys},
                    "started": each["provenance"]["started"],
                    "now": each["now"],
                    "verdict": verdict(each).headline,
                }
                for each in told
            ]
        )
        return
    from instar.cli.show_account import show_all_accounts

    show_all_accounts(console(), told)


def _page(told: Mapping[str, Any], html: Path | None) -> Path:
    """The page of one run: where it is asked for, else in a new folder for temporary files."""
    from instar.cli.report_page.page import run_page

    page = run_page(told)
    if html is None:
        import tempfile

        html = Path(tempfile.mkdtemp(prefix="instar-report-"))
    path = html / _name(told) if html.is_dir() else html
    _write(path, page)
    return path


def _pages(project: Project, told: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """A page of every run, and the index, which is answered with."""
    from instar.cli.report_page.page import index_page, run_page
    from instar.formats.errors import UsageError

    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="With --all, --html names a folder, which is made where there is none.")
    folder.mkdir(parents=True, exist_ok=True)
    for each in told:
        _write(folder / _name(each), run_page(each))
    index = folder / "index.html"
    _write(index, index_page(project.folder.name, told, {str(each["run"]): _name(each) for each in told}))
    return index


def _name(told: Mapping[str, Any]) -> str:
    import re

    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', told['dataset'])}-{told['run']}.html"


def _write(path: Path, page: str) -> None:
    from instar.formats.atomic import write_text
    from instar.formats.errors import UsageError

    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="Make it first, or name another place.")
    write_text(path, page.encode("utf-8", "backslashreplace").decode())


def _written(path: Path, shown: bool, as_json: bool) -> None:
    """Say where the page is; show it, where that is asked for."""
    from instar.cli.output import echo_json

    if shown:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    if as_json:
        echo_json({"path": str(path)})
    else:
        click.echo(f"Wrote {path}")
