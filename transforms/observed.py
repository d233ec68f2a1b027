"""A verb, watched: what listeners are told whichever it is. It begins; files were slow; what went wrong; it ended, and how."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from traceback import format_exception
from typing import TYPE_CHECKING

from instar.formats.errors import Collected, DataError, InstarError, LockedError, Refused
from instar.transforms.events import (
    Begun,
    Ended,
    Errored,
    Event,
    FileConverted,
    FileProved,
    FileSkipped,
    FileSlow,
    FileStaged,
    Quarantined,
    RunBegun,
    RunPublished,
    Status,
    StepEnded,
)
from instar.transforms.pace import Pace
from instar.transforms.progress import Progress, Silent
from instar.transforms.report import RunReport, VerifyReport
from instar.transforms.run.settle import is_interruption, resumable

if TYPE_CHECKING:
    from instar.transforms.answers import ConvertReport

TOLD_ERRORS = 100
"""Of several collected errors so many are told one by one; the exception has them all."""


@contextmanager
def observed(progress: Progress | None, verb: str, dataset: str, subject: str) -> Iterator[Observed]:
    """The progress to hand to a verb. What the verb answers is told by one of `ran`, `verified`, `converted` and `done`, once."""
    seen = Observed(progress or Silent())
    seen.event(Begun(verb, dataset, subject))
    try:
        yield seen
    except BaseException as error:
        seen.failed(error)
        raise


class Observed:
    """Hands on what it is told, adds slow files, and keeps what the end of the verb must say."""

    def __init__(self, to: Progress) -> None:
        self._to, self._pace, self._started = to, Pace(), time.perf_counter()
        self._steps: dict[str, float] = {}
        self._run: str | None = None
        self._published: list[RunPublished] = []
        self._errors = self._slow = self._quarantined = 0

    # ---- as a Progress
    def step(self, name: str, *, files: int, size: int) -> None:
        self._to.step(name, files=files, size=size)

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        self._to.advance(files=files, rows=rows, size=size)

    def event(self, event: Event) -> None:
        self._to.event(event)
        match event:
            case RunBegun(run=run):
                self._run = run
            case RunPublished():
                self._published.append(event)
            case StepEnded(step=step, seconds=seconds):
                self._steps[step] = self._steps.get(step, 0.0) + seconds
            case FileStaged(file=file, bytes_in=size, seconds=seconds):
                self._judge("stage", file, size, seconds)
            case FileProved(file=file, bytes=size, seconds=seconds):
                self._judge("prove", file, size, seconds)
            case FileConverted(file=file, bytes_in=size, seconds=seconds):
                self._judge("convert", file, size, seconds)
            case FileSlow():
                self._slow += 1
            case Quarantined(records=records):
                self._quarantined += records
            case Errored():
                self._errors += 1
            case _:
                pass

    def _judge(self, step: str, file: str, size: int, seconds: float) -> None:
        slow = self._pace.judged(step, file, size, seconds)
        if slow is not None:
            self.event(slow)

    # ---- the end
    def ran(self, report: RunReport) -> RunReport:
        """The verb was one that rewrites; its report again."""
        for problem in report.skipped:
            self.event(FileSkipped(problem.path, problem.problem, problem.hint))
        ended = self._ended(_STATUSES.get(report.status, "done"), 0)
        self._to.event(
            replace(
                ended,
                run=report.run,
                files={**report.files, **({"reused": len(report.resumed.receipts)} if report.resumed else {})},
                rows_in=report.rows_in,
                rows_out=report.rows_out,
                bytes_in=report.bytes_in,
                bytes_out=report.bytes_out,
                proof=report.proof.verdict if report.proof else None,
            )
        )
        return report

    def verified(self, report: VerifyReport) -> VerifyReport:
        """The verb was `verify`; what does not hold is told as errors."""
        for problem in (*report.problems, *report.unproved):
            self.event(Errored("ProofError", problem.problem, "", file=problem.path))
        for gate in report.gates:
            if gate.verdict == "failed":
                self.event(Errored("GateError", gate.message, ""))
        ended = self._ended("done" if report.ok else "failed", 0 if report.ok else 1)
        rows = sum(file.rows_new for file in report.proof.files)
        self._to.event(replace(ended, run=report.run, files={"verified": report.files}, rows_in=rows, proof=report.verdict))
        return report

    def audited(self, run: str | None, files: Mapping[str, int], problems: Sequence[str]) -> None:
        """The verb was `audit`, of so many files on either side; what does not hold is told as errors."""
        for problem in problems:
            self.event(Errored("GateError", problem, ""))
        self._to.event(replace(self._ended("failed" if problems else "done", 1 if problems else 0), run=run, files=dict(files)))

    def converted(self, report: ConvertReport) -> ConvertReport:
        """The verb was `convert`."""
        self._to.event(
            replace(
                self._ended("done", 0),
                files={"converted": len(report.files)},
                rows_in=report.rows,
                rows_out=report.rows,
                bytes_in=report.bytes_in,
                bytes_out=report.bytes_out,
            )
        )
        return report

    def compared(self, *, files: int, rows: int, verdict: str, differences: Iterable[tuple[str, str]]) -> None:
        """The verb compared two sides; what differs is told as errors, each with its file."""
        ok = True
        for file, problem in differences:
            self.event(Errored("ProofError", problem, "", file=file or None))
            ok = False
        ended = self._ended("done" if ok else "failed", 0 if ok else 1)
        self._to.event(replace(ended, files={"compared": files}, rows_in=rows, proof=verdict))

    def done(self, *, files: Mapping[str, int]) -> None:
        """The verb was another; how many files became what."""
        self._to.event(replace(self._ended("done", 0), files=dict(files)))

    def failed(self, error: BaseException) -> None:
        """An error ended the verb."""
        if not isinstance(error, Exception) or is_interruption(error):
            ended = self._ended("interrupted", 130 if isinstance(error, KeyboardInterrupt) else None)
            self._to.event(replace(ended, resumable=self._kept(error)))
            return
        for event in errored(error):
            self.event(event)
        code = error.exit_code if isinstance(error, InstarError) else None
        ended = self._ended("locked" if isinstance(error, LockedError) else "failed", code)
        self._to.event(replace(ended, resumable=self._kept(error)))

    def _kept(self, error: BaseException) -> bool:
        """There is a run, which keeps what it has staged."""
        return self._run is not None and resumable(error)

    def _ended(self, status: Status, exit: int | None) -> Ended:
        took = time.perf_counter() - self._started
        done = self._published
        return Ended(
            status, exit, self._run, took, dict(self._steps), {"rewritten": sum(run.files for run in done)} if done else {},
            rows_in=_sum(run.rows_in for run in done), rows_out=_sum(run.rows_out for run in done),
            bytes_in=sum(run.bytes_in for run in done), bytes_out=sum(run.bytes_out for run in done),
            errors=self._errors, slow=self._slow, quarantined=self._quarantined,
        )  # fmt: skip


_STATUSES: dict[str, Status] = {"nothing to do": "nothing to do", "staged": "staged"}


def errored(error: Exception) -> tuple[Errored, ...]:
    """An error as events: each of several collected ones, the first hundred, and then how many more there are."""
    if not isinstance(error, InstarError):
        return (Errored(type(error).__name__, str(error), "", traceback="".join(format_exception(error))),)
    every = error.errors if isinstance(error, Collected) and error.errors else (error,)
    told = tuple(_errored(each, error.hint) for each in every[:TOLD_ERRORS])
    left = len(every) - len(told)
    return (*told, Errored(type(error).__name__, f"and {left:,} more errors: {error}", error.hint)) if left else told


def _errored(error: InstarError, hint: str) -> Errored:
    where = error.where
    place = (where.file, where.row, where.path) if where else (None, None, None)
    kind = DataError if isinstance(error, Refused) else type(error)  # as the errors are called that people catch
    return Errored(kind.__name__, str(error), error.hint or hint, *place)


def _sum(counts: Iterable[int | None]) -> int | None:
    """None where one is not known."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
