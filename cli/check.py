"""`instar check`: prove every migration against the registry, before any data is touched."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects
from instar.cli.options import opened, verb

EXAMPLES = """
instar check                                   all subjects; exit 2 if anything is wrong
instar check flights --json
"""


@verb("check", examples=EXAMPLES)
@click.argument("subject", required=False, shell_complete=subjects)
@click.pass_obj
def command(folder: Path, subject: str | None, as_json: bool, verbose: bool) -> None:
    """Prove that each script maps schema n exactly to schema n+1, and say what its way back would lose.

    Finds two scripts for one step, gaps, edited registered schemas and SQL that does not type-check. Reads no data.
    """
    from instar.cli.output import show

    report = opened(folder).check(subject)
    show(report, as_json)
    if not report.ok:
        raise click.exceptions.Exit(2)
