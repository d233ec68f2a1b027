"""What is wrong in a registry: found by comparing its files with its lock, version by version. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from .documents import SUFFIXES
from .errors import InstarError
from .fingerprint import fingerprint
from .lockfile import Locked, LockedSubject

if TYPE_CHECKING:
    from .registry import Registry

VERSION = re.compile(r"v([1-9][0-9]*)(\.[a-z.]+)")
_FORMATS = {suffix: format for format, suffix in SUFFIXES.items()}
_RESTORE = "Restore it from version control; a registered version never changes, a new schema is a new version."


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a registry; `version` is None where it is the subject as a whole."""

    subject: str
    version: int | None
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.subject}{'' if self.version is None else f' v{self.version}'}: {self.message}"


def documents_in(folder: FilePath) -> dict[int, tuple[str, ...]]:
    """The schema documents in a subject's folder: the format of each file, by version."""
    found: dict[int, tuple[str, ...]] = {}
    for path in sorted(folder.glob("v*")):
        name = VERSION.fullmatch(path.name)
        if name and name[2] in _FORMATS:
            found[int(name[1])] = (*found.get(int(name[1]), ()), _FORMATS[name[2]])
    return found


def problems_of(registry: Registry, subject: str, locked: LockedSubject | None) -> Iterator[Problem]:
    """Everything that is wrong with one subject."""
    folder = registry.folder / subject
    files = documents_in(folder)
    yield from _strays(subject, folder)
    formats = sorted({format for formats in files.values() for format in formats} | ({locked.format} if locked else set()))
    if len(formats) > 1:
        message = f"it has documents of two formats, {' and '.join(formats)}"
        yield Problem(subject, None, message, f"A subject has one format; remove those that are not {formats_hint(locked)}.")
    versions = locked.versions if locked else {}
    yield from _gaps(subject, sorted({*files, *versions}))
    for version in sorted({*files, *versions}):
        if version not in versions:
            name = f"v{version}{SUFFIXES[files[version][0]]}"
            yield Problem(
                subject, version, f"{name} is not registered", f"`instar register {subject} {folder / name}`, or remove it."
            )
        elif locked and locked.format not in files.get(version, ()):
            yield Problem(subject, version, "its document is missing", _RESTORE)
        else:
            yield from _changed(registry, subject, version, versions[version])


def formats_hint(locked: LockedSubject | None) -> str:
    return f"of {locked.format}" if locked else "wanted"


def _strays(subject: str, folder: FilePath) -> Iterator[Problem]:
    """Files that look like a version, but are not named as one: v2.json, v02.avsc, V2.avsc."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = VERSION.fullmatch(path.name)
        if re.match(r"[vV]\d", path.name) and not (name and name[2] in _FORMATS):
            hint = f"Documents are called v1{', v1'.join(SUFFIXES.values())}; rename it or remove it."
            yield Problem(subject, None, f"{path.name} is not the name of a schema document", hint)


def _gaps(subject: str, versions: list[int]) -> Iterator[Problem]:
    missing = sorted(set(range(1, max(versions, default=0))) - set(versions))
    for version in missing:
        yield Problem(subject, version, f"version {version} is missing, though there is a version {max(versions)}", _RESTORE)


def _changed(registry: Registry, subject: str, version: int, locked: Locked) -> Iterator[Problem]:
    """Is the document still the one that was registered, and does it still mean the same?"""
    try:
        if fingerprint(registry.schema(subject, version)) != locked.structure:
            message = "its document is as registered, but it means another structure: its line in the lock was changed"
            yield Problem(subject, version, message, _RESTORE)
    except InstarError as error:
        yield Problem(subject, version, str(error), error.hint or _RESTORE)
