"""Staging: every unit's file is rewritten into the stage by the executor's workers, and made durable before it counts."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing, suppress
from functools import partial
from pathlib import Path, PurePosixPath

from instar.formats.errors import Collected, InstarError, RunError
from instar.transforms.events import FileStaged
from instar.transforms.progress import Progress, Silent
from instar.transforms.run.disk import disk_error
from instar.transforms.run.effects import Effects
from instar.transforms.run.executors import Killable, Reporting
from instar.transforms.run.fence import unfenced
from instar.transforms.run.journal import Journal, Staged
from instar.transforms.run.stage_file import stage_file
from instar.transforms.run.unit import Receipt, Unit

_GROUP_FILES, _GROUP_BYTES, _GROUP_SECONDS = 64, 32 << 20, 2.0
"""Files are made durable in groups of at most this: so few bytes that all groups but the last wait for the disk while workers
write on, so many files that small ones are flushed together."""
_FAILED_FILES = 50  # so many files with errors are enough to know


def stage(
    units: Sequence[Unit],
    executor: Executor,
    journal: Journal,
    effects: Effects,
    progress: Progress | None = None,
    *,
    passed_over: Callable[[Unit, InstarError], bool] = lambda unit, error: False,
) -> tuple[Receipt, ...]:
    """Stage all units over the executor; receipts in the units' order, each in the journal and its file durable.

    Progress: rows and source bytes as they pass where the executor can tell, else with each file. `passed_over` is asked of a unit
    that failed: is it to be left out of the run? Then nothing of it is in the stage, and there is no receipt.

    Raises:
        Collected: files whose data or form says no, all of them (up to 50). RunError: the disk says no, a worker died, a source
            changed; no further unit is begun then. What was staged is still there: `abandon` discards it.
    """
    tally = _Tally(progress or Silent())
    group = _Group(journal, effects)
    receipts: dict[str, Receipt] = {}
    failures: list[InstarError] = []
    work = partial(stage_file, effects=unfenced(effects))
    try:
        with closing(_finished(units, work, executor, tally, failures)) as finished:
            for unit, future in finished:
                tally.flush()
                error = future.exception()
                if error is None:
                    receipts[unit.path] = receipt = future.result()
                    group.add(receipt, new_files(unit, receipt))
                    tally.finished(receipt, told=isinstance(executor, Reporting))
                elif isinstance(error, InstarError) and passed_over(unit, error):
                    tally.passed_over()
                elif isinstance(error, InstarError):
                    failures.append(error)
                else:
                    raise error
        if failures:
            raise _together(failures)
    except BaseException:
        with suppress(InstarError):  # what is whole need not be done again; the disk may be what ended the run
            group.flush()
        raise
    group.flush()
    return tuple(receipts[unit.path] for unit in units if unit.path in receipts)


def _finished(
    units: Sequence[Unit], work: Callable[..., Receipt], executor: Executor, tally: _Tally, failures: Sequence[InstarError]
) -> Generator[tuple[Unit, Future[Receipt]], None, None]:
    """The units with their futures, as they are done; few are under way at a time, and none is begun after a reason to stop.

    When it is closed nothing is under way any more, so that the stage can be discarded.
    """
    waiting, running = iter(units), dict[Future[Receipt], Unit]()
    width = 2 * getattr(executor, "workers", getattr(executor, "_max_workers", os.cpu_count() or 1))
    try:
        while True:
            while len(running) < width and not _enough(failures) and (unit := next(waiting, None)) is not None:
                running[_submitted(executor, work, unit, tally)] = unit
                if any(future.done() for future in running):
                    break
            if not running or any(isinstance(failure, RunError) for failure in failures):
                return
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            tally.flush()
            for future in done:
                yield running.pop(future), future
    finally:
        _stop(executor, running)


def _stop(executor: Executor, running: Iterable[Future[Receipt]]) -> None:
    busy = [future for future in running if not future.cancel() and not future.done()]
    if busy and isinstance(executor, Killable):
        executor.kill()
    wait(busy)


def _submitted(executor: Executor, work: Callable[..., Receipt], unit: Unit, tally: _Tally) -> Future[Receipt]:
    if isinstance(executor, Reporting):
        return executor.submit_reporting(work, unit, tally.add)
    return executor.submit(work, unit)


def _enough(failures: Sequence[InstarError]) -> bool:
    return len(failures) >= _FAILED_FILES or any(isinstance(failure, RunError) for failure in failures)


def _together(failures: Sequence[InstarError]) -> InstarError:
    """The one error, or all of them; the disk's before the data's, since it ended the run."""
    stopping = [failure for failure in failures if isinstance(failure, RunError)]
    if stopping or len(failures) == 1:
        return (stopping or failures)[0]
    ordered = sorted(failures, key=lambda failure: (failure.where.file if failure.where else None) or "")
    more = " or more" if len(failures) >= _FAILED_FILES else ""
    return Collected(
        f"{len(failures)}{more} files cannot be migrated: {ordered[0]}",
        hint=ordered[0].hint,
        where=ordered[0].where,
        errors=tuple(each for failure in ordered for each in (failure.errors if isinstance(failure, Collected) else (failure,))),
    )


class _Group:
    """New files that are made durable together: contents, then names, then the receipts in the journal."""

    def __init__(self, journal: Journal, effects: Effects) -> None:
        self._journal, self._effects = journal, effects
        self._waiting: list[tuple[Receipt, tuple[Path, ...]]] = []
        self._since = time.monotonic()

    def add(self, receipt: Receipt, files: tuple[Path, ...]) -> None:
        self._waiting.append((receipt, files))
        size = sum(each.size for each, _ in self._waiting)
        if len(self._waiting) >= _GROUP_FILES or size >= _GROUP_BYTES or time.monotonic() - self._since >= _GROUP_SECONDS:
            self.flush()

    def flush(self) -> None:
        try:
            for _, files in self._waiting:
                for file in files:
                    self._effects.sync_file(file)
            for folder in _folders(self._waiting):
                self._effects.sync_folder(folder)
        except OSError as error:
            raise disk_error("the staged files could not be made durable", error) from error
        if self._waiting:
            self._journal.write(*(Staged(receipt) for receipt, _ in self._waiting))
        self._waiting, self._since = [], time.monotonic()


def new_files(unit: Unit, receipt: Receipt) -> tuple[Path, ...]:
    """What staging a unit wrote: the staged file, and the file of the records that it left out, if it did."""
    staged = Path(unit.staged)
    return (staged, Path(unit.bad.file)) if unit.bad and receipt.quarantined else (staged,)


def _folders(waiting: Iterable[tuple[Receipt, tuple[Path, ...]]]) -> list[Path]:
    """The folders that hold the files, and those above them that may be as new: up to the stage, or the run's own for what
    stands beside it."""
    found: set[Path] = set()
    for receipt, (staged, *others) in waiting:
        depth = len(PurePosixPath(receipt.path).parts)
        found |= {*staged.parents[:depth], *(folder for other in others for folder in other.parents[:2])}
    return sorted(found, reverse=True)


class _Tally:
    """Brings what workers tell, in whatever thread, to the coordinator's thread."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._thread = progress, threading.get_ident()
        self._told: deque[tuple[int, int]] = deque()

    def add(self, rows: int, size: int) -> None:
        self._told.append((rows, size))
        if threading.get_ident() == self._thread:
            self.flush()

    def flush(self) -> None:
        while self._told:
            rows, size = self._told.popleft()
            self._progress.advance(rows=rows, size=size)

    def passed_over(self) -> None:
        self._progress.advance(files=1)

    def finished(self, receipt: Receipt, told: bool) -> None:
        rows, size = (0, 0) if told else (receipt.rows_in, receipt.source_size)
        self._progress.event(
            FileStaged(receipt.path, receipt.rows_in, receipt.rows_out, receipt.source_size, receipt.size, receipt.seconds)
        )
        self._progress.advance(files=1, rows=rows, size=size)
