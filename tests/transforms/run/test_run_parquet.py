"""The run's steps on real Parquet files, in worker processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instar import op
from instar.formats.errors import Collected, DataError
from instar.formats.format import Stamp, format_named
from instar.transforms.mapping import chain
from instar.transforms.run.changes import change_set
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.executors import InlineExecutor
from instar.transforms.run.journal import Planned
from instar.transforms.run.listing import listing
from instar.transforms.run.processes import SubprocessExecutor
from instar.transforms.run.publish import publish
from instar.transforms.run.settle import abandon, settle
from instar.transforms.run.stage import stage
from instar.transforms.run.state import State, begin_run, list_runs
from instar.transforms.run.unit import Unit

EFFECTS = PosixEffects()
OPERATIONS = [op.rename("dep delay", to="delay"), op.cast("flight", "int64")]


@pytest.fixture
def dataset(tmp_path):
    """Four partitions of 2,500 rows in row groups of 1,000."""
    for month in range(1, 5):
        folder = tmp_path / "flights" / f"month={month}"
        folder.mkdir(parents=True)
        table = pa.table({"flight": [str(n) for n in range(2500)], "dep delay": pa.array([None, 1.5] * 1250, pa.float64())})
        pq.write_table(table, folder / "part-0.parquet", row_group_size=1000, compression="zstd")
    return tmp_path / "flights"


def units_for(dataset: Path, stage: Path) -> list[Unit]:
    parquet = format_named("parquet")
    paths = sorted(path.relative_to(dataset).as_posix() for path in dataset.rglob("*.parquet"))
    schemas = {path: parquet.inspect(dataset / path).schema for path in paths}
    mapping = chain(next(schema for schema in schemas.values() if schema), OPERATIONS)
    return [
        Unit(path, str(dataset / path), str(stage / path), "parquet", mapping, schemas[path], Stamp("flights", 2), "chain", 1 << 27)
        for path in paths
    ]


@pytest.mark.parametrize("method", ["exchange", "replace"])
@pytest.mark.parametrize("make", [InlineExecutor, lambda: SubprocessExecutor(2)])
def test_up_and_what_the_snapshot_keeps(dataset, facts, method, make):
    old, before, state = facts(dataset), listing(dataset), State.beside(dataset)
    run = begin_run(state, "20261121-210500-0001", Planned(str(dataset), method, {}), b"{}", EFFECTS)
    journal = run.open_journal(EFFECTS)
    with make() as executor:
        receipts = stage(units_for(dataset, run.stage), executor, journal, EFFECTS)
    assert {(receipt.rows_in, receipt.rows_out) for receipt in receipts} == {(2500, 2500)}
    assert len({receipt.hash for receipt in receipts}) == 1  # equal sources give equal bytes
    publish(dataset, run, method, before, change_set(before, receipts), journal, EFFECTS)
    new = pq.ParquetFile(dataset / "month=3" / "part-0.parquet").read()
    assert new.schema.names == ["flight", "delay"]
    assert new["flight"].to_pylist() == list(range(2500))
    snapshot = facts(run.snapshot)
    assert {path: snapshot[path] for path in old if path in snapshot and path.endswith("parquet")} == {
        path: fact for path, fact in old.items() if path.endswith("parquet")
    }


def test_a_cast_that_fails_names_each_file_and_its_record(dataset, facts):
    for month, row in ((2, 1500), (4, 2499)):
        path = dataset / f"month={month}" / "part-0.parquet"
        table = pq.ParquetFile(path).read()
        values = table["flight"].to_pylist()
        values[row] = "UA 1545"
        pq.write_table(table.set_column(0, "flight", pa.array(values)), path, row_group_size=1000)
    old, state = facts(dataset), State.beside(dataset)
    run = begin_run(state, "20261121-210500-0001", Planned(str(dataset), "exchange", {}), b"{}", EFFECTS)
    journal = run.open_journal(EFFECTS)
    with SubprocessExecutor(2) as executor, pytest.raises(Collected) as caught:
        stage(units_for(dataset, run.stage), executor, journal, EFFECTS)
    abandon(run, journal, EFFECTS, caught.value)
    places = [(error.where.file, error.where.row, error.where.path) for error in caught.value.errors if error.where]
    assert [place[:2] for place in places] == [("month=2/part-0.parquet", 1500), ("month=4/part-0.parquet", 2499)]
    assert all(isinstance(error, DataError) for error in caught.value.errors)
    assert facts(dataset) == old
    assert not run.stage.exists()


STAGING = """
import sys
from dataclasses import replace
from pathlib import Path
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("this", sys.argv[1])
this = module_from_spec(spec)
sys.modules["this"] = this
spec.loader.exec_module(this)
dataset = Path(sys.argv[2])
run = this.begin_run(this.State.beside(dataset), "20261121-210500-0001", this.Planned("", "exchange", {}), b"{}", this.EFFECTS)
units = this.units_for(dataset, run.stage)
with this.SubprocessExecutor(2) as executor:
    executor.submit(abs, -1).result()
    print("ready", flush=True)
    many = [
        replace(unit, path=f"{n}/{unit.path}", staged=str(run.stage / str(n) / unit.path)) for n in range(500) for unit in units
    ]
    this.stage(many, executor, run.open_journal(this.EFFECTS), this.EFFECTS)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_while_it_stages(dataset, facts):
    old, state = facts(dataset), State.beside(dataset)
    coordinator = subprocess.Popen([sys.executable, "-c", STAGING, __file__, str(dataset)], stdout=subprocess.PIPE)
    try:
        assert coordinator.stdout is not None
        assert coordinator.stdout.readline() == b"ready\n"
        workers = psutil.Process(coordinator.pid).children()
        assert len(workers) == 2
        _until(lambda: any((state.runs / "20261121-210500-0001" / "stage").rglob("*.parquet*")))
    finally:
        coordinator.kill()
        coordinator.communicate()
    psutil.wait_procs(workers, timeout=5)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert settle(state, EFFECTS) == ()
    assert [run.status for run in list_runs(state)] == ["interrupted"]
    assert facts(dataset) == old


def _until(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
