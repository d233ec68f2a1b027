"""What the end-to-end tests share: a copy of the sample project, a command line in this process, full-size data."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from authoring import Author
from support import Answer, leave_three_months

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "samples"


@cache
def report_schema() -> Any:
    """What every `report.json` is held to."""
    return jsonschema_rs.validator_for(json.loads((CHECKOUT / "transforms" / "report.schema.json").read_text(encoding="utf-8")))


@pytest.fixture(autouse=True)
def _every_report_is_as_documented(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever runs a test makes: the reports that are there at its end fit their schema."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for path in folder.rglob("runs/*/report.json") if folder else ():
        said = json.loads(path.read_text(encoding="utf-8"))
        wrong = [f"{error.instance_path}: {error.message}" for error in report_schema().iter_errors(said)]
        assert not wrong, f"{path}: {wrong[:5]}"


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
