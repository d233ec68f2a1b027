"""Instar as an installer gives it: the checkout's wheel in an environment of its own, with what it depends on and nothing else.

The environment of the checkout holds more: pyarrow, for one, imports numpy wherever numpy is, and Instar does not depend on it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench.environment import CHECKOUT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "instar", "formats", "transforms", "cli")
BUILT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so", "*.pyd")


def installed(cache: Path) -> Path:
    """The folder of programs of the environment, which is kept in `cache` until the sources change; pip writes its byte code.

    Raises:
        RuntimeError: pip could not build or install; what it said.
    """
    cache = cache.absolute()
    with TemporaryDirectory(prefix="sources-", dir=cache) as name:
        sources = copied(Path(name))
        folder = cache / f"installed-{digest(sources)}"
        if not (folder / "complete").exists():
            for earlier in cache.glob("installed-*"):
                shutil.rmtree(earlier)
            run(sys.executable, "-m", "venv", str(folder))
            run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(sources))
            (folder / "complete").touch()
    return folder / "bin"


def copied(folder: Path) -> Path:
    """A copy of the sources, so that a build leaves nothing in the checkout, and what was built there does not get in."""
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, folder / name, symlinks=True, ignore=BUILT)
        else:
            shutil.copy2(CHECKOUT / name, folder / name)
    return folder


def digest(sources: Path) -> str:
    """Of the names and contents of all files, and of Python's version."""
    every = hashlib.sha256(sys.version.encode())
    for path in sorted(path for path in sources.rglob("*") if path.is_file() and not path.is_symlink()):
        every.update(f"\0{path.relative_to(sources)}\0".encode() + path.read_bytes())
    return every.hexdigest()[:12]


def clean_environment() -> dict[str, str]:
    """The caller's, without what would have Python look for modules or byte code elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def versions(programs: Path) -> str:
    """What of it bears on the time to start: Python's, pyarrow's and numpy's versions."""
    script = (
        "import importlib.metadata as m, platform\n"
        "have = {d.name: d.version for d in m.distributions()}\n"
        "print('Python', platform.python_version() + ', pyarrow', have['pyarrow'] + ', numpy', have.get('numpy', 'not installed'))"
    )
    return run(str(programs / "python"), "-c", script).strip()


def run(*command: str) -> str:
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout
