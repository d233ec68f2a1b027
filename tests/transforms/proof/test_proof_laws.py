"""No false alarms: whatever an upgrade makes of generated data, its proof holds; and a record less is always found."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from instar.formats.errors import DataError, FileError, MigrationError, SchemaError
from instar.formats.format import Stamp, format_named
from instar.formats.schema import Float, Int, String
from instar.transforms.mapping import chain
from instar.transforms.proof.database import Database
from instar.transforms.proof.integrity import prove_file
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Receipt, Unit
from tests.laws import spliced
from tests.laws.cases import Case, cases
from tests.laws.interpreters import to_batch
from tests.laws.test_laws import AVRO, EXAMPLES, JSON, PARQUET, PHASES, SLOW

BOUNDED = max(7, EXAMPLES // 4)
MANY = 100
"""Of each of the five, so that there are 500 in all."""

DRAWN: dict[str, tuple[str, st.SearchStrategy[Case]]] = {
    "parquet": ("parquet", cases(scalars=PARQUET)),
    "avro": ("avro", cases(scalars=AVRO, renamed=spliced.renamed, drawn=spliced.nameable)),
    "avro with named types": ("avro", cases(scalars=AVRO, named=True, renamed=spliced.renamed, drawn=spliced.nameable)),
    "json": ("json", cases(scalars=JSON)),
    "json with missing and unknown keys": ("json", cases(scalars=JSON, optional=True, most=4)),
}


def law(count: int) -> settings:
    """Each example writes, upgrades and proves a file twice."""
    return settings(max_examples=count, deadline=None, database=None, phases=PHASES, suppress_health_check=SLOW)


def staged(case: Case, format: str, folder: Path, write: Callable[[Path], None], path: str = "file") -> tuple[Unit, Receipt]:
    """The case as the file `path` of a dataset, upgraded; what the registry, the upgrade or the format refuses is no case."""
    old, new = folder / "old" / path, folder / "new" / path
    old.parent.mkdir(parents=True)
    try:
        write(old)
        of = format_named(format)
        own, made = of.inspect(old).schema, chain(case.schema, case.operations)
        mapping = made.onto(of.parse(of.render(made.target)))  # as a registered version has it
        unit = Unit(path, str(old), str(new), format, mapping, own, Stamp("s", 2), "chain", 1 << 27)
        return unit, stage_file(unit)
    except (DataError, FileError, SchemaError, MigrationError):
        reject()


def all_prove(name: str, count: int) -> Counter[str]:
    """How many migrations were staged in which way, all of them proved at both levels."""
    format, drawn = DRAWN[name]
    ways, numbers = Counter[str](), itertools.count()

    @law(count)
    @given(drawn, spliced.FORMS)
    def proves(case: Case, form: spliced.Form) -> None:
        write, path = spliced.FILES[format][0], f"{next(numbers)}/file"
        unit, receipt = staged(case, format, Path(folder), lambda path: write(case, path, form), path)
        for level in ("auto", "full"):
            proof = prove_file(unit, receipt, level=level, database=database)
            assert (proof.verdict in ("proved", "repeated"), proof.failures) == (True, ()), level
        ways[receipt.way] += 1

    with tempfile.TemporaryDirectory() as folder, closing(Database()) as database:  # as the files of one run are
        proves()
    return ways


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_right_proves(name: str) -> None:
    assert all_prove(name, BOUNDED).total() >= BOUNDED


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_a_hundred_right_migrations_prove(name: str) -> None:
    assert all_prove(name, MANY).total() >= MANY


@pytest.mark.parametrize("format", ["parquet", "json"])
def test_a_record_less_is_always_found(format: str) -> None:
    @law(BOUNDED)
    @given(cases(scalars=JSON if format == "json" else (Int(32), String(), Float(64))))
    def found(case: Case) -> None:
        with tempfile.TemporaryDirectory() as folder:
            unit, receipt = staged(case, format, Path(folder), lambda path: plainly(case, format, path))
            new = Path(unit.staged)
            if format == "json":
                new.write_bytes(b"\n".join(new.read_bytes().splitlines()[1:]))
            else:
                table = pq.ParquetFile(new).read()
                pq.write_table(table.slice(1), new)
            assert prove_file(unit, receipt).verdict == "failed"

    found()


def plainly(case: Case, format: str, path: Path) -> None:
    """As the usual writers do."""
    if format == "parquet":
        pq.write_table(pa.Table.from_batches([to_batch(case.rows, case.schema.root)]), path)
        return
    encode = format_named("json").values(case.schema, case.schema).encoder(case.schema.root)
    path.write_bytes(b"".join(bytes(encode(row)) + b"\n" for row in case.rows))
