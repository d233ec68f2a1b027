"""`instar revision`: draft the next migration script."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects
from instar.cli.options import opened, verb

EXAMPLES = """
instar revision flights -m "metric distance"
"""


@verb("revision", examples=EXAMPLES)
@click.argument("subject", shell_complete=subjects)
@click.option("-m", "--message", required=True, metavar="TEXT", help="What it does, in a few words; part of the file's name.")
@click.pass_obj
def command(folder: Path, subject: str, message: str, as_json: bool, verbose: bool) -> None:
    """Write an empty, commented migration script for the step after SUBJECT's newest version."""
    from instar.cli.output import show_made

    show_made(opened(folder).revision(subject, message), "Edit it, then: instar register " + subject, as_json)
