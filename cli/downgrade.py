"""`instar downgrade`: bring a dataset back to an older version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets, versions
from instar.cli.options import batching, chosen, opened, run_options, running, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar downgrade flights 1
instar downgrade flights -1
"""


@verb("downgrade", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset", shell_complete=datasets)
@click.argument("version", shell_complete=versions)
@running
@batching
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str,
    version: str,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
    **options: object,
) -> None:
    """Bring every file of DATASET back to VERSION (a number or -N) through the migrations' ways back.

    The way back is derived from each migration; what it cannot recover is named by `instar check` and in the plan. It keeps records
    that arrived since the upgrade; `instar rollback` restores the old files instead.
    """
    from instar.cli.output import show

    found = chosen(opened(folder), dataset, shadow)
    report = found.downgrade(version, options=run_options(found, **options), progress=progress)
    show(report, as_json, verbose=verbose)
