"""`instar downgrade`: bring a dataset back to an older version."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.options import chosen, cores, opened, run_options, running, verb

EXAMPLES = """
instar downgrade flights 1
instar downgrade flights -1
"""


@verb("downgrade", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset")
@click.argument("version")
@running
@click.pass_obj
def command(folder: Path, dataset: str, version: str, as_json: bool, verbose: bool, **options: object) -> None:
    """Bring every file of DATASET back to VERSION (a number or -N) through the migrations' ways back.

    The way back is derived from each migration; what it cannot recover is named by `instar check` and in the plan. It keeps records
    that arrived since the upgrade; `instar rollback` restores the old files instead.
    """
    from instar.cli.output import show
    from instar.cli.progress import shown_progress

    options["workers"] = options["workers"] or cores()
    with shown_progress(as_json) as progress:
        report = chosen(opened(folder), dataset).downgrade(version, options=run_options(**options), progress=progress)
    show(report, as_json, verbose=verbose)
