"""`instar show`: a schema as a tree."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects, versions
from instar.cli.options import opened, verb

EXAMPLES = """
instar show flights                            its newest version
instar show flights 1
instar show flights --json                     every field with its path, type, default, doc and tags
"""


@verb("show", examples=EXAMPLES)
@click.argument("subject", shell_complete=subjects)
@click.argument("version", type=int, required=False, shell_complete=versions)
@click.pass_obj
def command(folder: Path, subject: str, version: int | None, as_json: bool, verbose: bool) -> None:
    """Show a VERSION of SUBJECT as a tree, a field a line; the newest by default.

    Types are in the vocabulary of scripts; `?` after a type says that a value may be null.
    """
    from instar.cli.output import show

    show(opened(folder).show(subject, version), as_json, verbose=verbose)
