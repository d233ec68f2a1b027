"""`--log`: what happens while a command works, a line an event, as JSON or as `key=value` words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from instar.cli.sink import Sink
from instar.transforms.events import Begun, Event, Progressed, RunBegun, StepBegun

Form = Literal["json", "text"]
SECONDS = 30.0
"""After so long without a line, one says how far the step is."""


class Log:
    """A listener that writes lines. Every line has `ts` (UTC), `level`, `event`, `run` and `dataset`, then the event's own."""

    def __init__(
        self,
        sink: Sink,
        form: Form,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._form, self._now, self._clock = sink, form, now, clock
        self._dataset: str | None = None
        self._run: str | None = None
        self._step, self._files, self._rows, self._bytes = "", 0, 0, 0
        self._begun = self._said = clock()

    # ---- as a Progress
    def step(self, name: str, *, files: int, size: int) -> None:
        self._step, self._files, self._rows, self._bytes = name, 0, 0, 0
        self._begun = self._clock()
        self.event(StepBegun(name, files, size))

    def advance(self, *, files: int = 0, rows: int = 0, size: int = 0) -> None:
        self._files += files
        self._rows += rows
        self._bytes += size
        if self._clock() - self._said >= SECONDS:
            self.event(Progressed(self._step, self._files, self._rows, self._bytes, self._clock() - self._begun))

    def event(self, event: Event) -> None:
        match event:
            case Begun(dataset=dataset):
                self._dataset = dataset
            case RunBegun(run=run):
                self._run = run
            case _:
                pass
        self._said = self._clock()
        ts = self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        facts = {"ts": ts, "level": event.level, "event": event.name, "run": self._run, "dataset": self._dataset, **event.facts()}
        self._sink.write(json_line(facts) if self._form == "json" else text_line(facts))

    # ---- the end
    @property
    def on_stderr(self) -> bool:
        return self._sink.on_stderr

    def close(self) -> str:
        """What could not be written, and why; "" where all was."""
        return self._sink.close()


def json_line(facts: Mapping[str, Any]) -> str:
    """One object, in ASCII: whatever reads the stream, and whatever the name of a file, it is one line."""
    return json.dumps({key: _short(value) for key, value in facts.items()}, separators=(",", ":"))


def text_line(facts: Mapping[str, Any]) -> str:
    """`2026-11-22T03:14:47.123Z INFO file_staged dataset=flights file=a.parquet rows_in=3`; what is None or "" is left out."""
    given = {key: _short(value) for key, value in facts.items() if value not in (None, "", {})}
    head = (given.pop("ts"), given.pop("level").upper(), given.pop("event"))
    return " ".join((*head, *(f"{key}={_word(value)}" for key, value in given.items())))


def _short(value: Any) -> Any:
    """Seconds to the millisecond."""
    if isinstance(value, float):
        return round(value, 3)
    return {key: _short(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def _word(value: Any) -> str:
    """Bare where it is one plain word, else quoted as JSON does."""
    if isinstance(value, str) and value.isprintable() and value.isascii() and not set(value) & set(' "=\\'):
        return value
    return json.dumps(value, separators=(",", ":"))
