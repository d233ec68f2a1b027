"""What lies in a dataset's directory: the files that may be data, everything else, and what must not be there. Reads names only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from .errors import ConfigurationError, DatasetError, UsageError, suggestion
from .inventory import OtherFile, Remark
from .partitions import is_partition

_ICEBERG = re.compile(r".+\.metadata\.json(\.gz)?")
_OWNERS = {"_delta_log": "Delta Lake", ".hoodie": "Apache Hudi"}
_STATE = ".instar"
_SIDE_FILES = ("_metadata", "_common_metadata")
_SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}


@dataclass(frozen=True)
class Found:
    """A file that may be data, before anybody looked inside. `path` is relative to the listing's root, POSIX."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """A dataset's names, sorted: `location` and `root` as in an Inventory; `problems` are links, special files, closed folders."""

    location: FilePath
    root: FilePath
    files: tuple[Found, ...]
    others: tuple[OtherFile, ...]
    problems: tuple[Remark, ...]


def resolve_dataset(path: FilePath) -> FilePath:
    """The dataset's absolute path, a symbolic link to it followed.

    Raises:
        UsageError: there is nothing, or the root of the file system.
        DatasetError: no permission to look.
    """
    try:
        location = path.resolve(strict=True)
    except FileNotFoundError:
        raise UsageError(f"there is no dataset at {path}", hint=_missing_hint(path)) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise DatasetError(f"the dataset {path} cannot be reached: {error}", hint="Check the path and its permissions.") from None
    if location == location.parent:
        raise UsageError("the root of a file system cannot be a dataset", hint="Name the directory that holds the data files.")
    return location


def state_folder(dataset: FilePath, override: FilePath | None = None) -> FilePath:
    """Where the state of a dataset (given by its resolved path) lives: beside it on the same file system, never inside it."""
    return override if override is not None else dataset.parent / _STATE / dataset.name


def list_dataset(location: FilePath, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Listing:
    """Everything below a resolved dataset path. A single file is a dataset of one.

    Globs are matched against relative paths: `*` stays within a folder, `**` does not, a glob without a slash matches a name at
    any depth, and one that matches a folder matches what is in it.

    Raises:
        DatasetError: a table format owns the directory, another dataset's state lies in it, or it cannot be listed.
    """
    _refuse_owned_above(location)
    if not location.is_dir():
        return _single(location)
    walk = _Walk(location, _matcher(include), _matcher(exclude))
    walk.run()
    return Listing(
        location,
        location,
        tuple(sorted(walk.files, key=lambda file: file.path)),
        tuple(sorted(walk.others, key=lambda other: other.path)),
        tuple(sorted(walk.problems, key=lambda problem: problem.path)),
    )


def _single(location: FilePath) -> Listing:
    """A dataset of one file; that its name begins with `_` does not matter where it is named outright."""
    status = location.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DatasetError(f"{location} is neither a directory nor a file", hint="Name the directory that holds the data files.")
    return Listing(location, location.parent, (Found(location.name, status.st_size, status.st_mtime_ns),), (), ())


def is_data_name(path: str, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
    """Would a file of this relative path be data, by its name and the globs?"""
    included, excluded = _matcher(include), _matcher(exclude)
    hidden = path.rpartition("/")[2].startswith((".", "_"))
    return not hidden and (included is None or bool(included.fullmatch(path))) and not (excluded and excluded.fullmatch(path))


@dataclass
class _Walk:
    """One pass over the tree with `os.scandir`: at 10,000 files a `Path` object for each would cost more than the listing."""

    root: FilePath
    included: re.Pattern[str] | None
    excluded: re.Pattern[str] | None
    files: list[Found] = field(default_factory=list)
    others: list[OtherFile] = field(default_factory=list)
    problems: list[Remark] = field(default_factory=list)

    def run(self) -> None:
        pending = [("", False)]
        while pending:
            folder, hidden = pending.pop()
            pending += self.visit(folder, hidden)

    def visit(self, folder: str, hidden: bool) -> Iterator[tuple[str, bool]]:
        """Record what is directly in a folder; yields its folders, each with whether it is out of the data's sight."""
        entries = self.entries(folder)
        names = {entry.name for entry in entries}
        _refuse_owner(self.root, folder, names)
        if folder and not entries:
            self.others.append(OtherFile(folder, "folder", 0))
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink():
                self.problems.append(Remark(path, f"{path} is a symbolic link", _LINK_HINT))
            elif entry.is_dir(follow_symlinks=False):
                yield path, hidden or _hidden_folder(entry.name)
            else:
                self.sort_out(path, folder, entry, names, hidden)

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as scan:
                return sorted(scan, key=lambda entry: entry.name)
        except FileNotFoundError:
            if not folder:
                raise
            return []
        except PermissionError as error:
            if not folder:
                raise DatasetError(f"{self.root} cannot be listed: {error.strerror}", hint=_PERMISSION_HINT) from None
            self.problems.append(Remark(folder, f"the folder {folder} cannot be listed: {error.strerror}", _PERMISSION_HINT))
            return []

    def sort_out(self, path: str, folder: str, entry: os.DirEntry[str], names: set[str], hidden: bool) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # a run published other names, or a writer removed it, while we looked
            return
        if not stat.S_ISREG(status.st_mode):
            kind = _SPECIAL.get(stat.S_IFMT(status.st_mode), "a special file")
            self.problems.append(Remark(path, f"{path} is {kind}, not a file", "Move it out of the dataset."))
        elif (described := _described(folder, entry.name, names)) is not None:
            self.others.append(OtherFile(path, "describes", status.st_size, described))
        elif hidden or entry.name.startswith((".", "_")) or not self.wanted(path):
            self.others.append(OtherFile(path, "other", status.st_size))
        else:
            self.files.append(Found(path, status.st_size, status.st_mtime_ns))

    def wanted(self, path: str) -> bool:
        if self.included is not None and not self.included.fullmatch(path):
            return False
        return self.excluded is None or not self.excluded.fullmatch(path)


_LINK_HINT = "Replace it by the file it points to, or move it out: a run could not tell whose bytes it would change."
_PERMISSION_HINT = "Give your user the right to read it, or run as one who may."


def _hidden_folder(name: str) -> bool:
    """`.x` and `_x` are out of sight, but not `_x=1`: Hive and Spark take that for a partition of a column `_x`."""
    return name.startswith(".") or (name.startswith("_") and not is_partition(name))


def _described(folder: str, name: str, names: set[str]) -> str | None:
    """The path whose bytes a side file describes: the folder of Parquet's `_metadata`, the NAME of Hadoop's `.NAME.crc`."""
    if name in _SIDE_FILES:
        return folder
    if name.startswith(".") and name.endswith(".crc") and name[1:-4] in names:
        return f"{folder}/{name[1:-4]}" if folder else name[1:-4]
    return None


# ---- table formats
def _refuse_owner(root: FilePath, folder: str, names: set[str]) -> None:
    """A table format lists its files in a log of its own; rewriting them behind it would break the table."""
    owner = _owner(folder.rpartition("/")[2] or root.name, names)
    if owner:
        place = root / folder if owner != "Apache Iceberg" else (root / folder).parent
        raise DatasetError(
            f"{place} is a table of {owner}, which keeps its own list of these files",
            hint="Change its schema with that table format; Instar migrates plain directories of files.",
        )
    if _STATE in names:
        raise DatasetError(
            f"{root / folder} holds the state of another dataset ({_STATE}), one that lies inside this one",
            hint="A dataset may not lie within another: name the inner ones, or move one of them.",
        )


def _owner(name: str, names: set[str]) -> str | None:
    """The table format that a folder called `name`, holding `names`, speaks of."""
    for marker, owner in _OWNERS.items():
        if marker in names:
            return owner
    return "Apache Iceberg" if name == "metadata" and any(map(_ICEBERG.fullmatch, names)) else None


def _refuse_owned_above(location: FilePath) -> None:
    """A dataset may be a part of a table: one partition of a Delta table, the `data` folder of an Iceberg table."""
    for folder in location.parents:
        try:
            owned = [owner for marker, owner in _OWNERS.items() if (folder / marker).is_dir()]
            metadata = folder / "metadata"
            if not owned and metadata.is_dir() and location.relative_to(folder).parts[0] in ("data", "metadata"):
                owned = ["Apache Iceberg"] if _owner("metadata", set(os.listdir(metadata))) else []
        except PermissionError:  # a folder above us that we may pass but not read says nothing
            continue
        if owned:
            raise DatasetError(
                f"{location} is part of {folder}, a table of {owned[0]}, which keeps its own list of these files",
                hint="Change its schema with that table format; Instar migrates plain directories of files.",
            )


# ---- globs and hints
def _matcher(globs: Sequence[str]) -> re.Pattern[str] | None:
    """One pattern that matches the relative paths that any of the globs means; None where there are no globs."""
    return re.compile("|".join(map(_glob, globs)), re.DOTALL) if globs else None


def _glob(glob: str) -> str:
    text = glob.removeprefix("./").strip("/")
    if not text:
        raise ConfigurationError(f"the glob {glob!r} is empty", hint="Write for example '*.parquet' or 'archive/**'.")
    out = "" if "/" in text else "(?:.*/)?"
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", text, re.DOTALL):
        match token:
            case "**/":
                out += "(?:.*/)?"
            case "**":
                out += ".*"
            case "*":
                out += "[^/]*"
            case "?":
                out += "[^/]"
            case _ if len(token) > 1:
                negated, symbols = token[1] == "!", token[1:-1].removeprefix("!").replace("\\", r"\\")
                out += "[" + ("^/" if negated else "") + symbols.replace("[", r"\[").replace("]", r"\]").replace("^", r"\^") + "]"
            case _:
                out += re.escape(token)
    return f"{out}(?:/.*)?"


def _missing_hint(path: FilePath) -> str:
    """What there is beside the path that is missing, from the first folder that exists."""
    missing = path.absolute()
    while not missing.parent.is_dir():
        missing = missing.parent
    try:
        beside = sorted(name for name in os.listdir(missing.parent) if not name.startswith("."))
    except OSError:
        beside = []
    return f"{missing} does not exist. {suggestion(missing.name, beside)}".strip()
