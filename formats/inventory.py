"""The nouns of an inventory: what a dataset holds, at which version each file is, and what is odd about it. Frozen, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Literal

from .errors import Collected, DatasetError, UsageError, Where, suggestion
from .format import FileFacts

How = Literal["stamp", "fingerprint", "person", "manifest", "validated", "empty", ""]
"""How a file's version was found: by its own stamp; by its structure; a person said so (`instar stamp`); Instar wrote or met the
file before and it has not changed since; its records fit that version only; it has no records; not at all ("")."""

SKIPPING = "With --skip-unreadable files that cannot be read stay as they are."
"""The way out for those who cannot mend them now."""


@dataclass(frozen=True)
class Remark:
    """One thing to say about a place in a dataset: what is there (message) and what to do (hint). `path` "" is the dataset."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path and self.path not in self.message else self.message


@dataclass(frozen=True)
class DataFile:
    """One data file. `path` is relative to the inventory's root (POSIX); `facts` is None where the file cannot be read.

    `version` is None where it is not known: then `problem` says why, and `candidates` holds the versions that it may be at.
    `variant`: it differs from its version's schema in what the structural fingerprint leaves out (order, nullability, storage).
    `unreadable`: what is in it cannot be read at all (damaged, cut off, encrypted, no permission); `problem` says why.
    `arriving`: it has a problem, and somebody was writing it while it was looked at.
    `partitions`: the `key=value` folders above it, outermost first; None is Hive's default partition.
    """

    path: str
    size: int
    mtime_ns: int
    facts: FileFacts | None
    version: int | None
    how: How = ""
    variant: bool = False
    candidates: tuple[int, ...] = ()
    problem: str | None = None
    hint: str = ""
    unreadable: bool = False
    arriving: bool = False
    partitions: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class OtherFile:
    """What lies in a dataset and is not data: carried over unchanged, unless it describes bytes that change.

    `kind`: "other"; "folder", an empty one; "describes": `_metadata`, `_common_metadata`, `.NAME.crc`, left out where what they
    describe is rewritten. `of` is then the path of that file, or of the folder whose files they describe ("" the whole dataset).
    """

    path: str
    kind: Literal["other", "folder", "describes"]
    size: int
    of: str = ""


@dataclass(frozen=True)
class Inventory:
    """A dataset as it was found. `location` is the dataset's resolved path, `root` the folder that all paths are relative to:
    the same, or the parent where the dataset is a single file. Files and others are sorted by path.

    `problems` holds everything that must be solved before a run, the files' own problems included; `warnings` what may stay;
    `skipped` the files that are passed over because they cannot be read, where that was asked for; `arriving` those that are
    passed over because they are being written.
    """

    location: FilePath
    root: FilePath
    subject: str
    format: str
    files: tuple[DataFile, ...]
    others: tuple[OtherFile, ...] = ()
    problems: tuple[Remark, ...] = ()
    warnings: tuple[str, ...] = ()
    partition_keys: tuple[str, ...] = ()
    skipped: tuple[Remark, ...] = ()
    arriving: tuple[Remark, ...] = ()

    @property
    def single(self) -> bool:
        """Is the dataset one file rather than a directory?"""
        return self.location != self.root

    @property
    def size(self) -> int:
        """Bytes of all data files."""
        return sum(file.size for file in self.files)

    def by_version(self) -> Mapping[int | None, tuple[DataFile, ...]]:
        """The files of each version, versions ascending; those at no known version last, under None."""
        found: dict[int | None, list[DataFile]] = {}
        for file in self.files:
            found.setdefault(file.version, []).append(file)
        ordered = sorted(found, key=lambda version: (version is None, version or 0))
        return {version: tuple(found[version]) for version in ordered}

    def file(self, path: str) -> DataFile:
        """The data file at `path`.

        Raises:
            UsageError: there is none.
        """
        for file in self.files:
            if file.path == path:
                return file
        raise UsageError(f"{path!r} is not a data file of {self.location}", hint=suggestion(path, [f.path for f in self.files]))

    @property
    def unreadable(self) -> tuple[Remark, ...]:
        """Those of the problems that are files which cannot be read."""
        paths = {file.path for file in self.files if file.unreadable}
        return tuple(problem for problem in self.problems if problem.path in paths)

    def skipping_unreadable(self) -> Inventory:
        """The same without the files that cannot be read: they are no problem any more, but `skipped`."""
        skipped = self.unreadable
        passed_over = set(skipped)
        return replace(
            self,
            files=tuple(file for file in self.files if not file.unreadable),
            problems=tuple(problem for problem in self.problems if problem not in passed_over),
            skipped=(*self.skipped, *skipped),
        )

    def leaving_arriving(self) -> Inventory:
        """The same without the files that are being written and make no sense yet: they are no problem, but `arriving`."""
        paths = {file.path for file in self.files if file.arriving}
        passed = tuple(problem for problem in self.problems if problem.path in paths)
        return replace(
            self,
            files=tuple(file for file in self.files if not file.arriving),
            problems=tuple(problem for problem in self.problems if problem not in passed),
            arriving=(*self.arriving, *passed),
        )

    def require_sound(self) -> None:
        """
        Raises:
            DatasetError: there is a problem; Collected where there are several, all of them named.
        """
        errors = [
            DatasetError(problem.message, hint=problem.hint, where=Where(file=problem.path or None)) for problem in self.problems
        ]
        if len(errors) == 1:
            errors[0].hint += self._skipping()
            raise errors[0]
        if errors:
            raise Collected(
                f"{len(errors)} problems in {self.location}; nothing was changed",
                hint="`instar status` lists them; solve each, or leave files out with `exclude`." + self._skipping(),
                errors=errors,
            )

    def _skipping(self) -> str:
        return f" {SKIPPING}" if self.unreadable else ""

    def describing(self, rewritten: Iterable[str]) -> tuple[OtherFile, ...]:
        """Those others that describe one of the `rewritten` files, and so must not be carried over."""
        changed = set(rewritten)
        above = {folder for path in changed for folder in _folders(path)}
        return tuple(
            o for o in self.others if o.kind == "describes" and (o.of in changed if o.path.endswith(".crc") else o.of in above)
        )


def _folders(path: str) -> list[str]:
    """The folders above a path, "" (the dataset) first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]
