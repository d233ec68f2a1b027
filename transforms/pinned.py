"""A dataset's files as they are at one moment, to be read to the end whatever is published meanwhile.

A publish by exchange swaps the directory's name with another's: a handle of the directory still means the old tree. A publish by
replace gives each file's name to another file: a handle of the file still means the old one. And what a rollback takes back is
removed: only handles of the files themselves keep it. So the directory and as many files as the process may hold are opened first,
and the inventory must be of just these. Where handles have no path that libraries could open (only Linux has), files are opened by
their names, and one that changed is looked up again.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from instar.formats.errors import DatasetError, InstarError, Where
from instar.formats.inventory import DataFile, Inventory
from instar.transforms.job import Job, inventory_of
from instar.transforms.remember import recalled
from instar.transforms.run.state import run_folders

HANDLES = Path("/proc/self/fd")
_MOST_HANDLES = 512
_PATIENCE = 10.0  # seconds that a publish may keep us from seeing the dataset whole
_PAUSE = 0.02
_VANISHED = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)


@dataclass
class Handles:
    """Open descriptors, closed with `close`, or when nobody has the object any more."""

    folder: int | None = None
    files: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._closing = weakref.finalize(self, _close_all, self.files, [] if self.folder is None else [self.folder])

    def close(self) -> None:
        self._closing()


def _close_all(files: dict[str, int], folders: list[int]) -> None:
    for descriptor in (*files.values(), *folders):
        with suppress(OSError):
            os.close(descriptor)
    files.clear()


@dataclass(frozen=True)
class Found:
    """One file, open to be read: `path` means its bytes, `file` is what the inventory says of it."""

    path: Path
    file: DataFile


@dataclass(frozen=True)
class Pinned:
    """The dataset at one moment."""

    job: Job
    inventory: Inventory
    handles: Handles

    def close(self) -> None:
        self.handles.close()

    @contextmanager
    def opened(self, file: DataFile) -> Iterator[Found]:
        """The file as the inventory has it; where that is gone, what now stands in its place, with its own version.

        Raises:
            DatasetError: there is nothing any more, or it is of no known version.
        """
        held = self.handles.files.pop(file.path, None)
        if held is None:
            held = self._handle(file)
        if held is None:
            for place in self._places(file):
                yield Found(place, file)
                return
            with self._anew(file) as found:
                yield found
            return
        try:
            yield Found(HANDLES / str(held), file)
        finally:
            os.close(held)

    def _handle(self, file: DataFile) -> int | None:
        """A handle of the very file, from the pinned tree or from the snapshot of a run that has replaced it since."""
        if self.handles.folder is None:
            return None
        places = [(file.path, self.handles.folder)]
        places += [(str(folder / file.path), None) for run in run_folders(self.job.state) for folder in (run.snapshot, run.stage)]
        for path, folder in places:
            descriptor = _open(path, folder)
            if descriptor is not None:
                if _is(file, os.fstat(descriptor)):
                    return descriptor
                os.close(descriptor)
        return None

    def _places(self, file: DataFile) -> Iterator[Path]:
        """Without handles: the file's own name, if it still means it."""
        if self.handles.folder is None:
            path = self.inventory.root / file.path
            with suppress(OSError):
                if _is(file, os.stat(path)):
                    yield path

    @contextmanager
    def _anew(self, file: DataFile) -> Iterator[Found]:
        """What now stands in the place of a file that is gone."""
        now = pinned(self.job, only=file.path)
        try:
            again = next((f for f in now.inventory.files if f.path == file.path), None)
            if again is None:
                raise DatasetError(
                    "it was removed while the dataset was read",
                    hint="Read again: the files are listed anew.",
                    where=Where(file=file.path),
                )
            with now.opened(again) as found:
                yield found
        finally:
            now.close()


def pinned(job: Job, *, only: str | None = None) -> Pinned:
    """The dataset as it is now: all files of one moment, and each at a known version. `only`: just this file is held open.

    Raises:
        DatasetError: files at no known version, or other problems; all are named. UsageError: there is no dataset.
    """
    until, last = time.monotonic() + _PATIENCE, ""
    while True:
        handles = _folder(job)
        try:
            inventory = _inventory(job)
            if _hold(job, inventory, handles, only):
                inventory.require_sound()
                return Pinned(job, inventory, handles)
            problem = ""
        except InstarError as error:
            problem = "; ".join(map(str, (error, *getattr(error, "errors", ()))))
            if problem == last or time.monotonic() > until:  # twice the same: it is no publish that we met midway
                handles.close()
                raise
        except BaseException:
            handles.close()
            raise
        handles.close()
        last = problem
        if time.monotonic() > until:
            raise DatasetError(f"{job.location} changes too fast to be read", hint="Wait for the writers and runs on it to end.")
        time.sleep(_PAUSE)


def _inventory(job: Job) -> Inventory:
    """Every file's version; of JSON files that a run has just published, by its journal, until the manifest says so."""
    inventory = inventory_of(job)
    if inventory.problems and job.settings.format == "json" and (known := recalled(job)) is not None:
        return inventory_of(job, manifest=known)
    return inventory


def _folder(job: Job) -> Handles:
    """A handle of the dataset's directory, where such handles have a path; none elsewhere."""
    if not _handles_have_paths():
        return Handles()
    location = job.location if job.location.is_dir() else job.location.parent
    try:
        return Handles(os.open(location, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        if error.errno in _TOO_MANY:
            return Handles()
        raise DatasetError(
            f"{location} cannot be opened: {error.strerror}", hint="Check that it is there and may be read."
        ) from error


def _handles_have_paths() -> bool:
    return sys.platform == "linux" and HANDLES.is_dir()


def _hold(job: Job, inventory: Inventory, handles: Handles, only: str | None) -> bool:
    """Open files ahead; False where the tree is no longer the one of the inventory."""
    if handles.folder is None:
        return True
    if not inventory.single and not _same_folder(job, handles.folder):
        return False
    wanted = [f for f in inventory.files if only in (None, f.path)]
    for file in wanted[: _most_handles()]:
        try:
            descriptor = _open(file.path, handles.folder)
        except OSError as error:
            if error.errno in _TOO_MANY:
                break
            if file.problem:  # which says the same
                continue
            raise
        if descriptor is None:
            return False
        handles.files[file.path] = descriptor
        if not _is(file, os.fstat(descriptor)):
            return False
    return inventory.single or _same_folder(job, handles.folder)


def _same_folder(job: Job, folder: int) -> bool:
    try:
        now, held = os.stat(job.location), os.fstat(folder)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino)


def _most_handles() -> int:
    """A quarter of what this process may have open: others read, too."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_HANDLES if soft == resource.RLIM_INFINITY else min(_MOST_HANDLES, soft // 4)


def _open(path: str, folder: int | None) -> int | None:
    """A handle of a file, None where there is none."""
    try:
        return os.open(path, os.O_RDONLY, dir_fd=folder)
    except OSError as error:
        if error.errno in _VANISHED:
            return None
        raise


def _is(file: DataFile, known: os.stat_result) -> bool:
    return (known.st_size, known.st_mtime_ns) == (file.size, file.mtime_ns)
