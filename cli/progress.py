"""Progress of long work on stderr: files, rows, MB/s and time left; silent where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from instar.cli.ending import ending_of
from instar.cli.interruption import Interruption
from instar.transforms.events import Ended, Event
from instar.transforms.progress import Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from instar.transforms.progress import Progress


@contextmanager
def shown_progress(as_json: bool) -> Iterator[Progress]:
    """The progress to hand to a run; wherever it is told something, a signal that has arrived may stop the run."""
    context = click.get_current_context(silent=True)
    interruption = ending_of(context).interruption if context else Interruption()
    if as_json or not sys.stderr.isatty():
        yield Attentive(Silent(), interruption)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description:>7}"), BarColumn(24), TextColumn("{task.fields[files]} files {task.fields[rows]:>12,} rows"),
        TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Attentive(Shown(bars), interruption)


class Attentive:
    """Hands on what it is told; each time is a safe point."""

    def __init__(self, to: Progress, interruption: Interruption) -> None:
        self._to, self._interruption = to, interruption

    def step(self, name: str, *, files: int, size: int) -> None:
        self._interruption.at_step(name)
        self._to.step(name, files=files, size=size)

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        self._interruption.heed()
        self._to.advance(files=files, rows=rows, size=size)

    def event(self, event: Event) -> None:
        self._to.event(event)


class Shown(Silent):
    """A bar a step; one that moves to and fro where nobody knows how much there is to do."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.task: TaskID | None = None
        self.done = self.total = self.rows = 0

    def step(self, name: str, *, files: int, size: int) -> None:
        self.done, self.total, self.rows = 0, files, 0
        self.task = self.bars.add_task(name, total=size or None, files=f"0/{files}" if files else "", rows=0)

    def event(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.bars.stop()  # what comes now is the answer

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        if self.task is None:
            return
        self.done += files
        self.rows += rows
        self.bars.update(self.task, advance=size, files=f"{self.done}/{self.total}", rows=self.rows)
