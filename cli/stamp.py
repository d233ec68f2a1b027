"""`instar stamp`: a person's answer to which version a file is at."""

from __future__ import annotations

from pathlib import Path

import click

from instar.cli.names import datasets, versions
from instar.cli.options import opened, verb

EXAMPLES = """
instar stamp events 2 2024-05.ndjson           a file that fits more than one version
instar stamp events 2                          all files; refused if one does not fit
"""


@verb("stamp", examples=EXAMPLES)
@click.argument("dataset", shell_complete=datasets)
@click.argument("version", type=int, shell_complete=versions)
@click.argument("files", nargs=-1, metavar="[FILE…]")
@click.pass_obj
def command(folder: Path, dataset: str, version: int, files: tuple[str, ...], as_json: bool, verbose: bool) -> None:
    """Record that files of DATASET (all, or those named relative to it) are at VERSION.

    Kept in the state folder's manifest; no data file is written. A file that does not fit that version is refused.
    """
    from instar.cli.output import show

    show(opened(folder).dataset(dataset).stamp(version, files), as_json, verbose=verbose)
