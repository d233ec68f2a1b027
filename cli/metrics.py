"""`--metrics`: how the last command on each dataset went, as a text file for Prometheus' node_exporter (its textfile collector).

The format is the text exposition format 0.0.4: HELP and TYPE, then the samples, no timestamps. One file may hold many datasets and
verbs; a command rewrites its own samples and keeps those of the others.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.cli.exits import FAULT
from instar.formats.errors import UsageError
from instar.transforms.events import Begun, Ended, Event
from instar.transforms.progress import Silent

METRICS = {
    "instar_run_exit_code": "Exit code of the last command; 0 is success.",
    "instar_run_end_timestamp_seconds": "When the last command ended, in Unix time.",
    "instar_last_success_timestamp_seconds": "When a command last ended with exit code 0, in Unix time.",
    "instar_run_duration_seconds": "Wall time of the last command.",
    "instar_run_step_seconds": "Wall time of the last command by step.",
    "instar_run_files": "Files of the last command by what became of them.",
    "instar_run_rows": "Rows of the last command, before (in) and after (out).",
    "instar_run_bytes": "Bytes of the files of the last command, before (in) and after (out).",
    "instar_run_errors": "Errors of the last command.",
    "instar_run_quarantined_rows": "Rows of the last command that were put into quarantine.",
    "instar_run_slow_files": "Files of the last command that took far longer than the others.",
}
"""All there are, each a gauge, with its help."""
LOCKED = 3

_SAMPLE = re.compile(r'(instar_\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} (\S+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}


@dataclass(frozen=True)
class Sample:
    """One number: the metric's name, its labels and its value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    @property
    def of(self) -> tuple[str, str]:
        """The dataset and verb whose it is."""
        labels = dict(self.labels)
        return labels.get("dataset", ""), labels.get("verb", "")


def samples(begun: Begun, ended: Ended, *, at: float) -> tuple[Sample, ...]:
    """What a command that ended at `at` (Unix time) gives."""
    own = (("dataset", begun.dataset), ("subject", begun.subject), ("verb", begun.verb))

    def given() -> Iterator[tuple[str, tuple[tuple[str, str], ...], float]]:
        yield "instar_run_exit_code", (), FAULT if ended.exit is None else ended.exit
        yield "instar_run_end_timestamp_seconds", (), at
        if ended.exit == 0:
            yield "instar_last_success_timestamp_seconds", (), at
        yield "instar_run_duration_seconds", (), ended.seconds
        for step, seconds in ended.steps.items():
            yield "instar_run_step_seconds", (("step", step),), seconds
        for outcome, count in ended.files.items():
            yield "instar_run_files", (("outcome", outcome),), count
        for name, before, after in (("rows", ended.rows_in, ended.rows_out), ("bytes", ended.bytes_in, ended.bytes_out)):
            for direction, count in (("in", before), ("out", after)):
                if count is not None:
                    yield f"instar_run_{name}", (("direction", direction),), count
        yield "instar_run_errors", (), ended.errors
        yield "instar_run_quarantined_rows", (), ended.quarantined
        yield "instar_run_slow_files", (), ended.slow

    return tuple(Sample(name, (*own, *more), float(value)) for name, more, value in given())


def merged(old: Sequence[Sample], new: Sequence[Sample]) -> tuple[Sample, ...]:
    """The new samples of a command in place of its old ones, those of others kept.

    When it last succeeded is kept where it failed; a command that another run kept from its work changes nothing else. One that
    failed before it knew its dataset or subject goes by what is known of the verb, and gives no series of its own where it can.
    """
    new = _named(old, new)
    own, unknown = new[0].of, ("", new[0].of[1])
    before = [sample for sample in old if sample.of == own]
    code = next(sample.value for sample in new if sample.name == "instar_run_exit_code")
    if code == LOCKED and before:
        again = {"instar_run_exit_code", "instar_run_end_timestamp_seconds"}
        new = (*(s for s in new if s.name in again), *(s for s in before if s.name not in again))
    elif code != 0:
        new = (*new, *(s for s in before if s.name == "instar_last_success_timestamp_seconds"))
    return (*(sample for sample in old if sample.of not in (own, unknown)), *new)


def _named(old: Sequence[Sample], new: Sequence[Sample]) -> tuple[Sample, ...]:
    dataset, verb = new[0].of
    alike = {s.labels[:2] for s in old if s.of[1] == verb and s.of[0] and dataset in ("", s.of[0])}
    if not (dataset and dict(new[0].labels)["subject"]) and len(alike) == 1:
        (known,) = alike
        return tuple(Sample(s.name, (*known, *s.labels[2:]), s.value) for s in new)
    return tuple(new)


# ---- text
def rendered(all: Iterable[Sample]) -> str:
    """The samples in the exposition format, those of a metric together."""
    given = list(all)
    lines: list[str] = []
    for name, help in METRICS.items():
        of = sorted((sample for sample in given if sample.name == name), key=lambda sample: sample.labels)
        if of:
            lines += [f"# HELP {name} {help}", f"# TYPE {name} gauge", *map(_line, of)]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{re.sub(_SPECIAL, lambda found: _ESCAPES[found[0]], value)}"' for name, value in sample.labels)
    number = f"{sample.value:.3f}".rstrip("0").rstrip(".")
    return f"{sample.name}{{{labels}}} {number}"


_SPECIAL = re.compile(r'[\\"\n]')


def parsed(text: str) -> tuple[Sample, ...]:
    """The samples of a file that `rendered` gave; names that are not known any more are dropped.

    Raises:
        ValueError: a line is none of ours.
    """
    found: list[Sample] = []
    for line in filter(None, text.split("\n")):
        if line.startswith(("# HELP instar_", "# TYPE instar_")):
            continue
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise ValueError(line)
        labels = tuple((name, re.sub(r"\\(.)", _unescaped, value)) for name, value in _LABEL.findall(match[2]))
        if match[1] in METRICS:
            found.append(Sample(match[1], labels, float(match[3])))
    return tuple(found)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


# ---- the file
class Metrics(Silent):
    """A listener that writes the file when the command ends.

    Raises:
        UsageError: the file cannot be written there, or holds something else.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path.resolve(), clock  # what a link leads to is replaced, not the link
        self._begun: Begun | None = None
        self.problem = ""
        _refuse_unfit(path, self._path)

    def event(self, event: Event) -> None:
        match event:
            case Begun():
                self._begun = event
            case Ended() if self._begun is not None:
                self._write(samples(self._begun, event, at=self._clock()))
            case _:
                pass

    def _write(self, new: Sequence[Sample]) -> None:
        try:
            replace_text(self._path, rendered(merged(_read(self._path), new)))
        except OSError as error:
            self.problem = f"the metrics could not be written to {self._path}: {error.strerror}"
        except ValueError:
            self.problem = f"the metrics were not written: {self._path} holds something else"


def _refuse_unfit(said: Path, path: Path) -> None:
    hint = "Say a file of its own, such as /var/lib/node_exporter/textfile_collector/instar.prom."
    if not path.parent.is_dir():
        raise UsageError(f"the metrics cannot be written to {said}: there is no folder {path.parent}", hint=hint)
    if path.exists() and not path.is_file():
        raise UsageError(f"the metrics cannot be written to {said}: it is no file", hint=hint)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"the metrics cannot be written to {said}: nothing may be written in {path.parent}", hint=hint)
    try:
        _read(path)
    except ValueError as error:
        raise UsageError(f"{said} holds something else than Instar's metrics; it is left as it is", hint=hint) from error
    except OSError as error:
        raise UsageError(f"the metrics cannot be written to {said}: {error.strerror}", hint=hint) from error


def _read(path: Path) -> tuple[Sample, ...]:
    return parsed(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else ()


def replace_text(path: Path, text: str) -> None:
    """Write a file so that whoever reads it meets the old or the new one, whole; the mode stays, or is the umask's."""
    part = path.with_name(f".{path.name}.{os.getpid()}")  # does not end in .prom: the collector leaves it alone
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        with open(file, "wb") as opened:
            opened.write(text.encode("utf-8", "replace"))  # Prometheus takes nothing but UTF-8
            opened.flush()
            os.fsync(file)
            if path.exists():
                os.chmod(part, stat.S_IMODE(path.stat().st_mode))
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
