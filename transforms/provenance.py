"""Who did it, where, when and with what: the circumstances every report states. The one place that asks the clock and the host."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

LIBRARIES = ("instar", "pyarrow", "fastavro", "duckdb", "msgspec", "cramjam", "zstandard", "deflate")
"""What the bytes of a new file may depend on, besides source and chain."""


@dataclass(frozen=True)
class Provenance:
    """`started` is UTC, ISO 8601; `versions` are Instar's and its libraries'; `git` is the project's commit, if it has one."""

    started: str
    user: str
    host: str
    python: str
    versions: tuple[tuple[str, str], ...]
    git: str | None
    command: str


def provenance(project: Path, command: str) -> Provenance:
    """Of this process, now."""
    with asking(project, command) as answer:
        return answer()


@contextmanager
def asking(project: Path, command: str) -> Iterator[Callable[[], Provenance]]:
    """As `provenance`, now; git is heard when the answer is asked for, and works until then."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        user = "unknown"
    started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    git = _asked_git(project)

    def answer() -> Provenance:
        python, versions, commit = platform.python_version(), library_versions(), _commit(git)
        return Provenance(started, user, socket.gethostname(), python, versions, commit, command)

    try:
        yield answer
    finally:
        if git is not None and git.returncode is None:
            git.kill()
            git.communicate()


@cache
def library_versions() -> tuple[tuple[str, str], ...]:
    """Names and versions of Instar and the libraries that new files are made with: what every report and receipt says."""
    installed = _installed()
    return tuple((name, installed.get(name) or _version(name)) for name in LIBRARIES)


def _installed() -> dict[str, str]:
    """Versions as the names of `NAME-VERSION.dist-info` folders tell them, each of the first place on Python's path that knows the
    name; "" where that says it otherwise, or twice.

    Source: "Recording installed projects" of the Python Packaging User Guide. To load importlib.metadata takes longer than all else
    that is done to begin a run.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        here: dict[str, str] = {}
        with suppress(OSError):  # no folder: a zip file, or nothing
            for entry in os.listdir(folder or os.curdir):
                stem, kind = os.path.splitext(entry)
                if kind in (".dist-info", ".egg-info", ".egg"):
                    name, _, version = stem.partition("-")
                    here[name.lower()] = version if kind == ".dist-info" and name.lower() not in here else ""
        found = here | found
    return found


def _version(name: str) -> str:
    from importlib import metadata

    return metadata.version(name)


def _asked_git(project: Path) -> subprocess.Popen[str] | None:
    """`git describe --always --dirty` of the project, begun; None where there is no git."""
    try:
        return subprocess.Popen(
            ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # looking must not write the user's index
        )  # fmt: skip
    except OSError:
        return None


def _commit(git: subprocess.Popen[str] | None) -> str | None:
    """What it says; None where there is no commit, or it takes too long."""
    if git is None:
        return None
    with git:
        try:
            said, _ = git.communicate(timeout=10)
        except BaseException as error:
            git.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return None
            raise
    return said.strip() or None
