"""The README's first screen is what happens: its commands are run, its script is the sample's, its links lead somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from pages import Block, blocks_of, run_page

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
PROJECT = CHECKOUT / "samples" / "project"


def blocks(language: str) -> list[Block]:
    return [block for block in blocks_of(README.read_text(encoding="utf-8")) if block.language == language]


def console(number: int, page: Path, folder: Path) -> None:
    page.write_text(f"```console\n{blocks('console')[number].text}```\n", encoding="utf-8")
    run_page(page, folder)


def test_the_first_screen_is_real(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(".instar"))
    console(0, tmp_path / "page.md", folder)


def test_adopting_a_directory_is_real(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / "data" / "flights", folder / "data" / "flights")
    console(1, tmp_path / "page.md", folder)


def test_the_script_is_the_samples() -> None:
    assert blocks("python")[0].text == (PROJECT / "migrations" / "flights" / "0002_metric_distance.py").read_text(encoding="utf-8")


def test_reading_and_converting_are_real(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(".instar"))
    console(2, tmp_path / "page.md", folder)


@pytest.mark.parametrize("number", [1, 2])
def test_the_library_examples_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PROJECT, tmp_path / "my-project", ignore=shutil.ignore_patterns(".instar"))
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[number].text, "README.md", "exec"), {})
    assert capsys.readouterr() == ("", "")


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (CHECKOUT / link).exists()]
