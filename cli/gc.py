"""`instar gc`: what old files cost, and removing them when told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets
from instar.cli.options import chosen, opened, shadowing, verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress

EXAMPLES = """
instar gc flights                              what each snapshot costs; removes nothing
instar gc flights --keep 2                     the two newest stay
instar gc flights --older-than 30d --dry-run   what would go
instar gc flights --keep 2 --backup /mnt/nas   copied there and checked before it goes
"""


@verb("gc", examples=EXAMPLES)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.option("--keep", metavar="N", type=click.IntRange(0), help="Remove snapshots; the newest N stay.")
@click.option(
    "--older-than", metavar="AGE", help="Remove snapshots; those younger than AGE stay: 30d, 12h, 2w, or a date (2026-01-01, UTC)."
)
@click.option("--last", is_flag=True, help="Even the last one, if the others say so.")
@click.option("--quarantined", is_flag=True, help="Even those that quarantined records came from.")
@click.option("--interrupted", is_flag=True, help="Remove what interrupted runs have staged: they then start from the beginning.")
@click.option(
    "--backup",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="First copy what goes to DIR, checked by its hashes; with nothing told to go, copy every snapshot.",
)
@shadowing
@click.option("--dry-run", is_flag=True, help="Only show what would go; write nothing.")
@as_job
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    keep: int | None,
    older_than: str | None,
    last: bool,
    quarantined: bool,
    interrupted: bool,
    backup: Path | None,
    shadow: Path | None,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
    progress: Progress,
) -> None:
    """List the snapshots of DATASET: what each costs on disk, and what could not be undone without it.

    Removes only when told, by --keep, --older-than or --interrupted. What either of the first two keeps, stays. So do the last
    snapshot and those that quarantined records came from, unless that is told, too.
    """
    from instar.cli.output import show

    found = chosen(opened(folder), dataset, shadow)
    report = found.gc(
        keep=keep,
        older_than=older_than,
        last=last,
        quarantined=quarantined,
        interrupted=interrupted,
        backup=backup,
        dry_run=dry_run,
        progress=progress,
    )
    show(report, as_json, verbose=verbose)
