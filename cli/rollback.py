"""`instar rollback`: the files exactly as they were before the last run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets, runs
from instar.cli.options import chosen, opened, run_options, running, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar rollback flights                            the last run
instar rollback flights --to 20261121-210500-1234  all that came after that run
instar rollback flights --from /mnt/nas            its snapshot was removed, and copied there before
instar rollback flights 20261121-210500-1234       that run, being the last; also one that was a rollback
"""


@verb("rollback", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.argument("run", required=False, shell_complete=runs)
@click.option("--to", "to", metavar="RUN", shell_complete=runs, help="Take back all that came after this run.")
@click.option(
    "--from",
    "backup",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where `instar gc --backup` copied snapshots that are gone: they are put back first.",
)
@running
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    run: str | None,
    to: str | None,
    backup: Path | None,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
    **options: object,
) -> None:
    """Restore DATASET from the snapshot of its last run, byte for byte, and record that as a new run.

    Files that arrived since at the newer version are converted to the one before, proved as in any run. Where the last run was
    interrupted before it published anything, only what it had staged goes.
    """
    from instar.cli.output import show
    from instar.formats.errors import UsageError

    if run is not None and to is not None:
        raise UsageError("a run and --to say two things", hint="Say RUN for one run, or --to RUN for all that came after it.")
    found = chosen(opened(folder), dataset, shadow)
    report = found.rollback(run, to=to, backup=backup, options=run_options(found, **options), progress=progress)
    show(report, as_json, verbose=verbose)
