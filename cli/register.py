"""`instar register`: freeze the next version of a subject."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects
from instar.cli.options import opened, verb

EXAMPLES = """
instar register flights                        the version that the newest script leads to
instar register orders new/order.avsc          a schema that comes from elsewhere
instar register orders data/orders/1.parquet   the schema of a data file
"""


@verb("register", examples=EXAMPLES)
@click.argument("subject", shell_complete=subjects)
@click.argument("document", required=False, type=click.Path(path_type=Path))
@click.option("--amend", is_flag=True, help="Replace the newest version, as long as no run has used it.")
@click.pass_obj
def command(folder: Path, subject: str, document: Path | None, amend: bool, as_json: bool, verbose: bool) -> None:
    """Freeze the next version of SUBJECT.

    Without a DOCUMENT the version is rendered from the newest one and the next migration script.
    A registered version never changes.
    """
    from instar.cli.output import show

    show(opened(folder).register(subject, document, amend=amend), as_json)
