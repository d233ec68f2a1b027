"""`instar runs`: what was done to a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets
from instar.cli.options import chosen, opened, shadowing, verb

EXAMPLES = """
instar runs flights
"""


@verb("runs", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@shadowing
@click.pass_obj
def command(folder: Path, dataset: str | None, shadow: Path | None, as_json: bool, verbose: bool) -> None:
    """List the runs of DATASET: what, when, by whom, how it ended, and the way back."""
    from instar.cli.output import show

    show(chosen(opened(folder), dataset, shadow).runs(), as_json, verbose=verbose)
