"""What can be known to go wrong is said before the first byte is written; and how the run will publish is tried out."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from instar.formats.errors import RunError, Where
from instar.transforms.run.disk import no_space
from instar.transforms.run.effects import UNSUPPORTED, Effects
from instar.transforms.run.journal import Method
from instar.transforms.run.listing import Listing, changed_since, described, is_folder, listing
from instar.transforms.run.snapshot import base_of, discard
from instar.transforms.run.state import State, make_folders
from instar.transforms.run.tree import side_files

_WAYS_OUT = 'Set state = "…" in instar.toml to a writable folder on the dataset\'s own file system and outside of it.'


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
        raise RunError(what, hint=no_space(error.errno) or _WAYS_OUT) from error
    if reason:
        return Probe("replace", reason, links)
    return Probe("exchange", "the file system can exchange two folders in one step", links)


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


def _refuse_other_file_system(dataset: Path, scratch: Path) -> None:
    if os.stat(dataset).st_dev != os.stat(scratch).st_dev or _mount(dataset) != _mount(scratch):
        mounted = " (it is a mount point)" if os.path.ismount(dataset) else ""
        raise RunError(
            f"the dataset {dataset}{mounted} and its state folder {scratch.parent} are on two file systems", hint=_WAYS_OUT
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
    dataset: Path, state: State, planned: Listing, rewritten: tuple[str, ...], method: Method, bytes_needed: int, workers: int
) -> None:
    """Everything else that can be known beforehand; reads only. `bytes_needed`: what the run will write below the state folder.

    Raises:
        RunError: the dataset changed since it was planned; too little disk; a permission, an owner that could not be kept, too few
            open files. Each names the place.
    """
    check_unchanged(dataset, planned)
    check_space(state.folder, bytes_needed)
    check_permissions(dataset, planned, rewritten, method)
    check_open_files(workers)


def bytes_copied(planned: Listing, rewritten: Collection[str], method: Method) -> int:
    """What a publish writes besides the new files where nothing can be linked: the files that stay, or (replace) the old ones."""
    kept = method == "exchange"
    return sum(entry.size for path, entry in planned.items() if not is_folder(path) and (path not in rewritten) == kept)


def check_unchanged(dataset: Path, planned: Listing) -> None:
    """Raises RunError where the dataset is not as it was planned by."""
    changes = changed_since(planned, listing(dataset))
    if changes:
        raise RunError(
            f"the dataset changed after it was planned: {described(changes)}",
            hint="Plan again, when its writers have finished.",
            where=Where(file=changes[0].path),
        )


def check_space(folder: Path, needed: int) -> None:
    """Raises RunError where the file system that `folder` is on, or will be on, has less than `needed` bytes left."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise RunError(
            f"the run needs {_size(needed)} below {folder}, and {_size(free)} are free",
            hint='Free some space there, or set state = "…" to a folder with more. Nothing was changed.',
        )


def check_permissions(dataset: Path, planned: Listing, rewritten: tuple[str, ...], method: Method) -> None:
    """Raises RunError for files that cannot be read, folders that cannot be changed, and owners that could not be kept."""
    base = base_of(dataset, planned)
    _refuse((path for path in rewritten if not os.access(base / path, os.R_OK)), "cannot be read by this user")
    if method == "replace":
        changed = {os.path.dirname(base / path) for path in (*rewritten, *side_files(planned, rewritten))}
    else:
        changed = {str(dataset), str(dataset.parent)}
    _refuse((path for path in changed if not os.access(path, os.W_OK | os.X_OK)), "cannot be written by this user")
    _refuse(
        (path for path in planned if is_folder(path) and _other_device(base / path, base)),
        "is on another file system than the dataset",
    )
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        made = [*rewritten, *(path for path in planned if is_folder(path) and method == "exchange")]
        _refuse(
            (path for path in made if os.stat(base / path).st_uid != os.geteuid()), "belongs to another user, who could not be kept"
        )


def _refuse(paths: Iterator[str], why: str) -> None:
    found = sorted(paths)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise RunError(
            f"{found[0]} {why}{more}", hint="Run as the owner of the files or correct the permissions.", where=Where(file=found[0])
        )


def _other_device(path: Path, base: Path) -> bool:
    return os.stat(path).st_dev != os.stat(base).st_dev


def check_open_files(workers: int) -> None:
    """Raises RunError where the limit on open files is too low for the workers' pipes and the files they write."""
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 64 + 8 * workers
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise RunError(
            f"a process may have {soft} files open, and {workers} workers need {needed}",
            hint=f"Run `ulimit -n {max(1024, needed)}` first, or use fewer workers.",
        )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
