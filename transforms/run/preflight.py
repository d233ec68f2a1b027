"""What can be known to go wrong is said before the first byte is written; and how the run will publish is tried out."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError
from instar.transforms.run.disk import no_space
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import Listing, is_folder, listing
from instar.transforms.run.obstacles import ANOTHER_PLACE, WAYS_OUT, allow_open_files, obstacles, together
from instar.transforms.run.snapshot import base_of, discard
from instar.transforms.run.state import State, make_folders


@dataclass(frozen=True)
class Probe:
    """How a run will publish, and why. `links`: old files can be linked, else each costs a copy (or shared blocks)."""

    method: Method
    reason: str
    links: bool


def probe(dataset: Path, state: State, effects: Effects) -> Probe:
    """Find out by trying, in the state folder, which publish method works; leaves the disk as it was.

    Raises:
        RunError: neither can work: another file system, a read-only place; names the ways out.
    """
    if not dataset.exists():
        raise RunError(f"the dataset {dataset} is not there", hint="Check its path in instar.toml.")
    try:
        with _scratch(state, effects) as scratch:
            _refuse_other_file_system(dataset, scratch)
            links = _can_link(scratch, effects)
            reason = _why_not_exchange(dataset, scratch, effects)
    except OSError as error:
        what = f"the state folder {state.folder} cannot be written: {error.strerror}"
        raise RunError(what, hint=no_space(error.errno) or WAYS_OUT) from error
    if reason:
        return Probe("replace", reason, links)
    return Probe("exchange", "the file system can exchange two folders in one step", links)


def probe_shadow(shadow: Path, state: State, effects: Effects) -> Probe:
    """The same for a shadow, whose place may be empty: can a tree be moved from the state folder to it, or exchanged with it?

    Raises:
        RunError: it cannot.
    """
    there = shadow.exists()
    try:
        with _scratch(state, effects) as scratch:
            _refuse_other_file_system(shadow if there else shadow.parent, scratch)
            reason = _why_not_exchange(shadow, scratch, effects) if there else ""
    except OSError as error:
        raise RunError(f"the state folder {state.folder} cannot be written: {error.strerror}", hint=ANOTHER_PLACE) from error
    if reason:
        raise RunError(f"the earlier shadow {shadow} cannot be exchanged with a new one: {reason}", hint=ANOTHER_PLACE)
    return Probe("shadow", "a second tree; the dataset is only read", links=True)


@contextmanager
def _scratch(state: State, effects: Effects) -> Iterator[Path]:
    """A folder for trials in the state folder; it goes afterwards, and the folders that had to be made for it, too.

    What a killed command left of one goes first: who holds the lock is the only one to try.
    """
    missing = [path for path in (state.folder, *state.folder.parents) if not path.exists()]
    make_folders(state.folder, effects)
    folder = state.folder / "probe"
    discard(folder, effects)
    try:
        effects.make_folder(folder)
        yield folder
    finally:
        discard(folder, effects)
        for path in missing:
            effects.remove_folder(path)
        if not missing:  # a power cut must not bring it back under a run that has nothing to try any more
            effects.sync_folder(state.folder)


def _refuse_other_file_system(dataset: Path, scratch: Path) -> None:
    if os.stat(dataset).st_dev != os.stat(scratch).st_dev or _mount(dataset) != _mount(scratch):
        mounted = " (it is a mount point)" if os.path.ismount(dataset) else ""
        raise RunError(
            f"the dataset {dataset}{mounted} and its state folder {scratch.parent} are on two file systems", hint=WAYS_OUT
        )


def _mount(path: Path) -> str:
    """The kernel's number of the mount that holds a path, by which bind mounts of one file system differ; "" elsewhere."""
    if sys.platform != "linux":
        return ""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as facts:
            return next((line.split()[1] for line in facts if line.startswith("mnt_id:")), "")
    except FileNotFoundError:  # no /proc
        return ""
    finally:
        os.close(descriptor)


def _can_link(scratch: Path, effects: Effects) -> bool:
    effects.create(scratch / "file", b"")
    try:
        effects.link(scratch / "file", scratch / "second name")
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def _why_not_exchange(dataset: Path, scratch: Path, effects: Effects) -> str:
    """Empty where exchange works."""
    if not dataset.is_dir():
        return "the dataset is one file"
    if os.path.ismount(dataset):
        return "the dataset is a mount point, which cannot be exchanged"
    if hasattr(os, "geteuid") and os.geteuid() not in (0, os.stat(dataset).st_uid):
        return "the dataset's folder belongs to another user, who could not be kept"
    if not os.access(dataset.parent, os.W_OK | os.X_OK):
        return f"the folder {dataset.parent} is not writable"
    for name in ("one", "other"):
        effects.make_folder(scratch / name)
    try:
        effects.exchange(scratch / "one", scratch / "other")
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return f"this system or file system cannot exchange two folders ({os.strerror(error.errno or errno.ENOSYS)})"
    return ""


# ---- before the first byte
def preflight(
    dataset: Path, state: State, planned: Listing, changed: tuple[str, ...], method: Method, bytes_needed: int, workers: int
) -> None:
    """Everything else that can be known beforehand; changes no file. `changed`: the files that will be rewritten or come back;
    `bytes_needed`: what the run will write below the state folder. What is not there any more is in nobody's way.

    Raises:
        RunError, or Collected of several: too little disk; a permission, an owner that could not be kept, too few open files. Each
            names the places.
    """
    error = together(in_the_way(dataset, state, planned, changed, method, bytes_needed, workers))
    if error is not None:
        raise error
    allow_open_files(workers)


def in_the_way(
    dataset: Path, state: State, planned: Listing, changed: tuple[str, ...], method: Method, bytes_needed: int, workers: int
) -> list[RunError]:
    """The `obstacles` of what is there: a writer may take something away while it is looked at."""
    base, there = base_of(dataset, planned), dict(planned)
    while True:
        known = tuple(path for path in changed if path in there)
        try:
            found = list(obstacles(dataset, state, there, known, method, bytes_needed, workers))
        except FileNotFoundError as error:
            gone = {path for path in there if str(base / path) == os.fspath(error.filename or "")}
            if not gone:
                raise
        else:
            gone = there.keys() - listing(dataset).keys() if found else set()
            if not gone:
                return found
        there = {path: entry for path, entry in there.items() if path not in gone}


def bytes_copied(planned: Listing, rewritten: Collection[str], method: Method) -> int:
    """What a publish writes besides the new files where nothing can be linked: the files that stay, or (replace) the old ones."""
    kept = method == "exchange"
    return sum(entry.size for path, entry in planned.items() if not is_folder(path) and (path not in rewritten) == kept)
