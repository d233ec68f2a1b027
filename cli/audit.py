"""`instar audit`: are queries slower on the new files, and do they give the same?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets_and_runs, runs
from instar.cli.options import cores, opened, shadowing, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar audit flights                              plain queries, made from the schema
instar audit flights --queries queries/           your own, one SELECT in each *.sql file
instar audit flights --queries queries/ --max-slowdown 1.5 --seconds 30
instar audit 20261121-222141-166230               a run that `instar runs` lists
"""


@verb("audit", examples=EXAMPLES)
@click.argument("dataset", metavar="[DATASET]", required=False, shell_complete=datasets_and_runs)
@click.argument("run", required=False, shell_complete=runs)
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the queries. [default: instar.toml's, else plain ones, made from the schema]",
)
@click.option(
    "--max-slowdown",
    type=float,
    metavar="RATIO",
    help="Fail where a query certainly takes more than so many times as long. [default: instar.toml's, else 1.2]",
)
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Measure each query for so long at most.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of DuckDB. [default: one a core]")
@click.option("--memory", metavar="SIZE", help="Budget for both sides together, such as 2GB. [default: instar.toml's, else 1GB]")
@shadowing
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    run: str | None,
    queries: Path | None,
    max_slowdown: float | None,
    seconds: float,
    threads: int | None,
    memory: str | None,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
) -> None:
    """Run queries on the files of DATASET as RUN found them and as it left them (the last run, unless it is named), turn about.

    The queries are DuckDB's SQL over a table called as the dataset, or data, with the old names or the new ones: they are adapted
    to the other side. Results are compared; the verdict on times is an interval of the ratio new/old. Writes nothing. Exits with 1
    if results differ, a query fails, or one is slower than allowed.
    """
    from instar.cli.output import console, echo_json
    from instar.cli.show_audit import print_audit
    from instar.cli.verify import meant
    from instar.transforms.configuration import parse_size
    from instar.transforms.job import Options

    found, id = meant(opened(folder), dataset, run)
    found = found.shadowed(shadow) if shadow else found
    report = found.audit(
        id,
        queries=queries,
        max_slowdown=max_slowdown,
        seconds=seconds,
        threads=threads or cores(),
        options=Options(memory=parse_size(memory) if memory else 0),
        progress=progress,
    )
    if as_json:
        echo_json(report.as_json())
    else:
        print_audit(console(), report, verbose=verbose)
    if not report.ok:
        raise click.exceptions.Exit(1)
