"""The versions that a report tells are those that are installed, however they are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from instar.transforms import provenance


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that importlib.metadata is asked for, which takes each for version 0."""
    names: list[str] = []
    monkeypatch.setattr(metadata, "version", lambda name: names.append(name) or "0")
    provenance.library_versions.cache_clear()
    yield names
    provenance.library_versions.cache_clear()


def test_they_are_what_is_installed() -> None:
    provenance.library_versions.cache_clear()
    assert provenance.library_versions() == tuple((name, metadata.version(name)) for name in provenance.LIBRARIES)


def test_the_first_place_that_knows_a_name_is_believed(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first / "instar-1.2.dist-info", second / "instar-9.dist-info", second / "PyArrow-20.0.0.dist-info"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(first), str(tmp_path / "none.zip"), str(second)])
    found = dict(provenance.library_versions())
    assert (found["instar"], found["pyarrow"], found["duckdb"]) == ("1.2", "20.0.0", "0")
    assert asked == [name for name in provenance.LIBRARIES if name not in ("instar", "pyarrow")]


@pytest.mark.parametrize(
    "names", [("instar-1.2.dist-info", "instar-1.3.dist-info"), ("instar.egg-info",), ("instar-1.2-py3.11.egg",)]
)
def test_what_names_do_not_tell_is_looked_up(
    names: tuple[str, ...], tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        (tmp_path / "first" / name).mkdir(parents=True)
    (tmp_path / "second" / "instar-9.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])
    assert dict(provenance.library_versions())["instar"] == "0"
    assert "instar" in asked
