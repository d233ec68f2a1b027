"""`instar upgrade`: bring a dataset to a newer version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets, versions
from instar.cli.options import batching, chosen, opened, run_options, running, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar upgrade flights                         to the newest version
instar upgrade flights 2
instar upgrade flights +1
instar upgrade flights --plan plan.json        exactly what was reviewed, or not at all
instar upgrade flights --batch-files 100       file by file, published a hundred at a time
instar upgrade flights --stage-only            staged and proved; a later upgrade publishes it
instar upgrade flights --queries queries/ --max-slowdown 1.5
instar upgrade flights --log json --metrics flights.prom
"""


@verb("upgrade", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.argument("version", required=False, shell_complete=versions)
@click.option("--to", "to", metavar="VERSION", shell_complete=versions, help="The same as VERSION.")
@click.option(
    "--plan",
    "plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Refuse if anything differs from this plan.",
)
@click.option(
    "--stage-only",
    is_flag=True,
    default=None,
    help="Stop before the publish: look at what is staged, test it; the next upgrade publishes it.",
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Before the publish, run the queries in DIR on the old and the new files; fail where results differ, or one is slower. "
    "[default: instar.toml's]",
)
@click.option(
    "--max-slowdown",
    type=float,
    metavar="RATIO",
    help="How many times as long a query may take, at most. [default: instar.toml's, else 1.2]",
)
@click.option("--query-seconds", type=float, metavar="N", help="Measure each query for so long at most. [default: 10]")
@running
@batching
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    version: str | None,
    to: str | None,
    plan: Path | None,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
    **options: object,
) -> None:
    """Bring every file of DATASET to VERSION (a number or +N; the newest by default) in one pass.

    New files are staged beside the data, proved against the old ones by DuckDB, then published in one step. The old files are the
    snapshot that `instar rollback` restores. A failed proof publishes nothing.
    """
    from instar.cli.output import show
    from instar.formats.errors import UsageError

    if version is not None and to is not None:
        raise UsageError("the version is said twice", hint="Say VERSION or --to, not both.")
    found = chosen(opened(folder), dataset, shadow)
    report = found.upgrade(version or to, plan=plan, options=run_options(found, **options), progress=progress)
    show(report, as_json, verbose=verbose)
