"""What the end-to-end tests share: a copy of the sample project, a command line in this process, full-size data."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from authoring import Author
from support import Answer, leave_three_months

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "samples"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project, to be changed at will."""
    folder = tmp_path / "project"
    shutil.copytree(SAMPLES / "project", folder, ignore=shutil.ignore_patterns(".instar"))
    return folder


@pytest.fixture
def three_months(project: Path) -> Path:
    """The sample project with three files of flights, too, where nothing depends on their number."""
    leave_three_months(project / "data" / "flights")
    return project


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


@pytest.fixture
def author(tmp_path: Path, instar: Callable[..., Answer]) -> Author:
    """An empty project, and the commands with which it is filled."""
    folder = tmp_path / "team"
    folder.mkdir()
    return Author(folder, instar)


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Full-size flights; skips where the package they come from cannot be fetched."""
    import make_data

    folder = tmp_path_factory.mktemp("full")
    try:
        make_data.write_flights(folder / "flights")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"the sample sources cannot be fetched here: {error}")
    return folder
