"""One case after the other: its data, its tools in turns, every output checked, the summary."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench.cases import Case
from benchmarks.bench.check import Check
from benchmarks.bench.data.store import Data, Store
from benchmarks.bench.environment import command, commit
from benchmarks.bench.measure import available, in_a_process, in_turns
from benchmarks.bench.summary import summarised
from benchmarks.bench.task import Task
from benchmarks.bench.tools.installed import installed


def measure(
    case: Case,
    store: Store,
    *,
    rounds: int = 5,
    patience: float = 60.0,
    files: int | None = None,
    run: Callable[[Task], dict[str, Any]] = in_a_process,
) -> dict[str, Any]:
    """The case as the results keep it.

    Raises:
        Failed: a tool broke, or gave something else than the others.
    """
    data, tools = store.get(case.data), [tool for tool in case.tools if available(tool)]
    if any(tool.module == "upgrade" for tool in tools):
        installed(store.folder)  # before the first run: pip is no part of its memory
    with tempfile.TemporaryDirectory(prefix="bench-", dir=store.folder) as name:
        keep = Path(name) / "keep"
        keep.mkdir()
        check = Check(case, data, keep, files)
        runs = in_turns(
            case, tools, data, Path(name), store.folder, rounds=rounds, patience=patience, files=files, run=run, check=check
        )
    taken = data.files[:files]
    return {
        "title": case.title,
        "group": case.group,
        "clock": case.clock,
        "cores": case.cores,
        "data": described(data, len(taken)),
        **summarised(case, runs, taken),
        "missing": [tool.name for tool in case.tools if not available(tool)],
        "outputs_checked": check.count,
        "command": command(),
        "commit": commit(),
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def described(data: Data, files: int) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in data.files[:files])
    return {"name": data.name, "files": files, "rows": data.rows * files // len(data.files), "bytes": size}
