"""A process that runs `instar upgrade` on one file after the other: python damaged_worker.py.

Each line of standard input is a JSON object {"project": its folder, "name": the file's name, "data": its bytes in hex}, the answer
to it a line {"exit", "said", "megabytes", "files"}. The project's dataset `f` then holds what the run made of the file. Memory is
limited here, time by who asks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import sys
from pathlib import Path

MEMORY = 6 << 30  # of address space; a sound run takes about one GB of it


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(upgraded(Path(asked["project"]), asked["name"], bytes.fromhex(asked["data"]))) + "\n")
        answers.flush()


def upgraded(project: Path, name: str, data: bytes) -> dict[str, object]:
    from instar.cli.main import run

    folder = project / "data" / "f"
    for old in (folder, folder.parent / ".instar"):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(["-C", str(project), "upgrade", "f", "--workers", "1", "--json"])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"exit": code, "said": said.getvalue(), "megabytes": used, "files": sorted(os.listdir(folder))}


if __name__ == "__main__":
    main()
