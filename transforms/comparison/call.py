"""A comparison as a library call: watched, and with defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from instar.formats.errors import UsageError
from instar.transforms.configuration import DEFAULT_MEMORY
from instar.transforms.observed import observed
from instar.transforms.progress import Progress

from .compare import Asked, compare
from .report import ComparisonReport, Level
from .sides import Versions

_LEVELS = ("auto", "counts", "full")


class How(TypedDict, total=False):
    """The options of `instar.compare`."""

    level: Level
    key: Sequence[str] | str | None
    unordered: bool
    examples: int
    memory: int
    workers: int
    progress: Progress | None


def compared(
    old: Path | str,
    new: Path | str,
    versions: Versions | None,
    *,
    level: Level = "auto",
    key: Sequence[str] | str | None = None,
    unordered: bool = False,
    examples: int = 5,
    memory: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> ComparisonReport:
    """See `instar.compare` and `Project.compare`."""
    with observed(progress, "verify", str(new), versions.subject if versions else "") as seen:
        if level not in _LEVELS:
            raise UsageError(f"there is no level {level!r}", hint=f"There is {', '.join(_LEVELS)}.")
        keys = (key,) if isinstance(key, str) else tuple(key or ())
        asked = Asked(level, keys, unordered, examples, memory or DEFAULT_MEMORY, workers)
        report = compare(Path(old), Path(new), asked, versions, seen)
        files = report.old.files + report.new.files
        seen.compared(files=files, rows=report.new.rows or 0, verdict=report.verdict, differences=_told(report))
        return report


def _told(report: ComparisonReport) -> Iterator[tuple[str, str]]:
    """Each difference with its file, "" for none."""
    for problem in report.problems:
        yield problem.file, f"{problem.path}: {problem.problem}" if problem.path else problem.problem
    for column in report.columns:
        if not column.same:
            yield "", f"{column.path} differs"
    if not report.ok and not report.problems and all(column.same for column in report.columns):
        yield "", "the records differ"
