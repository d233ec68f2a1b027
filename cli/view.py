"""`instar view`: the SQL of a DuckDB view that reads a dataset as one version."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets, versions
from instar.cli.options import chosen, opened, verb

EXAMPLES = """
instar view flights --version 1                the SQL on stdout
instar view flights --name flights_v3 | duckdb lake.db
"""


@verb("view", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.option("--version", "version", metavar="VERSION", shell_complete=versions, help="A version, +N or -N. [default: the newest]")
@click.option("--name", metavar="NAME", default="", help="Of the view. [default: the dataset's]")
@click.pass_obj
def command(folder: Path, dataset: str | None, version: str | None, name: str, as_json: bool, verbose: bool) -> None:
    """Write the SQL of a DuckDB view that reads DATASET as VERSION, whatever versions its files are at. Changes nothing.

    The view names the files as they are now: make it anew after every run, and when files come or go.
    """
    from instar.cli.output import echo_json

    found = chosen(opened(folder), dataset)
    sql = found.view(version, name=name)
    if as_json:
        echo_json({"dataset": found.name, "view": name or found.name, "sql": sql})
    else:
        click.echo(sql, nl=False)
