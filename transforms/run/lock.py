"""One run per dataset at a time.

The truth on one host is a lock of the operating system on `<state>/lock`, which ends with the process that holds it. What stands
in the file says who. On another host, where that lock may not be seen (network file systems), an owner counts as live while the
heartbeat in the file is fresh. The lock holds no data and is no step of a run, so it does not go through `Effects`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from instar.formats.errors import LockedError, RunError
from instar.transforms.run.journal import Clock, system_clock

BEAT = timedelta(seconds=15)
FRESH = timedelta(seconds=90)
"""A heartbeat younger than this is a live owner's; hosts' clocks may differ by that much less BEAT."""


@dataclass(frozen=True)
class Owner:
    """Who holds a dataset. Times are ISO 8601 with zone."""

    user: str
    host: str
    pid: int
    started: str
    command: str
    heartbeat: str

    def __str__(self) -> str:
        return f"{self.user} on {self.host}, process {self.pid}, since {self.started} ({self.command})"


def this_owner(clock: Clock = system_clock, command: str | None = None) -> Owner:
    """The owner that this process is; `command` is how it was called, for people."""
    import getpass
    import platform

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, in a container
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    now = clock().isoformat(timespec="seconds")
    words = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]) if command is None else command
    return Owner(user, platform.node(), os.getpid(), now, words, now)


@contextlib.contextmanager
def locked(path: Path, owner: Owner, clock: Clock = system_clock) -> Iterator[None]:
    """Hold the dataset whose lock file this is, its folder being there.

    Raises:
        LockedError: another process holds it; says who, where and since when. RunError: the lock file cannot be opened.
    """
    descriptor = _opened(path)
    try:
        _take(descriptor, path)
        _refuse_other_host(descriptor, owner, clock())
        stop = threading.Event()
        _write(descriptor, owner)
        beat = threading.Thread(target=_beat, args=(descriptor, owner, clock, stop), name="instar-heartbeat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)  # releases the lock; the file stays, removing it would race with who opens it just now


def holder(path: Path, clock: Clock = system_clock) -> Owner | None:
    """Who holds the lock now; None where nobody does. Takes nothing and writes nothing.

    An owner's line is left behind by a process that was killed: only a lock that is really held, or a fresh heartbeat
    from another host, counts.
    """
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    try:
        owner = _read(descriptor)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            return owner or _unknown()
        return owner if owner and _live_elsewhere(owner, this_owner(clock).host, clock()) else None
    finally:
        os.close(descriptor)


# ---- the operating system's lock
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)  # not inherited by workers: PEP 446
    except OSError as error:
        raise RunError(
            f"the lock {path} cannot be opened: {error.strerror}",
            hint='Make the state folder writable for this user, or set state = "…" to one that is.',
        ) from error


def _take(descriptor: int, path: Path) -> None:
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _TAKEN:
            raise _refusal(_read(descriptor) or _unknown()) from None
        raise RunError(
            f"the file system of {path} cannot lock files: {error.strerror}",
            hint='Set state = "…" to a folder on a local file system.',
        ) from error


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the text: a locked byte cannot be read by others
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _refusal(owner: Owner) -> LockedError:
    return LockedError(
        f"another run holds this dataset: {owner}",
        hint="Wait for it to end. If it was killed, the lock ends with it: there is nothing to remove.",
    )


def _refuse_other_host(descriptor: int, owner: Owner, now: datetime) -> None:
    known = _read(descriptor)
    if known and _live_elsewhere(known, owner.host, now):
        raise _refusal(known)


def _live_elsewhere(owner: Owner, host: str, now: datetime) -> bool:
    return owner.host != host and now - datetime.fromisoformat(owner.heartbeat) < FRESH


# ---- what the file says
def _beat(descriptor: int, owner: Owner, clock: Clock, stop: threading.Event) -> None:
    while not stop.wait(BEAT.total_seconds()):
        with contextlib.suppress(OSError):  # a full disk must not end the run; on this host the lock itself is the truth
            _write(descriptor, replace(owner, heartbeat=clock().isoformat(timespec="seconds")))


def _write(descriptor: int, owner: Owner) -> None:
    data = json.dumps(asdict(owner)).encode("ascii")
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)
    os.ftruncate(descriptor, len(data))


def _read(descriptor: int) -> Owner | None:
    """The owner's line; None where there is none, or where it is being written at this moment."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        return Owner(**json.loads(os.read(descriptor, 1 << 16)))
    except (ValueError, TypeError):
        return None


def _unknown() -> Owner:
    return Owner("somebody", "this or another host", 0, "just now", "it has not said yet what it does", "")
