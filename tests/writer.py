"""A program that knows nothing of Instar and keeps writing into a directory. Run as a process:

    python writer.py MODE DIRECTORY LOG

For each line that it is sent it writes some records, and notes their numbers in LOG, one a line, when it counts them as written.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

FIRST = {"direct": 1_000_000, "rename": 2_000_000, "append": 3_000_000}
"""The number of the first record that is written in each way: no two are the same."""
RECORDS = 4


def records(first: int) -> Iterator[str]:
    for n in range(first, first + RECORDS):
        yield json.dumps({"n": n, "note": f"note {n}"}) + "\n"


def direct(folder: Path, first: int) -> None:
    """A new file under its own name at once, written slowly, in pieces that are no whole lines."""
    with open(folder / f"direct-{first}.ndjson", "w") as file:
        for line in records(first):
            file.write(line[:9])
            file.flush()
            time.sleep(0.004)
            file.write(line[9:])
            file.flush()
            time.sleep(0.004)


def rename(folder: Path, first: int) -> None:
    """A whole file under another name, which is then given the one that it is to have; again where that has gone."""
    hidden = folder / f".rename-{first}.part"
    while True:
        try:
            with open(hidden, "w") as file:
                file.writelines(records(first))
            os.rename(hidden, folder / f"rename-{first}.ndjson")
            return
        except FileNotFoundError:
            continue


def appending(folder: Path) -> Callable[[Path, int], None]:
    """To one file, which stays open all the time."""
    file: TextIO = open(folder / "append.ndjson", "a")  # noqa: SIM115

    def append(folder: Path, first: int) -> None:
        for line in records(first):
            file.write(line)
            file.flush()
            time.sleep(0.002)

    return append


def main(mode: str, folder: Path, log: Path) -> None:
    write = {"direct": lambda: direct, "rename": lambda: rename, "append": lambda: appending(folder)}[mode]()
    first, pauses = FIRST[mode], random.Random(mode)
    with log.open("w") as written:
        for _ in sys.stdin:
            write(folder, first)
            written.writelines(f"{n}\n" for n in range(first, first + RECORDS))
            written.flush()
            first += RECORDS
            time.sleep(pauses.random() * 0.1)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
