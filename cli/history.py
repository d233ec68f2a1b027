"""`instar history`: the versions of a subject."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects
from instar.cli.options import opened, verb

EXAMPLES = """
instar history flights
instar history flights -v                      with the operations of each step
"""


@verb("history", examples=EXAMPLES)
@click.argument("subject", shell_complete=subjects)
@click.pass_obj
def command(folder: Path, subject: str, as_json: bool, verbose: bool) -> None:
    """List the versions of SUBJECT, newest first, and the migration that leads to each."""
    from instar.cli.output import show

    show(opened(folder).history(subject), as_json, verbose=verbose)
