"""What happens while a verb works: plain facts, told to whoever listens (`progress.Progress.event`), rendered elsewhere.

Paths are relative to the dataset; sizes are bytes, times wall seconds. Values of the data occur nowhere but in an error's message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

Level = Literal["info", "warning", "error"]
Status = Literal["done", "staged", "nothing to do", "failed", "locked", "interrupted"]


@dataclass(frozen=True)
class Event:
    """One of them. `name` and `level` are what a log calls it."""

    name: ClassVar[str] = ""
    level: ClassVar[Level] = "info"

    def facts(self) -> dict[str, Any]:
        """Its fields, JSON-able; one that Python reserves the word of (`from_`) has its plain name."""
        return {field.name.rstrip("_"): getattr(self, field.name) for field in fields(self)}


# ---- the verb
@dataclass(frozen=True)
class Begun(Event):
    """A verb begins. `dataset` is its name, or a path where there is none; `subject` "" where none is known."""

    name: ClassVar[str] = "begun"
    verb: str
    dataset: str
    subject: str


@dataclass(frozen=True)
class RunBegun(Event):
    """A run exists: planned, its folder made, the data about to be read. `from_` counts files by version. In a roll-out
    in batches each is one, number `batch` of `batches`.
    """

    name: ClassVar[str] = "run_begun"
    run: str
    from_: Mapping[str, int]
    to: int
    method: str
    plan: str
    files: int
    rows: int | None
    bytes: int
    workers: int
    user: str
    host: str
    instar: str
    batch: int | None = None
    batches: int | None = None


@dataclass(frozen=True)
class Resumed(Event):
    """The run goes on where it was interrupted: so many files that it had staged are used, and `again` counts by reason those that
    are staged once more."""

    name: ClassVar[str] = "resumed"
    run: str
    reused: int
    again: Mapping[str, int]


@dataclass(frozen=True)
class RunPublished(Event):
    """What the run made stands in the dataset. A roll-out in batches has one for each, whatever becomes of the next."""

    name: ClassVar[str] = "published"
    run: str
    files: int
    rows_in: int | None
    rows_out: int | None
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class Ended(Event):
    """The last of all. What was published counts, in earlier batches of a command that failed as well.

    `exit` is what the command line exits with; None where a library call was ended by something that is no error of Instar's.
    `status` "locked": another run holds the dataset. `steps` is seconds by step, `files` counts by what became of them, `errors`
    and `slow` how many events of those there were. `resumable`: what was staged is kept, and the next command goes on with it.
    `quarantined` records are in rows_in, not in rows_out.
    """

    name: ClassVar[str] = "ended"
    status: Status
    exit: int | None
    run: str | None
    seconds: float
    steps: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    rows_in: int | None = 0
    rows_out: int | None = 0
    bytes_in: int = 0
    bytes_out: int = 0
    proof: str | None = None
    errors: int = 0
    slow: int = 0
    resumable: bool = False
    quarantined: int = 0


# ---- its steps
@dataclass(frozen=True)
class StepBegun(Event):
    """A step begins, over so many files of so many source bytes (0 where that is not known yet)."""

    name: ClassVar[str] = "step_begun"
    step: str
    files: int
    bytes: int


@dataclass(frozen=True)
class StepEnded(Event):
    """A step is over, by its end or by an error."""

    name: ClassVar[str] = "step_ended"
    step: str
    seconds: float


@dataclass(frozen=True)
class Progressed(Event):
    """So much of a step is done. Logs say it when they have said nothing for half a minute; runs tell `Progress.advance`."""

    name: ClassVar[str] = "progress"
    step: str
    files: int
    rows: int
    bytes: int
    seconds: float


# ---- files
@dataclass(frozen=True)
class FileStaged(Event):
    """A new file stands beside the data."""

    name: ClassVar[str] = "file_staged"
    file: str
    rows_in: int
    rows_out: int
    bytes_in: int
    bytes_out: int
    seconds: float


@dataclass(frozen=True)
class FileProved(Event):
    """A file was proved, or not: `verdict` is "proved", "repeated", "failed" or "unproved". `ways` counts columns by how."""

    name: ClassVar[str] = "file_proved"
    file: str
    verdict: str
    ways: Mapping[str, int]
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class FileConverted(Event):
    """A file stands in the other format, read back equal; `target` is its new name."""

    name: ClassVar[str] = "file_converted"
    file: str
    target: str
    rows: int
    bytes_in: int
    bytes_out: int
    seconds: float


@dataclass(frozen=True)
class FileSlow(Event):
    """A step took `times` as long for a file as its size let expect: by the median of the files before it, `expected` seconds."""

    name: ClassVar[str] = "file_slow"
    level: ClassVar[Level] = "warning"
    step: str
    file: str
    bytes: int
    seconds: float
    expected: float
    times: float


@dataclass(frozen=True)
class FileSkipped(Event):
    """A file that cannot be read was left untouched in its place, as somebody wished; `message` says what is wrong with it."""

    name: ClassVar[str] = "file_skipped"
    level: ClassVar[Level] = "warning"
    file: str
    message: str
    hint: str


@dataclass(frozen=True)
class Quarantined(Event):
    """So many records of a file could not be migrated and stand in the run's quarantine instead, as somebody wished."""

    name: ClassVar[str] = "quarantined"
    level: ClassVar[Level] = "warning"
    file: str
    records: int


# ---- what went wrong, or may
@dataclass(frozen=True)
class Warned(Event):
    """Something that stops nothing, and that somebody should know."""

    name: ClassVar[str] = "warning"
    level: ClassVar[Level] = "warning"
    message: str


@dataclass(frozen=True)
class Errored(Event):
    """An error that ends the verb; several, where several were collected. `kind` is its class's name, `row` counts from 0.

    `traceback` only where it is a fault, no error of Instar's.
    """

    name: ClassVar[str] = "error"
    level: ClassVar[Level] = "error"
    kind: str
    message: str
    hint: str
    file: str | None = None
    row: int | None = None
    path: str | None = None
    traceback: str | None = None
