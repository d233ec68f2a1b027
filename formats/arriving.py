"""Is somebody at a file just now? What is half written is no damaged file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path as FilePath

RECENT_SECONDS = 60.0
"""A file that makes no sense and has changed in so short a time is taken for one that is still being written."""


def is_arriving(path: FilePath, size: int, mtime_ns: int) -> bool:
    """Has the file (size and mtime as it was found) gone or changed since, or does a process have it open for writing?

    The last can be told on Linux' own file systems only; anywhere else the answer is what size and time say.
    """
    try:
        now = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return (now.st_size, now.st_mtime_ns) != (size, mtime_ns) or _is_open_for_writing(path)


def changed_recently(mtime_ns: int) -> bool:
    """In the last minute, or in a future that the clock of another host has put it in."""
    return time.time_ns() - mtime_ns < RECENT_SECONDS * 1e9


def _is_open_for_writing(path: FilePath) -> bool:
    """By fcntl(2), F_SETLEASE: a read lease is refused with EAGAIN where the file is open for writing. It is given back at once.

    Who opens the file in between is made to wait for that moment, and this process gets a signal, here one that does nothing.
    """
    try:
        import fcntl

        lease, signals, free = fcntl.F_SETLEASE, fcntl.F_SETSIG, fcntl.F_UNLCK
    except (ImportError, AttributeError):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, signals, signal.SIGURG)
        fcntl.fcntl(descriptor, lease, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, lease, free)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    finally:
        os.close(descriptor)
    return False
