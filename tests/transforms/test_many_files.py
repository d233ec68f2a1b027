"""What is done for every file of a dataset stays linear in their number: a dataset may hold 100,000."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support import field

from instar.formats.inventory import DataFile, Inventory, OtherFile, Remark
from instar.formats.schema import schema
from instar.transforms.batches import in_batches
from instar.transforms.job import Options
from instar.transforms.mapping import identity
from instar.transforms.migration import Chain
from instar.transforms.plan import Plan, make_plan
from instar.transforms.retention import abilities
from instar.transforms.run.changes import side_files
from instar.transforms.run.journal import Line, Planned, PublishBegun, Published, Staged
from instar.transforms.run.state import RunFolder, RunState
from instar.transforms.run.unit import Receipt

FILES = 20_000
PATHS = [f"month={i // 500:02}/part-{i:06}.parquet" for i in range(FILES)]
SIDE = [f"month={i // 500:02}/.part-{i:06}.parquet.crc" for i in range(FILES)]
CHAIN = Chain("s", 1, 2, identity(schema(field("a", "string"))), (), (), "")
REMARKS = tuple(Remark(path, "it is cut off") for path in PATHS)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Of this process's own time: many times what it takes, and a small part of what a loop within a loop would."""
    before = time.process_time()
    yield
    assert time.process_time() - before < seconds


def inventory() -> Inventory:
    files = tuple(DataFile(path, 1, 1, None, 1, unreadable=True) for path in PATHS)
    others = tuple(OtherFile(side, "describes", 1, path) for side, path in zip(SIDE, PATHS, strict=True))
    return Inventory(Path("/lake"), Path("/lake"), "s", "parquet", files, others, problems=REMARKS)


def plan() -> Plan:
    return make_plan(
        inventory(), dataset="lake", target=2, chain=lambda version: CHAIN, estimate=lambda file, chain: 1,
        method=("exchange", ""), disk_free=1, seconds=1.0,
    )  # fmt: skip


def test_side_files() -> None:
    with at_most(3):
        assert side_files([*PATHS, *SIDE], PATHS) == tuple(SIDE)


def test_a_plan_of_files_with_side_files() -> None:
    with at_most(3):
        made = plan()
    assert (len(made.dropped), made.carried_over) == (FILES, 0)


def test_batches_by_their_bytes_or_of_one_file() -> None:
    made = replace(plan(), actions=tuple(replace(action, bytes_out=2) for action in plan().actions))
    with at_most(3):
        (all,) = in_batches(made, Options(batch_bytes=2 * FILES), [])
        each = [(batch.plan.rewrites[0].path, batch.later) for batch in in_batches(made, Options(batch_files=1), [])]
    assert (len(all.plan.rewrites), all.later) == (FILES, 0)
    assert each == [(path, 2 * (FILES - number)) for number, path in enumerate(PATHS, 1)]


def test_files_that_are_passed_over() -> None:
    with at_most(3):
        assert inventory().skipping_unreadable().skipped == REMARKS


def test_what_a_hundred_runs_need_of_each_other(tmp_path: Path) -> None:
    """Each run rewrites files of its own, and one that all of them do."""
    runs = [_run(tmp_path / f"run-{number:03}", [f"{number}/{n}" for n in range(100)]) for number in range(100)]
    with at_most(2):
        able = abilities(runs)
        without = [able(frozenset({run.id})) for run in runs]
    ids = [run.id for run in runs]
    assert able().rollback == able().verify == frozenset(ids)
    assert without[60].rollback == frozenset(ids[61:])
    assert frozenset(ids) - without[60].verify == {ids[59], ids[60]}


def _run(folder: Path, paths: list[str]) -> RunState:
    (folder / "snapshot").mkdir(parents=True)
    receipts = [Receipt(path, 1, 1, "", "", (), 1, 1, 1, "", 1.0) for path in (*paths, "all")]
    events = [Planned("", "exchange", {}), *map(Staged, receipts), PublishBegun("exchange", "", 1, 2), Published(1)]
    return RunState(RunFolder(folder), "finished", True, tuple(Line("", event) for event in events))
