"""What a run did when, read off its journal: for reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from instar.transforms.run.journal import (
    Discarded,
    Failed,
    HeldBack,
    Line,
    Planned,
    Proved,
    PublishBegun,
    Published,
    Replanned,
    Restored,
    Resumed,
    Staged,
    Stopped,
    Undone,
)

MOST = 200
"""So many moments at which files were staged are told apart; more are told in groups."""
_TOLD: dict[type, str] = {
    Planned: "planned",
    Resumed: "resumed",
    Replanned: "planned anew",
    Proved: "proved",
    HeldBack: "held back",
    PublishBegun: "publish begun",
    Published: "published",
    Undone: "publish undone",
    Discarded: "stage discarded",
    Stopped: "stopped",
    Failed: "failed",
}


def timeline(lines: Iterable[Line]) -> tuple[dict[str, Any], ...]:
    """Moments in order: `at` (ISO 8601, UTC), `what`, and how many `files`, `rows` and `bytes` (of the source) came to stand in
    the stage then, 0 for all else. Files that were staged in one go are one moment."""
    moments: list[dict[str, Any]] = []
    staged: list[dict[str, Any]] = []
    for line in lines:
        match line.event:
            case Staged(receipt):
                _add(moments, staged, line.at, receipt.rows_in, receipt.source_size)
            case Restored(size=size):
                _add(moments, staged, line.at, 0, size)
            case event if type(event) in _TOLD:
                moments.append(_moment(line.at, _TOLD[type(event)]))
    return tuple(_grouped(moments, len(staged)))


def _moment(at: str, what: str, files: int = 0, rows: int = 0, size: int = 0) -> dict[str, Any]:
    return {"at": at, "what": what, "files": files, "rows": rows, "bytes": size}


def _add(moments: list[dict[str, Any]], staged: list[dict[str, Any]], at: str, rows: int, size: int) -> None:
    last = moments[-1] if moments else None
    if last is not None and (last["at"], last["what"]) == (at, "staged"):
        last["files"], last["rows"], last["bytes"] = last["files"] + 1, last["rows"] + rows, last["bytes"] + size
        return
    moments.append(_moment(at, "staged", 1, rows, size))
    staged.append(moments[-1])


def _grouped(moments: Sequence[dict[str, Any]], staged: int) -> list[dict[str, Any]]:
    """No more than `MOST` of the moments at which files were staged: neighbours as one, at the time of the last."""
    size = -(-staged // MOST)
    kept: list[dict[str, Any]] = []
    open_for = 0
    for moment in moments:
        if moment["what"] != "staged":
            open_for = 0
        elif open_for:
            last = kept.pop()
            moment = {**moment, **{key: last[key] + moment[key] for key in ("files", "rows", "bytes")}}
            open_for -= 1
        else:
            open_for = size - 1
        kept.append(moment)
    return kept
