"""`instar runs`: what was done to a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets
from instar.cli.options import chosen, opened, verb

EXAMPLES = """
instar runs flights
"""


@verb("runs", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.pass_obj
def command(folder: Path, dataset: str | None, as_json: bool, verbose: bool) -> None:
    """List the runs of DATASET: what, when, by whom, how it ended, and the way back."""
    from instar.cli.output import show

    show(chosen(opened(folder), dataset).runs(), as_json, verbose=verbose)
