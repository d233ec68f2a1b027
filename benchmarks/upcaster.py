"""Dicts a second through an upcaster, beside a Python function written by hand that does the same, on flights (19 fields).

    python benchmarks/upcaster.py [--records N] [--repeats N]

The chain renames a field, adds one, casts one and maps one through a table, over two versions. Records are Python dicts in memory,
from the committed extracts; one process, one core, CPU time, the best of several repeats of each, taken in turns. Two ways each:
a record at a time, and lists. The outputs are compared first: both ways must give equal dicts, keys in the same order.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.dataset as ds

import instar

CHECKOUT = Path(__file__).resolve().parents[1]
FLIGHTS = CHECKOUT / "samples" / "project" / "data" / "flights"
CARRIERS = {
    "9E": "Endeavor", "AA": "American", "AS": "Alaska", "B6": "JetBlue", "DL": "Delta", "EV": "ExpressJet", "F9": "Frontier",
    "FL": "AirTran", "HA": "Hawaiian", "MQ": "Envoy", "OO": "SkyWest", "UA": "United", "US": "US Airways", "VX": "Virgin",
    "WN": "Southwest", "YV": "Mesa",
}  # fmt: skip
STEPS = (
    'op.rename("dep_delay", to="departure_delay"), op.add("currency", "string", default="USD")',
    f'op.cast("flight", "string"), op.map_values("carrier", {CARRIERS!r})',
)

Record = dict[str, Any]


def by_hand(record: Record) -> Record:
    """What a careful person writes: the same checks, the same order of keys, unknown keys kept."""
    out: Record = {}
    for key, value in record.items():
        if key == "dep_delay":
            out["departure_delay"] = value
        elif key == "flight":
            if value is not None and not isinstance(value, int):
                raise ValueError(f"flight: {value!r} is no integer")
            out["flight"] = None if value is None else str(value)
        elif key == "carrier":
            out["carrier"] = None if value is None else CARRIERS[value]
        elif key in ("departure_delay", "currency"):
            raise ValueError(f"{key} is there already")
        else:
            out[key] = value
    out["currency"] = "USD"
    return out


def by_hand_display(record: Record) -> Record:
    """The fastest that somebody could write, who trusts every record to have just these keys: one dict display."""
    r = record
    return {
        "year": r["year"], "month": r["month"], "day": r["day"], "dep_time": r["dep_time"],
        "sched_dep_time": r["sched_dep_time"], "departure_delay": r["dep_delay"], "arr_time": r["arr_time"],
        "sched_arr_time": r["sched_arr_time"], "arr_delay": r["arr_delay"], "carrier": CARRIERS[r["carrier"]],
        "flight": str(r["flight"]), "tailnum": r["tailnum"], "origin": r["origin"], "dest": r["dest"],
        "air_time": r["air_time"], "distance": r["distance"], "hour": r["hour"], "minute": r["minute"],
        "time_hour": r["time_hour"], "currency": "USD",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    records = some_flights(given.records)
    with TemporaryDirectory(prefix="instar-upcaster-") as folder:
        up = upcaster(Path(folder))
    ways: dict[str, Callable[[], list[Record]]] = {
        "upcaster, one by one": lambda: [up(record) for record in records],
        "upcaster, a list": lambda: list(up.records(records)),
        "by hand, a loop over keys": lambda: [by_hand(record) for record in records],
        "by hand, one display": lambda: [by_hand_display(record) for record in records],
    }
    made = {name: way() for name, way in ways.items()}
    expected = [list(record.items()) for record in made["by hand, a loop over keys"]]
    for name, out in made.items():
        if [list(record.items()) for record in out] != expected:
            raise SystemExit(f"{name} gives something else")
    del made
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(given.repeats):
        for name, way in ways.items():
            started = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - started)
    print(f"{len(records):,} flights, outputs equal")
    for name, seconds in best.items():
        print(f"{name:<28}{len(records) / seconds:>12,.0f} dicts/s{seconds / len(records) * 1e6:>8.2f} µs each")


def some_flights(count: int) -> list[Record]:
    """Flights of the extracts, over and over; each a dict of its own. Parts of later versions are left out."""
    table = ds.dataset(FLIGHTS / "month=01").to_table()
    records = table.to_pylist()
    return [dict(records[i % len(records)]) for i in range(count)]


def upcaster(folder: Path) -> Any:
    """From version 1 to 3 of a project made for it."""
    project_folder = folder / "project"
    project_folder.mkdir()
    instar.init(project_folder, source=FLIGHTS / "month=01", name="flights")
    project = instar.open(project_folder)
    subject = project.registry.subjects()[0]
    for step in STEPS:
        script = project.revision(subject, "a step")
        script.write_text(f'"""A step."""\nfrom instar import op\nupgrade = [{step}]\n', encoding="utf-8")
        project.register(subject)
    return project.upcaster(subject, 1)


if __name__ == "__main__":
    main()
