"""`instar read`: the records of a dataset as they are at one version, on stdout or in a file."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets, versions
from instar.cli.options import chosen, opened, verb

EXAMPLES = """
instar read flights --version 1                the first records, as a table
instar read flights --version 3 --columns carrier,route.origin --where "distance_km > 2000"
instar read events --format ndjson | head -1
instar read flights --version 2 --output flights-v2.parquet
instar read flights --format arrow | python -c "import polars, sys; print(polars.read_ipc_stream(sys.stdin.buffer))"
"""


@verb("read", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.option("--version", "version", metavar="VERSION", shell_complete=versions, help="A version, +N or -N. [default: the newest]")
@click.option("--columns", metavar="A,B", help="Only these columns; a.b is a field of a record. [default: all]")
@click.option("--where", metavar="SQL", help="Only records for which this is true, over the columns of that version.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="No more records. [default: 20 in a table, else all]")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "ndjson", "json", "arrow", "parquet"]),
    help="arrow is an IPC stream. [default: the output's suffix, else table]",
)  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write there, not to stdout.")
@click.option("--memory", metavar="SIZE", help="Budget, such as 2GB. [default: instar.toml's, else 1GB]")
@click.pass_obj
def command(
    folder: Path, dataset: str | None, version: str | None, columns: str | None, where: str | None, limit: int | None,
    form: str | None, output: Path | None, memory: str | None, as_json: bool, verbose: bool,
) -> None:  # fmt: skip
    """Read DATASET as VERSION, whatever versions its files are at. Writes nothing into it."""
    from instar.cli.reading import Answer, names, shown
    from instar.transforms.configuration import parse_size

    found = chosen(opened(folder), dataset)
    scan = found.open_scan(version, columns=names(columns), filter=where, memory=parse_size(memory) if memory else 0)
    try:
        shown(Answer(found.name, scan, limit, form, output, as_json))
    except BrokenPipeError:
        from instar.cli.main import unheard

        raise click.exceptions.Exit(unheard()) from None  # click itself would call it a failure
    finally:
        scan.close()
