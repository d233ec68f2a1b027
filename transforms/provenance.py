"""Who did it, where, when and with what: the circumstances every report states. The one place that asks the clock and the host."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
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
    return Provenance(
        started=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        user=user,
        host=socket.gethostname(),
        python=platform.python_version(),
        versions=library_versions(),
        git=_commit(project),
        command=command,
    )


@cache
def library_versions() -> tuple[tuple[str, str], ...]:
    """Names and versions of Instar and the libraries that new files are made with: what every report and receipt says."""
    return tuple((name, metadata.version(name)) for name in LIBRARIES)


def _commit(project: Path) -> str | None:
    """`git describe --always --dirty` of the project; None where there is no git or no commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=10, check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # looking must not write the user's index
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
