"""The journal of a run: what it did and is about to do, one line of JSON each, on disk before the next step begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from instar.formats.errors import RunError
from instar.transforms.run.effects import Effects
from instar.transforms.run.unit import Receipt

Method = Literal["exchange", "replace", "shadow"]
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC)


def new_run_id(now: datetime, known: Iterable[str] = ()) -> str:
    """`20261121-210500-123456`, UTC to the microsecond. Sorts after all `known` ids, even where the clock was set back.

    The order of the ids is the order of the runs: by it a rollback finds the last one.
    """
    made, last = f"{now.astimezone(UTC):%Y%m%d-%H%M%S-%f}", max(known, default="")
    return made if made > last else f"{last}-2"


# ---- events
@dataclass(frozen=True)
class Planned:
    """The run exists. `facts` is JSON-able and the caller's: who, host, versions, from, to, plan hash."""

    dataset: str
    method: Method
    facts: dict[str, Any]


@dataclass(frozen=True)
class Resumed:
    """Another command goes on with a run that was interrupted; `facts` as in Planned, for the plan that counts from here. What had
    been staged before counts no more, save what is said to be staged again right after this."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Replanned:
    """Files came or changed while the run worked, and what it does is planned anew; `facts` as in Planned, for the plan that counts
    from here. What had been staged still counts."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Staged:
    """A new file is durable in the stage."""

    receipt: Receipt


@dataclass(frozen=True)
class Withdrawn:
    """What was staged for a path is not to be published, or does not stand there any more: a writer has changed the file."""

    path: str
    why: str


@dataclass(frozen=True)
class Carried:
    """What a writer did to the tree that was leaving ("added", "changed", "removed") is about to be done to the other one."""

    path: str
    what: str


@dataclass(frozen=True)
class Proved:
    """The stage was proved: "proved" or "repeated"."""

    verdict: str
    files: int


@dataclass(frozen=True)
class HeldBack:
    """The run ends here, as somebody wished: what it staged and proved waits for the command that publishes it. `refused`: so many
    of the project's own gates said no to it."""

    files: int
    refused: int


@dataclass(frozen=True)
class PublishBegun:
    """From here the dataset may change. The inodes of the old and the new tree (exchange) tell later whether it did;
    `folder_times` as in the change set."""

    method: Method
    dataset: str
    old_inode: int
    new_inode: int
    folder_times: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Replacing:
    """A file is about to be replaced; the old one is in the snapshot already. The inodes are of old and new."""

    path: str
    old_inode: int
    new_inode: int


@dataclass(frozen=True)
class Adding:
    """A file is about to stand where there was none."""

    path: str
    new_inode: int


@dataclass(frozen=True)
class Removing:
    """A file is about to go (a side file that describes bytes which change, an old name); it is in the snapshot already."""

    path: str
    old_inode: int


@dataclass(frozen=True)
class Exchanged:
    """The new tree stands in the dataset's place, the old one in the stage's."""


@dataclass(frozen=True)
class Published:
    """The run is done; the snapshot is complete."""

    files: int


@dataclass(frozen=True)
class Restored:
    """A rollback has staged an old file, out of a snapshot, durable. `version` is the schema's, where it is a data file's."""

    path: str
    size: int
    mtime_ns: int
    hash: str
    version: int | None


@dataclass(frozen=True)
class Undone:
    """A publish that did not come to its end was taken back: the dataset is as it was before the run."""

    reason: str


@dataclass(frozen=True)
class Discarded:
    """What the run had staged is gone."""

    reason: str


@dataclass(frozen=True)
class BackedUp:
    """There is a checked copy of the run's snapshot elsewhere, at `path`."""

    path: str
    files: int
    bytes: int


@dataclass(frozen=True)
class BroughtBack:
    """The snapshot, which had been removed, is there again, from the copy at `path`."""

    path: str


@dataclass(frozen=True)
class Collecting:
    """The run's snapshot is about to be removed for good, because somebody asked for it; from here it is not to be used.

    `facts` as in Planned.
    """

    facts: dict[str, Any]


@dataclass(frozen=True)
class Collected:
    """It is gone. `bytes` is what became free on disk."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Stopped:
    """The run was interrupted, by a signal, the disk or a worker's death; what is staged stays, and the next command goes on."""

    kind: str
    message: str
    hint: str


@dataclass(frozen=True)
class Failed:
    """The run ended with this error, and what it staged is worth nothing."""

    kind: str
    message: str
    hint: str


Event = (
    Planned
    | Resumed
    | Replanned
    | Staged
    | Restored
    | Withdrawn
    | Carried
    | Proved
    | HeldBack
    | PublishBegun
    | Replacing
    | Adding
    | Removing
    | Exchanged
    | Published
    | Undone
    | Discarded
    | BackedUp
    | BroughtBack
    | Collecting
    | Collected
    | Stopped
    | Failed
)
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


@dataclass(frozen=True)
class Line:
    """An event and when it was written (ISO 8601, UTC)."""

    at: str
    event: Event


@dataclass(frozen=True)
class Journal:
    """Appends events to one file; the single writer is the coordinator, which holds the dataset's lock."""

    path: Path
    effects: Effects
    clock: Clock = system_clock

    def write(self, *events: Event) -> None:
        """Append the events, in one write, durable when this returns. A line torn by an earlier death is cut off first.

        Raises:
            RunError: the disk says no.
        """
        at = self.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        data = b"".join(_encoded(Line(at, event)) for event in events)
        try:
            fresh = not self.path.exists()
            if not fresh:
                self._cut_torn_line()
            self.effects.append(self.path, data)
            if fresh:
                self.effects.sync_folder(self.path.parent)
        except OSError as error:
            raise RunError(
                f"the journal {self.path} cannot be written: {error.strerror}",
                hint="Free some space there, or correct its permissions.",
            ) from error

    def _cut_torn_line(self) -> None:
        with open(self.path, "rb") as file:
            size = file.seek(0, 2)
            if size == 0:
                return
            file.seek(-1, 2)
            if file.read(1) == b"\n":
                return
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
        self.effects.truncate(self.path, whole)


def read_journal(path: Path) -> tuple[Line, ...]:
    """All whole lines; a last line without its end was never acknowledged and does not count. No file: no lines.

    Raises:
        RunError: a whole line cannot be understood.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    whole = data[: data.rfind(b"\n") + 1]
    return _known(whole, path) if len(whole) <= _SMALL else _lines(whole, path)


def _lines(whole: bytes, path: Path) -> tuple[Line, ...]:
    return tuple(_decoded(line, number, path) for number, line in enumerate(whole.splitlines(), 1))


_SMALL = 20_000
"""Bytes of a journal that is kept in memory once it was read: a dataset has many, of runs long past, and every command asks several
times what became of all of them."""


@lru_cache(maxsize=100)
def _known(whole: bytes, path: Path) -> tuple[Line, ...]:
    return _lines(whole, path)


def _encoded(line: Line) -> bytes:
    fields = asdict(line.event)
    return json.dumps({"at": line.at, "event": type(line.event).__name__, **fields}).encode("ascii") + b"\n"


def _decoded(text: bytes, number: int, path: Path) -> Line:
    try:
        fields = json.loads(text)
        at, kind = fields.pop("at"), _KINDS[fields.pop("event")]
        if kind is Staged:
            fields["receipt"] = _receipt(fields["receipt"])
        return Line(at, kind(**fields))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"line {number} of the journal {path} cannot be understood",
            hint="It was written by a newer version of Instar, or damaged: use that version, or restore the state folder.",
        ) from error


def _receipt(fields: dict[str, Any]) -> Receipt:
    versions = tuple((name, version) for name, version in fields.pop("versions"))
    return Receipt(**{**fields, "versions": versions, "notes": tuple(fields["notes"])})
