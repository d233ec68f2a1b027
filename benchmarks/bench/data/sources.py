"""The real records that the data are made of: of the whole packages, which are fetched, or of the samples' committed extracts."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
EXTRACTS = SAMPLES / "project" / "data"
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
"""Of the weather."""

sys.path.insert(0, str(SAMPLES))


@lru_cache(maxsize=1)
def flights(whole: bool) -> pa.Table:
    """336,776 flights, or 14,400 of them."""
    if not whole:
        return _months(EXTRACTS / "flights")
    from make_data import write_flights

    with TemporaryDirectory() as name:
        write_flights(Path(name))
        return _months(Path(name))


def _months(folder: Path) -> pa.Table:
    parts = [pq.ParquetFile(path).read() for path in sorted(folder.rglob("*.parquet"))]
    return pa.concat_tables(parts).replace_schema_metadata(None).combine_chunks()


@lru_cache(maxsize=1)
def weather(whole: bool) -> list[dict[str, Any]]:
    """26,115 hours at three airports, or 6,000 of them."""
    if whole:
        from make_data import weather_csv

        return [_hour(row) for row in csv.DictReader(io.StringIO(weather_csv().decode()))]
    import fastavro

    records: list[Any] = []
    for path in sorted((EXTRACTS / "weather").glob("*.avro")):
        with path.open("rb") as stream:
            records += fastavro.reader(stream)
    return records


def _hour(row: dict[str, str]) -> dict[str, Any]:
    hour = datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00")).astimezone(UTC)
    values = {name: None if row[name] == "NA" else float(row[name]) for name in MEASURES}
    return {"origin": row["origin"], "time_hour": hour, **values}


def events(whole: bool) -> list[dict[str, Any]]:
    """280 webhook payloads of some 11 kB, or 30 small ones; the event's name in front."""
    if not whole:
        return [json.loads(line) for line in (EXTRACTS / "events" / "2024-05.ndjson").read_text().splitlines()]
    from make_data import event_payloads

    return [{"event": name, **payload} for name, payload in event_payloads() if "sender" in payload and "repository" in payload]
