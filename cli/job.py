"""What a command needs to be run as a job: `--log`, `--log-file`, `--metrics`, and everything that listens to it as one."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from instar.cli.ending import ending_of
from instar.cli.interruption import CODES
from instar.formats.errors import InstarError
from instar.transforms.events import Begun, Ended, Errored, Event, Status, Warned

if TYPE_CHECKING:
    from instar.cli.log import Form, Log
    from instar.cli.metrics import Metrics
    from instar.transforms.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])


def as_job(function: F) -> F:
    """The options of a command that may be run as a job; it is handed what to tell of its work as `progress`."""

    @functools.wraps(function)
    def heard(*args: Any, log: Form | None, log_file: Path | None, metrics: Path | None, **given: Any) -> Any:
        with listening(log, log_file, metrics, given) as progress:
            return function(*args, progress=progress, **given)

    told: Any = heard
    for option in (
        click.option(
            "--metrics", metavar="FILE", type=click.Path(path_type=Path), help="Keep how it went in FILE, for node_exporter."
        ),
        click.option(
            "--log-file", metavar="FILE", type=click.Path(path_type=Path), help="Append the log to FILE. [default: stderr]"
        ),
        click.option(
            "--log", type=click.Choice(["json", "text"]), help="Log what happens, a line an event. [default: json, in a file]"
        ),
    ):
        told = option(told)
    return told


@contextmanager
def listening(log: Form | None, log_file: Path | None, metrics: Path | None, given: dict[str, Any]) -> Iterator[Progress]:
    """All that was asked for, as one progress; it hears of the end when the command's exit code is known.

    Raises:
        UsageError: a file cannot be written.
    """
    from instar.cli.progress import shown_progress

    context = click.get_current_context()
    kept, lines = kept_in(metrics) if metrics else None, logged(log, log_file) if log or log_file else None
    on_stderr = lines is not None and lines.on_stderr
    with shown_progress(given["as_json"] or on_stderr) as bars:
        named = given.get("dataset") or given.get("source") or ""
        heard = Heard(bars, lines, kept, Begun(context.info_name or "", named, ""))
        ending_of(context).tell(heard.ended, log_on_stderr=on_stderr)
        yield heard


def kept_in(file: Path) -> Metrics:
    """What keeps how it went."""
    from instar.cli.metrics import Metrics

    return Metrics(file)


def logged(log: Form | None, file: Path | None) -> Log:
    """What logs, into a file or to stderr."""
    from instar.cli.log import Log
    from instar.cli.sink import ToFile, ToStderr

    return Log(ToFile(file) if file else ToStderr(), log or "json")


class Heard:
    """Everybody who listens to a command. Its end is kept back until the exit code is known.

    `unknown` is how it began, where it fails before it can say so itself.
    """

    def __init__(self, bars: Progress, log: Log | None, metrics: Metrics | None, unknown: Begun) -> None:
        self._bars, self._log, self._metrics, self._unknown = bars, log, metrics, unknown
        self._listeners: list[Progress] = [each for each in (bars, log, metrics) if each is not None]
        self._ended = Ended("done", None, None, 0.0)
        self._begun, self._errors, self._started = False, 0, time.perf_counter()

    # ---- as a Progress
    def step(self, name: str, *, files: int, size: int) -> None:
        for each in self._listeners:
            each.step(name, files=files, size=size)

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        for each in self._listeners:
            each.advance(files=files, rows=rows, size=size)

    def event(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._ended = event
            self._bars.event(event)
            return
        self._begun = self._begun or isinstance(event, Begun)
        self._errors += isinstance(event, Errored)
        for each in self._listeners:
            each.event(event)

    # ---- the end
    def ended(self, code: int, error: Exception | None) -> None:
        """The command exits with `code`, for `error` where there was one."""
        if not self._begun:
            self.event(self._unknown)
        if error is not None:
            self._failed(error, stopped=code in CODES.values())
        status = self._ended.status if code == 0 else _STATUSES.get(code, "failed")
        took = time.perf_counter() - self._started
        ended = replace(self._ended, exit=code, status=status, errors=self._errors, seconds=self._ended.seconds or took)
        if self._metrics is not None:
            self._metrics.event(ended)
            if self._metrics.problem:
                self.event(Warned(self._metrics.problem))
            if self._log is None or not self._log.on_stderr:
                _warn(self._metrics.problem)
        if self._log is not None:
            self._log.event(ended)
            _warn(self._log.close())

    def _failed(self, error: Exception, *, stopped: bool) -> None:
        """Tell of the error that nobody has told of yet. Being stopped is none, but leaves something to say."""
        from instar.transforms.observed import errored

        if stopped:
            hint = error.hint if isinstance(error, InstarError) else ""
            self.event(Warned(f"{error}. {hint}" if hint else str(error)))
        elif not self._errors:
            for each in errored(error):
                self.event(each)


def _warn(problem: str) -> None:
    """Tell people."""
    if problem:
        with contextlib.suppress(OSError):
            click.echo(f"Warning: {problem}", err=True)


_STATUSES: dict[int, Status] = {3: "locked", **dict.fromkeys(CODES.values(), "interrupted")}
