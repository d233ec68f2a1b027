"""An upgrade up to its beginning, for tests that call the steps of `migrate.py` one by one and do something between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instar.transforms.execution import Run, Stopwatch, begin, executor_for, holding
from instar.transforms.job import Options, inventory_of
from instar.transforms.planning import plan_of
from instar.transforms.progress import Silent
from instar.transforms.project import open_project
from instar.transforms.provenance import provenance
from instar.transforms.run.effects import PosixEffects
from instar.transforms.run.listing import listing


@contextmanager
def begun(project: Path, dataset: str, options: Options) -> Iterator[Run]:
    """The run, under the dataset's lock; nothing is staged yet."""
    job, effects = open_project(project).dataset(dataset).job(), PosixEffects()
    with holding(job, "upgrade", effects), executor_for(options) as executor:
        before = listing(job.location)
        plan = plan_of(job, inventory_of(job), None, options)
        yield begin(job, plan, before, options, executor, provenance(project, "upgrade"), Silent(), Stopwatch(), effects)
