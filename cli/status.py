"""`instar status`: which file is at which version."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets
from instar.cli.options import chosen, opened, shadowing, verb

EXAMPLES = """
instar status                                  every dataset of the project
instar status flights --json
"""


@verb("status", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@shadowing
@click.pass_obj
def command(folder: Path, dataset: str | None, shadow: Path | None, as_json: bool, verbose: bool) -> None:
    """Show which files of DATASET are at which version, what is pending, and what is odd. Writes nothing."""
    from instar.cli.output import show_all

    project = opened(folder)
    datasets = [chosen(project, dataset, shadow)] if dataset or shadow else project.datasets()
    show_all([found.status() for found in datasets], as_json, one=dataset is not None, verbose=verbose)
