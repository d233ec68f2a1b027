"""`make demo`: the three sample datasets from version 1 to 3 and back, in a fresh copy under demo/.

Before, plan, progress, proof, after, rollback: every command that is shown is run, and what it prints is what you see.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent
DEMO = SAMPLES.parent / "demo"
INSTAR = Path(sys.executable).with_name("instar")
LOOK = {
    "flights": ("data/flights/month=01/part-0.parquet", "one flight"),
    "weather": ("data/weather/EWR.avro", "one hour"),
    "events": ("data/events/2024-05.ndjson", "one event"),
}


def main() -> None:
    if DEMO.exists():
        shutil.rmtree(DEMO)
    shutil.copytree(SAMPLES / "project", DEMO, ignore=shutil.ignore_patterns(".instar"))
    title("A project: three datasets, their schemas' versions, and the migrations between them")
    run("instar", "status")
    run("instar", "check")
    shell("cat migrations/flights/0002_metric_distance.py")
    for dataset, (file, what) in LOOK.items():
        title(f"{dataset}: from version 1 to 3 in one pass")
        before = digest(dataset)
        print(f"Before, {what} of {file}:")
        look(file)
        run("instar", "plan", dataset)
        run("instar", "upgrade", dataset)
        print(f"After, {what} of {file}:")
        look(file)
        run("instar", "rollback", dataset)
        print(
            f"Every file is as it was before: {'yes' if digest(dataset) == before else 'NO'} (sha256 of the tree {before[:16]}…)\n"
        )
        if digest(dataset) != before:
            sys.exit(1)
    title("Nothing was lost, and it is all on record")
    run("instar", "runs", "flights")
    print(f"Look around in {DEMO.relative_to(Path.cwd()) if DEMO.is_relative_to(Path.cwd()) else DEMO}, and go on there.")


def title(text: str) -> None:
    print(f"\n{text}\n{'─' * len(text)}", flush=True)


def run(*command: str) -> None:
    print(f"$ {' '.join(command)}", flush=True)
    subprocess.run([str(INSTAR), *command[1:]], cwd=DEMO, check=True)
    print(flush=True)


def shell(command: str) -> None:
    print(f"$ {command}", flush=True)
    print((DEMO / command.split()[1]).read_text(), flush=True)


def look(file: str) -> None:
    """The first record, by a reader that is not Instar's."""
    path = DEMO / file
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        record = pq.ParquetFile(path).read_row_group(0).slice(0, 1).to_pylist()[0]
        text = str({k: v for k, v in record.items() if k not in ("year", "month", "day")})
    elif path.suffix == ".avro":
        import fastavro

        with path.open("rb") as stream:
            text = str(next(iter(fastavro.reader(stream))))
    else:
        with path.open(encoding="utf-8") as lines:
            text = lines.readline()
    print(f"  {text[:420].rstrip()}{'…' if len(text) > 420 else ''}\n", flush=True)


def digest(dataset: str) -> str:
    """Of all names and contents of a dataset."""
    total = hashlib.sha256()
    root = DEMO / "data" / dataset
    for path in sorted(root.rglob("*")):
        total.update(path.relative_to(root).as_posix().encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    main()
