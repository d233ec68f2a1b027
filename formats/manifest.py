"""The manifest: what is known about a dataset's files that the files themselves do not say. One JSON file in the state folder.

JSON files have no header for a stamp; and where a person has said at which version a file is, that is kept here for every
format. An entry counts only while its file is the one that was met: same size and time, or else the same content.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal, get_args

from .atomic import write_text
from .errors import DatasetError

NAME = "manifest.json"
_FORM = 1
_WINDOW = 1 << 19  # bytes: it stays in a core's cache, which is faster than longer reads
_MARKS = 64  # of the last windows: what a file that is copied has otherwise is at its end

Origin = Literal["stamped", "upgraded", "adopted", "validated"]
"""Who says so: a person; a run wrote it; `init` adopted it; its records fit that version only."""


@dataclass(frozen=True)
class Entry:
    """One file as it was met. `hash` is the xxh3-128 of its bytes, `document` the fingerprint of the version's schema document."""

    path: str
    size: int
    mtime_ns: int
    hash: str
    version: int
    how: Origin
    document: str


@dataclass(frozen=True)
class Manifest:
    """Entries by relative path (POSIX). Frozen: only who writes data or asks a person saves a new one."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def with_entries(self, entries: Iterable[Entry]) -> Manifest:
        """This manifest with these entries in the place of older ones for the same files."""
        return Manifest({**self.entries, **{entry.path: entry for entry in entries}})

    def entry_for(self, root: FilePath, path: str, size: int, mtime_ns: int) -> Entry | None:
        """The entry that still speaks of the file at `path`; its content is read only where its time changed, its size did not."""
        entry = self.entries.get(path)
        if entry is None or entry.size != size:
            return None
        return entry if entry.mtime_ns == mtime_ns or entry.hash == content_hash(root / path) else None

    @classmethod
    def load(cls, state: FilePath) -> Manifest:
        """The manifest in a state folder; an empty one where there is none.

        Raises:
            DatasetError: it cannot be read or is not one.
        """
        path = state / NAME
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"the manifest {path} cannot be read: {error}", hint="Check the file and its permissions.") from None
        try:
            return cls(_parsed(json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"the manifest {path} is not one of this version of Instar: {error}",
                hint="Restore it, or remove it: versions are then found anew, and what `instar stamp` was told is gone.",
            ) from None

    def save(self, state: FilePath) -> None:
        """Write it, in one step and durably; the folder is made where it is missing."""
        state.mkdir(parents=True, exist_ok=True)
        write_text(state / NAME, self.as_text())

    def as_text(self) -> str:
        """What stands in the file: one line for each entry, sorted."""
        lines = [f"  {json.dumps(path)}: {json.dumps(_facts(self.entries[path]))}" for path in sorted(self.entries)]
        return f'{{"form": {_FORM}, "files": {{\n' + ",\n".join(lines) + "\n}}\n"


def content_hash(path: FilePath) -> str:
    """xxh3-128 of a file's bytes, as hex."""
    return Hashed(path).hash


class Hashed:
    """A file that was read for its `hash`, which is xxh3-128 of its bytes, as hex; and how far that had come on the way, so that it
    goes on from there for a file that begins alike."""

    def __init__(self, path: FilePath) -> None:
        import xxhash

        digest, at = xxhash.xxh3_128(), 0
        self._marks = deque([(at, digest.copy())], maxlen=_MARKS)
        for window in _windows(path, 0):
            digest.update(window)
            at += len(window)
            self._marks.append((at, digest.copy()))
        self.hash = digest.hexdigest()

    def hash_of(self, other: FilePath, alike: int) -> str:
        """The hash of another file, the first `alike` bytes of which are this one's: few of them are read again."""
        known = next(((at, digest) for at, digest in reversed(self._marks) if at <= alike), None)
        if known is None:
            return content_hash(other)
        at, digest = known[0], known[1].copy()
        for window in _windows(other, at):
            digest.update(window)
        return digest.hexdigest()


def _windows(path: FilePath, at: int) -> Iterator[memoryview]:
    """A file's bytes from `at` on, each time in the same memory."""
    window = memoryview(bytearray(_WINDOW))
    with open(path, "rb", buffering=0) as stream:
        stream.seek(at)
        while count := stream.readinto(window):
            yield window[:count]


def entry(root: FilePath | str, path: str, *, version: int, how: Origin, document: str) -> Entry:
    """The entry for a file as it is now; reads it whole."""
    file = FilePath(root) / path
    before = file.stat()
    return Entry(path, before.st_size, before.st_mtime_ns, content_hash(file), version, how, document)


def _facts(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name != "path"}


def _parsed(document: dict[str, Any]) -> dict[str, Entry]:
    if document["form"] != _FORM:
        raise ValueError(f"form {document['form']!r}, not {_FORM}")
    return {path: _entry(path, facts) for path, facts in document["files"].items()}


def _entry(path: str, facts: dict[str, Any]) -> Entry:
    found = Entry(path, **facts)
    numbers = (found.size, found.mtime_ns, found.version)
    if not all(type(n) is int for n in numbers) or found.how not in get_args(Origin):
        raise ValueError(f"the entry of {path!r} is not understood")
    return found
