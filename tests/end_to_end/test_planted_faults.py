"""A fault between stage and prove is found, and nothing is published: the steps of `migrate.py` are called one by one."""

from __future__ import annotations

from pathlib import Path

import faults
import pytest
from stepwise import begun
from support import data_tree

from instar.formats.errors import InstarError
from instar.transforms.job import Options
from instar.transforms.migrate import abandoned_on_failure, prove, publish, stage

pytestmark = pytest.mark.usefixtures("three_months")
FORMATS = {"flights": "parquet", "weather": "avro", "events": "json"}
STAGED = {"flights": "month=03/part-0.parquet", "weather": "JFK.avro", "events": "2024-05.ndjson"}
COLUMN = {"flights": {"constant": "source"}, "weather": {}, "events": {"constant": "source", "shifted": "event", "value": "event"}}
CASES = [(dataset, fault) for dataset, format in FORMATS.items() for fault in faults.possible(format)]


SLOW = [("full", *each) for each in CASES if each[1] in ("constant", "duplicated", "shifted")]
"""What is found by the same comparison as others are; `auto` is asked of all."""


@pytest.mark.parametrize(
    ("level", "dataset", "fault"),
    [
        pytest.param(level, *case, marks=pytest.mark.slow if (level, *case) in SLOW else ())
        for level in ("auto", "full")
        for case in CASES
    ],
)
def test_the_proof_finds_it_and_nothing_is_published(dataset: str, fault: str, level: str, project: Path) -> None:
    before = data_tree(project / "data")
    options = Options(proof=level)  # type: ignore[arg-type]
    with begun(project, dataset, options) as run, pytest.raises(InstarError) as failure, abandoned_on_failure(run):  # noqa: PT012
        staged = stage(run)
        faults.plant(fault, run.folder.staged(STAGED[dataset]), FORMATS[dataset], column=COLUMN[dataset].get(fault))
        publish(prove(staged))
    assert "proof failed" in str(failure.value)
    every = [failure.value, *getattr(failure.value, "errors", ())]
    assert any(STAGED[dataset] in str(error) for error in every), every
    assert any(error.where is not None and error.where.file and error.where.file in str(error) for error in every)
    assert data_tree(project / "data") == before
    assert not run.folder.stage.exists()


@pytest.mark.parametrize("dataset", sorted(FORMATS))
def test_without_a_fault_the_same_steps_publish(dataset: str, project: Path) -> None:
    """The fault is what fails above, not the way the steps are called."""
    with begun(project, dataset, Options()) as run:
        published = publish(prove(stage(run)))
    assert set(published.publication.changes.written) == {action.path for action in run.plan.rewrites}
