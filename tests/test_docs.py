"""The documentation, held to the code: its commands, files and Python are run, its lists and links are complete.

INSTAR_WRITE_DOCS=1 writes what the commands print into the pages; look at the difference before you commit it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pages import PageError, commands_of, rewritten, run_page

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
SAMPLE = CHECKOUT / "samples" / "project"
RUN = ("guide", "operations", "configuration", "formats", "fidelity", "guarantees")


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a page's commands run: the guide has the samples' data, before there is a project; the others start with nothing."""
    made = tmp_path / "flying"
    made.mkdir()
    if request.node.callspec.params["page"] == "guide":
        shutil.copytree(SAMPLE / "data", made / "data", ignore=shutil.ignore_patterns(".instar"))
    return made


@pytest.mark.parametrize("page", RUN)
def test_a_page_shows_what_happens(page: str, folder: Path) -> None:
    path = DOCS / f"{page}.md"
    if os.environ.get("INSTAR_WRITE_DOCS"):
        shown = tuple(commands_of(path, folder))
        path.write_text(rewritten(path.read_text(), shown, folder))
        wrong = [s for s in shown if s.code != s.expected_code]
        assert not wrong, wrong
        return
    run_page(path, folder)
