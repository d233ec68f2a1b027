"""One run per dataset at a time.

The truth on one host is a lock of the operating system on `<state>/lock`, which ends with the process that holds it. What stands
in the file says who. On another host, where that lock may not be seen (network file systems), an owner counts as live while the
heartbeat in the file is fresh; one that was suspended meanwhile finds somebody else's name in the file when it wakes, and changes
nothing more. The lock holds no data and is no step of a run, so it does not go through `Effects`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from instar.formats.errors import LockedError, RunError
from instar.transforms.run.disk import disk_error
from instar.transforms.run.journal import Clock, system_clock

BEAT = timedelta(seconds=15)
FRESH = timedelta(seconds=90)
"""A heartbeat younger than this is a live owner's; hosts' clocks may differ by that much less BEAT."""
GRACE = timedelta(seconds=1)
"""After taking over from another host: time in which its owner, if it wakes just now, ends the step that it had begun."""
Pause = Callable[[float], None]
"""Waits so many seconds."""


@dataclass(frozen=True)
class Owner:
    """Who holds a dataset. Times are ISO 8601 with zone; `token` tells this hold from any other, of the same process, too."""

    user: str
    host: str
    pid: int
    started: str
    command: str
    heartbeat: str
    token: str = ""

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
    return Owner(user, platform.node(), os.getpid(), now, words, now, os.urandom(8).hex())


@contextlib.contextmanager
def locked(
    path: Path,
    owner: Owner,
    clock: Clock = system_clock,
    *,
    prepare: Callable[[], None] = lambda: None,
    pause: Pause = time.sleep,
) -> Iterator[Hold]:
    """Hold the dataset whose lock file this is. `prepare` makes its folder, which another owner may be removing just now.

    Raises:
        LockedError: another process holds it; says who, where, since when and what it does. RunError: the lock file cannot be
            opened or written.
    """
    descriptor = _taken(path, prepare, pause)
    try:
        before = _refuse_other_host(descriptor, path, owner, clock, pause)
        hold = Hold(path, descriptor, owner, clock)
        hold.announce()
        if before is not None:
            pause(GRACE.total_seconds())
            hold.refuse_if_lost()
        stop = threading.Event()
        beat = threading.Thread(target=_beat, args=(hold, stop), name="instar-heartbeat", daemon=True)
        beat.start()
        try:
            yield hold
        finally:
            stop.set()
            beat.join()
            hold.release()
    finally:
        os.close(descriptor)  # releases the lock


class Hold:
    """What `locked` gives: the dataset is this process's, as long as the file says so."""

    def __init__(self, path: Path, descriptor: int, owner: Owner, clock: Clock) -> None:
        self._path, self._descriptor, self._owner, self._clock = path, descriptor, owner, clock
        self._last, self._ticks = clock(), time.monotonic()
        self._guard = threading.Lock()

    def announce(self) -> None:
        """Write the owner's name.

        Raises:
            RunError: the disk says no.
        """
        try:
            _write(self._descriptor, self._owner)
        except OSError as error:
            raise disk_error(f"the lock {self._path} cannot be written", error) from error

    def refuse_if_lost(self) -> None:
        """Is the dataset still ours? To be asked right before every step that others would see.

        A process that was suspended longer than FRESH may have been taken for dead by another host.

        Raises:
            LockedError: somebody else has taken it over, or the lock file is gone. RunError: the lock file cannot be read.
        """
        with self._guard:
            ours, found = self._look()
        if not ours:
            whom = f"by {found}" if found else "by a run that has ended since, or the lock file was removed"
            raise LockedError(
                f"this run has lost the dataset: it was taken over {whom}",
                hint="This process was not heard of for a while, as when a machine sleeps. It stops without changing anything "
                "more: the next run settles what it left. Repeat the command then.",
            )

    def beat(self) -> None:
        """A sign of life, unless the dataset is lost already. Never goes back where the clock is set back."""
        with self._guard:
            if self._look()[0]:
                ticks = time.monotonic()
                self._last = max(self._clock(), self._last + timedelta(seconds=ticks - self._ticks))
                self._ticks = ticks
                _write(self._descriptor, replace(self._owner, heartbeat=self._last.isoformat(timespec="seconds")))

    def release(self) -> None:
        """Take the name out of the file, if it is ours; the file stays."""
        with contextlib.suppress(OSError):  # the operating system's lock ends in any case
            if self._look()[0]:
                os.ftruncate(self._descriptor, 0)

    def remove(self) -> None:
        """Remove the file, if it is ours; who has opened it just now sees that and opens anew.

        Raises:
            OSError: the disk says no (Windows: it is open).
        """
        if self._look()[0]:
            os.unlink(self._path)

    def _look(self) -> tuple[bool, Owner | None]:
        """Is the name in the file ours, and whose is it? The file is opened anew: on a network what is open may be old."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return False, None
        except OSError as error:
            raise disk_error(f"the lock {self._path} cannot be read", error) from error
        try:
            found = _read(descriptor)
            same = os.path.sameopenfile(descriptor, self._descriptor)
            return same and found is not None and found.token == self._owner.token, found
        finally:
            os.close(descriptor)


def holder(path: Path, clock: Clock = system_clock) -> Owner | None:
    """Who holds the lock now; None where nobody does. Takes nothing and writes nothing.

    An owner's line is left behind by a process that was killed: only a lock that is really held, or a fresh heartbeat
    from another host, counts.

    Raises:
        RunError: the lock file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise disk_error(f"the lock {path} cannot be read", error) from error
    try:
        owner = _read(descriptor)
        if os.fstat(descriptor).st_size == 0:
            return None  # free; trying the lock now could be in the way of somebody who takes it
        try:
            _lock(descriptor, shared=True)
        except OSError as error:
            if error.errno not in _TAKEN:
                return None  # nobody can hold a lock on a file system that has none
            return owner or _unknown()
        if owner is None:
            return _unknown() if _being_written(descriptor, clock()) else None
        return owner if _live_elsewhere(owner, this_owner(clock).host, clock()) else None
    finally:
        os.close(descriptor)


def at_work(path: Path, clock: Clock = system_clock) -> tuple[str, ...]:
    """What to tell somebody who only looks at the dataset: who works on it, if anybody does."""
    owner = holder(path, clock)
    return (f"a run is at work: {owner}",) if owner else ()


# ---- the operating system's lock
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_GONE = (FileNotFoundError, FileExistsError)  # a folder that goes between two looks at it
_TRIES, _BETWEEN = 6, 0.05  # somebody who only looks who holds the lock (`holder`) has it for a moment


def _taken(path: Path, prepare: Callable[[], None], pause: Pause) -> int:
    """The lock file, open and locked, and still the one at `path`."""
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        descriptor = _opened(path, prepare, last=last)
        if descriptor is None:
            pause(_BETWEEN)
            continue
        try:
            if _take(descriptor, path, last=last) and _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        pause(_BETWEEN)
    raise _refusal(_unknown())  # others take it and remove it behind them, again and again


def _opened(path: Path, prepare: Callable[[], None], *, last: bool) -> int | None:
    """None where its folder is gone: the owner before us has just removed it."""
    try:
        prepare()
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)  # not inherited by workers: PEP 446
    except RunError as error:
        if isinstance(error.__cause__, _GONE) and not last:
            return None
        raise
    except OSError as error:
        if isinstance(error, _GONE) and not last:
            return None
        raise RunError(
            f"the lock {path} cannot be opened: {error.strerror}",
            hint='Make the state folder writable for this user, or set state = "…" to one that is.',
        ) from error


def _take(descriptor: int, path: Path, *, last: bool) -> bool:
    try:
        _lock(descriptor)
        return True
    except OSError as error:
        if error.errno in _TAKEN:
            if not last:
                return False
            raise _refusal(_read(descriptor) or _unknown()) from None
        raise RunError(
            f"the file system of {path} cannot lock files: {error.strerror}",
            hint='Set state = "…" to a folder on a local file system.',
        ) from error


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, *, shared: bool = False) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the text: a locked byte cannot be read by others
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _refusal(owner: Owner, now: datetime | None = None) -> LockedError:
    """Says who; and, where its last sign of life is old while it still has the lock, that it may be suspended."""
    hint = "Wait for it to end. If it was killed, the lock ends with it: there is nothing to remove."
    if owner.heartbeat and (now or datetime.now(UTC)) - _time(owner.heartbeat) > FRESH:
        hint = f"It was last heard of at {owner.heartbeat}: if process {owner.pid} is suspended, continue it or end it."
    return LockedError(f"another run holds this dataset: {owner}", hint=hint)


# ---- owners on other hosts
def _refuse_other_host(descriptor: int, path: Path, owner: Owner, clock: Clock, pause: Pause) -> Owner | None:
    """The owner on another host who is gone, None where there was none.

    Raises:
        LockedError: an owner on another host is live.
    """
    known = _read(descriptor)
    for _ in range(_TRIES):
        if known is not None or not _being_written(descriptor, clock()):
            break
        pause(_BETWEEN)
        known = _read(descriptor)
    else:
        raise _refusal(_unknown())
    if known is None or known.host == owner.host:
        return None  # on this host the operating system's lock is the truth, and we have it
    ahead = _time(known.heartbeat) - clock() > FRESH
    if _beats(path, known, pause) if ahead else _live_elsewhere(known, owner.host, clock()):
        raise _refusal(known, _time(known.heartbeat))
    return known


def _live_elsewhere(owner: Owner, host: str, now: datetime) -> bool:
    return owner.host != host and now - _time(owner.heartbeat) < FRESH


def _beats(path: Path, owner: Owner, pause: Pause) -> bool:
    """Does the heartbeat change? For one from the future: one of the two clocks is wrong, so neither says how old it is."""
    for _ in range(4):
        pause(BEAT.total_seconds() / 2)
        with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:
            if _read(file.fileno()) != owner:
                return True
    return False


def _being_written(descriptor: int, now: datetime) -> bool:
    """Is there a line that cannot be understood, and written only just now? An old one was torn by a power cut."""
    known = os.fstat(descriptor)
    return known.st_size > 0 and abs(now.timestamp() - known.st_mtime) < FRESH.total_seconds()


# ---- what the file says
def _beat(hold: Hold, stop: threading.Event) -> None:
    while not stop.wait(BEAT.total_seconds()):
        with contextlib.suppress(OSError, RunError):  # a full disk must not end the run; `refuse_if_lost` tells what matters
            hold.beat()


def _write(descriptor: int, owner: Owner) -> None:
    """One line, over what is there: in one write that ends with the line's end, so that it is whole before the rest is cut off."""
    data = json.dumps(asdict(owner)).encode("ascii") + b"\n"
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, data)
    os.ftruncate(descriptor, len(data))
    os.fsync(descriptor)  # on a network file system it is seen by others only then


def _read(descriptor: int) -> Owner | None:
    """The owner's line; None where there is none, or none that can be understood."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        owner = Owner(**json.loads(os.read(descriptor, 1 << 16).partition(b"\n")[0]))
        _time(owner.heartbeat)
    except (ValueError, TypeError):
        return None
    return owner


def _time(text: str) -> datetime:
    """ISO 8601; a time without a zone is taken as UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _unknown() -> Owner:
    return Owner("somebody", "this or another host", 0, "just now", "it has not said yet what it does", "")
