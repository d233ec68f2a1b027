"""A script's `main` in a process of its own for every call, with so much time and so much address space.

Loading pyarrow, DuckDB and fastavro takes longer than migrating a small file. So one process, the nursery, loads the script once,
and what the calls have to load, and forks a new process for every call; limits are set in that one only.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
MEMORY = 2 << 30  # bytes of address space: what is mapped but never touched counts, too
SPARING = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
"""As Instar's own workers have it: else a gigabyte of addresses is reserved for Arrow, and 64 MB for every thread that ever was.
With threads of a library's the nursery could not fork."""
_OFTEN = 0.005  # seconds between two looks at a child


@dataclass(frozen=True)
class Ended:
    """How a call ended: `code` 0 and `main`'s answer, 1 (an exception, told in `err`), a negative signal, or None (time was up)."""

    code: int | None
    answer: Any
    err: str
    seconds: float


class Nursery:
    """Forks a limited process for every call of the `main` of `tests/conformance/SCRIPT`, which takes texts and returns JSON."""

    def __init__(self, script: str) -> None:
        command = [sys.executable, __file__, str(CHECKOUT / "tests" / "conformance" / script)]
        paths = [str(CHECKOUT), str(CHECKOUT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **SPARING}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def call(self, *arguments: str, seconds: float = SECONDS, memory: int = MEMORY) -> Ended:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([arguments, seconds, memory]), file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Ends the nursery."""
        self._process.communicate()


def main(script: str) -> None:
    """The nursery: a line of JSON for every call comes in, a line of JSON goes out."""
    called: Callable[..., Any] = runpy.run_path(script)["main"]
    for line in sys.stdin:
        arguments, seconds, memory = json.loads(line)
        print(json.dumps(_limited(called, arguments, seconds, memory)), flush=True)


def _limited(called: Callable[..., Any], arguments: list[str], seconds: float, memory: int) -> dict[str, Any]:
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _child(called, arguments, memory, out.fileno(), err.fileno())
        code = _code(child, start + seconds)
        out.seek(0)
        err.seek(0)
        answer, modules = json.loads(out.read()) if code == 0 else (None, [])
        _load(modules)
        return {
            "code": code,
            "answer": answer,
            "err": err.read().decode("utf-8", "replace"),
            "seconds": round(time.monotonic() - start, 3),
        }


def _child(called: Callable[..., Any], arguments: list[str], memory: int, out: int, err: int) -> None:
    """Never returns. What the call prints goes with its errors; only its answer goes to `out`."""
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        os.dup2(err, 1)
        os.dup2(err, 2)
        answer = json.dumps([called(*arguments), list(sys.modules)]).encode()
        sys.stdout.flush()
        while answer:
            answer = answer[os.write(out, answer) :]
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _load(modules: list[str]) -> None:
    """Import here what a child had to, so that the next ones find it loaded."""
    for name in modules:
        if name not in sys.modules and not name.startswith(("instar_", "_")):  # scripts, and what only C code imports
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def _code(child: int, until: float) -> int | None:
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_OFTEN)


if __name__ == "__main__":
    main(sys.argv[1])
