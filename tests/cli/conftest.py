"""A copy of the sample project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project, to be changed at will."""
    folder = tmp_path / "project"
    shutil.copytree(SAMPLES / "project", folder, ignore=shutil.ignore_patterns(".instar"))
    return folder
