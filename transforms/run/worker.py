"""The worker process: takes work from its standard input, answers on its standard output, and dies with the coordinator."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

from instar.transforms.run.kept import Kept
from instar.transforms.run.pipe import receive, send

_EVERY = 0.1  # seconds between two messages about progress
COLLECTED = (50_000, 20, 20)
"""How seldom Python looks for garbage in cycles, of which there is little, among the many objects of the libraries."""


def main() -> None:
    """Serve until the input ends."""
    _die_with(int(sys.argv[1]))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # these go to whole process groups; the coordinator decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    gc.set_threshold(*COLLECTED)
    source, sink = _private_pipes()
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, tasks), daemon=True).start()
    for module in sys.argv[2:]:
        importlib.import_module(module)
    kept = Kept()
    while True:
        _serve(tasks.get(), sink, kept)


def _die_with(parent: int) -> None:
    """Linux: be killed when the coordinator ends, even in the midst of a long call that lets no thread run."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if sys.platform != "win32" and os.getppid() != parent:  # it had ended before
        os._exit(1)


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes under other numbers, so that nothing which prints or reads can disturb them; prints go to stderr."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _read(source: IO[bytes], tasks: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            tasks.put(receive(source))
    except (EOFError, OSError):
        os._exit(0)  # at once, whatever the main thread does: nobody waits for its answer


def _serve(message: bytes, sink: IO[bytes], kept: Kept) -> None:
    try:
        fn, args, kwargs, more = pickle.loads(message)
        tell = _Teller(sink)
        given = {"report": (tell.add,), "kept": (kept,)}.get(more, ())
        result = fn(*args, *given, **kwargs)
        tell.flush()
        answer = pickle.dumps(("result", result), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        answer = _error(error)
    send(sink, answer)


def _error(error: Exception) -> bytes:
    """The error itself where it survives the journey, else what it says."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
        return pickle.dumps(("error", (error, trace)))
    except Exception:  # its own pickling code runs here
        return pickle.dumps(("error", (RuntimeError(f"{type(error).__name__}: {error}"), trace)))


class _Teller:
    """Gathers progress and sends it on now and then."""

    def __init__(self, sink: IO[bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._sink, self._clock, self._last = sink, clock, clock()
        self._rows = self._size = 0

    def add(self, rows: int, size: int) -> None:
        self._rows += rows
        self._size += size
        if self._clock() - self._last >= _EVERY:
            self.flush()

    def flush(self) -> None:
        if self._rows or self._size:
            counts: tuple[str, Any] = ("progress", (self._rows, self._size))
            send(self._sink, pickle.dumps(counts))
            self._rows = self._size = 0
        self._last = self._clock()
