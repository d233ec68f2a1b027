"""`instar init`: start a project, or adopt an existing directory of data as version 1 of a subject."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import subjects
from instar.cli.options import verb

EXAMPLES = """
instar init                                    an empty project here
instar init --from data/flights                adopt a directory; its name names the dataset
instar init --from /lake/orders --name orders --subject shop.order
"""


@verb("init", examples=EXAMPLES)
@click.option(
    "--from", "source", metavar="DIR", type=click.Path(path_type=Path), help="A directory, or one file, of data to adopt."
)
@click.option("--name", metavar="NAME", help="The dataset's name. [default: the directory's]")
@click.option(
    "--subject",
    metavar="SUBJECT",
    shell_complete=subjects,
    help="The subject its schemas are registered under. [default: the dataset's name]",
)
@click.option("--format", "format_", type=click.Choice(["parquet", "avro", "json"]), help="[default: told by the files' content]")
@click.pass_obj
def command(
    folder: Path, source: Path | None, name: str | None, subject: str | None, format_: str | None, as_json: bool, verbose: bool
) -> None:
    """Start a project, or adopt a directory of data in it.

    Writes instar.toml, schemas/ and migrations/. With --from, the first version of the subject is inferred from all files and
    registered; what does not fit is reported. No data file is touched.
    """
    from instar.cli.output import show
    from instar.transforms.adopt import init

    show(init(folder, source=source, name=name, subject=subject, format=format_), as_json)
