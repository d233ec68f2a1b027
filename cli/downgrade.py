"""`instar downgrade`: bring a dataset back to an older version."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets, versions
from instar.cli.options import chosen, opened, run_options, running, verb

EXAMPLES = """
instar downgrade flights 1
instar downgrade flights -1
"""


@verb("downgrade", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset", shell_complete=datasets)
@click.argument("version", shell_complete=versions)
@running
@click.pass_obj
def command(folder: Path, dataset: str, version: str, as_json: bool, verbose: bool, **options: object) -> None:
    """Bring every file of DATASET back to VERSION (a number or -N) through the migrations' ways back.

    The way back is derived from each migration; what it cannot recover is named by `instar check` and in the plan. It keeps records
    that arrived since the upgrade; `instar rollback` restores the old files instead.
    """
    from instar.cli.output import show
    from instar.cli.progress import shown_progress

    found = chosen(opened(folder), dataset)
    with shown_progress(as_json) as progress:
        report = found.downgrade(version, options=run_options(found, **options), progress=progress)
    show(report, as_json, verbose=verbose)
