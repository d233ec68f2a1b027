"""Memory of a whole upgrade: a rename and a cast, proof included, of 5 million flights × 19 columns, two workers, 1 GB.

    python benchmarks/memory.py [--rows N] [--layouts one fifty files] [--folder DIR]

Three layouts of the same rows: one row group, 50 row groups, 10,000 files. Every 50 ms the proportional set size (PSS, from
/proc/PID/smaps_rollup: shared pages are divided among those that share them) of the command and all its children is summed;
the peak is printed beside the budget. Linux only. Needs the sample sources (`samples/make_data.py` fetches them).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "samples"))
BUDGET = 1_000_000_000
ALLOWED = 1.2

SCRIPT = '''"""A rename and a cast."""
from instar import op

upgrade = [op.rename("dep_delay", to="departure_delay"), op.cast("flight", "string")]
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--layouts", nargs="+", default=["one", "fifty", "files"], choices=["one", "fifty", "files"])
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="instar-memory-", dir=given.folder) as name:
        over = [layout for layout in given.layouts if not measured(layout, given.rows, Path(name) / layout)]
    if over:
        sys.exit(f"over the budget: {', '.join(over)}")


def measured(layout: str, rows: int, folder: Path) -> bool:
    data = folder / "data" / "flights"
    data.mkdir(parents=True)
    write(layout, rows, data)
    prepare(folder)
    command = [*INSTAR, "upgrade", "flights", "--workers", "2", "--memory", str(BUDGET), "--json"]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = Peak(process.pid)
    peak.start()
    out, errors = process.communicate()
    peak.stop()
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{layout}: exit {process.returncode}\n{out}\n{errors}")
    report = json.loads(out)
    steps = ", ".join(f"{step} {taken:.1f} s" for step, taken in report["seconds"].items())
    print(
        f"{layout:>6}: peak {peak.bytes / 1e6:,.0f} MB of {BUDGET / 1e6:,.0f} MB in {peak.processes} processes, "
        f"{seconds:.0f} s ({steps}); "
        f"{report['rows_out']:,} rows, {report['proof']['verdict']}; {'; '.join(report['notes']) or 'no notes'}",
        flush=True,
    )
    shutil.rmtree(folder)
    return peak.bytes <= BUDGET * ALLOWED


INSTAR = [sys.executable, "-m", "instar"]


def prepare(folder: Path) -> None:
    """A project with two versions of the subject."""
    subprocess.run([*INSTAR, "init", "--from", "data/flights"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    scripts = folder / "migrations" / "flights"
    scripts.mkdir(parents=True, exist_ok=True)
    (scripts / "0002_rename_and_cast.py").write_text(SCRIPT)
    subprocess.run([*INSTAR, "register", "flights"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def write(layout: str, rows: int, folder: Path) -> None:
    """`rows` flights, the real ones over and over with the flight number changed each time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from make_data import write_flights

    with tempfile.TemporaryDirectory() as name:
        write_flights(Path(name))
        base = pa.concat_tables(pq.ParquetFile(path).read() for path in sorted(Path(name).rglob("*.parquet")))
    at = base.schema.get_field_index("flight")

    def part(start: int, length: int) -> pa.Table:
        pieces = []
        while length:
            round_, offset = divmod(start, len(base))
            piece = base.slice(offset, length)
            pieces.append(piece.set_column(at, base.schema.field(at), pc.add(piece["flight"], 10_000 * round_)))
            start, length = start + len(piece), length - len(piece)
        return pa.concat_tables(pieces)

    if layout == "files":
        each = rows // 10_000
        for i in range(10_000):
            target = folder / f"part={i // 100:02d}"
            target.mkdir(exist_ok=True)
            pq.write_table(part(i * each, each), target / f"{i:05d}.parquet", compression="zstd")
        return
    size = rows if layout == "one" else rows // 50
    with pq.ParquetWriter(folder / "flights.parquet", base.schema, compression="zstd") as writer:
        for start in range(0, rows, size):
            writer.write_table(part(start, size), row_group_size=size)


class Peak(threading.Thread):
    """Samples the summed PSS of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self.processes = pid, 0, 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            family = descendants(self.pid)
            total = sum(proportional(pid) for pid in family)
            if total > self.bytes:
                self.bytes, self.processes = total, len(family)

    def stop(self) -> None:
        self.over.set()
        self.join()


def descendants(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += descendants(int(child))
    except OSError:  # it ended meanwhile
        return found
    return found


def proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


if __name__ == "__main__":
    main()
