"""How `instar read` answers: a table, a stream in some format, a file, or one JSON object."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from instar.formats.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from instar.transforms.scan import Scan

TABLE_ROWS = 20


@dataclass(frozen=True)
class Answer:
    """What was asked for."""

    dataset: str
    scan: Scan
    limit: int | None
    format: str | None
    output: Path | None
    as_json: bool

    def batches(self, limit: int | None) -> Iterator[pa.RecordBatch]:
        from instar.transforms.export import limited

        return limited(self.scan.batches(), limit)


def names(columns: str | None, option: str = "--columns") -> list[str] | None:
    """The names in `a,b`; one with a comma or quotes stands in double quotes, as in CSV.

    Raises:
        UsageError: a name is empty.
    """
    if columns is None:
        return None
    found = [name if '"' in name else name.strip() for name in next(csv.reader([columns], skipinitialspace=True), [])]
    if not all(found):
        raise UsageError(f"{option} {columns!r} has an empty name", hint=f"Write names with commas between: {option} a,b")
    return found


def shown(answer: Answer) -> None:
    """
    Raises:
        UsageError: the output cannot be such a file.
    """
    from instar.transforms.export import BINARY

    if answer.output is not None:
        _file(answer, answer.output)
    elif answer.as_json:
        _object(answer)
    elif answer.format in (None, "table"):
        _table(answer)
    else:
        if answer.format in BINARY and sys.stdout.isatty():
            raise UsageError(f"{answer.format} is not for a terminal", hint="Say --output FILE, or send it to another program.")
        _stream(answer, answer.format or "", _Stdout())


def _stream(answer: Answer, format: str, out: Any) -> int:
    from instar.transforms.export import export

    scan = answer.scan
    return export(format, cast(BinaryIO, out), scan.wanted.target, scan.schema, answer.batches(answer.limit))


class _Stdout(io.RawIOBase):
    """stdout for bytes; where it takes only text (a test's), as text. Closing it only flushes."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        raw = getattr(sys.stdout, "buffer", None)
        if raw is not None:
            raw.write(data)
        else:
            sys.stdout.write(bytes(data).decode())
        return len(data)

    def flush(self) -> None:
        if not self.closed:
            sys.stdout.flush()


def _file(answer: Answer, output: Path) -> None:
    """The whole file or none: it is written under another name first."""
    from instar.cli.output import echo_json
    from instar.transforms.run.disk import disk_error

    format = answer.format or _by_suffix(output)
    if format == "table":
        raise UsageError("a table is for people", hint="Say --format csv, ndjson, json, arrow or parquet.")
    _refuse_inside(answer, output)
    if not output.parent.is_dir():
        raise UsageError(f"{output} cannot be written: there is no folder {output.parent}", hint="Make it first, or name another.")
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as out:
            rows = _stream(answer, format, out)
        os.replace(part, output)
    except OSError as error:
        raise disk_error(f"{output} cannot be written", error) from error
    finally:
        part.unlink(missing_ok=True)
    if answer.as_json:
        echo_json({"dataset": answer.dataset, "version": answer.scan.version, "records": rows, "output": str(output)})
    else:
        click.echo(f"{rows:,} records of {answer.dataset} as version {answer.scan.version} in {output}")


def _by_suffix(output: Path) -> str:
    from instar.transforms.export import SUFFIXES

    known = SUFFIXES.get(output.suffix.lower())
    if known is None:
        raise UsageError(f"what is {output.name}?", hint=f"Say --format, or a name that ends in {', '.join(SUFFIXES)}.")
    return known


def _refuse_inside(answer: Answer, output: Path) -> None:
    location = answer.scan.tree.inventory.location
    if output.resolve().is_relative_to(location):
        raise UsageError(f"{output} lies in the dataset {answer.dataset}", hint="A file there would become its data; name another.")


def _object(answer: Answer) -> None:
    """One object: what was read, its columns, and the records."""
    from instar.formats.schema import field_text
    from instar.transforms.export import as_json
    from instar.transforms.report import json_text

    target = answer.scan.wanted.target
    head = {
        "dataset": answer.dataset,
        "version": answer.scan.version,
        "columns": [{"name": f.name, "type": field_text(f)} for f in target.record.fields],
    }
    records, rows = as_json(target, answer.batches(answer.limit))
    text = json_text({**head, "count": rows}).rstrip()
    click.echo(f'{text[:-1].rstrip()},\n  "records": {records.rstrip()}\n}}')


# ---- a table
def _table(answer: Answer) -> None:
    """The first records; the number after them would take reading the rest."""
    from rich.table import Table
    from rich.text import Text

    from instar.cli.output import console
    from instar.transforms.export import Spelled, csv_texts

    limit = TABLE_ROWS if answer.limit is None else answer.limit
    fields = Spelled.of(answer.scan.wanted.target).fields
    table = Table(box=None, pad_edge=False, header_style="bold")
    for field in fields:
        table.add_column(Text(field.name), overflow="fold")
    rows = 0
    for batch in answer.batches(limit + 1):
        columns = [csv_texts(array, field, finite=False) for array, field in zip(batch.columns, fields, strict=True)]
        for row in zip(*columns, strict=True):
            rows += 1
            if rows <= limit:
                table.add_row(*(Text("" if text is None else text) for text in row))
    out = console()
    out.print(table)
    if rows > limit and answer.limit is None:
        out.print(f"… the first {limit} records; --limit N shows more, --format writes them all", style="dim")
