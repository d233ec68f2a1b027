"""What programs meet that read a dataset while runs publish, in processes of their own: upgrades and rollbacks by turns.

    python benchmarks/readers.py [--publishes N] [--methods M ...] [--files N] [--json]

Small Parquet files in four folders. One step renames a column, so that a mixture of both versions gives errors or NULLs, and
changes the values of another, which a mixture does not betray. Each reader reads the whole dataset again and again and judges
what it got: it knows every record of both versions. Counted are the reads into which a publish fell, by what they met; the
publishes are timed where they happen, in the effects of the run. A name that meant a broken file or none, or a scan that was not
exactly the version asked for, ends the benchmark with exit code 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

import instar
from instar.cli.main import run
from instar.transforms.job import Options
from instar.transforms.migrate import migrate
from instar.transforms.restore import restore
from instar.transforms.run.effects import PosixEffects

FOLDERS, ROWS = 4, 200
STEP = '''"""One column under another name, and another unit."""
from instar import op

upgrade = [op.rename("note", to="remark"), op.map_values("unit", {"mile": "kilometre"})]
'''
OUTCOMES = {
    "clean": "one version, whole",
    "gone": "error: a file is gone",
    "error": "error: the columns differ",
    "nulls": "both versions, NULLs",
    "mixed": "both versions, unnoticed",
    "rows": "records missing, twice or wrong",
}
NAME = 'name = "{stem}.v{version}{suffix}"\n'
METHODS = {"exchange": ("exchange", ""), "exchange-names": ("exchange", NAME), "replace": ("replace", "")}
"""How runs publish, and what instar.toml says of names: with versions in them a name is gone once its version is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishes", type=int, default=200, help="for each method")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--readers", nargs="+", default=list(READERS), help="the processes, each with its readers: path,scan …")
    parser.add_argument("--json", action="store_true", help="the counts as one JSON object")
    parser.add_argument("--read", nargs=2, metavar=("READERS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read_until_told(given.read[0], Path(given.read[1]))
        return
    with tempfile.TemporaryDirectory(prefix="instar-readers-") as folder:
        found = measured(Path(folder), given.methods, given.publishes, given.files, given.readers)
    if given.json:
        print(json.dumps({measure.method: measure.as_json() for measure in found}, indent=2))
    else:
        print("\n\n".join(map(table, found)))
    if broken := [f"{measure.method}: {what}" for measure in found for what in measure.broken()]:
        sys.exit("\n".join(broken))


# ---- the dataset
def make_project(folder: Path, files: int) -> None:
    """A project with two versions of a subject, all files at the first."""
    for number in range(files):
        path = folder / "data" / "sales" / f"region={number % FOLDERS}" / f"part-{number:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ids = range(number * ROWS, (number + 1) * ROWS)
        pq.write_table(pa.table({"id": ids, "unit": ["mile"] * ROWS, "note": [f"note {i}" for i in ids]}), path)
    instar_command(folder, "init", "--from", str(folder / "data" / "sales"))
    scripts = folder / "migrations" / "sales"
    scripts.mkdir(parents=True)
    (scripts / "0002_units.py").write_text(STEP)
    instar_command(folder, "register", "sales")


def instar_command(folder: Path, *arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = run(["-C", str(folder), *arguments])
    if code:
        sys.exit(said.getvalue())


# ---- publishing
class Timed(PosixEffects):
    """The real file system, noting when it changed what a name in the dataset means."""

    def __init__(self, dataset: Path) -> None:
        self.dataset, self.moments = dataset, list[tuple[float, float]]()

    def exchange(self, one: Path, other: Path) -> None:
        self._noted(super().exchange, one, other)

    def replace(self, source: Path, target: Path) -> None:
        self._noted(super().replace, source, target)

    def _noted(self, effect: Callable[[Path, Path], None], one: Path, other: Path) -> None:
        started = time.monotonic()
        effect(one, other)
        if any(path.is_relative_to(self.dataset) for path in (one, other)):
            self.moments.append((started, time.monotonic()))


def publishes(folder: Path, method: Any, count: int) -> Iterator[tuple[float, float]]:
    """Upgrade and roll back by turns; from when to when each changed the dataset."""
    dataset, effects = instar.open(folder).dataset("sales"), Timed(folder / "data" / "sales")
    for number in range(count):
        effects.moments.clear()
        if number % 2 == 0:
            migrate(dataset.job(), None, Options(method=method), verb="upgrade", effects=effects)
        else:
            restore(dataset.job(), effects=effects)
        yield effects.moments[0][0], effects.moments[-1][1]


# ---- readers
@dataclass(frozen=True)
class Expected:
    """All records there are, by their ids; each is of either version."""

    ids: pa.Array

    def judged(self, found: pa.Table) -> str:
        """What a whole dataset that was read is."""
        if not found["id"].combine_chunks().sort().equals(self.ids):
            return "rows"
        if any(found[name].null_count for name in found.schema.names):
            return "nulls"
        return "clean" if len(found["unit"].unique()) == 1 else "mixed"


def whole_file(folder: Path) -> Iterator[str]:
    """One file after the other, by its name: it must be what one version has there."""
    paths = sorted((folder / "data" / "sales").rglob("*.parquet"))
    while True:
        for path in paths:
            number = int(path.name.split(".")[0].rpartition("-")[2])
            try:
                found = pq.ParquetFile(path).read()
            except FileNotFoundError:
                yield "gone"
                continue
            names = {"mile": "note", "kilometre": "remark"}
            units = found["unit"].unique().to_pylist()
            whole = len(units) == 1 and found.schema.names == ["id", "unit", names[units[0]]]
            text = [f"note {i}" for i in range(number * ROWS, (number + 1) * ROWS)]
            yield "clean" if whole and found[names[units[0]]].to_pylist() == text else "rows"


def scanned(folder: Path) -> Iterator[str]:
    """`dataset.scan` at either version: the same records whichever is published."""
    dataset = instar.open(folder).dataset("sales")
    expected = {version: dataset.scan(version).read_all() for version in (1, 2)}
    while True:
        for version, table in expected.items():
            yield "clean" if dataset.scan(version).read_all().equals(table) else "rows"


def globbed(folder: Path) -> Iterator[str]:
    """DuckDB over a glob: all columns as the first file has them, all columns of all files, and what both versions have."""
    expected, connection = expected_of(folder), duckdb.connect()
    files = f"'{folder}/data/sales/**/*.parquet'"
    queries = {
        "duckdb glob": f"SELECT * FROM read_parquet({files})",
        "duckdb glob, union_by_name": f"SELECT * FROM read_parquet({files}, union_by_name = true)",
        "duckdb glob, columns of both": f"SELECT id, unit FROM read_parquet({files})",
    }
    while True:
        for name, query in queries.items():
            try:
                outcome = expected.judged(connection.sql(query).to_arrow_table())
            except duckdb.Error as error:
                outcome = "gone" if "No such file" in str(error) or "No files found" in str(error) else "error"
            yield f"{name}: {outcome}"


def datasets(folder: Path) -> Iterator[str]:
    """pyarrow.dataset: all columns, and what both versions have."""
    expected = expected_of(folder)
    while True:
        for name, columns in (("pyarrow dataset", None), ("pyarrow dataset, columns of both", ["id", "unit"])):
            try:
                outcome = expected.judged(ds.dataset(folder / "data" / "sales", partitioning="hive").to_table(columns=columns))
            except FileNotFoundError:
                outcome = "gone"
            except (OSError, pa.ArrowException):
                outcome = "error"
            yield f"{name}: {outcome}"


def expected_of(folder: Path) -> Expected:
    return Expected(ds.dataset(folder / "data" / "sales").to_table(columns=["id"])["id"].combine_chunks().sort())


READERS = {"path": whole_file, "scan": scanned, "duckdb": globbed, "pyarrow": datasets}
NAMED = {"path": "one file by its name", "scan": "instar: dataset.scan"}


def read_until_told(names: str, folder: Path) -> None:
    """Read by these readers in turn, again and again until standard input ends; then say when each read was and what it met."""
    os.nice(10)  # the runs should not wait for their readers
    stop = threading.Event()
    reads: list[tuple[float, float, str]] = []
    readers = [(NAMED.get(name), READERS[name](folder)) for name in names.split(",")]
    for _, reader in readers:
        next(reader)
    print("ready", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    for name, reader in itertools.cycle(readers):
        if stop.is_set():
            break
        started = time.monotonic()
        outcome = next(reader)
        reads.append((started, time.monotonic(), f"{name}: {outcome}" if name else outcome))
    json.dump(reads, sys.stdout)


# ---- counting
@dataclass
class Measure:
    """Of one method: reads by reader and outcome, and of these such into which a publish fell."""

    method: str
    began: float
    ended: float
    moments: list[tuple[float, float]]
    every: dict[str, Counter[str]] = field(default_factory=dict)
    during: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, reads: list[tuple[float, float, str]]) -> None:
        for began, ended, said in reads:
            if self.began <= began <= self.ended:
                reader, _, outcome = said.rpartition(": ")
                self.every.setdefault(reader, Counter())[outcome] += 1
                met = any(first <= ended and began <= last for first, last in self.moments)
                self.during.setdefault(reader, Counter())[outcome] += met

    def broken(self) -> list[str]:
        """What was promised and did not hold."""
        promised = {name: {"clean"} for name in NAMED.values()}
        if METHODS[self.method][1]:
            promised[NAMED["path"]].add("gone")
        return [
            f"{reader}: {count} {OUTCOMES[outcome]}"
            for reader, allowed in promised.items()
            for outcome, count in self.every[reader].items()
            if outcome not in allowed
        ]

    def as_json(self) -> dict[str, Any]:
        def plain(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
            return {reader: {o: n for o, n in outcomes.items() if n} for reader, outcomes in counts.items()}

        return {"publishes": len(self.moments), "reads": plain(self.every), "during": plain(self.during)}


def measured(folder: Path, methods: Sequence[str], count: int, files: int, processes: Sequence[str]) -> list[Measure]:
    """The same readers read all the time, while one method after the other is used."""
    make_project(folder, files)
    command = [sys.executable, __file__, "--read"]
    readers = [
        subprocess.Popen([*command, name, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in processes
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            if reader.stdout.readline() != "ready\n":
                sys.exit("a reader could not begin")
        found = [published(folder, method, count) for method in methods]
        for reader in readers:
            out, _ = reader.communicate()
            if reader.returncode:
                sys.exit("a reader failed")
            for measure in found:
                measure.add(json.loads(out))
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    return found


def published(folder: Path, method: str, count: int) -> Measure:
    how, names = METHODS[method]
    settings = folder / "instar.toml"
    text = settings.read_text()
    settings.write_text(text + names)
    began = time.monotonic()
    moments = list(publishes(folder, how, count))
    settings.write_text(text)
    return Measure(method, began, time.monotonic(), moments)


def table(measure: Measure) -> str:
    """For people: Markdown."""
    lines = [
        f"{measure.method}: {len(measure.moments)} publishes in {measure.ended - measure.began:.0f} s",
        "",
        f"| reader | reads | during a publish | {' | '.join(OUTCOMES.values())} |",
        f"|---|---{'|---' * (len(OUTCOMES) + 1)}|",
    ]
    for reader, every in sorted(measure.every.items()):
        during = measure.during[reader]
        counts = " | ".join(str(during[outcome]) for outcome in OUTCOMES)
        lines.append(f"| {reader} | {every.total():,} | {during.total()} | {counts} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
