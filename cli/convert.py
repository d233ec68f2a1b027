"""`instar convert`: data in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from instar.cli.job import as_job
from instar.cli.names import datasets_or_files, subjects, versions
from instar.cli.options import verb

if TYPE_CHECKING:
    from instar.transforms.progress import Progress
    from instar.transforms.project import Project

EXAMPLES = """
instar convert flights /lake/flights-avro --to avro            a dataset, every file at the newest version
instar convert weather old.d --to ndjson --version 1          as the files were, whatever they are at now
instar convert events.ndjson events.parquet --to parquet       a file that no project knows
instar convert out.ndjson flights.parquet --to parquet --schema out.schema.json
"""


@verb("convert", examples=EXAMPLES, negative_numbers=True)
@click.argument("source", metavar="SRC", shell_complete=datasets_or_files)
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", "to", required=True, type=click.Choice(["parquet", "avro", "ndjson", "json"]), help="json: one array a file.")
@click.option(
    "--version", metavar="VERSION", shell_complete=versions, help="Of a dataset: a number, +N or -N. [default: the newest]"
)
@click.option("--subject", metavar="SUBJECT", shell_complete=subjects, help="SRC is files of this subject of the project.")
@click.option(
    "--schema", metavar="DOC", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A schema document of any format that the files fit. [default: what they have in common]",
)  # fmt: skip
@click.option("--compression", metavar="NAME", default="", help="[default: zstd in Parquet, deflate in Avro, none in JSON]")
@click.option(
    "--schema-out", "document", metavar="FILE", type=click.Path(path_type=Path),
    help="Where the schema document of DST goes. [default: beside it]",
)  # fmt: skip
@click.option("--memory", metavar="SIZE", help="Budget, such as 2GB. [default: the dataset's, else 1GB]")
@as_job
@click.pass_obj
def command(
    folder: Path,
    source: str,
    target: Path,
    to: str,
    version: str | None,
    subject: str | None,
    schema: Path | None,
    compression: str,
    document: Path | None,
    memory: str | None,
    as_json: bool,
    verbose: bool,
    progress: Progress,
) -> None:
    """Write the records of SRC to DST in another format; SRC is only read.

    SRC is a dataset of the project, else a file or a directory. DST must not be there yet (an empty directory may); folders and
    partitions stay as they are. What the format cannot hold is refused by name, all of it at once; DST is there only when every
    file was written and read back equal by another reader.
    """
    from instar.cli.output import show
    from instar.transforms.configuration import parse_size
    from instar.transforms.project import convert_files

    project = _project(folder, needed=subject is not None)
    size = parse_size(memory) if memory else 0
    if project is None:
        report = convert_files(
            source, target, to, version=version, schema=schema, compression=compression, document=document, memory=size,
            progress=progress,
        )  # fmt: skip
    else:
        report = project.convert(
            source, target, to, version=version, subject=subject, schema=schema, compression=compression, document=document,
            memory=size, progress=progress,
        )  # fmt: skip
    show(report, as_json, verbose=verbose)


def _project(folder: Path, *, needed: bool) -> Project | None:
    """The project that `folder` is in; None where there is none, and none is needed."""
    from instar.cli.options import opened
    from instar.transforms.configuration import NAME

    begin = folder.absolute()
    inside = any((above / NAME).is_file() for above in (begin, *begin.parents))
    return opened(folder) if inside or needed else None
