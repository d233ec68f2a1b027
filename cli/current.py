"""`instar current`: the version each dataset is at."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets
from instar.cli.options import opened, verb

EXAMPLES = """
instar current
instar current flights
"""


@verb("current", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.pass_obj
def command(folder: Path, dataset: str | None, as_json: bool, verbose: bool) -> None:
    """Show the version each dataset is at, in a line; a mixed one shows how many files are at each."""
    from instar.cli.output import show_current

    project = opened(folder)
    datasets = [project.dataset(dataset)] if dataset else project.datasets()
    show_current([found.status() for found in datasets], as_json)
