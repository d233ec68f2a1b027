"""`instar plan`: what an upgrade would do; nothing is written."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets, versions
from instar.cli.options import batching, chosen, opened, run_options, running, verb

EXAMPLES = """
instar plan flights                            to the newest version
instar plan flights --to 2
instar plan flights --out plan.json            then: instar upgrade flights --plan plan.json
"""


@verb("plan", examples=EXAMPLES, negative_numbers=True)
@click.argument("dataset", required=False, shell_complete=datasets)
@click.option("--to", "to", metavar="VERSION", shell_complete=versions, help="A version, +N or -N. [default: the newest]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan, to apply exactly this one.")
@running
@batching
@click.pass_obj
def command(
    folder: Path,
    dataset: str | None,
    to: str | None,
    out: Path | None,
    shadow: Path | None,
    as_json: bool,
    verbose: bool,
    **options: object,
) -> None:
    """State what bringing DATASET to a version would do: files, rows, bytes, disk, time, how it is published, the way back."""
    from instar.cli.output import show
    from instar.formats.errors import UsageError
    from instar.transforms.report import json_text

    found = chosen(opened(folder), dataset, shadow)
    plan = found.plan(to, options=run_options(found, **options))
    if out is not None:
        try:
            out.write_text(json_text(plan.as_json()), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"the plan cannot be saved as {out}: {error.strerror}", hint="Name another file.") from error
    show(plan, as_json, verbose=verbose)
