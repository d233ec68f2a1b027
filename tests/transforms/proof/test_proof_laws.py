"""No false alarms: whatever an upgrade makes of generated data, its proof holds; and a record less is always found."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings

from instar.formats.errors import DataError, FileError, MigrationError, SchemaError
from instar.formats.format import Stamp, format_named
from instar.formats.schema import Bool, Enum, Float, Int, Integer, Number, String
from instar.transforms.mapping import chain
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.stage import stage_file
from instar.transforms.run.unit import Receipt, Unit
from tests.laws.cases import Case, cases
from tests.laws.interpreters import to_batch
from tests.laws.test_laws import EXAMPLES, PARQUET, PHASES, SLOW
from tests.transforms.proof.conftest import problems

law = settings(max_examples=max(10, EXAMPLES // 4), deadline=None, database=None, phases=PHASES, suppress_health_check=SLOW)
"""Each example writes, upgrades and proves a file twice."""

JSON = (Int(32), Int(64), Float(64), String(), Bool(), Enum(("x", "y")), Integer(), Number())


def staged(case: Case, format: str, folder: Path) -> tuple[Unit, Receipt]:
    """The case as a file, upgraded; a case that the upgrade or the format refuses is no case."""
    old = folder / "old"
    if format == "parquet":
        pq.write_table(pa.Table.from_batches([to_batch(case.rows, case.schema.root)]), old)
    else:
        encode = format_named("json").values(case.schema, case.schema).encoder(case.schema.root)
        old.write_bytes(b"".join(_line(encode, row) + b"\n" for row in case.rows))
    own = format_named(format).inspect(old).schema
    unit = Unit(
        "old", str(old), str(folder / "new"), format, chain(case.schema, case.operations), own, Stamp("s", 2), "chain", 1 << 27
    )
    try:
        return unit, stage_file(unit)
    except (DataError, FileError, SchemaError, MigrationError):
        reject()


def _line(encode, row) -> bytes:
    try:
        return bytes(encode(row))
    except DataError:
        reject()


def proves(case: Case, format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unit, receipt = staged(case, format, Path(folder))
        for level in ("auto", "full"):
            assert problems(prove_file(unit, receipt, level=level)) == {}, level


@law
@given(cases(scalars=PARQUET))
def test_right_parquet_proves(case: Case) -> None:
    proves(case, "parquet")


@law
@given(cases(scalars=JSON))
def test_right_json_proves(case: Case) -> None:
    proves(case, "json")


@law
@given(cases(scalars=JSON, optional=True, most=4))
def test_right_json_with_missing_and_unknown_keys_proves(case: Case) -> None:
    proves(case, "json")


@pytest.mark.parametrize("format", ["parquet", "json"])
def test_a_record_less_is_always_found(format: str) -> None:
    @law
    @given(cases(scalars=JSON if format == "json" else (Int(32), String(), Float(64))))
    def found(case: Case) -> None:
        with tempfile.TemporaryDirectory() as folder:
            unit, receipt = staged(case, format, Path(folder))
            new = Path(unit.staged)
            if format == "json":
                new.write_bytes(b"\n".join(new.read_bytes().splitlines()[1:]))
            else:
                table = pq.ParquetFile(new).read()
                pq.write_table(table.slice(1), new)
            assert prove_file(unit, receipt).verdict == "failed"

    found()
