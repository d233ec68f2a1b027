"""Generated Avro files, written by fastavro, moved on by Instar with its proof, and read by fastavro again: equal."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instar import op
from instar.formats.avro import FORMAT
from instar.formats.errors import DataError, MigrationError
from instar.formats.format import Stamp
from instar.transforms.mapping import Mapping, identity
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Unit
from tests.conformance.avro_generated import files
from tests.laws.test_laws import law

CODECS = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")


@law
@given(files(), st.sampled_from(CODECS), st.sampled_from(("auto", "full")), st.sampled_from((1, 16_000)))
def test_files_of_every_kind_are_moved_on(file: tuple[dict[str, Any], list[Any]], codec: str, level: Any, interval: int) -> None:
    """What an operation refuses it refuses before a file is touched: a type that is undefined, shared or contains itself."""
    document, records = file
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.avro"
        with source.open("wb") as out:
            fastavro.writer(out, json.loads(json.dumps(document)), records, codec=codec, sync_interval=interval)
        schema = FORMAT.inspect(source).schema
        assert schema is not None
        assert json.loads(FORMAT.render(schema)) == fastavro_header(source)
        before = stored(source)
        moved(source, identity(schema), level)
        assert repr(stored(source.with_name("staged.avro"))) == repr(before)
        first, *_, last = [f["name"] for f in document["fields"]] * 2
        for change in (op.rename(first, to="renamed"), op.add("added", "int64", default=7), op.drop(last)):
            try:
                mapping = change.edit(identity(schema))
            except MigrationError as refusal:
                if not any(reason in refusal.message for reason in REASONS):
                    raise
                continue
            moved(source, mapping, level)
            after = stored(source.with_name("staged.avro"))
            assert repr(after) == repr([expected(record, change) for record in before]), change


@pytest.mark.parametrize("level", ["auto", "full"])
def test_a_decimal_of_more_digits_than_it_says_is_carried(level: Any, tmp_path: Path) -> None:
    """Its bytes are kept by whatever does not read them; what does read them names the record."""
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    fields = [{"name": "d", "type": decimal}, {"name": "l", "type": {"type": "array", "items": decimal}}]
    record = {"d": b"\x7f" + b"\xff" * 7, "l": [b"\x7f\xff\xff\xff"]}
    source = tmp_path / "source.avro"
    with source.open("wb") as out:
        fastavro.writer(out, {"type": "record", "name": "R", "fields": fields}, [record])
    schema = FORMAT.inspect(source).schema
    assert schema is not None
    moved(source, op.rename("d", to="e").edit(identity(schema)), level)
    assert stored(source.with_name("staged.avro")) == [{"e": record["d"], "l": record["l"]}]
    with pytest.raises(DataError, match=r"record 0, field d: .* more than 9 digits"):
        moved(source, op.cast("d", "string").edit(identity(schema)), level)


REASONS = ("would be a record without fields", "would no longer be defined", "is of the shared type", "contains itself")


def moved(source: Path, mapping: Mapping, level: Any) -> None:
    """Writes the file beside, as a run would, and proves it."""
    unit = Unit(source.name, str(source), str(source.with_name("staged.avro")), "avro", mapping, None, Stamp("s", 2), "", 1 << 28)
    proof = prove_file(unit, stage_file(unit), level=level)
    assert proof.verdict == "proved", proof


def expected(record: dict[str, Any], change: Any) -> dict[str, Any]:
    match change:
        case op.rename(path=path, to=to):
            return {to if name == path else name: value for name, value in record.items()}
        case op.add(path=path):
            return {**record, path: 7}
        case op.drop(path=path):
            return {name: value for name, value in record.items() if name != path}
    return record


def stored(path: Path) -> list[Any]:
    """The records as fastavro reads them, values as stored: it is kept from seeing the logical types."""
    return list(fastavro.reader(io.BytesIO(path.read_bytes().replace(b'"logicalType"', b'"logicalTypX"'))))


def fastavro_header(path: Path) -> Any:
    with path.open("rb") as file:
        return json.loads(fastavro.reader(file).metadata["avro.schema"])
