"""A plan foretells how each file will come about: its way and why are those of the run's receipts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from authoring import Author

from instar.formats import compiled
from instar.transforms.run.journal import Staged, read_journal

AVRO = {
    "type": "record",
    "name": "sale",
    "fields": [{"name": "id", "type": "long"}, {"name": "amount", "type": "string"}],
}
SUFFIXES = {"parquet": "parquet", "json": "ndjson", "avro": "avro"}
STEPS = {"rename": 'op.rename("amount", to="total"),', "cast": 'op.cast("amount", "int64"),'}
MISSING = "the compiled part for {} is missing: install Instar where there is a C compiler, or from a wheel, to be faster"
QUARANTINE = "bad records are to go into quarantine"


@contextmanager
def without(*formats: str) -> Iterator[None]:
    """As in an install where these formats' compiled parts were not built."""
    with pytest.MonkeyPatch.context() as patch:
        for format in formats:
            patch.setitem(compiled.PARTS, format, "instar.formats._never_built")
        yield


def sales(author: Author, format: str) -> None:
    folder = author.data("sales")
    for number in range(3):
        records = [{"id": i, "amount": str(i)} for i in range(20 * number, 20 * number + 20)]
        path = folder / f"{number}.{SUFFIXES[format]}"
        if format == "parquet":
            pq.write_table(pa.Table.from_pylist(records), path)
        elif format == "json":
            path.write_text("".join(json.dumps(r) + "\n" for r in records))
        else:
            with path.open("wb") as file:
                fastavro.writer(file, AVRO, records)
    author.adopt("sales")


def receipts(report: dict[str, Any], author: Author) -> list[tuple[str, str, str]]:
    """Path, way and why of each file, as the run's journal has them."""
    (journal,) = author.folder.rglob(f"{report['run']}/journal.jsonl")
    found = [line.event.receipt for line in read_journal(journal) if isinstance(line.event, Staged)]
    return sorted((receipt.path, receipt.way, receipt.why) for receipt in found)


def why_not(format: str, step: str, missing: bool, quarantine: bool) -> str:
    if format == "json" and quarantine:
        return QUARANTINE
    return MISSING.format(format) if missing and (format == "json" or (format == "avro" and step == "cast")) else ""


@pytest.mark.parametrize("quarantine", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("format", SUFFIXES)
def test_the_plan_says_what_the_receipts_will(format: str, step: str, missing: bool, quarantine: bool, author: Author) -> None:
    if not missing and format in compiled.missing_parts():
        pytest.skip(f"the compiled part for {format} is not built here")
    sales(author, format)
    author.step("sales", STEPS[step])
    options = ["--on-error", "quarantine"] if quarantine else []
    with without(*[format] if missing else []):
        plan = author.do("plan", "sales", *options)
        with without(*SUFFIXES.keys() - {format}):  # the parts of others are nothing to it
            assert author.do("plan", "sales", *options)["actions"] == plan["actions"]
        report = author.do("upgrade", "sales", *options)
    why = why_not(format, step, missing, quarantine)
    told = sorted((action["path"], action["way"], action["why"] or "") for action in plan["actions"])
    assert told == receipts(report, author)
    assert {(way, said) for _, way, said in told} == {("rewritten" if why else "spliced", why)}
    assert plan["notes"] == ([f"0.{SUFFIXES[format]} and 2 more files will be rewritten in full: {why}"] if why else [])
    assert [note.partition(" ")[2] for note in report["notes"]] == (
        [f"and 2 more files were rewritten in full: {why}"] if why else []
    )


def test_an_operation_that_leaves_records_out_is_foretold_too(author: Author) -> None:
    sales(author, "json")
    author.step("sales", 'op.cast("amount", "int64", on_error="quarantine"),')
    plan, report = author.do("plan", "sales"), author.do("upgrade", "sales")
    assert {action["why"] for action in plan["actions"]} == {QUARANTINE}
    assert [(way, why) for _, way, why in receipts(report, author)] == 3 * [("rewritten", QUARANTINE)]
