"""What the end-to-end tests share: a copy of the sample project, a command line in this process, hashes of trees."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "samples"
sys.path.insert(0, str(SAMPLES))


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project, to be changed at will."""
    folder = tmp_path / "project"
    shutil.copytree(SAMPLES / "project", folder, ignore=shutil.ignore_patterns(".instar"))
    return folder


@pytest.fixture
def instar(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`instar("upgrade", "flights", "--json", at=folder)`."""
    from instar.cli.main import run

    def command(*arguments: str, at: Path) -> Answer:
        capfd.readouterr()
        code = run(["-C", str(at), *arguments])
        said = capfd.readouterr()
        return Answer(code, said.out, said.err)

    return command


def tree(folder: Path, *, times: bool = False) -> dict[str, Any]:
    """Every file and folder below, with its content's hash and mode, and with `times` its inode and mtime."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        known = path.stat()
        entry: list[Any] = [oct(known.st_mode), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None]
        found[path.relative_to(folder).as_posix()] = (*entry, known.st_ino, known.st_mtime_ns) if times else tuple(entry)
    return found


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Full-size flights, weather and events; skips where the packages they come from cannot be fetched."""
    import make_data

    folder = tmp_path_factory.mktemp("full")
    try:
        make_data.write_flights(folder / "flights")
        make_data.write_weather(folder / "weather")
        make_data.write_events(folder / "events")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"the sample sources cannot be fetched here: {error}")
    return folder
