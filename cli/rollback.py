"""`instar rollback`: the files exactly as they were before the last run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets
from instar.cli.options import chosen, opened, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar rollback flights
"""


@verb("rollback", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@as_job
@click.pass_obj
def command(folder: Path, dataset: str | None, as_json: bool, verbose: bool, progress: Progress) -> None:
    """Restore DATASET from the snapshot of its last run, byte for byte, and record that as a new run.

    Refuses, naming them, when files were added or changed since.
    """
    from instar.cli.output import show

    show(chosen(opened(folder), dataset).rollback(progress=progress), as_json, verbose=verbose)
