"""What stands in the way of a run, found by looking only: each as an error that names the places and what to do about them."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from instar.formats.errors import Collected, InstarError, RunError, Where
from instar.transforms.run.changes import side_files
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import Listing, is_folder
from instar.transforms.run.snapshot import base_of
from instar.transforms.run.state import State
from instar.transforms.run.tree import parent_of

WAYS_OUT = (
    'Set state = "…" in instar.toml to a writable folder on the dataset\'s own file system and outside of it; or have a second '
    "tree built: --shadow DIR."
)
ANOTHER_PLACE = "Name another directory for the shadow, in a folder that you may write."
_AS_OWNER = "Run as the owner of the files or correct the permissions."
_NAMED = 5  # so many places are named, of the rest the number
_RUN_FILES = 16  # the run's own: plan, journal, listings, report, folders
_BELOW_RUNS = len("20261121-210500-123456-2/snapshot/") + 1


def obstacles(
    dataset: Path, state: State, planned: Listing, changed: tuple[str, ...], method: Method, bytes_needed: int, workers: int
) -> Iterator[RunError]:
    """Everything that can be known beforehand to stop a run which rewrites the files `changed` of the dataset as it is listed."""
    base = base_of(dataset, planned)
    if method == "shadow":
        yield from _of_shadow(base, state, planned, bytes_needed, workers)
        return
    folders = [path for path in planned if is_folder(path)]
    made = [*changed, *(folders if method == "exchange" else [])]
    yield from _place(dataset, state.folder)
    yield from _space(state.folder, bytes_needed, len(made) + _RUN_FILES)
    yield from _unreadable(base, changed)
    yield from _unwritable(dataset, base, planned, changed, method)
    yield from _elsewhere(base, folders)
    yield from _owners(base, made)
    if method == "exchange":  # what `replace` links are files that it rewrites, which `_owners` has seen
        rewritten = set(made)
        yield from _links(base, [path for path in planned if path not in rewritten])
    yield from _protected(base, planned if method == "exchange" else [*changed, *{parent_of(path) for path in changed}])
    yield from _lengths(state, planned)
    yield from _open_files(workers)


def _of_shadow(base: Path, state: State, planned: Listing, bytes_needed: int, workers: int) -> Iterator[RunError]:
    """The dataset is only read, all of it, wherever it is."""
    if not os.access(there := _first_there(state.folder), os.W_OK | os.X_OK):
        yield RunError(f"the folder {there} cannot be written by this user", hint=ANOTHER_PLACE)
    yield from _space(state.folder, bytes_needed, len(planned) + _RUN_FILES)
    yield from _unreadable(base, planned)
    yield from _owners(base, planned)
    yield from _lengths(state, planned)
    yield from _open_files(workers)


def together(found: Iterable[InstarError]) -> InstarError | None:
    """The one error, all of them as one, or None where there is none."""
    errors = tuple(found)
    if len(errors) < 2:
        return errors[0] if errors else None
    return Collected(
        f"{len(errors)} things stand in the way of this run; nothing was changed",
        hint=errors[0].hint,
        where=errors[0].where,
        errors=errors,
    )


# ---- room
def _place(dataset: Path, folder: Path) -> Iterator[RunError]:
    """The state folder can be made and written, on the dataset's file system; that it works there is tried out by `probe`."""
    there = _first_there(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        yield RunError(
            f"the state folder {folder} cannot be {'written' if there == folder else 'made'} by this user", hint=WAYS_OUT
        )
    if os.stat(there).st_dev != os.stat(dataset).st_dev:
        yield RunError(f"the dataset {dataset} and its state folder {folder} are on two file systems", hint=WAYS_OUT)


def _first_there(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _space(folder: Path, needed: int, files: int) -> Iterator[RunError]:
    """Bytes, with the blocks that files begin, and files, where the file system counts them."""
    there = _first_there(folder)
    free, known = shutil.disk_usage(there).free, os.statvfs(there) if hasattr(os, "statvfs") else None
    needed += files * known.f_frsize if known else 0
    way_out = "Free some space there (see `instar gc`), or build the new tree elsewhere with `--shadow`. Nothing was changed."
    if free < needed:
        texts = (_size(needed), _size(free))
        need, have = texts if texts[0] != texts[1] else (f"{needed:,} bytes", f"{free:,}")
        yield RunError(f"the run needs {need} below {folder}, and {have} are free", hint=way_out)
    if known and known.f_files and known.f_favail < files:
        yield RunError(
            f"the run makes {files} files and folders below {folder}, and {known.f_favail} inodes are free", hint=way_out
        )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _lengths(state: State, planned: Listing) -> Iterator[RunError]:
    """A path in the stage or the snapshot is longer than the one in the dataset."""
    if not hasattr(os, "pathconf"):
        return
    limit = os.pathconf("/", "PC_PATH_MAX")
    head = len(os.fsencode(state.runs)) + _BELOW_RUNS
    yield from _named(
        (path for path in planned if head + len(os.fsencode(path)) >= limit),
        f"would have a longer path below {state.runs} than the {limit} bytes that the system allows",
        hint='Set state = "…" in instar.toml to a folder with a shorter path on the same file system.',
    )


def _open_files(workers: int) -> Iterator[RunError]:
    """The soft limit may be lower: `allow_open_files` raises it."""
    if sys.platform == "win32":
        return
    import resource

    hard, needed = resource.getrlimit(resource.RLIMIT_NOFILE)[1], _files_open(workers)
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield RunError(
            f"a process may have {hard} files open, and {workers} workers need {needed}",
            hint=f"Raise the hard limit (`ulimit -Hn {max(1024, needed)}`, as root), or use fewer workers.",
        )


def allow_open_files(workers: int) -> None:
    """Raise this process's soft limit on open files, if it is too low for so many workers and the hard one allows it."""
    if sys.platform == "win32":
        return
    import resource

    (soft, hard), needed = resource.getrlimit(resource.RLIMIT_NOFILE), _files_open(workers)
    if soft != resource.RLIM_INFINITY and soft < needed and (hard == resource.RLIM_INFINITY or hard >= needed):
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _files_open(workers: int) -> int:
    """Pipes of the workers, files that are read and written, and what is open already."""
    with contextlib.suppress(OSError):
        return 64 + 8 * workers + len(os.listdir("/dev/fd"))
    return 64 + 8 * workers  # no /dev/fd


# ---- permissions
def _unreadable(base: Path, changed: Iterable[str]) -> Iterator[RunError]:
    root = os.fspath(base)  # a Path for each of 10,000 files costs more than asking
    yield from _named((path for path in changed if not os.access(f"{root}/{path}", os.R_OK)), "cannot be read by this user")


def _unwritable(dataset: Path, base: Path, planned: Listing, changed: tuple[str, ...], method: Method) -> Iterator[RunError]:
    if method == "replace":
        folders = {os.path.dirname(base / path) for path in (*changed, *side_files(planned, changed))}
    else:
        folders = {str(dataset), str(dataset.parent)}
    yield from _named((path for path in folders if not os.access(path, os.W_OK | os.X_OK)), "cannot be written by this user")


def _elsewhere(base: Path, folders: Iterable[str]) -> Iterator[RunError]:
    device = os.stat(base).st_dev
    yield from _named(
        (path for path in folders if os.stat(base / path).st_dev != device),
        "is on another file system than the dataset",
        hint="A run cannot carry it over: make it a dataset of its own, or move it elsewhere.",
    )


def _owners(base: Path, made: Iterable[str]) -> Iterator[RunError]:
    """New files and folders are given the owner and group of the old ones, which only some users may do."""
    if not hasattr(os, "geteuid") or _may_give_away():
        return
    user, groups = os.geteuid(), {os.getegid(), *os.getgroups()}
    known = {path: os.stat(base / path) for path in made}
    yield from _named(
        (path for path, found in known.items() if found.st_uid != user), "belongs to another user, who could not be kept"
    )
    yield from _named(
        (path for path, found in known.items() if found.st_uid == user and found.st_gid not in groups),
        "belongs to a group that this user is not in, which could not be kept",
    )


def _may_give_away() -> bool:
    """May this process set any owner? On Linux the capability CAP_CHOWN, which a container's root may lack."""
    try:
        with open("/proc/self/status") as facts:
            return bool(int(next(line for line in facts if line.startswith("CapEff:")).split()[1], 16) & 1)
    except (OSError, StopIteration, ValueError):
        return os.geteuid() == 0


def _links(base: Path, linked: Iterable[str]) -> Iterator[RunError]:
    """Linux lets a user link another's file only if he may read and write it (fs.protected_hardlinks); a copy would be his own."""
    if not hasattr(os, "geteuid") or _may_give_away():
        return
    try:
        guarded = Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "0"
    except OSError:
        return
    user = os.geteuid()
    yield from _named(
        (
            path
            for path in linked
            if guarded
            and not is_folder(path)
            and os.stat(base / path).st_uid != user
            and not os.access(base / path, os.R_OK | os.W_OK)
        ),
        "belongs to another user and may not be linked by this one, so it could not be carried over as it is",
    )


# ---- attributes that forbid changes
_GET_FLAGS = 0x80086601 if struct.calcsize("l") == 8 else 0x80046601  # linux/fs.h: FS_IOC_GETFLAGS
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20


def _protected(base: Path, touched: Iterable[str]) -> Iterator[RunError]:
    """Files and folders that even root may neither link, replace nor move: `chattr +i`, `+a`."""
    if sys.platform != "linux":
        return
    root = os.fspath(base)
    yield from _named(
        (path for path in touched if _flags(f"{root}/{path}") & (_IMMUTABLE | _APPEND_ONLY)),
        "is marked immutable or append-only",
        hint="`lsattr` shows the mark, `chattr -i -a` removes it.",
    )


def _flags(path: str) -> int:
    """The file system's flags of a file; 0 where it has none, or this user may not see them."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:  # what may not be opened is told by the other checks, where it matters
        return 0
    try:
        return struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("l", 0)))[0]
    except OSError:
        return 0
    finally:
        os.close(descriptor)


def _named(paths: Iterable[str], why: str, hint: str = _AS_OWNER) -> Iterator[RunError]:
    """One error for all places with the same trouble, `why` being said of one of them."""
    found = sorted(paths)
    if found:
        rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        each = "" if len(found) == 1 else ": each"
        yield RunError(f"{', '.join(found[:_NAMED])}{rest}{each} {why}", hint=hint, where=Where(file=found[0]))
