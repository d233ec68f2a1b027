"""`instar verify`: the proof of a finished run, again, or two directories held against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from instar.cli.compare_sides import OPTIONS, compare_sides, comparing, show_compared, two_sides
from instar.cli.job import as_job
from instar.cli.names import datasets_and_runs, runs
from instar.cli.options import chosen, opened, run_options, shadowing, verb, working

if TYPE_CHECKING:
    from instar.transforms.dataset import Dataset
    from instar.transforms.progress import Progress
    from instar.transforms.project import Project

EXAMPLES = """
instar verify flights                          its last run
instar verify 20261121-222141-166230           a run that `instar runs` lists
instar verify flights --proof full             recompute every column
instar verify old new --unordered              two directories of one schema, in whatever order
instar verify old new --key id --examples 20   which records differ, by their key
instar verify old new --subject flights --from 1 --to 3
"""


@verb("verify", examples=EXAMPLES)
@click.argument("dataset", metavar="[DATASET | OLD]", required=False, shell_complete=datasets_and_runs)
@click.argument("run", metavar="[RUN | NEW]", required=False, shell_complete=runs)
@comparing
@working
@shadowing
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    run: str | None,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
    **options: Any,
) -> None:
    """Prove a finished RUN of DATASET again, by its snapshot, or one that is staged: the last one, unless it is named.

    DuckDB recomputes from the old files what the new ones must hold, and the new files are held against the run's receipts. The
    project's SQL checks are asked again.
    Writes nothing. Exits with 1 if something is not as the run left it, does not hold, or cannot be proved any more.

    Two paths that are there, directories or files, are compared with each other: in any of the formats, whether Instar ever saw
    them or not. Exits with 1 if they differ.
    """
    from instar.cli.output import show

    given = {name: options.pop(name) for name in OPTIONS}
    if sides := two_sides(dataset, run, given):
        compared = compare_sides(folder, sides, given, options, progress)
        show_compared(compared, as_json, verbose=verbose)
        raise click.exceptions.Exit(0 if compared.ok else 1)
    found, id = meant(opened(folder), dataset, run)
    found = found.shadowed(shadow) if shadow else found
    report = found.verify(id, options=run_options(found, **options), progress=progress)
    show(report, as_json, verbose=verbose)
    if not report.ok:
        raise click.exceptions.Exit(1)


def meant(project: Project, first: str | None, run: str | None) -> tuple[Dataset, str | None]:
    """The dataset and its run; a run may be named alone, as its id is in one dataset only."""
    if first is None or run is not None or first in project.configuration.datasets:
        return chosen(project, first), run
    having = [dataset for dataset in project.datasets() if first in dataset.run_ids()]
    if len(having) == 1:
        return having[0], first
    if having or re.match(r"\d{8}-\d{6}-", first):
        from instar.formats.errors import UsageError

        which = f"in {' and '.join(dataset.name for dataset in having)}" if having else "no dataset of this project has it"
        raise UsageError(f"the run {first}: {which}", hint="Name its dataset first; `instar runs DATASET` lists its runs.")
    return project.dataset(first), None
