"""GitHub webhook payloads over and over, with other ids each time; one compact document a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.data.sources import SAMPLES, events

DOCUMENT = SAMPLES / "project" / "schemas" / "events" / "v1.schema.json"
"""Version 1 of the sample dataset's schema."""


def write_events(folder: Path, count: int, whole: bool) -> None:
    every = events(whole)
    with (folder / "events.ndjson").open("w", encoding="utf-8") as out:
        for i in range(count):
            round_, at = divmod(i, len(every))
            out.write(json.dumps(later(every[at], round_), separators=(",", ":"), ensure_ascii=False) + "\n")


def later(value: Any, by: int) -> Any:
    """The same with every `id` that is a number larger by `by`."""
    if isinstance(value, dict):
        return {key: inner + by if key == "id" and type(inner) is int else later(inner, by) for key, inner in value.items()}
    return [later(inner, by) for inner in value] if isinstance(value, list) else value
