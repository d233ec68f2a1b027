"""`instar diff`: what differs between two versions of a schema."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects, versions
from instar.cli.options import opened, verb

EXAMPLES = """
instar diff flights                            from the version before the newest to the newest
instar diff flights 1                          from 1 to the newest
instar diff flights 1 2 -v                     with what did not change
"""


@verb("diff", examples=EXAMPLES)
@click.argument("subject", shell_complete=subjects)
@click.argument("old", metavar="[A]", type=int, required=False, shell_complete=versions)
@click.argument("new", metavar="[B]", type=int, required=False, shell_complete=versions)
@click.pass_obj
def command(folder: Path, subject: str, old: int | None, new: int | None, as_json: bool, verbose: bool) -> None:
    """Show what differs from version A of SUBJECT to version B: + came, - went, ~ changed.

    Where scripts lead from A to B, they say which field became which: what is renamed or moved stands on one line. Without scripts,
    the names decide.
    """
    from instar.cli.output import show

    show(opened(folder).diff(subject, old, new), as_json, verbose=verbose)
