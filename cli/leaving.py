"""The end of a process of the command line: what it holds goes with it, and is not taken apart first."""

from __future__ import annotations

import atexit
import os
import sys


class Leaving:
    """Ends the process with `code`, where one was set, once all is done that is to be done at its end.

    Made first of all, it is called last of all: after every function that was registered later. Python would go on to take apart
    each module and object, for some hundredths of a second in which nothing happens. It is left to do so where somebody watches (a
    tracer, a profiler), where a function was registered earlier, which is called later, where output cannot be written, and with
    DuckDB, which may have files of its own to remove.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._last = not atexit._ncallbacks()
        atexit.register(self)

    def __call__(self) -> None:
        watched = sys.gettrace() is not None or sys.getprofile() is not None
        if self.code is None or watched or not self._last or "duckdb" in sys.modules:
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # a reader who has gone: Python says so in its own way
                return
        os._exit(self.code)
