"""A script in a process of its own, with so much time and so much address space."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
MEMORY = 2 << 30  # bytes of address space


@dataclass(frozen=True)
class Ended:
    """How it ended: `code` as a shell has it (negative: killed by that signal), None where its time was up."""

    code: int | None
    out: str
    err: str
    seconds: float


def limited(script: str, *arguments: str, seconds: float = SECONDS, memory: int = MEMORY) -> Ended:
    """Run `tests/conformance/SCRIPT` with these arguments by this Python, killed with all it started when its time is up."""
    command = [sys.executable, __file__, str(memory), str(CHECKOUT / "tests" / "conformance" / script), *arguments]
    paths = [str(CHECKOUT), str(CHECKOUT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    start = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            code = None
    return Ended(code, out, err, time.monotonic() - start)


def main() -> None:
    """`limits.py MEMORY SCRIPT …`: become that script, its address space limited."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])


if __name__ == "__main__":
    main()
