"""`instar rollback`: the files exactly as they were before the last run."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets
from instar.cli.options import chosen, opened, verb

EXAMPLES = """
instar rollback flights
"""


@verb("rollback", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.pass_obj
def command(folder: Path, dataset: str | None, as_json: bool, verbose: bool) -> None:
    """Restore DATASET from the snapshot of its last run, byte for byte, and record that as a new run.

    Refuses, naming them, when files were added or changed since.
    """
    from instar.cli.output import show

    show(chosen(opened(folder), dataset).rollback(), as_json, verbose=verbose)
