"""Each operation's page shows its example in JSON: the same script does the same to the same records in Parquet and Avro.

So the pages' word that operations are the same in every format is held to what happens; what a format does not have is said here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import Block, blocks_of

import instar

PAGES = sorted((Path(__file__).resolve().parents[1] / "docs" / "operations").glob("*.md"))
SUFFIXES = ("ndjson", "parquet", "avro")
SCHEMA_ONLY = ("allow_null", "set_doc", "set_tag")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_an_example_does_the_same_in_every_format(page: Path, tmp_path: Path) -> None:
    blocks = list(blocks_of(page.read_text(encoding="utf-8")))
    given = next(block for block in blocks if block.file)
    script = next(block for block in blocks if block.text.startswith("# migrations/"))
    records = [json.loads(line) for line in given.text.splitlines()]
    json_file, *others = (tmp_path / suffix / Path(given.file).with_suffix(f".{suffix}") for suffix in SUFFIXES)
    wanted = upgraded(json_file, records, script, tmp_path / "ndjson")
    assert (wanted == whole(records)) == (page.stem in SCHEMA_ONLY)
    for file in others:
        assert upgraded(file, records, script, tmp_path / file.suffix[1:]) == wanted, file


def upgraded(file: Path, records: list[dict[str, Any]], script: Block, folder: Path) -> list[dict[str, Any]]:
    """What the script makes of the records in a file of that kind; and a rollback brings them back."""
    file.parent.mkdir(parents=True)
    write(file, records)
    before = file.read_bytes()
    instar.init(folder, source=file.parent)
    path, _, text = script.text.partition("\n")
    target = folder / path.removeprefix("# ")
    target.parent.mkdir(parents=True)
    target.write_text(text, encoding="utf-8")
    project = instar.open(folder)
    project.register(file.parent.name)
    data = project.dataset(file.parent.name)
    assert data.upgrade().rows_out == len(records)
    made = whole(read(file))
    data.rollback()
    assert file.read_bytes() == before
    return made


# ---- the same records in other formats
def whole(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With null for a missing key, which Parquet and Avro do not know apart."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return [{name: _whole(record.get(name)) for name in names} for record in records]


def _whole(value: Any) -> Any:
    return {k: _whole(v) for k, v in value.items()} if isinstance(value, dict) else value


def write(file: Path, records: list[dict[str, Any]]) -> None:
    if file.suffix == ".ndjson":
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        return
    if file.suffix == ".parquet":
        table = pa.Table.from_pylist(whole(records))
        required = [pa.field(f.name, f.type, table.column(f.name).null_count > 0) for f in table.schema]
        pq.write_table(table.cast(pa.schema(required)), file)
        return
    with file.open("wb") as opened:
        fastavro.writer(opened, _avro(whole(records), "R"), whole(records))


def read(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".ndjson":
        return [json.loads(line) for line in file.read_text().splitlines()]
    if file.suffix == ".parquet":
        return pq.ParquetFile(file).read().to_pylist()
    with file.open("rb") as opened:
        return list(fastavro.reader(opened))  # type: ignore[arg-type]


def _avro(values: list[Any], name: str) -> Any:
    """An Avro schema of values, names of records by their place."""
    there = [value for value in values if value is not None]
    match there[0] if there else None:
        case None:
            kind: Any = "null"
        case bool():
            kind = "boolean"
        case int() | float():
            kind = "double" if any(isinstance(value, float) for value in there) else "long"
        case str():
            kind = "string"
        case list():
            kind = {"type": "array", "items": _avro([item for value in there for item in value], f"{name}_item")}
        case _:
            names = dict.fromkeys(key for value in there for key in value)
            fields = [{"name": key, "type": _avro([value.get(key) for value in there], f"{name}_{key}")} for key in names]
            kind = {"type": "record", "name": name, "fields": fields}
    return ["null", kind] if len(there) < len(values) and there else kind
