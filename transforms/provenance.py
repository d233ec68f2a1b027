"""Who did it, where, when and with what: the circumstances every report states. The one place that asks the clock and the host."""

from __future__ import annotations

import os
import platform
import subprocess
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
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        user = "unknown"
    git = _asked_git(project)
    versions = library_versions()  # found while git runs
    return Provenance(
        started=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        user=user,
        host=socket.gethostname(),
        python=platform.python_version(),
        versions=versions,
        git=_commit(git),
        command=command,
    )


@cache
def library_versions() -> tuple[tuple[str, str], ...]:
    """Names and versions of Instar and the libraries that new files are made with: what every report and receipt says."""
    from importlib import metadata

    return tuple((name, metadata.version(name)) for name in LIBRARIES)


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
