"""Instar beside what people would use instead: DuckDB, polars, pyarrow, fastavro, an orjson loop, jq and cp, on the same work.

    make bench                                               all of it, about an hour
    python -m benchmarks.bench --only parquet-rename avro    the cases whose names begin so
    python -m benchmarks.bench --scale 0.01 --repeats 1      a look at whether it works; the figures say nothing
    python -m benchmarks.bench --list

The data are made once, from public packages, and kept in `.cache/bench` (some 4 GB at full size). With --results a folder gets
results.json with every run, table.md, chart.svg and chart.png. Cases measured there earlier, in the same environment, stay.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench.cases import chosen
from benchmarks.bench.data.store import Store
from benchmarks.bench.environment import CHECKOUT, environment
from benchmarks.bench.measure import Failed
from benchmarks.bench.results import merged, write
from benchmarks.bench.suite import measure
from benchmarks.bench.table import cell, grouped, table


def main() -> None:
    given = arguments().parse_args()
    try:
        cases = chosen(given.only)
    except ValueError as error:
        sys.exit(str(error))
    if given.list:
        print("\n".join(f"{case.name:<24}{case.group}: {case.title}" for case in cases))
        return
    given.data.mkdir(parents=True, exist_ok=True)
    store, measured = Store(given.data, given.scale), dict[str, Any]()
    for case in cases:
        try:
            measured[case.name] = measure(case, store, rounds=given.repeats, patience=given.patience, files=given.files)
        except Failed as error:
            sys.exit(str(error))
        print(
            f"{case.name}: " + "; ".join(told(measured[case.name], name) for name in measured[case.name]["tools"]), file=sys.stderr
        )
        if given.results:
            write(given.results, merged(given.results, environment(), measured))
    if given.json:
        print(json.dumps({"environment": environment(), "cases": measured}, indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(f"{group}\n\n{table(each)}" for group, each in grouped(measured.values()).items()))


def told(case: dict[str, Any], name: str) -> str:
    return f"{name} {cell(case, name)}".replace("<br>", " ").replace("**", "")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="cases whose names begin with one of these")
    parser.add_argument("--list", action="store_true", help="the names of the cases")
    parser.add_argument("--scale", type=float, default=1.0, help="of the data; 1 is 10 million flights")
    parser.add_argument("--repeats", type=int, default=5, help="runs of a tool [5]")
    parser.add_argument(
        "--patience", type=float, default=60.0, metavar="SECONDS", help="after so many a tool gets no more runs in a case [60]"
    )
    parser.add_argument("--files", type=int, help="take so many files of the data, whatever the case says")
    parser.add_argument("--data", type=Path, default=CHECKOUT / ".cache" / "bench", help="where the data are kept [.cache/bench]")
    parser.add_argument("--results", type=Path, help="keep the results in this folder")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object, every run in it")
    return parser


if __name__ == "__main__":
    main()
